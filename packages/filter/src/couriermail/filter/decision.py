"""A host that touches nothing and notes what a recipe decides."""

from __future__ import annotations

from contextlib import nullcontext

from couriermail.filter.outcome import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from couriermail.filter.interfaces import Database, FilterMessage
    from couriermail.filter.outcome import DeliveryOptions, ShellCommand

__all__ = ["DecisionHost"]


class DecisionHost:
    """Answers every request as if it had succeeded; deliveries appear in the outcome only.

    Commands are not run: back-quoted ones give an empty text, `xfilter` leaves the message
    alone.  Files come from a dictionary.

    Args:
        files: contents for `include` and `lookup`.
        now: what the function `time` says.

    Attributes:
        commands: the texts of the commands that would have been run.
        echoed: what `echo` wrote.
        logged: what `log` and the delivery log wrote.
        traced: lines of trace and diagnostics.
    """

    def __init__(self, *, files: Mapping[bytes, bytes] | None = None, now: float = 0.0) -> None:
        self._files = files or {}
        self._now = now
        self.commands: list[bytes] = []
        self.echoed = b""
        self.logged = b""
        self.traced: list[bytes] = []

    def now(self) -> float:
        """The time that it was given."""
        return self._now

    def deliver(self, mailbox: bytes, message: FilterMessage, options: DeliveryOptions) -> str:
        """Decide only."""
        return "mailbox"

    def pipe(self, command: ShellCommand, message: FilterMessage) -> int:
        """Note the command."""
        self.commands.append(command.text)
        return 0

    def forward(
        self, arguments: tuple[bytes, ...], message: FilterMessage, command: ShellCommand
    ) -> int:
        """Note the command."""
        self.commands.append(b" ".join(arguments))
        return 0

    def capture(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """Note the command."""
        self.commands.append(command.text)
        return CommandResult(0)

    def transform(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """Note the command and give the message back unchanged."""
        self.commands.append(command.text)
        return CommandResult(0, b"".join(message.chunks()))

    def system(self, command: ShellCommand) -> int:
        """Note the command."""
        self.commands.append(command.text)
        return 0

    def echo(self, text: bytes) -> None:
        """Keep the text."""
        self.echoed += text

    def trace(self, text: bytes) -> None:
        """Keep the line."""
        self.traced.append(text)

    def open_log(self, path: bytes) -> None:
        """Do nothing."""

    def write_log(self, text: bytes) -> None:
        """Keep the text."""
        self.logged += text

    def read_file(self, path: bytes) -> bytes:
        """A file that it was given.

        Raises:
            FileNotFoundError: it was given no such file.
        """
        try:
            return self._files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    def hold_lock(
        self, verb: str, path: bytes, variables: Mapping[bytes, bytes]
    ) -> AbstractContextManager[None]:
        """Hold nothing."""
        return nullcontext()

    def open_database(self, path: bytes, mode: str) -> Database | None:
        """Refuse: there is nothing to look up."""
        return None
