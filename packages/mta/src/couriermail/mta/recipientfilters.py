"""Recipient filters at submission: who is asked, in which threads (spec filter 4.18, mta 11.8).

Mail of the modules that `enablefiltering` names is judged by its recipients' own programs where
`maildropfilter` says so: about each recipient when it is named, about the message at its end.
What becomes of one message is a `couriermail.mta.screening.Screening`; this module knows what
all messages share.  Without `maildropfilter` there is no object of it, and a recipient costs
nothing.

A filter is a process: it is waited for in a thread, never on the event loop.  Up to `THREADS`
messages wait for filters at a time, and as many filters of messages with several recipients.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import attrs

from couriermail.core import CouriermailError
from couriermail.filter.rcptfilter import FilterAccount, PartialRefusal
from couriermail.mta.globalfilters import NEVER_FILTERED
from couriermail.mta.screening import Screening

if TYPE_CHECKING:
    from couriermail.filter.rcptfilter import FilterRunner
    from couriermail.mta.config import Config
    from couriermail.mta.submission import Origin

__all__ = ["RecipientFilters", "alias_account"]

log = logging.getLogger("couriermail.mta.recipientfilters")

THREADS = 64
PASSED_ON = ("PATH", "SHELL")  # of the `courierd` file

_T = TypeVar("_T")


@attrs.define(eq=False)
class RecipientFilters:
    """Asks the recipients' filters of one mail system.

    Attributes:
        runner: runs the program.
        modules: whose mail is judged.
        alias_account: whose filter judges aliases; None for nobody's.
        environment: variables that every filter gets.
        default_maildir: DEFAULT for accounts that name no mailbox.
        partial: what a client without EXDATA hears when some recipients refuse a message.
        minimum_id: accounts with a uid or gid below it have no filter of their own.
    """

    runner: FilterRunner
    modules: frozenset[str]
    alias_account: FilterAccount | None = None
    environment: Mapping[str, str] = attrs.field(factory=dict)
    default_maildir: str = "./Maildir"
    partial: PartialRefusal = PartialRefusal.ACCEPT
    minimum_id: int = 0
    _pool: ThreadPoolExecutor = attrs.field(
        factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="rcptfilter"), init=False
    )
    _helpers: ThreadPoolExecutor = attrs.field(  # never wait for each other, as those above may
        factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="rcptfilters"), init=False
    )

    @classmethod
    def of(cls, config: Config, runner: FilterRunner | None) -> RecipientFilters | None:
        """The filters that a configuration asks for; None when it asks for none.

        Args:
            config: `enablefiltering`, `aliasfilteracct`, `exdata_fallback`.
            runner: what `maildropfilter` asks for; None for nothing.
        """
        modules = frozenset(config.enablefiltering) - NEVER_FILTERED
        if runner is None or not modules:
            return None
        environment = config.environment
        return cls(
            runner,
            modules,
            alias_account=alias_account(config.aliasfilteracct),
            environment={name: environment[name] for name in PASSED_ON if name in environment},
            default_maildir=environment.get("MAILDROPDEFAULT", "./Maildir"),
            partial=PartialRefusal(config.settings.mta.exdata_fallback),
            minimum_id=config.settings.mta.filter_min_id,
        )

    def screening(
        self, origin: Origin, sender: str, *, is_settled: bool = False, has_exdata: bool = False
    ) -> Screening | None:
        """What judges one message; None where its module is not judged.

        Args:
            origin: how it came in.
            sender: its envelope sender.
            is_settled: see `Screening`.
            has_exdata: see `Screening`.
        """
        if origin.module not in self.modules:
            return None
        return Screening(self, origin, sender, is_settled=is_settled, has_exdata=has_exdata)

    def variables(self, origin: Origin) -> dict[str, str]:
        """The environment of a message's filters (spec filter 4.18)."""
        found = dict(self.environment)
        if origin.client_ip:
            found.update(TCPREMOTEIP=origin.client_ip, TCPREMOTEHOST="")
        if origin.may_relay:
            found["RELAYCLIENT"] = ""
        return found

    def start(self, work: Callable[[], _T]) -> Future[_T]:
        """Do something that runs filters in a thread; cancelled when we are being stopped."""
        try:
            return self._pool.submit(work)
        except RuntimeError:  # closed already
            stopped: Future[_T] = Future()
            stopped.cancel()
            return stopped

    def each(self, questions: Sequence[Callable[[], _T]]) -> list[_T]:
        """Ask several filters at once and wait for all: one that hangs delays no other.

        Raises:
            CancelledError: we are being stopped.
        """
        if len(questions) == 1:
            return [questions[0]()]
        try:
            answers = [self._helpers.submit(question) for question in questions]
        except RuntimeError as error:  # closed already
            raise CancelledError from error
        return [answer.result() for answer in answers]

    def close(self) -> None:
        """Ask nothing more; who waits for an answer was cut off already."""
        for pool in (self._pool, self._helpers):
            pool.shutdown(wait=False, cancel_futures=True)


def alias_account(home: str) -> FilterAccount | None:
    """Whose filter judges aliases: the owner of the directory that `aliasfilteracct` names."""
    if not home:
        return None
    try:
        status = os.stat(home)
    except OSError as error:
        log.error("aliasfilteracct: %s: %s; aliases are not judged", home, error.strerror)
        return None
    if not (home.startswith("/") and stat.S_ISDIR(status.st_mode)) or status.st_uid == 0:
        log.error(
            "aliasfilteracct: %s is no directory of an ordinary user; aliases are not judged", home
        )
        return None
    try:
        return FilterAccount(uid=status.st_uid, gid=status.st_gid, home=home)
    except CouriermailError as error:
        log.error("aliasfilteracct: %s; aliases are not judged", error)
        return None
