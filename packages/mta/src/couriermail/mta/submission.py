"""Submission: one message on its way into the queue (spec mta.md 6).

The same object serves the SMTP server, the submission socket, forwards and reports:

    submission = submitter.begin(origin, "alice@example.com")
    reply = submission.add_recipient("bob@example.com")      # 250, or why not
    submission.write(chunk)                                   # LF line ends, any split
    reply = await wrap_future(submission.finish())            # 250 once it is durable

Theory of operation.  The header is collected (bounded) and assembled once complete; from then on
the body goes straight into the queue's body writer.  A message that breaks a limit is refused at
its end, after the rest was read and thrown away, so that a protocol stays in step.  `finish`
hands everything to the queue's group commit and gives back a future; nothing is acknowledged
before the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

import attrs

from couriermail.core import Clock, CouriermailError, Reply, StorageError, SystemClock
from couriermail.mta.assembly import HeaderPolicy, RefusedHeaderError, Trace, assemble
from couriermail.mta.conclusion import SERVICE_UNAVAILABLE, Conclusion
from couriermail.mta.submissionvalues import Accepted, Admission, Origin, SubmissionSettings
from couriermail.queue import Envelope, Outcome, Queue, Recipient
from couriermail.queue import Submission as NewMessage
from couriermail.rfc822 import HeaderReader, format_date, is_clean_list, rewrite_address_field
from couriermail.rfc822.errors import HeaderLimitError

if TYPE_CHECKING:
    from couriermail.mta.filtercopy import MessageCopy
    from couriermail.mta.globalfilters import GlobalFilters
    from couriermail.mta.recipientfilters import RecipientFilters
    from couriermail.mta.screening import Screening
    from couriermail.queue import BodyWriter
    from couriermail.rfc822.headers import Field, Headers

__all__ = ["Accepted", "Admission", "Origin", "Submission", "SubmissionSettings", "Submitter"]

HEADER_TOO_LARGE = Reply(534, "Message header size exceeds policy limit.", enhanced="5.3.4")
NO_RECIPIENTS = Reply(511, "Headers specify no receipients.", enhanced="5.1.3")
SPACE_SECONDS = 0.1  # the reserve that `check_space` keeps is larger than what arrives in it
NO_OPTIONS: Mapping[str, str] = {}

_T = TypeVar("_T")


@attrs.define(eq=False)
class Submitter:
    """Opens submissions on one queue.

    Attributes:
        queue: where they go.
        admission: decides about addresses.
        settings: of the configuration.
        clock: tells the time.
        filters: judge complete messages; None for none.
        recipient_filters: the recipients' own; None for none.
    """

    queue: Queue
    admission: Admission
    settings: SubmissionSettings
    clock: Clock = attrs.field(factory=SystemClock)
    filters: GlobalFilters | None = None
    recipient_filters: RecipientFilters | None = None
    _space_until: float = attrs.field(default=float("-inf"), init=False)
    _date: tuple[int, str] = attrs.field(default=(0, ""), init=False)

    def begin(
        self, origin: Origin, reverse_path: str, *, envid: str | None = None, ret: str = "",
        options: Mapping[str, str] = NO_OPTIONS, security: str = "", verp: bool = False,
        smtputf8: bool = False, announced_size: int = 0, internal: bool = False, mark: str = "",
        is_settled: bool = False, exdata: bool = False,
    ) -> Submission | Reply:  # fmt: skip
        """Start a message, or say why its sender is refused.

        Args:
            origin: how it comes in.
            reverse_path: as the client gave it; empty for the null sender.
            envid: ENVID, xtext (RFC 3461 4.4).
            ret: RET, `F`, `H` or empty (RFC 3461 4.3).
            options: saved with the message.
            security: SECURITY level.
            verp: variable envelope return paths are wanted.
            smtputf8: the client said SMTPUTF8 (RFC 6531).
            announced_size: SIZE= of the client (RFC 1870), 0 when unknown.
            internal: the mail system's own message (report, forward): the sender is canonical
                already, and space that is kept back from new mail may be used.
            mark: remembered by the queue together with the message (`Queue.has_mark`).
            is_settled: nobody is there to hear about a recipient: filters that refuse one make
                it fail, and its sender hears by mail.
            exdata: the client hears about each recipient at the end (`Submission.answers`).
        """
        sender: str | Reply = reverse_path
        if not internal:
            sender = self._admit(origin, reverse_path, announced_size)
        if isinstance(sender, Reply):
            return sender
        envelope = Envelope(
            sender=sender, recipients=(), source=origin.source, ident=origin.ident,
            label=origin.label, envid=envid, ret=ret, auth=origin.auth, smtputf8=smtputf8,
            security=security, verp=verp, user=origin.user, uid=origin.uid, options=options,
        )  # fmt: skip
        submission = Submission(self, origin, envelope, unlimited=internal, mark=mark)
        if self.recipient_filters is not None and not internal:
            submission.screening = self.recipient_filters.screening(
                origin, sender, is_settled=is_settled, has_exdata=exdata
            )
        return submission

    def _admit(self, origin: Origin, reverse_path: str, announced_size: int) -> str | Reply:
        limit = self.settings.size_limit
        if limit and announced_size > limit:
            return Reply(534, "SIZE=Message too big.", enhanced="5.3.4")
        try:
            self._check_space()
        except StorageError as error:
            return error.reply
        return self.admission.sender(reverse_path, origin)

    def _check_space(self) -> None:
        """Ask the queue for space, at most every `SPACE_SECONDS`; a refusal is asked again."""
        now = self.clock.monotonic()
        if now >= self._space_until:
            self.queue.check_space()
            self._space_until = now + SPACE_SECONDS

    def close(self) -> None:
        """Ask the filters nothing more; the queue is its opener's to close."""
        for filters in (self.recipient_filters, self.filters):
            if filters is not None:
                filters.close()

    def date(self, now: float) -> str:
        """The time as header text; formatted once per second."""
        second = int(now)
        if self._date[0] != second:
            offset = self.settings.utc_offset
            if offset is None:
                from couriermail.rfc822 import local_offset

                offset = local_offset(now)
            self._date = (second, format_date(second, offset))
        return self._date[1]


@attrs.define(eq=False)
class Submission:
    """One message between its MAIL command and its commit.

    Attributes:
        header_recipients: take the recipients from To, Cc and Bcc.
        bcc_only: of these, take Bcc only.
        edit_headers: applied to the header before everything else (sendmail's From rules).
        unlimited: no size limit: what is in the queue may be forwarded or returned.
        mark: goes into the queue with the message.
        screening: asks the recipients' filters; None where they are not asked.
        turned_away: behind `finish`, recipients that were accepted at first and are refused.
    """

    _submitter: Submitter
    _origin: Origin
    _envelope: Envelope
    header_recipients: bool = attrs.field(default=False, kw_only=True)
    bcc_only: bool = attrs.field(default=False, kw_only=True)
    edit_headers: Callable[[Headers], Headers] | None = attrs.field(default=None, kw_only=True)
    unlimited: bool = attrs.field(default=False, kw_only=True)
    mark: str = attrs.field(default="", kw_only=True)
    screening: Screening | None = attrs.field(default=None, init=False)
    _answers: Callable[[], tuple[Reply, ...]] = attrs.field(default=tuple, init=False)
    turned_away: list[tuple[str, Reply]] = attrs.field(factory=list, init=False)
    _recipients: dict[tuple[str, str], Recipient] = attrs.field(factory=dict, init=False)
    _reported_on: set[str] = attrs.field(factory=set, init=False)  # mailboxes not NEVER
    _delivered: list[tuple[Recipient, Outcome]] = attrs.field(factory=list, init=False)
    _attempts: int = attrs.field(default=0, init=False)
    _ids: tuple[str, ...] = attrs.field(default=(), init=False)
    _header: HeaderReader | None = attrs.field(factory=HeaderReader, init=False)
    _body: BodyWriter | None = attrs.field(default=None, init=False)
    _is_local: bool = attrs.field(default=False, init=False)  # a recipient has a mailbox here
    _copy: MessageCopy | None = attrs.field(default=None, init=False)  # for the filters
    _eight_bit: bool = attrs.field(default=False, init=False)
    _eight_bit_header: bool = attrs.field(default=False, init=False)
    _refusal: Reply | None = attrs.field(default=None, init=False)
    _now: float = attrs.field(default=0.0, init=False)

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """The accepted recipients so far."""
        return tuple(self._recipients.values())

    def add_recipient(
        self, address: str, *, notify: str = "", original: str | None = None
    ) -> Reply:
        """Check one recipient and take it in; the reply says how it went.

        Its own filter has a say at the end: see `turned_away`.
        """
        accepted = self._admitted(address, notify, original)
        if isinstance(accepted, Reply):
            return accepted
        if self.screening is not None:
            self.screening.put_off(address, accepted)
        self._take(accepted)
        return _OK_RECIPIENT

    def offer_recipient(
        self, address: str, *, notify: str = "", original: str | None = None
    ) -> Reply | Future[Reply]:
        """Check one recipient and ask its filter; the next waits for the answer.

        Returns:
            The reply, or where a filter is asked, the reply when it has answered.
        """
        accepted = self._admitted(address, notify, original)
        if isinstance(accepted, Reply):
            return accepted
        if self.screening is None:
            self._take(accepted)
            return _OK_RECIPIENT
        return _answered(self.screening.ask(address, accepted), lambda: self._take(accepted))

    def _admitted(self, address: str, notify: str, original: str | None) -> Accepted | Reply:
        self._attempts += 1
        if self._attempts > self._submitter.settings.max_recipients and not self.header_recipients:
            return Reply(431, "Too many recipients.", enhanced="4.5.3")
        wanted = Recipient(address=address, original=original, notify=notify)
        return self._submitter.admission.recipient(wanted, self._origin, verp=self._envelope.verp)

    def _take(self, accepted: Accepted) -> None:
        self._accept(accepted.recipients, accepted.mailboxes)
        self._is_local = self._is_local or not accepted.is_remote
        self._delivered.extend(accepted.delivered)

    def add_checked(self, recipients: Iterable[Recipient]) -> None:
        """Take recipients that need no admission: the mail system's own (reports)."""
        self._accept(recipients)
        self._is_local = True

    def _accept(self, recipients: Iterable[Recipient], mailboxes: Sequence[str] = ()) -> None:
        """Merge duplicates (spec mta.md 5.4, 18.3).

        A mailbox gets one copy per ORCPT that was given for it; a NEVER recipient (a member of
        an alias) only stands for it while nobody asks to hear about it.
        """
        recipients = list(recipients)
        keys = mailboxes or [recipient.address for recipient in recipients]
        for mailbox, recipient in zip(keys, recipients, strict=True):
            silent = mailbox, "N"
            if recipient.notify == "N":
                if mailbox not in self._reported_on:
                    self._recipients.setdefault(silent, recipient)
                continue
            self._recipients.pop(silent, None)
            self._reported_on.add(mailbox)
            self._recipients.setdefault((mailbox, f"O{recipient.original or ''}"), recipient)

    def write(self, chunk: bytes) -> None:
        """Take the next piece of the message; never raises, a refusal waits for the end."""
        if self._refusal is not None:
            return
        try:
            if self._header is not None:
                chunk = self._collect_header(self._header, chunk)
            if chunk and self._refusal is None:
                self._write_body(chunk)
        except CouriermailError as error:
            self._refuse(error.reply)

    def finish(self) -> Future[Reply]:
        """End the message.  The future's reply is 250 only after the commit."""
        if self._header is not None and self._refusal is None:
            try:
                self._header.close()
                self._start_body(self._header)
            except CouriermailError as error:
                self._refuse(error.reply)
        if self._refusal is None and not self._recipients:
            self._refuse(NO_RECIPIENTS)
        if self._refusal is not None or self._body is None:
            return _resolved(self._refusal or SERVICE_UNAVAILABLE)
        return self._conclude(self._body)

    def finish_each(self) -> Future[Reply | Sequence[Reply]]:
        """`finish` for a client that said EXDATA: one reply per accepted recipient, or for all."""
        answered: Future[Reply | Sequence[Reply]] = Future()

        def finished(future: Future[Reply]) -> None:
            error = future.exception()
            if error is not None:
                answered.set_exception(error)
            else:
                answered.set_result(self._answers() or future.result())

        self.finish().add_done_callback(finished)
        return answered

    def ask_recipients(self) -> Future[list[tuple[str, Reply]]]:
        """Ask the filters of the recipients so far, without a message; who is refused."""
        screening = self.screening
        if screening is None or not screening.has_questions:
            return _resolved([])
        return screening.start(screening.settle)

    def parts(self) -> list[NewMessage] | Reply:
        """End the message without committing it: what `Queue.finish(new=...)` takes.

        For reports and forwards, which enter the queue in the transaction that needed them.
        """
        if self._header is not None and self._refusal is None:
            self._header.close()
            self._start_body(self._header)
        if self._refusal is not None or self._body is None:
            return self._refusal or SERVICE_UNAVAILABLE
        return self._messages(self._body)

    def discard(self) -> None:
        """Forget the message: the client went away or the transaction was reset."""
        if self._body is not None:
            self._body.discard()
            self._body = None
        if self._copy is not None:
            self._copy.discard()
            self._copy = None
        self._refusal = self._refusal or SERVICE_UNAVAILABLE

    def _collect_header(self, reader: HeaderReader, chunk: bytes) -> bytes:
        try:
            if not reader.feed(chunk):
                return b""
        except HeaderLimitError:
            self._refuse(HEADER_TOO_LARGE)
            return b""
        self._start_body(reader)
        return reader.rest

    def _start_body(self, reader: HeaderReader) -> None:
        """The header is complete: assemble it and open the body."""
        self._header = None
        headers = reader.headers
        if self.edit_headers is not None:
            headers = self.edit_headers(headers)
        if self.header_recipients and not self._recipients_from(headers):
            return
        settings, origin = self._submitter.settings, self._origin
        self._now = self._submitter.clock.now()
        self._ids = self._submitter.queue.new_ids(self._batches(len(self._recipients)))
        trace = Trace(
            source=origin.source, ident=origin.ident, me=settings.me,
            protocol=origin.protocol or origin.module, queue_id=self._ids[0],
            date=self._submitter.date(self._now), message_id_host=settings.message_id_host,
        )  # fmt: skip
        policy = HeaderPolicy(
            rewrite=self._complete,
            drop_bcc=self.header_recipients,
            add_message_id=origin.add_message_id,
            add_date=origin.add_date,
        )
        try:
            assembled = assemble(headers, trace, policy)
        except RefusedHeaderError as error:
            self._refuse(error.reply)
            return
        self._eight_bit_header = assembled.is_eight_bit
        self._body = self._submitter.queue.new_body()
        if self._submitter.filters is not None and not self.unlimited:
            self._copy = self._submitter.filters.copy_for(origin.module, self._ids[0])
        self._write_body(assembled.data)

    def _write_body(self, chunk: bytes) -> None:
        body = self._body
        if body is None:
            return
        limit = self._submitter.settings.size_limit
        size = body.size + len(chunk)
        if limit and size > limit and not self.unlimited:
            text = f"Message length ({size} bytes) exceeds administrative limit({limit})."
            self._refuse(Reply(523, text, enhanced="5.3.4"))
            return
        if not self._eight_bit and not chunk.isascii():
            self._eight_bit = True
        body.write(chunk)
        if self._copy is not None:
            self._copy.write(chunk)

    def _recipients_from(self, headers: Headers) -> bool:
        """Spec mta.md 6.3: all of To, Cc and Bcc; refusals are collected into one reply."""
        names = ("Bcc",) if self.bcc_only else ("To", "Cc", "Bcc")
        refused = []
        for name in names:
            for address in headers.addresses(name):
                reply = self.add_recipient(address.addr)
                if not reply.is_success:
                    refused.append((address.addr, reply))
        if refused:
            self._refuse(_together(refused))
        elif not self._recipients:
            self._refuse(NO_RECIPIENTS)
        return not refused and bool(self._recipients)

    def _complete(self, field: Field) -> Field:
        """An address field with its domains complete; one that is no clean list stays as it is."""
        from couriermail.rfc822.headers import Field

        # `To: Mary Smith` reads as two mailboxes: completing what nobody meant would harm it.
        if not is_clean_list(field.raw_value):
            return field
        return Field(rewrite_address_field(field, self._with_domain, keep_unchanged=True))

    def _with_domain(self, address: str) -> str:
        if not address or "@" in address or "!" in address:
            return address
        return f"{address}@{self._submitter.settings.default_domain}"

    def _batches(self, recipients: int) -> int:
        return max(1, -(-recipients // (self._submitter.settings.batch_size or 100)))

    def _messages(self, body: BodyWriter) -> list[NewMessage]:
        """The queued messages: one for each `batch_size` recipients, one body (6.9)."""
        settings = self._submitter.settings
        recipients = self.recipients
        size = settings.batch_size or 100
        batches = [recipients[start : start + size] for start in range(0, len(recipients), size)]
        first = attrs.evolve(
            self._envelope,
            recipients=batches[0],
            eight_bit=self._eight_bit,
            smtputf8=self._envelope.smtputf8 or self._eight_bit_header,
            expires=self._now + settings.queue_time,
            warn=self._now + settings.warn_time if settings.warn_time else None,
        )
        messages = [NewMessage(self._ids[0], first, body, mark=self.mark)]
        messages.extend(
            NewMessage(queue_id, attrs.evolve(first, recipients=batch), body)
            for queue_id, batch in zip(self._ids[1 : len(batches)], batches[1:], strict=True)
        )
        if self._delivered:
            messages[0] = self._with_delivered(messages[0])
        return messages

    def _with_delivered(self, message: NewMessage) -> NewMessage:
        """The message with its aliases as recipients that are done (spec mta.md 5.4)."""
        recipients = message.envelope.recipients
        outcomes = [
            attrs.evolve(outcome, index=len(recipients) + place)
            for place, (_, outcome) in enumerate(self._delivered)
        ]
        aliases = tuple(alias for alias, _ in self._delivered)
        envelope = attrs.evolve(message.envelope, recipients=recipients + aliases)
        return attrs.evolve(message, envelope=envelope, outcomes=tuple(outcomes))

    def _conclude(self, body: BodyWriter) -> Future[Reply]:
        """Let the filters judge the message and queue it."""
        conclusion = Conclusion(
            self._submitter.queue,
            self._submitter.filters,
            self._origin,
            accepted=Reply(250, f"Ok. {self._ids[0].partition('.')[2]}", enhanced="2.6.0"),
            body=body,
            copy=self._copy,
        )
        self._body = self._copy = None
        self._answers = lambda: conclusion.answers
        screening = self.screening
        if screening is None:
            conclusion.judge(self._messages(body), is_local=self._is_local)
        elif not screening.has_questions:
            conclusion.judge(self._messages(body), is_local=not screening.is_whitelisted)
        else:
            conclusion.screen(screening, lambda: self._settled(screening, body), self._mailboxes)
        return conclusion.done

    def _settled(self, screening: Screening, body: BodyWriter) -> list[NewMessage] | Reply:
        """The messages for those whose filters let them in; a thread of the filters asks."""
        refused = screening.settle()
        if refused and not screening.is_settled:
            if self.header_recipients:
                return _together(refused)
            self.turned_away = refused
            self._take_again(screening)
            if not self._recipients:
                return refused[-1][1]
        return self._messages(body)

    def _take_again(self, screening: Screening) -> None:
        self._recipients.clear()
        self._reported_on.clear()
        self._delivered.clear()
        for guest in screening.guests:
            self._take(guest.accepted)

    def _mailboxes(self) -> list[list[str]]:
        """The mailboxes of each queued message's recipients."""
        mailboxes = [mailbox for mailbox, _ in self._recipients]
        size = self._submitter.settings.batch_size or 100
        return [mailboxes[start : start + size] for start in range(0, len(mailboxes), size)]

    def _refuse(self, reply: Reply) -> None:
        self.discard()
        self._refusal = reply


_OK_RECIPIENT = Reply(250, "Ok.", enhanced="2.1.5")


def _resolved(value: _T) -> Future[_T]:
    future: Future[_T] = Future()
    future.set_result(value)
    return future


def _together(refused: Sequence[tuple[str, Reply]]) -> Reply:
    """One reply for all refused recipients of a header (spec mta.md 6.3)."""
    text = "\n".join(f"{reply.text} <{address}>" for address, reply in refused)
    first = refused[0][1]
    return Reply(first.code, text, enhanced=first.enhanced)


def _answered(refusal: Future[Reply | None], take: Callable[[], None]) -> Future[Reply]:
    """The reply to a recipient whose filter was asked; it is taken in when that lets it."""
    answered: Future[Reply] = Future()

    def heard(future: Future[Reply | None]) -> None:
        if future.cancelled():  # we are being stopped
            answered.set_result(SERVICE_UNAVAILABLE)
            return
        error = future.exception()
        if error is not None:
            answered.set_exception(error)
            return
        reply = future.result()
        if reply is None:
            take()
        answered.set_result(reply or _OK_RECIPIENT)

    refusal.add_done_callback(heard)
    return answered
