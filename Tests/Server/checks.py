"""One line for each thing that is checked, and the outcome of all."""

import subprocess
import sys
import time
import traceback
from contextlib import contextmanager

from machine import Failure


class Checks:
    def __init__(self):
        self.failed = []
        self.passed = 0
        self.topic = ""

    @contextmanager
    def __call__(self, what: str):
        """Prints `ok` if the body ends, `FAILED` and why if it raises; then what follows goes on."""
        started = time.monotonic()
        notes = []
        try:
            yield notes
        except (
            Failure,
            AssertionError,
            OSError,
            subprocess.SubprocessError,
            LookupError,
            ValueError,
            TypeError,
        ) as error:
            self._line("FAILED", what, started, notes)
            reason = str(error) if isinstance(error, Failure) else traceback.format_exc()
            print("".join(f"           {line}\n" for line in reason.splitlines()[-40:]), end="", flush=True)
            self.failed.append(f"{self.topic}: {what}")
        else:
            self._line("ok", what, started, notes)
            self.passed += 1

    def _line(self, result, what, started, notes):
        note = f" ({'; '.join(notes)})" if notes else ""
        print(f"{result:6} {time.monotonic() - started:5.1f} s  {self.topic}: {what}{note}", flush=True)

    def summary(self) -> int:
        for what in self.failed:
            print(f"FAILED  {what}", file=sys.stderr)
        print(f"{self.passed} checks passed, {len(self.failed)} failed", file=sys.stderr)
        return 1 if self.failed or not self.passed else 0


def must(condition, message):
    """`message` may be anything that tells more; it is only made into text when it is needed."""
    if not condition:
        raise Failure(f"{message() if callable(message) else message}")
