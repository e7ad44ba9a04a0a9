"""A program for `maildropfilter` in tests: it runs a script per account and notes how it was called."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FILTER", "asked", "set_filter", "write_program"]

FILTER = """\
#!/bin/sh
# $2 is UID/GID, $4 the filter's name, $5-$9 what a recipe sees as $1-$5
printf '%s\\n' "$4 $2 [$5] [$6] [$7] [$8] [$9] SENDER=$SENDER DEFAULT=$DEFAULT uid=$(id -u)" >>"$HOME/.asked"
if [ -f "$HOME/.filters/$4" ]; then . "$HOME/.filters/$4"; fi
exit 0
"""


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
