"""`lockmail`: run a program while a mailbox is locked (spec maildir 2.7).

Words behind the mailbox belong to the program, so the words are read here;
`couriermail.cli.lockmail_app` declares the options for `--help`.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from couriermail.cli.message_io import CommandError, run_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from couriermail.maildir.clientlock import MailboxLock

__all__ = ["Interrupted", "Request", "main", "read_command_line", "run", "wait_for_lock"]

USAGE = "Usage: lockmail [-r] [-t time] mailfile program [args]..."
PAUSE = 5  # seconds after each failed attempt
DEFAULT_ATTEMPTS = 60
_STOPPING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Request:
    """One command line, understood.

    Attributes:
        mailbox: the mbox file.
        program: the program and its words.
        attempts: how often to try for the locks.
        may_share: True for `-r`.
    """

    __slots__ = ("attempts", "mailbox", "may_share", "program")

    def __init__(self) -> None:
        self.mailbox = ""
        self.program: list[str] = []
        self.attempts = DEFAULT_ATTEMPTS
        self.may_share = False


class Interrupted(Exception):  # noqa: N818 - what a signal asks for, not an error
    """A signal that says to stop waiting."""


def read_command_line(words: Sequence[str]) -> Request:
    """Read the words after the command's name.

    Raises:
        CommandError: the usage, for a line that cannot be understood, or a bad `-t`.
    """
    request = Request()
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        letters, has_time, value = word[1:].partition("t")
        if letters.strip("r"):
            raise CommandError(USAGE, is_bare=True)
        request.may_share = request.may_share or bool(letters)
        if has_time:
            request.attempts = _attempts(value or (rest.pop(0) if rest else None))
    if len(rest) < 2:
        raise CommandError(USAGE, is_bare=True)
    request.mailbox, *request.program = rest
    return request


def run(words: Sequence[str]) -> int:
    """Do what a command line asks for and return the exit code.

    Raises:
        CommandError: it failed.
    """
    from couriermail.maildir.clientlock import MailboxLock
    from couriermail.maildir.errors import MaildirError

    request = read_command_line(words)
    # Old c-client programs send this signal to the holder of a lock that they want.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    try:
        lock = MailboxLock(request.mailbox, may_share=request.may_share)
        wait_for_lock(lock, request.attempts)
        try:
            return _run_program(request.program)
        finally:
            lock.release()
    except Interrupted:
        raise CommandError("interrupted", os.EX_TEMPFAIL) from None
    except MaildirError as error:
        raise CommandError(str(error), os.EX_TEMPFAIL) from error


def wait_for_lock(
    lock: MailboxLock, attempts: int, *, pause: Callable[[float], object] = time.sleep
) -> None:
    """Try for the locks, with a pause after each attempt that fails.

    Raises:
        CommandError: somebody else kept the mailbox locked.
        Interrupted: a signal came.
        MaildirError: the system refused.
    """
    before = [signal.signal(number, _interrupt) for number in _STOPPING]
    try:
        for _ in range(attempts):
            if lock.try_acquire():
                return
            pause(PAUSE)
    finally:
        for number, handler in zip(_STOPPING, before, strict=True):
            signal.signal(number, handler)
    raise CommandError(f"{lock.mailbox}: locked by another program", os.EX_TEMPFAIL)


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.lockmail_app import app

        app(["--help"], prog_name="lockmail")
    run_filter("lockmail", lambda: run(words))


def _attempts(text: str | None) -> int:
    if text is None:
        raise CommandError(USAGE, is_bare=True)
    if not (text.isascii() and text.isdecimal()):
        raise CommandError("invalid argument to -t", os.EX_TEMPFAIL)
    return int(text) // PAUSE + 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def _run_program(command: list[str]) -> int:
    """Run a program as the real user and group; its status, or 75 when a signal ended it."""
    child = os.fork()
    if not child:
        _become(command)
    # The terminal sends these to the program too; the locks must outlive it.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else os.EX_TEMPFAIL


def _become(command: list[str]) -> None:
    """The rest of the child's life; never returns."""
    try:
        os.setgid(os.getgid())
        os.setuid(os.getuid())
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)
        os.execvp(command[0], command)  # noqa: S606 - what the caller asked for
    except OSError as error:
        os.write(2, os.fsencode(f"{command[0]}: {error.strerror}\n"))
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
