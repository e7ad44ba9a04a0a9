"""Running a user's `.mailfilter` without starting `maildrop`.

Theory of operation.  A recipe is first *planned*: run in this process against a host that
only notes what it decides.  Most recipes do nothing but look at the header and choose
maildirs; then the plan is the whole truth, and the agent stores the copies together with the
rest of its batch, with shared syncs.  A recipe that did anything else while it was planned
(a command, a lock, a log file, an mbox, flags or keywords, an error) has changed nothing so
far.  It is run again from its start, for real, in a child process in a process group of its
own, with the same watch over its time and its output as any command of an instruction file.

So no recipe can hang, kill or confuse the agent, and no command in one shares its group.
Recipes with loops, or that trap errors, are not planned: their work has no bound, or their
decisions depend on whether a delivery succeeded.
"""

from __future__ import annotations

import logging
import os
import signal
import time

import attrs

from couriermail.filter import (
    BytesMessage,
    DecisionHost,
    FilterError,
    encode_environment,
    start_run,
)
from couriermail.filter.local import LocalHost
from couriermail.mta.local.commands import CommandResult, CommandRunner, lead_group
from couriermail.mta.local.watch import ERROR_BYTES, Capture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import NoReturn

    from couriermail.filter import (
        Database,
        DeliveryOptions,
        FilterMessage,
        FilterOutcome,
        Host,
        Recipe,
    )
    from couriermail.mta.local.recipes import CompiledRecipe

__all__ = ["FilterJob", "Plan", "PlannedCopy", "plan", "run_in_child"]

_log = logging.getLogger("couriermail.mta.local")
_EX_TEMPFAIL = 75
_SIGNIFICANT = (b"FLAGS", b"KEYWORDS")  # what a maildir delivery depends on besides the quota


@attrs.frozen(kw_only=True)
class FilterJob:
    """One message for one user's recipes.

    Attributes:
        recipes: run one after the other until one ends the delivery; then DEFAULT.
        message: the message, with the lines that a delivery puts before it.
        variables: variables to start with.
        imports: what the statement `import` reads.
        sender: envelope sender.
        home: the user's home directory.
    """

    recipes: Sequence[CompiledRecipe]
    message: BytesMessage
    variables: Mapping[str, str]
    imports: Mapping[str, str]
    sender: str
    home: str


@attrs.frozen
class PlannedCopy:
    """A copy that a recipe wants in a maildir of this name, under this quota text."""

    name: str
    quota: str


@attrs.frozen
class Plan:
    """What a recipe decides: copies to store, then the exit status."""

    copies: tuple[PlannedCopy, ...]
    status: int


def plan(job: FilterJob) -> Plan | None:
    """What the recipes decide, or None when only running them for real can tell.

    Nothing outside this process is changed or waited for.
    """
    if not all(compiled.is_straight for compiled in job.recipes):
        return None
    host = _PlanningHost(now=time.time())
    try:
        outcome = _run(job, host)
    except FilterError:
        return None  # the real run says it in its own words
    if host.has_acted:
        return None
    return Plan(tuple(host.copies), outcome.exit_code)


def run_in_child(job: FilterJob, runner: CommandRunner) -> CommandResult:
    """Run the recipes for real, in a child of this process.

    Raises:
        OSError: no child can be had.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    capture = Capture(open(read_end, "rb", buffering=0), ERROR_BYTES)  # noqa: SIM115 - the watch closes it
    try:
        pid = os.fork()
        if pid == 0:
            _become_filter(job, write_end, runner.lifeline)
    except OSError:
        capture.pipe.close()
        raise
    finally:
        os.close(write_end)
    lead_group(pid)
    return attrs.evolve(runner.watch(pid, [capture]), output=b"")


class _PlanningHost(DecisionHost):
    """Notes deliveries to maildirs, and whether anything else was asked for."""

    def __init__(self, *, now: float) -> None:
        super().__init__(now=now)
        self.copies: list[PlannedCopy] = []
        self._has_acted = False

    @property
    def has_acted(self) -> bool:
        """True when the recipe did something that a plan cannot hold."""
        return bool(self._has_acted or self.commands or self.echoed or self.traced)

    def deliver(self, mailbox: bytes, message: FilterMessage, options: DeliveryOptions) -> str:
        """Note a copy."""
        if any(options.text(name) for name in _SIGNIFICANT) or options.octal_mask() != 0o077:
            self._has_acted = True
        self.copies.append(PlannedCopy(os.fsdecode(mailbox), options.text(b"MAILDIRQUOTA")))
        return "maildir"

    def open_log(self, path: bytes) -> None:
        """Not while planning."""
        self._has_acted = True

    def read_file(self, path: bytes) -> bytes:
        """Not while planning."""
        self._has_acted = True
        return b""

    def hold_lock(
        self, verb: str, path: bytes, variables: Mapping[bytes, bytes]
    ) -> AbstractContextManager[None]:
        """Not while planning."""
        self._has_acted = True
        return super().hold_lock(verb, path, variables)

    def open_database(self, path: bytes, mode: str) -> Database | None:
        """Not while planning."""
        self._has_acted = True
        return None


def _run(job: FilterJob, host: Host) -> FilterOutcome:
    run = start_run(
        job.message,
        host=host,
        variables=encode_environment(job.variables),
        imports=encode_environment(job.imports),
        sender=os.fsencode(job.sender),
    )
    recipes: list[Recipe] = [compiled.recipe for compiled in job.recipes]
    if not any(run.execute(recipe.program) for recipe in recipes):
        run.deliver_default()
    return run.outcome()


def _become_filter(job: FilterJob, output: int, lifeline: int | None) -> NoReturn:
    """In the child: run the recipes, end with their status, and never come back."""
    status = _EX_TEMPFAIL
    try:
        lead_group(0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if lifeline is not None:
            os.close(lifeline)  # the scheduler must see it when the agent dies
        status = _run(job, LocalHost(job.home, output=output, diagnostics=output)).exit_code & 0xFF
    except FilterError as error:
        status = error.exit_code
        os.write(output, f"maildrop: {error}\n".encode("utf-8", "surrogateescape"))
    except BaseException:
        _log.exception("a filter recipe failed unexpectedly")
    finally:
        os._exit(status)
