"""One message and its recipients' filters: from RCPT to what is queued (spec filter 4.18).

Each recipient is a *question*, asked at once by a protocol that answers each RCPT
(`Screening.ask`), or for all together behind the message (`settle`) where one answer is given at
the end.  The recipients that want to see the content are asked in `judge`, behind the global
filters.

Aliases are judged by the owner of `aliasfilteracct`, and their members' content filters are not
asked.  Without such an account an alias for one address is that address, filters included, and
a longer one is mail that all global filters see and no recipient's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import attrs

from couriermail.core import Reply
from couriermail.filter.rcptfilter import (
    Agreement,
    ContentVerdict,
    ContentVerdicts,
    FilterAccount,
    FilterCall,
    FilterCallError,
    PartialRefusal,
    Standing,
    alias_filter_name,
    content_filter_name,
    judge_content,
    judge_recipient,
    recipient_filter_name,
)
from couriermail.queue import Outcome
from couriermail.queue import Submission as NewMessage

if TYPE_CHECKING:
    from couriermail.mta.accounts import LocalTarget
    from couriermail.mta.recipientfilters import RecipientFilters
    from couriermail.mta.submission import Accepted, Origin
    from couriermail.queue import BodyWriter

__all__ = ["Guest", "Screened", "Screening", "open_body"]

NO_FILTER_NAME = Reply(553, "Address is unfit for its recipient's filter.", enhanced="5.1.3")

_T = TypeVar("_T")


@attrs.define(eq=False)
class Guest:
    """One accepted recipient as it was named, before aliases.

    Attributes:
        address: as it was named.
        accepted: who gets the mail.
        refusal: why it gets none after all; of `settle`.
        content: its content filter, where that is to be asked.
    """

    address: str
    accepted: Accepted
    refusal: Reply | None = None
    content: FilterCall | None = None

    @property
    def account(self) -> str:
        """The name that stands before its refusal in an EXDATA reply."""
        target = next((target for target in self.accepted.targets if target is not None), None)
        return self.address if target is None else target.account


@attrs.frozen
class Screened:
    """What content filters made of a complete message.

    Attributes:
        messages: to queue, the refusing recipients done.
        verdicts: of every recipient that was named, in order.
        refusal: why the message is not to be queued at all.
    """

    messages: list[NewMessage]
    verdicts: ContentVerdicts
    refusal: Reply | None = None


@attrs.define(eq=False)
class Screening:
    """The filters of one message; used by one thread at a time.

    Attributes:
        filters: what all messages share.
        origin: how the message came in.
        sender: its envelope sender.
        is_settled: nobody is there to hear about a recipient any more: those that refuse are
            told of in a report to the sender, and need not agree.
        has_exdata: every recipient's verdict on the message reaches the client: who refuses is
            done, and the sender is not told once more.
        guests: the accepted recipients, in order.
    """

    filters: RecipientFilters
    origin: Origin
    sender: str
    is_settled: bool = attrs.field(default=False, kw_only=True)
    has_exdata: bool = attrs.field(default=False, kw_only=True)
    guests: list[Guest] = attrs.field(factory=list, init=False)
    _agreement: Agreement = attrs.field(factory=Agreement, init=False)
    _calls: dict[str, FilterCall] = attrs.field(factory=dict, init=False)  # content, by mailbox
    _open: list[Guest] = attrs.field(factory=list, init=False)  # to be asked by `settle`

    @property
    def is_whitelisted(self) -> bool:
        """Only the filters of all mail are asked (spec filter 4.19)."""
        return self._agreement.is_whitelisted

    @property
    def has_questions(self) -> bool:
        """Filters are still to be asked before the message can be queued."""
        return bool(self._open or self._calls)

    def start(self, work: Callable[[], _T]) -> Future[_T]:
        """Do something that asks filters in a thread; cancelled when we are being stopped."""
        return self.filters.start(work)

    # Recipients

    def ask(self, address: str, accepted: Accepted) -> Future[Reply | None]:
        """Judge one recipient now; None lets it in."""
        guest = Guest(address, accepted)
        return self.start(lambda: self._admit(guest, self._standing(guest)))

    def put_off(self, address: str, accepted: Accepted) -> None:
        """Let a recipient in for now; `settle` judges it."""
        guest = Guest(address, accepted)
        self.guests.append(guest)
        self._open.append(guest)

    def settle(self) -> list[tuple[str, Reply]]:
        """Judge the recipients that were put off, in this thread; those that are refused, and why.

        They are no guests any more, unless the message `is_settled`.
        """
        refused = []
        waiting, self._open = self._open, []
        standings = self.filters.each([partial(self._standing, guest) for guest in waiting])
        for guest, standing in zip(waiting, standings, strict=True):
            self.guests.remove(guest)
            guest.refusal = self._admit(guest, standing)
            if guest.refusal is not None:
                refused.append((guest.address, guest.refusal))
                if self.is_settled:
                    self.guests.append(guest)
        return refused

    def _admit(self, guest: Guest, standing: Standing | Reply) -> Reply | None:
        """Take a recipient in, as its filter wants it; or why not."""
        if isinstance(standing, Reply):
            return _as_refusal(standing)
        disagreement = self._agreement.admit(standing)
        if disagreement is not None and not self.is_settled:
            return disagreement
        if disagreement is not None:
            self._agreement = Agreement(Standing.FILTERED)  # then the global filters see it
        self.guests.append(guest)
        if guest.content is not None:
            (mailbox,) = guest.accepted.mailboxes
            self._calls[mailbox] = guest.content
        return None

    def _standing(self, guest: Guest) -> Standing | Reply:
        """Ask one recipient's filter."""
        try:
            return self._ask_about(guest)
        except FilterCallError:  # an address may be longer than the name of a file
            return NO_FILTER_NAME

    def _ask_about(self, guest: Guest) -> Standing | Reply:
        accepted = guest.accepted
        if accepted.is_remote:
            return Standing.WHITELISTED
        alias_account = self.filters.alias_account
        if accepted.alias and alias_account is not None:
            return self._ask(alias_account, alias_filter_name(accepted.alias))
        target = accepted.targets[0] if len(accepted.targets) == 1 else None
        if target is None:  # a list of members, or somebody who is unknown and will bounce
            return Standing.FILTERED
        if min(target.uid, target.gid) < self.filters.minimum_id:  # filterd would not run it
            return Standing.FILTERED
        account = self._account(target)
        standing = self._ask(account, recipient_filter_name(target.extension))
        if standing is Standing.FILTERED:
            guest.content = self._call(account, content_filter_name(target.extension))
        return standing

    def _ask(self, account: FilterAccount, name: str) -> Standing | Reply:
        return judge_recipient(self.filters.runner.run(self._call(account, name)))

    def _call(self, account: FilterAccount, name: str) -> FilterCall:
        return FilterCall(
            account=account,
            name=name,
            sender=self.sender,
            environment=self.filters.variables(self.origin),
        )

    def _account(self, target: LocalTarget) -> FilterAccount:
        return FilterAccount(
            uid=target.uid,
            gid=target.gid,
            home=target.home,
            maildir=target.maildir or self.filters.default_maildir,
            quota=target.quota or "",
        )

    # The message

    def judge(self, messages: list[NewMessage], mailboxes: Sequence[Sequence[str]]) -> Screened:
        """Ask the content filters about a complete message, in this thread.

        Args:
            messages: what is to be queued.
            mailboxes: of each message's recipients, in order; what follows them in a message
                are aliases that are done, and what filters added.

        Raises:
            OSError: the message cannot be shown to a filter.
        """
        refusals = self._ask_content(messages[0].body)
        refusals.update(self._settled_refusals())
        verdicts = ContentVerdicts(
            tuple(
                ContentVerdict(guest.account, _of_guest(guest, refusals)) for guest in self.guests
            )
        )
        fallback = PartialRefusal.ACCEPT if self.has_exdata else self.filters.partial
        refusal = None if self.is_settled else verdicts.refusal(fallback)
        closed = _without(messages, mailboxes, refusals, is_told=self.has_exdata)
        return Screened(closed, verdicts, refusal)

    def _settled_refusals(self) -> dict[str, Reply]:
        """Mailboxes that nobody is left to want the message for."""
        wanted = {
            mailbox
            for guest in self.guests
            for mailbox in guest.accepted.mailboxes
            if guest.refusal is None
        }
        return {
            mailbox: guest.refusal
            for guest in self.guests
            for mailbox in guest.accepted.mailboxes
            if guest.refusal is not None and mailbox not in wanted
        }

    def _ask_content(self, body: BodyWriter | bytes) -> dict[str, Reply]:
        """Why mailboxes refuse the message; each is asked once."""
        refusals: dict[str, Reply] = {}
        asked = self._asked()
        if not asked:
            return refusals
        descriptor = open_body(body)
        try:
            run = self.filters.runner.run
            results = self.filters.each(
                [partial(run, self._calls[mailbox], descriptor) for mailbox in asked]
            )
        finally:
            os.close(descriptor)
        for mailbox, result in zip(asked, results, strict=True):
            refusal = judge_content(result)
            if refusal is not None:
                refusals[mailbox] = _as_refusal(refusal)
        return refusals

    def _asked(self) -> list[str]:
        """Mailboxes whose filter is asked; not those that an alias brings the mail to anyway."""
        unasked = {
            mailbox
            for guest in self.guests
            if guest.content is None and guest.refusal is None
            for mailbox in guest.accepted.mailboxes
        }
        return [mailbox for mailbox in self._calls if mailbox not in unasked]


def open_body(body: BodyWriter | bytes) -> int:
    """A descriptor that reads a message from its beginning; the caller closes it.

    Raises:
        OSError: there is none to be had.
    """
    if not isinstance(body, bytes):
        if body.is_file:
            return body.open()
        body = body.inline_bytes()
    descriptor = os.memfd_create("message", os.MFD_CLOEXEC)
    try:
        view = memoryview(body)
        while view:
            view = view[os.write(descriptor, view) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _of_guest(guest: Guest, refusals: dict[str, Reply]) -> Reply | None:
    if guest.refusal is not None:
        return guest.refusal
    return None if guest.content is None else refusals.get(guest.accepted.mailboxes[0])


def _without(
    messages: list[NewMessage],
    mailboxes: Sequence[Sequence[str]],
    refusals: dict[str, Reply],
    *,
    is_told: bool,
) -> list[NewMessage]:
    """The messages with the recipients that refuse as done."""
    if not refusals:
        return messages
    closed = []
    for message, own in zip(messages, mailboxes, strict=True):
        done = {outcome.index for outcome in message.outcomes}
        outcomes = tuple(
            _closed(index, refusals[mailbox], is_told=is_told)
            for index, mailbox in enumerate(own)
            if mailbox in refusals and index not in done
        )
        closed.append(attrs.evolve(message, outcomes=message.outcomes + outcomes))
    return closed


def _closed(index: int, refusal: Reply, *, is_told: bool) -> Outcome:
    """A recipient that is done; unreported where the client heard it, or shall think it arrived."""
    is_silent = is_told or refusal.is_success
    return Outcome(
        index=index, kind="success" if is_silent else "failure", lines=tuple(refusal.lines())
    )


def _as_refusal(reply: Reply) -> Reply:
    # Courier: a filter's 421 is passed on; here it would end the client's session (RFC 5321 3.8).
    return attrs.evolve(reply, code=450) if reply.code == 421 else reply
