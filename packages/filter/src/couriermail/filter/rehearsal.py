"""A host that does what `LocalHost` would do, up to the point where something is touched.

Files are read, mailboxes are looked at, and everything that would write, lock, run or send is
only noted.  So a run against it comes to the same decisions as the real one, as long as they
do not depend on commands, which are run on request only.
"""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.local import LocalHost, looks_like_maildir
from couriermail.filter.mailfilter import return_path
from couriermail.filter.message import BytesMessage
from couriermail.filter.outcome import CommandResult
from couriermail.filter.recipe import encode_environment, start_run
from couriermail.filter.values import MessageText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from couriermail.filter.interfaces import Database, FilterMessage, Host, Observer
    from couriermail.filter.outcome import DeliveryOptions, RunLimits, ShellCommand
    from couriermail.filter.recipe import Recipe
    from couriermail.filter.run import Run

__all__ = ["RehearsalHost", "mailbox_obstacle", "read_regular_file", "start_rehearsal"]

_FLAGS = frozenset("DFPRST")


class RehearsalHost:
    """Reads, decides and notes.

    Deliveries are never made, not even those to commands and addresses.  Databases are opened
    for reading; what a recipe stores is dropped.

    Args:
        home: the directory that relative paths and commands start from.
        runs_commands: True to run back-quoted commands, `xfilter` and `system`, whose results
            the recipe may depend on.  Otherwise they succeed without output, and `xfilter`
            leaves the message alone.
        now: what the function `time` says; the machine's clock when None.

    Attributes:
        unrun: the texts of the commands that were not run though the recipe wanted their
            result.
        echoed: what `echo` wrote.
        complaints: diagnostics and trace.
    """

    def __init__(
        self,
        home: str | os.PathLike[str],
        *,
        runs_commands: bool = False,
        now: float | None = None,
    ) -> None:
        self._local = LocalHost(home)
        self._runs_commands = runs_commands
        self._now = now
        self.unrun: list[bytes] = []
        self.echoed = b""
        self.complaints: list[bytes] = []

    def now(self) -> float:
        """The time that it was given, or the machine's."""
        return self._local.now() if self._now is None else self._now

    def deliver(self, mailbox: bytes, message: FilterMessage, options: DeliveryOptions) -> str:
        """Say what kind of mailbox it is.

        Raises:
            RecipeRuntimeError: nothing could be delivered there.
        """
        path = self._path(mailbox)
        obstacle = mailbox_obstacle(path)
        if obstacle:
            raise RecipeRuntimeError(f"Unable to deliver to mailbox. {obstacle}")
        if not _is_maildir(path):
            return "mbox"
        if not frozenset(options.text(b"FLAGS")) <= _FLAGS:
            raise RecipeRuntimeError("Unable to deliver to mailbox. FLAGS takes D, F, P, R, S, T.")
        return "maildir"

    def pipe(self, command: ShellCommand, message: FilterMessage) -> int:
        """Take it as delivered."""
        return 0

    def forward(
        self, arguments: tuple[bytes, ...], message: FilterMessage, command: ShellCommand
    ) -> int:
        """Take it as delivered."""
        return 0

    def capture(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """Run the command, or note it and give no output."""
        if self._runs_commands:
            return self._local.capture(command, message)
        self.unrun.append(command.text)
        return CommandResult(0)

    def transform(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """Run the command, or note it and give the message back unchanged."""
        if self._runs_commands:
            return self._local.transform(command, message)
        self.unrun.append(command.text)
        return CommandResult(0, b"".join(message.chunks()))

    def system(self, command: ShellCommand) -> int:
        """Run the command, or note it and say that it succeeded."""
        if self._runs_commands:
            return self._local.system(command)
        self.unrun.append(command.text)
        return 0

    def echo(self, text: bytes) -> None:
        """Keep the text."""
        self.echoed += text

    def trace(self, text: bytes) -> None:
        """Keep the line."""
        self.complaints.append(text)

    def open_log(self, path: bytes) -> None:
        """Look whether a log could be written there.

        Raises:
            OSError: there is no such directory, or it is one.
        """
        name = self._path(path)
        os.stat(os.path.dirname(name))
        if os.path.isdir(name):
            raise IsADirectoryError(name)

    def write_log(self, text: bytes) -> None:
        """Write nothing."""

    def read_file(self, path: bytes) -> bytes:
        """The contents of a file.

        Raises:
            OSError: it cannot be read, or is no regular file.
        """
        return read_regular_file(self._path(path))

    def hold_lock(
        self, verb: str, path: bytes, variables: Mapping[bytes, bytes]
    ) -> AbstractContextManager[None]:
        """Hold nothing."""
        return nullcontext()

    def open_database(self, path: bytes, mode: str) -> Database | None:
        """Open a database for reading; a new one is empty."""
        found = None if mode == "N" else self._local.open_database(path, "R")
        if found is None and mode == "R":
            return None
        return found or _NoDatabase()

    def _path(self, path: bytes) -> str:
        return os.path.join(self._local.home, os.fsdecode(path.partition(b"\0")[0]))


class _NoDatabase:
    """A database that would be made."""

    def fetch(self, key: bytes) -> bytes | None:
        """Nothing is in it."""
        return None

    def store(self, key: bytes, value: bytes) -> bool:
        """Drop it."""
        return True

    def close(self) -> None:
        """Do nothing."""


def start_rehearsal(
    recipe: Recipe,
    message: FilterMessage | bytes,
    *,
    host: Host,
    env: Mapping[str, str] | None = None,
    imports: Mapping[str, str] | None = None,
    sender: str | None = None,
    limits: RunLimits | None = None,
    observer: Observer | None = None,
) -> Run:
    """Begin a run of one recipe, with the sender that `maildrop` would find.

    Args:
        recipe: what will be run.
        message: the message.
        host: does what the recipe asks for.
        env: variables to start with.
        imports: what the statement `import` reads.
        sender: envelope sender; that of Return-Path when None.
        limits: bounds of the run.
        observer: is told what the recipe does.
    """
    given = BytesMessage(message) if isinstance(message, bytes) else message
    if sender is None:
        sender = return_path(given)
    variables = encode_environment(env or {})
    shown = os.fsencode("MAILER-DAEMON" if sender is None else sender)
    variables[b"FROM"] = MessageText.whole(shown)
    return start_run(
        given,
        host=host,
        variables=variables,
        imports=encode_environment(imports or {}),
        sender=os.fsencode(sender or ""),
        limits=limits,
        embedded=recipe.embedded,
        observer=observer,
    )


def mailbox_obstacle(path: str) -> str:
    """Why `LocalHost` could not deliver to a path now; the empty string when it could."""
    if _is_maildir(path):
        return ""
    if os.path.isdir(path):
        return f"This is a directory and no maildir: {path}"
    if not os.path.exists(path):
        if looks_like_maildir(path):
            return f"Not a maildir: {path}"
        if not os.path.isdir(os.path.dirname(path) or "."):
            return f"No such directory: {os.path.dirname(path)}"
    return ""


def read_regular_file(path: str) -> bytes:
    """The contents of a regular file; devices and pipes are not touched.

    Raises:
        OSError: it cannot be read, or is something else.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"not a regular file: {path}")
        return file.read()


def _is_maildir(path: str) -> bool:
    return all(os.path.isdir(f"{path.rstrip('/') or '/'}/{name}") for name in ("tmp", "new", "cur"))
