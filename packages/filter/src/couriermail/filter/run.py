"""The state of one run: variables, message, deliveries, and what statements do to them.

`couriermail.filter.compiler` turns a recipe into closures; each of them is called with the
`Run` it works on, so one compiled recipe serves any number of runs at once.
"""

from __future__ import annotations

from couriermail.filter.errors import RecipeLimitError, RecipeRuntimeError
from couriermail.filter.message import BytesMessage, count_lines
from couriermail.filter.outcome import Delivery, DeliveryOptions, FilterOutcome, ShellCommand
from couriermail.filter.shellwords import is_from_message, safe_command
from couriermail.filter.values import MessageText, exit_code, leading_integer, marked_slice
from couriermail.filter.view import MessageView

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from couriermail.filter.interfaces import Database, FilterMessage, Host, Observer
    from couriermail.filter.lexer import Token
    from couriermail.filter.outcome import CommandResult, RunLimits

    Program = Callable[["Run"], None]

__all__ = ["INITIAL_VARIABLES", "Finished", "Run"]

INITIAL_VARIABLES: dict[bytes, bytes] = {
    b"PATH": b"/bin:/usr/bin:/usr/local/bin",
    b"SHELL": b"/bin/sh",
    b"SENDMAIL": b"/usr/sbin/sendmail -oi",
    b"LOCKEXT": b".lock",
    b"LOCKSLEEP": b"5",
    b"LOCKTIMEOUT": b"60",
    b"LOCKREFRESH": b"15",
    b"UMASK": b"077",
}
"""Variables that every run starts with (spec filter 4.11)."""

_RESET_VARIABLES = (*INITIAL_VARIABLES, b"HOME", b"LOGNAME", b"MAILDIRQUOTA", b"DEFAULT")
_OUTER_SPACE = b" \t\n\v\f\r"


class Finished(Exception):  # noqa: N818 - control flow, not an error; never leaves the room
    """The recipe ended early: `exit`, or `to`.

    Attributes:
        is_trappable: True when an `exception` block goes on behind its end: `to` delivered,
            and EXITCODE is not 0.
    """

    def __init__(self, *, is_trappable: bool) -> None:
        super().__init__()
        self.is_trappable = is_trappable


class Run:
    """One message on its way through one or several recipes.

    Args:
        host: performs what the recipe asks for.
        message: the message.
        variables: the variables to start with, over those of `INITIAL_VARIABLES`.
        environment: what `import` reads.
        limits: bounds.
        sender: envelope sender for mbox files.
        embedded: True to refuse databases opened for writing.
        trusted_recipes: directory, with `/` at its end, whose recipes may do everything even
            when an embedded recipe includes them; empty for none.
        observer: is told what the recipes do, or None.
        is_delivery: True in delivery mode, where an assignment to VERBOSE ends the trace
            (spec filter 4.11).
    """

    def __init__(
        self,
        *,
        host: Host,
        message: FilterMessage,
        variables: Mapping[bytes, bytes],
        environment: Mapping[bytes, bytes],
        limits: RunLimits,
        sender: bytes = b"",
        embedded: bool = False,
        trusted_recipes: bytes = b"",
        observer: Observer | None = None,
        is_delivery: bool = False,
    ) -> None:
        self.host = host
        self._initial = {**INITIAL_VARIABLES, **variables}
        self._trusted_recipes = trusted_recipes
        self.variables: dict[bytes, bytes] = dict(self._initial)
        self.environment = environment
        self.limits = limits
        self.embedded = embedded
        self.deliveries: list[Delivery] = []
        self.has_log = False
        self.include_depth = 0
        self.database: Database | None = None
        self.verbose = leading_integer(self.variables.get(b"VERBOSE", b"")) or 0
        self.observers: tuple[Observer, ...] = () if observer is None else (observer,)
        self._is_delivery = is_delivery
        self._is_traced = False
        self._sender = sender
        self._statements_left = limits.statements
        self._is_default = False
        self.message = message
        self.view = MessageView(message)
        self._note_size()

    def execute(self, program: Program) -> bool:
        """Run a compiled recipe; True when it ended by `exit` or `to`.

        Raises:
            RecipeRuntimeError: it could not be carried out.
        """
        try:
            program(self)
        except Finished:
            return True
        except RecursionError:
            raise RecipeLimitError("Recipe nested too deeply.", limit="nesting") from None
        finally:
            self.close_database()
        return False

    def is_observed(self, *, may_trace: bool) -> bool:
        """True when a recipe must report what it does: to an observer, or for a trace.

        Args:
            may_trace: True for a recipe that may itself ask for a trace.
        """
        wants_trace = self.verbose >= 3 or (may_trace and not self._is_delivery)
        if wants_trace and not self._is_traced:
            from couriermail.filter.trace import VerboseTrace

            self._is_traced = True
            self.observers = (*self.observers, VerboseTrace(self))
        return bool(self.observers)

    def token_trace(self) -> Callable[[Token], None] | None:
        """What must be told of the tokens of a recipe that is read now; None without a trace."""
        if self.verbose < 9:
            return None
        from couriermail.filter.trace import token_line

        return lambda token: self.host.trace(token_line(token))

    def deliver_default(self) -> None:
        """Deliver to DEFAULT, as happens when a recipe names no final place.

        Raises:
            RecipeRuntimeError: there is no DEFAULT, or it cannot be delivered to.
        """
        mailbox = self.variables.get(b"DEFAULT", b"")
        if not mailbox:
            raise RecipeRuntimeError("DEFAULT mailbox not defined.")
        self._is_default = True
        self.deliver(mailbox, verb="default")

    def outcome(self) -> FilterOutcome:
        """What the run came to."""
        return FilterOutcome(
            exit_code=exit_code(self.variables.get(b"EXITCODE", b"")),
            deliveries=tuple(self.deliveries),
            is_default=self._is_default,
            variables=self.variables,
        )

    def spend(self, statements: int) -> None:
        """Count executed statements.

        Raises:
            RecipeLimitError: too many.
        """
        self._statements_left -= statements
        if self._statements_left < 0:
            raise RecipeLimitError(
                f"Too many statements executed, more than {self.limits.statements}.",
                limit="statements",
            )

    def assign(self, name: bytes, value: bytes) -> None:
        """Set a variable.

        Raises:
            RecipeLimitError: the value is too large.
        """
        if len(value) > self.limits.variable_size:
            raise RecipeLimitError(
                f"Variable larger than {self.limits.variable_size} bytes.", limit="variable_size"
            )
        self.variables[name] = value
        if name == b"VERBOSE":
            self.verbose = 0 if self._is_delivery else leading_integer(value) or 0

    def unset(self, name: bytes) -> None:
        """Remove a variable."""
        self.variables.pop(name, None)
        if name == b"VERBOSE":
            self.verbose = 0

    def lifts_restrictions(self, path: bytes) -> bool:
        """True for a recipe of the administrator's that an embedded one includes (4.12)."""
        trusted = self._trusted_recipes
        return bool(trusted) and path.startswith(trusted) and b"." not in path

    def reset_variables(self) -> None:
        """Give the variables that commands and deliveries depend on their first values."""
        for name in _RESET_VARIABLES:
            if name in self._initial:
                self.variables[name] = self._initial[name]
            else:
                self.variables.pop(name, None)

    def import_variable(self, name: bytes) -> None:
        """Take a variable from the environment; empty when it is not there.

        What is imported may come from a message's envelope (SENDER, EXT), so it is marked.
        """
        self.assign(name, MessageText.whole(self.environment.get(name, b"")))

    def note_match(self, found: tuple[bytes, ...], *, is_foreign: bool) -> None:
        """Set MATCH, MATCH1...; variables beyond the pattern's groups keep their values."""
        variables = self.variables
        for number, text in enumerate(found):
            name = b"MATCH%d" % number if number else b"MATCH"
            variables[name] = MessageText.whole(text) if is_foreign else text

    def close_database(self) -> None:
        """Close the database of the recipe file that ends."""
        if self.database is not None:
            self.database.close()
            self.database = None

    # -- commands ----------------------------------------------------------------------

    def capture(self, text: bytes) -> bytes:
        """The value of a back-quoted command (spec filter 4.13)."""
        self.note(1, b"Filtering through `%b`", text)
        result = self.host.capture(self._command(text), self.message)
        self._note_status(result.status)
        if result.status != 0:
            return b""
        output = result.output.strip(_OUTER_SPACE).translate(_LINE_ENDS_TO_BLANKS)
        return MessageText.whole(output)

    def transform(self, text: bytes) -> None:
        """`xfilter`: the command's output becomes the message.

        Raises:
            RecipeRuntimeError: the command failed, did not read the message or wrote nothing.
        """
        self.note(1, b"Filtering through xfilter %b", text)
        result = self.host.transform(self._command(text), self.message)
        self._note_status(result.status)
        self._check_transformed(result)
        self.message = BytesMessage(result.output)
        self.view = MessageView(self.message)
        self._note_size()

    def _check_transformed(self, result: CommandResult) -> None:
        if result.status != 0 or not result.is_consumed:
            raise RecipeRuntimeError("Unable to filter message.")
        if not result.output and self.message.size:
            # Courier: the message is silently lost
            raise RecipeRuntimeError("Unable to filter message. The filter wrote nothing.")

    def system(self, text: bytes) -> None:
        """`system`: run a command without input."""
        self.note(1, b"Executing system command %b", text)
        self._note_status(self.host.system(self._command(text)))

    # -- deliveries --------------------------------------------------------------------

    def deliver(self, mailbox: bytes, *, verb: str) -> None:
        """Deliver to a mailbox, `|command` or `! addresses`.

        Whether it is a command must be the author's word: neither the message nor a command
        that may have printed a part of it can choose one.

        Raises:
            RecipeRuntimeError: nothing was delivered.
        """
        if not self.message.size:
            return  # spec filter 4.13: an empty message is delivered nowhere, successfully
        if mailbox[:1] in (b"|", b"!"):
            if is_from_message(mailbox):
                raise RecipeRuntimeError("Unable to deliver: the message itself names a command.")
            self._deliver_to_command(mailbox, verb)
            return
        options = DeliveryOptions(sender=self._sender, variables=self.variables)
        kind = self.host.deliver(bytes(mailbox), self.message, options)
        if kind == "mbox":
            self.note(1, b"Delivering to %b", mailbox)
        self._record(kind, mailbox, verb, 0)

    def _deliver_to_command(self, mailbox: bytes, verb: str) -> None:
        self.note(1, b"Delivering to %b", mailbox)
        text = marked_slice(mailbox, 1, len(mailbox))
        if mailbox[:1] == b"|":
            kind, status = "pipe", self.host.pipe(self._command(text), self.message)
        else:
            kind, status = "forward", self._forward(text)
        self.variables[b"EXITCODE"] = b"%d" % status
        self._record(kind, mailbox, verb, status)

    def _forward(self, addresses: bytes) -> int:
        from couriermail.filter.forwarding import forward_arguments

        arguments = forward_arguments(self.variables.get(b"SENDMAIL", b""), addresses)
        return self.host.forward(arguments, self.message, self._command(b""))

    def _record(self, kind: str, target: bytes, verb: str, status: int) -> None:
        delivery = Delivery(kind, bytes(target), verb=verb, status=status)
        self.deliveries.append(delivery)
        for observer in self.observers:
            observer.delivered(delivery)
        self._log_delivery(kind, target, is_failed=status != 0)

    def log_failure(self, target: bytes) -> None:
        """Write the delivery log's entry for a mailbox that could not be delivered to."""
        self._log_delivery("", target, is_failed=True)

    def _log_delivery(self, kind: str, target: bytes, *, is_failed: bool) -> None:
        if not self.has_log:
            return
        from couriermail.filter.delivery_log import log_entry

        when = self.host.now()
        self.host.write_log(
            log_entry(self.message, target, kind=kind, when=when, is_failed=is_failed)
        )

    # -- small things ------------------------------------------------------------------

    def note(self, level: int, form: bytes, text: bytes) -> None:
        """Write a line of trace when VERBOSE asks for it (spec filter 4.15)."""
        if self.verbose >= level:
            self.host.trace(b"maildrop: " + form % bytes(text))

    def note_plainly(self, level: int, text: str) -> None:
        """Write a line of trace as it is."""
        if self.verbose >= level:
            self.host.trace(text.encode("utf-8", "surrogateescape"))

    def _command(self, text: bytes) -> ShellCommand:
        shell_text, extra = safe_command(text)
        environment = {
            name: bytes(value.partition(b"\0")[0])
            for name, value in self.variables.items()
            if name and b"=" not in name and b"\0" not in name
        }
        environment.update(extra)
        return ShellCommand(
            bytes(self.variables.get(b"SHELL", b"") or b"/bin/sh"), shell_text, environment
        )

    def _note_status(self, status: int) -> None:
        self.variables[b"RETURNCODE"] = b"%d" % status

    def _note_size(self) -> None:
        self.variables[b"SIZE"] = b"%d" % self.message.size
        self.variables[b"LINES"] = b"%d" % count_lines(self.message)


_LINE_ENDS_TO_BLANKS = bytes(0x20 if code in b"\r\n" else code for code in range(256))
