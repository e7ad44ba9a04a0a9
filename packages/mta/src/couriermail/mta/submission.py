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
from typing import TYPE_CHECKING, Protocol

import attrs

from couriermail.core import Clock, CouriermailError, Reply, StorageError, SystemClock
from couriermail.mta.assembly import HeaderPolicy, RefusedHeaderError, Trace, assemble
from couriermail.queue import Envelope, Outcome, Queue, Recipient
from couriermail.queue import Submission as NewMessage
from couriermail.rfc822 import HeaderReader, format_date, is_clean_list, rewrite_address_field
from couriermail.rfc822.errors import HeaderLimitError

if TYPE_CHECKING:
    from couriermail.mta.filtercopy import MessageCopy
    from couriermail.mta.globalfilters import GlobalFilters, Judgement
    from couriermail.queue import BodyWriter
    from couriermail.rfc822.headers import Field, Headers

__all__ = ["Accepted", "Admission", "Origin", "Submission", "SubmissionSettings", "Submitter"]

HEADER_TOO_LARGE = Reply(534, "Message header size exceeds policy limit.", enhanced="5.3.4")
NO_RECIPIENTS = Reply(511, "Headers specify no receipients.", enhanced="5.1.3")
SERVICE_UNAVAILABLE = Reply(432, "Service temporarily unavailable.", enhanced="4.3.0")
SPACE_SECONDS = 0.1  # the reserve that `check_space` keeps is larger than what arrives in it
NO_OPTIONS: Mapping[str, str] = {}


@attrs.frozen(kw_only=True)
class Origin:
    """How a message came in.

    Attributes:
        module: the input module, `esmtp`, `local`, `dsn`; decides rewriting and admission.
        source: `dns; HELO (HOST [IP])`.
        ident: second line of Received, such as `uid 2001`.
        protocol: the word behind `with` in Received, such as `ESMTPSA` (RFC 3848).
        label: message source label, `smtp`, `authsmtp`, `local`, `smtp/dsn`.
        auth: authenticated identity, or None.
        may_relay: True when any domain is accepted from this client.
        user: login name of a local submitter.
        uid: its number, or -1.
        add_message_id: add a Message-ID where there is none.
        add_date: add a Date where there is none.
        server_ip: our own address in the client's connection; `user@[IP]` is a local user.
        client_ip: the client's address, or "".
    """

    module: str
    source: str
    ident: str = ""
    protocol: str = ""
    label: str = "local"
    auth: str | None = None
    may_relay: bool = False
    user: str = ""
    uid: int = -1
    add_message_id: bool = True
    add_date: bool = True
    server_ip: str | None = None
    client_ip: str = ""


@attrs.frozen(kw_only=True)
class SubmissionSettings:
    """What submission needs of the configuration (spec mta.md 3.2).

    Attributes:
        me: this host's name, ACE.
        default_domain: completes addresses without a domain, ACE.
        message_id_host: right side of generated Message-IDs, ACE.
        size_limit: octets of a message, 0 for no limit.
        batch_size: recipients per queued message; larger lists are split.
        max_recipients: recipients per message.
        queue_time: seconds until an undelivered message is given up.
        warn_time: seconds until a delay is reported; 0 for never.
        utc_offset: seconds east of UTC for dates, or None for the system's zone.
    """

    me: str
    default_domain: str
    message_id_host: str
    size_limit: int = 10_485_760
    batch_size: int = 100
    max_recipients: int = 100
    queue_time: float = 7 * 86400.0
    warn_time: float = 4 * 3600.0
    utc_offset: int | None = None


@attrs.frozen
class Accepted:
    """What one accepted address adds to a message.

    Attributes:
        recipients: who gets the message.
        delivered: recipients that are done at once, with the outcome to record: an alias with
            several members (spec mta.md 5.4).  The outcome's index is set later.
        mailboxes: what tells the mailboxes of `recipients` apart, such as their `Route.key`;
            empty for their addresses.
        is_remote: True when none of `recipients` has a mailbox here: filters that leave mail
            alone which its recipients let pass are not asked (spec filter 4.18, 4.19).
    """

    recipients: tuple[Recipient, ...]
    delivered: tuple[tuple[Recipient, Outcome], ...] = ()
    mailboxes: tuple[str, ...] = ()
    is_remote: bool = False


class Admission(Protocol):
    """Who decides about addresses: the router, seen from submission."""

    def sender(self, address: str, origin: Origin) -> str | Reply:
        """The canonical reverse-path, or why it is refused."""
        ...

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        """Who gets the mail for one address (aliases), or why it is refused."""
        ...


@attrs.define(eq=False)
class Submitter:
    """Opens submissions on one queue.

    Attributes:
        queue: where they go.
        admission: decides about addresses.
        settings: of the configuration.
        clock: tells the time.
        filters: judge complete messages; None for none.
    """

    queue: Queue
    admission: Admission
    settings: SubmissionSettings
    clock: Clock = attrs.field(factory=SystemClock)
    filters: GlobalFilters | None = None
    _space_until: float = attrs.field(default=float("-inf"), init=False)
    _date: tuple[int, str] = attrs.field(default=(0, ""), init=False)

    def begin(
        self, origin: Origin, reverse_path: str, *, envid: str | None = None, ret: str = "",
        options: Mapping[str, str] = NO_OPTIONS, security: str = "", verp: bool = False,
        smtputf8: bool = False, announced_size: int = 0, internal: bool = False, mark: str = "",
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
        return Submission(self, origin, envelope, unlimited=internal, mark=mark)

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
        if self.filters is not None:
            self.filters.close()

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
    """

    _submitter: Submitter
    _origin: Origin
    _envelope: Envelope
    header_recipients: bool = attrs.field(default=False, kw_only=True)
    bcc_only: bool = attrs.field(default=False, kw_only=True)
    edit_headers: Callable[[Headers], Headers] | None = attrs.field(default=None, kw_only=True)
    unlimited: bool = attrs.field(default=False, kw_only=True)
    mark: str = attrs.field(default="", kw_only=True)
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
        """Check one recipient and take it in; the reply says how it went."""
        self._attempts += 1
        if self._attempts > self._submitter.settings.max_recipients and not self.header_recipients:
            return Reply(431, "Too many recipients.", enhanced="4.5.3")
        wanted = Recipient(address=address, original=original, notify=notify)
        accepted = self._submitter.admission.recipient(
            wanted, self._origin, verp=self._envelope.verp
        )
        if isinstance(accepted, Reply):
            return accepted
        self._accept(accepted.recipients, accepted.mailboxes)
        self._is_local = self._is_local or not accepted.is_remote
        self._delivered.extend(accepted.delivered)
        return _OK_RECIPIENT

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
        return self._commit(self._body)

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
            text = "\n".join(f"{reply.text} <{address}>" for address, reply in refused)
            self._refuse(Reply(refused[0][1].code, text, enhanced=refused[0][1].enhanced))
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
            for queue_id, batch in zip(self._ids[1:], batches[1:], strict=True)
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

    def _commit(self, body: BodyWriter) -> Future[Reply]:
        """Queue the message, once the filters let it pass."""
        self._body = None
        messages = self._messages(body)
        done: Future[Reply] = Future()
        copy, self._copy = self._copy, None
        filters = self._submitter.filters
        if copy is None or filters is None:
            self._queue(messages, done)
            return done

        def judged(future: Future[Judgement]) -> None:
            if future.cancelled():  # we are being stopped
                copy.discard()
                body.discard()
                done.set_result(SERVICE_UNAVAILABLE)
                return
            error = future.exception()
            found = None if error is not None else future.result()
            if not isinstance(found, list) or found[0].body is not body:
                body.discard()
            if isinstance(found, list):
                self._queue(found, done)
            elif found is not None:
                done.set_result(found)
            else:
                done.set_exception(error)

        asked = filters.judge(copy, messages, self._origin, is_local=self._is_local)
        asked.add_done_callback(judged)
        return done

    def _queue(self, messages: list[NewMessage], done: Future[Reply]) -> None:
        """Commit; `done` gets the reply afterwards."""
        accepted = Reply(250, f"Ok. {self._ids[0].partition('.')[2]}", enhanced="2.6.0")

        def committed(future: Future[None]) -> None:
            error = future.exception()
            if error is None:
                done.set_result(accepted)
            elif isinstance(error, CouriermailError):
                done.set_result(error.reply)
            else:
                done.set_exception(error)

        try:
            self._submitter.queue.submit_soon(messages).add_done_callback(committed)
        except CouriermailError as error:
            done.set_result(error.reply)

    def _refuse(self, reply: Reply) -> None:
        self.discard()
        self._refusal = reply


_OK_RECIPIENT = Reply(250, "Ok.", enhanced="2.1.5")


def _resolved(reply: Reply) -> Future[Reply]:
    future: Future[Reply] = Future()
    future.set_result(reply)
    return future
