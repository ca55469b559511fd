"""The blocks of the documents that are run: those below a comment `<!-- server-test: NAME -->`."""

import re
from pathlib import Path

from machine import Failure

BLOCK = re.compile(r"^<!-- server-test: ([a-z0-9-]+) -->\n+```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Documented:
    def __init__(self, files: list[Path]):
        self.whole = "\n".join(file.read_text() for file in files)
        self.blocks = {name: (kind, text) for name, kind, text in BLOCK.findall(self.whole)}
        self.unused = set(self.blocks)

    def text(self, name: str) -> str:
        """A file that is shown."""
        if name not in self.blocks:
            raise Failure(f"no document has a block `<!-- server-test: {name} -->`")
        self.unused.discard(name)
        return self.blocks[name][1]

    def commands(self, name: str) -> list[str]:
        """What stands behind `$ `, with the lines that belong to it: indented ones, and those of a here-document."""
        commands = []
        end = None
        for line in self.text(name).splitlines():
            if line.startswith("$ ") and end is None:
                commands.append(line[2:])
                here = re.search(r"<<\s*'?(\w+)'?", line)
                end = here and here[1]
            elif commands and (end is not None or line.startswith("    ")):
                commands[-1] += "\n" + line
                end = None if line == end else end
        if not commands:
            raise Failure(f"the block {name} has no command")
        return commands
