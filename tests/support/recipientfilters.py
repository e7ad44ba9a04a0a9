"""A program for `maildropfilter` in tests: it runs a script per account and notes how it was called."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

from couriermail.filter.rcptfilter import FilterCall, FilterResult
from couriermail.mta.rcptfilter import FilterProgram

__all__ = ["FILTER", "DirectRunner", "asked", "set_filter", "write_program"]

FILTER = """\
#!/bin/sh
# $2 is UID/GID, $4 the filter's name, $5-$9 what a recipe sees as $1-$5
printf '%s\\n' "$4 $2 [$5] [$6] [$7] [$8] [$9] SENDER=$SENDER DEFAULT=$DEFAULT uid=$(id -u)" >>"$HOME/.asked"
if [ -f "$HOME/.filters/$4" ]; then . "$HOME/.filters/$4"; fi
exit 0
"""


@attrs.frozen
class DirectRunner:
    """Runs the program as the tests' user, also as root, whose filters a system never runs."""

    program: FilterProgram

    def run(self, call: FilterCall, message: int | None = None) -> FilterResult:
        if message is None:
            return self.program.run(call)
        view = os.open(f"/proc/self/fd/{message}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return self.program.run(call, view)
        finally:
            os.close(view)


def write_program(path: Path) -> Path:
    """The program, executable by all."""
    path.write_text(FILTER)
    path.chmod(0o755)
    return path


def set_filter(home: Path, name: str, script: str) -> None:
    """What the filter NAME of an account does: a piece of shell script."""
    (home / ".filters").mkdir(exist_ok=True)
    (home / ".filters" / name).write_text(f"{script}\n")


def asked(home: Path) -> list[str]:
    """How the account's filters were called, oldest first."""
    path = home / ".asked"
    return path.read_text().splitlines() if path.exists() else []
