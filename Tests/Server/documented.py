"""The blocks of the README that are run: those below a comment `<!-- server-test: NAME -->`."""

import re
from pathlib import Path

from machine import Failure

BLOCK = re.compile(r"^<!-- server-test: ([a-z0-9-]+) -->\n+```([a-z]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Documented:
    def __init__(self, file: Path):
        self.file = file
        self.blocks = {name: (kind, text) for name, kind, text in BLOCK.findall(file.read_text())}
        self.unused = set(self.blocks)

    def text(self, name: str) -> str:
        """A file that is shown."""
        if name not in self.blocks:
            raise Failure(f"{self.file} has no block `<!-- server-test: {name} -->`")
        self.unused.discard(name)
        return self.blocks[name][1]

    def commands(self, name: str) -> list[str]:
        """What stands behind `$ `, with the lines that belong to it: those after a `\\` and those of a here-document."""
        commands = []
        lines = iter(self.text(name).splitlines())
        for line in lines:
            if not line.startswith("$ "):
                continue
            command = line[2:]
            end = re.search(r"<<\s*'?(\w+)'?", command)
            while command.endswith("\\") or (end and not command.endswith("\n" + end.group(1))):
                command += "\n" + next(lines)
            commands.append(command)
        if not commands:
            raise Failure(f"the block {name} in {self.file} has no command")
        return commands
