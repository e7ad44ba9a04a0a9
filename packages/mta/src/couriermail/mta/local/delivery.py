"""One delivery, from its instruction file to its result.

`Delivery.run` is a generator: it stops where it wants a message stored in a maildir, and
where it is about to do something that may take long.  So the batch that drives many
deliveries can store the messages of all of them with shared syncs, before any command of
one user's file makes the others wait.  Each `yield` gives a `MailboxDelivery`, answered with
None or a `StoreFailure`, or `SLOW`, answered with None.

Instructions run in order; one that does not say "continue" ends the delivery
(spec mta.md 11.5).  What standard error said is kept for the result, forwards are collected,
and finished mailboxes go into the ledger.
"""

from __future__ import annotations

import enum
import logging
import os
import time
from typing import TypeVar

import attrs

from couriermail.core.faults import reach
from couriermail.filter import BytesMessage
from couriermail.mta.local.body import MessageBody, has_visited
from couriermail.mta.local.commands import EX_OSERR, CommandResult, CommandRunner
from couriermail.mta.local.dotfile import DotText, Refusal, read_dot_file
from couriermail.mta.local.environment import (
    Lines,
    ace_address,
    command_environment,
    filter_variables,
)
from couriermail.mta.local.instructions import (
    Command,
    Dynamic,
    Forward,
    Instructions,
    Mailbox,
    parse_instructions,
)
from couriermail.mta.local.ledger import Ledger, nested_digest
from couriermail.mta.local.mailboxes import (
    MailboxDelivery,
    StoreFailure,
    is_maildir_name,
    store_in_mbox,
)
from couriermail.mta.local.mailfilter import FilterJob, plan, run_in_child
from couriermail.mta.local.recipes import RecipeCache, check_filter_home
from couriermail.mta.local.values import MESSAGE_DELIVERED, LocalResult
from couriermail.mta.local.watch import ERROR_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from typing import TypeAlias

    from couriermail.mta.local.instructions import Instruction
    from couriermail.mta.local.mailfilter import PlannedCopy
    from couriermail.mta.local.values import AgentSettings, LocalJob

__all__ = ["INTERRUPTED", "MAX_DYNAMIC_LEVEL", "SLOW", "UNFORESEEN", "Delivery", "Slow"]

T = TypeVar("T")
_log = logging.getLogger("couriermail.mta.local")

MAILFILTER = ".mailfilter"
MAX_DYNAMIC_LEVEL = 3  # the fourth nested `||` fails (spec mta.md 11.5)
UNFORESEEN = "Temporary failure in local delivery."  # says nothing about what it was
INTERRUPTED = "Local delivery was interrupted."
_LOOP = "Mail loop - already have my Delivered-To: header."
_TOO_DEEP = "Maximum recursion level for dynamic delivery instructions exceeded."
_DISABLED = "Dynamic delivery instructions disabled by administrator."


class Slow(enum.Enum):
    """The mark of a step that may take long."""

    SLOW = enum.auto()


SLOW = Slow.SLOW

if TYPE_CHECKING:
    Step: TypeAlias = MailboxDelivery | Slow
    Steps: TypeAlias = Generator[Step, StoreFailure | None, "Refusal | bool"]


@attrs.define
class Delivery:
    """The state of one delivery.

    Attributes:
        job: what to deliver.
        settings: how.
        now: seconds since the epoch, for the `From ` line.
        lifeline: see `CommandRunner`.
        recipes: compiled recipes of earlier deliveries.
    """

    job: LocalJob
    settings: AgentSettings
    now: float
    lifeline: int | None = None
    recipes: RecipeCache = attrs.field(factory=RecipeCache)
    _body: MessageBody = attrs.field(init=False)
    _lines: Lines = attrs.field(init=False)
    _ledger: Ledger = attrs.field(factory=Ledger, init=False)
    _dot: DotText = attrs.field(init=False)
    _variables: Mapping[str, str] | None = attrs.field(default=None, init=False)
    _seconds_left: float = attrs.field(init=False)
    _notes: list[str] = attrs.field(factory=list, init=False)
    _note_room: int = attrs.field(default=ERROR_BYTES, init=False)
    _forwards: list[str] = attrs.field(factory=list, init=False)

    def run(self) -> Generator[Step, StoreFailure | None, LocalResult]:
        """Deliver; see the module's text for what is yielded.

        Raises:
            Exception: anything unforeseen; the batch turns it into a deferral.
        """
        self._ledger = Ledger.parse(self.job.ledger)
        self._seconds_left = self.settings.localtimeout
        reach("local.before-deliver")
        self._lines = Lines.of(self.job, self.now)
        dot = read_dot_file(self.job, self.settings)
        if isinstance(dot, Refusal):
            return self._refused(dot)
        self._dot = dot
        self._body = MessageBody.of(self.job.body)
        if has_visited(self._body.view, self.job.recipient):
            return self._refused(Refusal("failure", _LOOP, "5.4.6", untracked=True))
        instructions = parse_instructions(dot.text)
        ending = yield from self._obey(instructions, instructions.digest, level=0)
        if isinstance(ending, Refusal):
            return self._refused(ending)
        return LocalResult(
            key=self.job.key,
            kind="success",
            lines=(*self._notes, MESSAGE_DELIVERED),
            forwards=tuple(self._forwards),
            enhanced="2.1.5",  # RFC 3463 3.2: destination address valid
        )

    def abandon(self, reason: str = UNFORESEEN) -> LocalResult:
        """The result of a delivery that does not go on; what is finished stays in the ledger."""
        return self._refused(Refusal("deferral", reason, "4.3.0"))

    def _refused(self, refusal: Refusal) -> LocalResult:
        return LocalResult(
            key=self.job.key,
            kind=refusal.kind,
            lines=(*self._notes, refusal.text) if refusal.text else tuple(self._notes),
            untracked=refusal.untracked,
            ledger=str(self._ledger) if refusal.kind == "deferral" else "",
            enhanced=refusal.enhanced,
        )

    def _obey(self, instructions: Instructions, digest: str, *, level: int) -> Steps:
        """Run instructions in order; True when all ran, False when one said to stop there."""
        for line, warning in instructions.warnings:
            _log.info("delivery %d, instruction in line %d: %s", self.job.key, line, warning)
        for number, item in enumerate(instructions.items):
            ending = yield from self._step(item, digest, number, level)
            if ending is not True:
                return ending
        return True

    def _step(self, item: Instruction, digest: str, number: int, level: int) -> Steps:
        if isinstance(item, Mailbox):
            return (yield from self._store(item, digest, number))
        if isinstance(item, Forward):
            self._forwards += item.addresses
            return True
        if isinstance(item, Command) and self._is_maildrop(item.text):
            return (yield from self._filter(nested_digest(digest, number, "")))
        yield SLOW
        if isinstance(item, Command):
            return self._judge(self._execute(item.text))
        return (yield from self._generate(item, digest, number, level))

    def _store(self, item: Mailbox, digest: str, number: int) -> Steps:
        if self._ledger.is_done(digest, number):
            return True
        delivery = self._mailbox_delivery(item.name, self.job.quota)
        if is_maildir_name(delivery.path, must_be_maildir=item.must_be_maildir):
            failure = yield delivery
        else:
            yield SLOW  # an mbox may be locked by a reader
            failure = self._timed(lambda: self._store_in_mbox(delivery))
        if failure is not None:
            return Refusal("deferral", failure.text, failure.enhanced)
        self._ledger.record(digest, number)
        return True

    def _store_in_mbox(self, delivery: MailboxDelivery) -> StoreFailure | None:
        return store_in_mbox(
            delivery,
            ace_address(self.job.sender),
            seconds=self._seconds_left,
            lifeline=self.lifeline,
        )

    def _is_maildrop(self, text: str) -> bool:
        return text.strip() in {"maildrop", self.settings.maildrop_command}

    def _filter(self, digest: str) -> Steps:
        """The user's `.mailfilter`, or what `maildrop` does without one (spec filter.md 4.12)."""
        job = self._filter_job()
        if isinstance(job, Refusal):
            return job
        planned = plan(job)
        if planned is not None and self._are_maildirs(planned.copies):
            ending = yield from self._store_copies(planned.copies, digest)
            return ending if isinstance(ending, Refusal) else self._judge_status(planned.status)
        yield SLOW
        return self._judge(self._run_child(lambda: run_in_child(job, self._command_runner())))

    def _filter_job(self) -> FilterJob | Refusal:
        refusal = check_filter_home(self.job.home, os.geteuid())
        if refusal is not None:
            return refusal
        recipes = []
        own = os.path.join(self.job.home, MAILFILTER)
        for path, owner in ((self.settings.maildroprc, None), (own, os.geteuid())):
            found = self.recipes.load(path, name=os.path.basename(path), owner=owner)
            if isinstance(found, Refusal):
                return found
            if found is not None:
                recipes.append(found)
        imports = self._environment()
        return FilterJob(
            recipes=recipes,
            message=BytesMessage(self._body.view, prefix=self._lines.header),
            variables=filter_variables(self.job, self.settings, imports),
            imports=imports,
            sender=self.job.sender,
            home=self.job.home,
        )

    def _are_maildirs(self, copies: Sequence[PlannedCopy]) -> bool:
        """True when every copy goes to a maildir that is there, or that may be made."""
        for copy in copies:
            path = os.path.join(self.job.home, copy.name)
            is_there = os.path.isdir(os.path.join(path, "new"))
            is_wanted = self._may_create() and is_maildir_name(path, must_be_maildir=False)
            if not (is_there or is_wanted):
                return False
        return True

    def _may_create(self) -> bool:
        return self.settings.create_maildir and self._dot.is_default

    def _store_copies(self, copies: Sequence[PlannedCopy], digest: str) -> Steps:
        for number, copy in enumerate(copies):
            place = nested_digest(digest, number, copy.name)  # a recipe may decide otherwise later
            if self._ledger.is_done(place, number):
                continue
            failure = yield self._mailbox_delivery(copy.name, copy.quota)
            if failure is not None:
                return Refusal("deferral", failure.text, failure.enhanced)
            self._ledger.record(place, number)
        return True

    def _mailbox_delivery(self, name: str, quota: str) -> MailboxDelivery:
        return MailboxDelivery(
            name=name,
            path=os.path.join(self.job.home, name),
            header=self._lines.header,
            message=self._body.view,
            quota=quota,
            may_create=self._may_create(),
        )

    def _generate(self, item: Dynamic, digest: str, number: int, level: int) -> Steps:
        if not self.settings.dynamic:
            return Refusal("failure", _DISABLED, "5.3.0")
        if level >= MAX_DYNAMIC_LEVEL:
            return Refusal("failure", _TOO_DEEP, "5.3.0")
        result = self._execute(item.text, wants_output=True)
        ending = self._judge(result)
        if isinstance(ending, Refusal):
            return ending
        instructions = parse_instructions(result.output.decode("utf-8", "surrogateescape"))
        nested = nested_digest(digest, number, instructions.digest)
        inner = yield from self._obey(instructions, nested, level=level + 1)
        return ending if inner is True else inner

    def _execute(self, text: str, *, wants_output: bool = False) -> CommandResult:
        def run() -> CommandResult:
            with self._body.as_file() as message:
                return self._command_runner().run(text, message, wants_output=wants_output)

        return self._run_child(run)

    def _run_child(self, run: Callable[[], CommandResult]) -> CommandResult:
        try:
            result = self._timed(run)
        except OSError as error:  # no shell, no processes left, a home that was closed meanwhile
            _log.error("delivery %d: cannot run a command: %s", self.job.key, error.strerror)
            result = CommandResult(status=EX_OSERR, error=b"Unable to run the command.\n")
        self._note(result.error)
        return result

    def _timed(self, work: Callable[[], T]) -> T:
        """Do something slow at the expense of this delivery's time, and of no other's."""
        started = time.monotonic()
        try:
            return work()
        finally:
            self._seconds_left = max(0.0, self._seconds_left - (time.monotonic() - started))

    def _command_runner(self) -> CommandRunner:
        return CommandRunner(
            shell=self.settings.shell,
            home=self.job.home,
            environment=self._environment(),
            deadline=time.monotonic() + self._seconds_left,
            kill_after=self.settings.kill_after,
            lifeline=self.lifeline,
        )

    def _environment(self) -> Mapping[str, str]:
        if self._variables is None:
            self._variables = command_environment(
                self.job, self.settings, self._lines, default_part=self._dot.default_part
            )
        return self._variables

    def _note(self, error: bytes) -> None:
        """Keep what a command said, within the limit of the whole delivery."""
        kept = error[: self._note_room]
        self._note_room -= len(kept)
        lines = kept.decode("utf-8", "replace").split("\n")
        self._notes += [line.rstrip("\r") for line in lines if line.strip()]

    def _judge_status(self, status: int) -> Refusal | bool:
        return self._judge(CommandResult(status=status & 0xFF, error=b""))

    def _judge(self, result: CommandResult) -> Refusal | bool:
        match result.verdict:
            case "continue":
                return True
            case "stop":
                return False
            case "failure" | "untracked" as verdict:
                text = "" if self._notes else f"Command failed with exit status {result.status}."
                return Refusal("failure", text, "5.3.0", untracked=verdict == "untracked")
            case "deferral":
                return Refusal("deferral", _deferral_text(result), "4.3.0")


def _deferral_text(result: CommandResult) -> str:
    if result.is_interrupted:
        return INTERRUPTED
    if result.has_timed_out:
        return "Command took too long."
    if result.has_overflowed:
        return "Too many dynamic delivery instructions."
    if result.status < 0:
        return f"Command was killed by signal {-result.status}."
    return f"Command ended with exit status {result.status}."
