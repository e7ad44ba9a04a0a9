"""A host that delivers into the mailboxes of one home directory and runs commands there.

Nothing of the process is changed: no working directory, no umask, no signal.  Relative paths
are taken from the home directory, and commands run in it.
"""

from __future__ import annotations

import os
import time

from couriermail.filter.commands import CANNOT_EXECUTE, MAX_CAPTURED, CommandRunner
from couriermail.filter.errors import OverQuotaError, RecipeRuntimeError
from couriermail.filter.message import complete_chunks
from couriermail.filter.outcome import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from couriermail.filter.interfaces import Database, FilterMessage
    from couriermail.filter.outcome import DeliveryOptions, ShellCommand
    from couriermail.maildir import Maildir, MaildirError

__all__ = ["LocalHost", "QuotaWarning", "looks_like_maildir"]

_FLAGS = frozenset("DRSFPT")
_CAPTURED_BY_XFILTER = 1 << 30


class QuotaWarning:
    """When the owner of a maildir is told that it is nearly full, and with what words.

    Args:
        percent: from this share of the quota on.
        paths: files with the text; the first that can be read counts, and where none can
            nothing is sent.
    """

    def __init__(self, percent: int, paths: tuple[str, ...]) -> None:
        self._percent = percent
        self._paths = paths

    def consider(self, box: Maildir) -> None:
        """Deliver the warning if it is due; at most one a day.

        Raises:
            MaildirError: it could not be delivered.
        """
        for path in self._paths:
            try:
                with open(path, "rb") as file:
                    text = file.read()
            except OSError:
                continue
            box.warn_if_full(text, percent=self._percent)
            return


class LocalHost:
    """Deliveries and commands in a home directory.

    Args:
        home: the directory that relative paths and commands start from.
        output: descriptor for `echo` and for what commands print, or -1 to drop it.
        diagnostics: the same for trace lines and what commands complain about.
        umask: file mode creation mask of commands, or -1 for the process's own.
        quota_warning: what is sent to owners of maildirs that are nearly full, or None.
    """

    def __init__(
        self,
        home: str | os.PathLike[str],
        *,
        output: int = -1,
        diagnostics: int = -1,
        umask: int = -1,
        quota_warning: QuotaWarning | None = None,
    ) -> None:
        self._quota_warning = quota_warning
        self.home = os.fspath(home)
        self._output = output
        self._diagnostics = diagnostics
        self._runner = CommandRunner(self.home, output=output, diagnostics=diagnostics, umask=umask)
        self._log = -1

    def now(self) -> float:
        """The machine's clock."""
        return time.time()

    # -- mailboxes -----------------------------------------------------------------------

    def deliver(self, mailbox: bytes, message: FilterMessage, options: DeliveryOptions) -> str:
        """Store the message in a maildir or mbox file; durable when it returns.

        Raises:
            RecipeRuntimeError: it was not stored.
        """
        from couriermail.maildir import Maildir, MaildirError

        path = self._path(mailbox)
        box = Maildir(path.rstrip("/") or "/", file_mode=0o666 & ~options.octal_mask())
        try:
            if box.exists():
                self._deliver_to_maildir(box, message, options)
                return "maildir"
            self._deliver_to_file(path, message, options)
        except MaildirError as error:
            raise self._refusal(error, options) from error
        return "mbox"

    def _deliver_to_maildir(
        self, box: Maildir, message: FilterMessage, options: DeliveryOptions
    ) -> None:
        flags = options.text(b"FLAGS")
        if not frozenset(flags) <= _FLAGS:
            self.trace(b"maildrop: error writing to mailbox.")
            raise RecipeRuntimeError("Unable to deliver to mailbox. FLAGS takes D, F, P, R, S, T.")
        keywords = [word for word in options.text(b"KEYWORDS").split(",") if word]
        self._install_quota(box, options.text(b"MAILDIRQUOTA"))
        try:
            box.deliver(complete_chunks(message), flags=flags, keywords=keywords)
        finally:  # also of a message that did not fit (spec maildir 4.7)
            self._warn(box)

    def _warn(self, box: Maildir) -> None:
        if self._quota_warning is None:
            return
        from couriermail.maildir import MaildirError

        try:
            self._quota_warning.consider(box)
        except MaildirError as error:  # the message itself is stored, or has its own error
            self.trace(f"maildrop: quota warning: {error}".encode())

    def _install_quota(self, box: Maildir, text: str) -> None:
        if not text:
            return
        from couriermail.maildir import Quota

        quota = Quota.parse(text)
        installed = box.quota
        if installed is None or str(installed) != str(quota):
            box.set_quota(quota)

    def _deliver_to_file(self, path: str, message: FilterMessage, options: DeliveryOptions) -> None:
        from couriermail.core.durable import create_exclusive
        from couriermail.filter.locking import lock_policy
        from couriermail.maildir import deliver_mbox

        if not os.path.exists(path):
            if looks_like_maildir(path):
                raise RecipeRuntimeError(f"Unable to open mailbox. Not a maildir: {path}")
            try:
                os.close(create_exclusive(path, 0o666 & ~options.octal_mask()))
            except FileExistsError:
                pass
            except OSError as error:
                raise RecipeRuntimeError(f"Unable to open mailbox. {error.strerror}") from error
        deliver_mbox(
            path,
            complete_chunks(message),
            sender=options.sender.decode("utf-8", "surrogateescape"),
            when=self.now(),
            locking=lock_policy(options.variables, options.text(b"LOCKEXT") or ".lock"),
        )

    def _refusal(self, error: MaildirError, options: DeliveryOptions) -> RecipeRuntimeError:
        from couriermail.maildir import QuotaExceeded

        if isinstance(error, QuotaExceeded):
            return OverQuotaError(options.quota_exit_code())
        return RecipeRuntimeError(f"Unable to deliver to mailbox. {error}")

    # -- commands ------------------------------------------------------------------------

    def pipe(self, command: ShellCommand, message: FilterMessage) -> int:
        """Give the message to a command; its exit status, 255 when a signal killed it.

        Raises:
            RecipeRuntimeError: it failed and did not even read the message.
        """
        return self._delivered(self._shell(command, message))

    def forward(
        self, arguments: tuple[bytes, ...], message: FilterMessage, command: ShellCommand
    ) -> int:
        """Run a program without a shell, the message on its input; its exit status.

        Raises:
            RecipeRuntimeError: it cannot be run, or failed and did not even read the message.
        """
        result = self._runner.run(
            arguments, command.environment, executable=arguments[0], message=message
        )
        if result.status == CANNOT_EXECUTE and not result.is_consumed:
            raise RecipeRuntimeError("Unable to deliver to mailbox. SENDMAIL cannot be run.")
        return self._delivered(result)

    def _delivered(self, result: CommandResult) -> int:
        if not result.is_consumed and result.status != CANNOT_EXECUTE:
            self.trace(b"maildrop: error writing to mailbox.")
            if result.status != 0:
                raise RecipeRuntimeError("Unable to deliver to mailbox.")
        return result.status if result.status >= 0 else 255

    def capture(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """Run a command with the message on its input and return what it writes.

        Raises:
            RecipeLimitError: it wrote more than `MAX_CAPTURED` bytes.
        """
        return self._shell(command, message, captures=MAX_CAPTURED)

    def transform(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """The same for `xfilter`.

        Raises:
            RecipeLimitError: it wrote more than 1 GiB.
        """
        result = self._shell(command, message, captures=_CAPTURED_BY_XFILTER)
        if not result.is_consumed:
            self.trace(b"maildrop: error writing to filter.")
        return result

    def system(self, command: ShellCommand) -> int:
        """Run a command without input; its exit status, -1 when a signal killed it."""
        return self._shell(command, None).status

    def _shell(
        self,
        command: ShellCommand,
        message: FilterMessage | None,
        *,
        captures: int | None = None,
    ) -> CommandResult:
        arguments = (os.path.basename(command.shell), b"-c", command.text)
        return self._runner.run(
            arguments,
            command.environment,
            executable=command.shell,
            message=message,
            captures=captures,
        )

    # -- output and files ------------------------------------------------------------------

    def echo(self, text: bytes) -> None:
        """Write to the output at once."""
        _write(self._output, text)

    def trace(self, text: bytes) -> None:
        """Write one line to the diagnostics."""
        _write(self._diagnostics, text + b"\n")

    def open_log(self, path: bytes) -> None:
        """Append to this file from now on; an earlier one is closed.

        Raises:
            OSError: it cannot be opened.
        """
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self._path(path), flags, 0o600)
        self.close()
        self._log = descriptor

    def write_log(self, text: bytes) -> None:
        """Write to the log file; does nothing while none is open."""
        _write(self._log, text)

    def read_file(self, path: bytes) -> bytes:
        """The contents of a file.

        Raises:
            OSError: it cannot be read.
        """
        with open(self._path(path), "rb") as file:
            return file.read()

    def hold_lock(
        self, verb: str, path: bytes, variables: Mapping[bytes, bytes]
    ) -> AbstractContextManager[None]:
        """Hold a `dotlock` or `flock` as long as the context lasts.

        Raises:
            RecipeRuntimeError: the lock cannot be made.
        """
        from contextlib import contextmanager

        from couriermail.filter.locking import hold_dot_lock, hold_file_lock

        hold = hold_dot_lock if verb == "dotlock" else hold_file_lock
        return contextmanager(hold)(self._path(path), variables)

    def open_database(self, path: bytes, mode: str) -> Database | None:
        """Open a table; None when that fails, or when another process is writing it."""
        from couriermail.filter.tables import open_database

        return open_database(self._path(path), mode)

    def close(self) -> None:
        """Close the log file."""
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def _path(self, path: bytes) -> str:
        return os.path.join(self.home, os.fsdecode(path.partition(b"\0")[0]))


def _write(descriptor: int, text: bytes) -> None:
    if descriptor >= 0:
        from couriermail.core.durable import write_all

        write_all(descriptor, text)


def looks_like_maildir(path: str) -> bool:
    """True for names that nobody means as an mbox file (spec filter 4.13).

    Courier: makes a file of that name, in which the mail is not found.
    """
    if path.endswith(("/", "/.")):
        return True
    directory, name = os.path.split(path)
    return name == "Maildir" or (name.startswith(".") and os.path.isdir(f"{directory}/cur"))
