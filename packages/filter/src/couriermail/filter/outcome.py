"""The values that pass between a recipe's run, its host and its caller.

Plain slotted classes, because the `maildrop` command loads this module for every message.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CommandResult",
    "Delivery",
    "DeliveryOptions",
    "FilterOutcome",
    "RunLimits",
    "ShellCommand",
]


class RunLimits:
    """Bounds of one run (spec filter 4.16); passing one keeps the message.

    Attributes:
        statements: statements executed, loops included.
        include_depth: recipes that include each other.
        variable_size: bytes of one variable.
        match_seconds: time for one search; a longer one counts as no match.
    """

    __slots__ = ("include_depth", "match_seconds", "statements", "variable_size")

    def __init__(
        self,
        *,
        statements: int = 10_000_000,
        include_depth: int = 20,
        variable_size: int = 16 << 20,
        match_seconds: float = 1.0,
    ) -> None:
        self.statements = statements
        self.include_depth = include_depth
        self.variable_size = variable_size
        self.match_seconds = match_seconds


class ShellCommand:
    """A command for the shell.

    Attributes:
        shell: the command interpreter.
        text: its one argument behind `-c`.
        environment: the command's whole environment.
    """

    __slots__ = ("environment", "shell", "text")

    def __init__(self, shell: bytes, text: bytes, environment: dict[bytes, bytes]) -> None:
        self.shell = shell
        self.text = text
        self.environment = environment


class CommandResult:
    """What a command that was run left behind.

    Attributes:
        status: exit status, -1 when a signal killed it.
        output: what it wrote to its standard output.
        is_consumed: False when it did not read all of its input.
    """

    __slots__ = ("is_consumed", "output", "status")

    def __init__(self, status: int, output: bytes = b"", *, is_consumed: bool = True) -> None:
        self.status = status
        self.output = output
        self.is_consumed = is_consumed


class DeliveryOptions:
    """How a message is put into a mailbox.

    Attributes:
        sender: envelope sender for the `From ` line of mbox files.
        variables: all variables; UMASK, FLAGS, KEYWORDS, MAILDIRQUOTA, QUOTA_EXITCODE and
            LOCK* are meant.
    """

    __slots__ = ("sender", "variables")

    def __init__(self, *, sender: bytes, variables: Mapping[bytes, bytes]) -> None:
        self.sender = sender
        self.variables = variables

    def octal_mask(self) -> int:
        """UMASK as a number, as far as it is one; 077 where it is none (spec filter 4.11)."""
        text = self.variables.get(b"UMASK", b"077").lstrip()
        sign = text[:1] if text[:1] in (b"-", b"+") else b""
        digits = text[len(sign) :]
        octal = digits[: len(digits) - len(digits.lstrip(b"01234567"))]
        return int(sign + octal, 8) & 0o777 if octal else 0o077

    def quota_exit_code(self) -> int:
        """QUOTA_EXITCODE, 1 to 255; 75 where it is unset or none of these.

        0 would tell the mail system that a message was delivered which is stored nowhere.
        """
        text = self.variables.get(b"QUOTA_EXITCODE", b"").strip()
        code = int(text) if text.isdigit() and len(text) <= 3 else 0
        return code if 0 < code <= 255 else 75

    def text(self, name: bytes) -> str:
        """A variable as text; the empty string when it is unset."""
        return self.variables.get(name, b"").decode("utf-8", "surrogateescape")


class Delivery:
    """One delivery that was made.

    Attributes:
        kind: `maildir`, `mbox`, `pipe` or `forward`; `mailbox` from a host that only decides.
        target: the mailbox, command or addresses, as the recipe gave them.
        verb: `to`, `cc` or `default`.
        status: exit status of the command; 0 for mailboxes.
    """

    __slots__ = ("kind", "status", "target", "verb")

    def __init__(self, kind: str, target: bytes, *, verb: str, status: int = 0) -> None:
        self.kind = kind
        self.target = target
        self.verb = verb
        self.status = status

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delivery) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"Delivery({self.kind!r}, {self.target!r}, verb={self.verb!r}, status={self.status})"

    def _key(self) -> tuple[str, bytes, str, int]:
        return (self.kind, self.target, self.verb, self.status)


class FilterOutcome:
    """What a run came to.

    Attributes:
        exit_code: the status for the mail system: 0, or what the recipe or a command set.
        deliveries: the deliveries made, in order.
        is_default: True when the last of them went to DEFAULT because the recipe named no
            final place.
        variables: all variables at the end.
    """

    __slots__ = ("deliveries", "exit_code", "is_default", "variables")

    def __init__(
        self,
        *,
        exit_code: int,
        deliveries: tuple[Delivery, ...],
        is_default: bool,
        variables: Mapping[bytes, bytes],
    ) -> None:
        self.exit_code = exit_code
        self.deliveries = deliveries
        self.is_default = is_default
        self.variables = variables

    def variable(self, name: str) -> str:
        """A variable's value as text; the empty string when it is unset."""
        return self.variables.get(name.encode(), b"").decode("utf-8", "surrogateescape")

    def __repr__(self) -> str:
        return f"FilterOutcome(exit_code={self.exit_code}, deliveries={self.deliveries!r})"
