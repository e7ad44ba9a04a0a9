"""Read a new password: twice and without echo from a terminal, one line from anything else.

Standard: spec auth 2.4.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_line", "read_password"]


def read_password() -> str:
    """The password; exits with 1 and a line when there is none."""
    if not sys.stdin.isatty():
        return _required(read_line())
    with _without_echo():
        while True:
            first = _asked("Password: ")
            if first == _asked("Reenter password: "):
                return first
            sys.stderr.write("Passwords don't match.\n")


def read_line() -> bytes | None:
    """One line of standard input without its end; None at the end of input."""
    line = sys.stdin.buffer.readline()
    return line.removesuffix(b"\n") if line else None


def _asked(prompt: str) -> str:
    sys.stderr.write(prompt)
    sys.stderr.flush()
    line = read_line()
    sys.stderr.write("\n")
    return _required(line)


def _required(line: bytes | None) -> str:
    if line is None:
        from couriermail.cli.userdb_errors import fail

        fail("No password was given.")
    return line.decode("utf-8", "surrogateescape")


@contextmanager
def _without_echo() -> Iterator[None]:
    import termios

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = termios.tcgetattr(terminal)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
