"""The daemon's side of the submission socket, and of drop files.

One connection brings one request (`couriermail.mta.submitwire`).  Who speaks is the kernel's
word (SO_PEERCRED, a drop file's owner), never the request's.  Fields of a request:

`from`, `rcpt` (repeats), `notify`, `ret`, `envid`, `security`, `verp`, `name` (full name for
From), `env.NAME` (the caller's `MAILUSER`, `LOGNAME` ...), `verify` (only check the recipients),
`bcc` (header recipients from Bcc only), `smtputf8`.  `rcpt.notify` and `rcpt.orcpt` belong to the
`rcpt` before them.  `smtp` (the word for Received) and `helo` say that the message came by
`sendmail -bs`: it is treated as SMTP from a client that may relay.  With `request` it is no
message but a request about the queue, see `couriermail.mta.queuecontrol`.
"""

from __future__ import annotations

import asyncio
import logging
import pwd
import socket
import struct
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, cast

import attrs

from couriermail.core import Reply
from couriermail.mta.fromheader import SenderIdentity, rewrite_from
from couriermail.mta.queuecontrol import ControlAnswer, QueueControl
from couriermail.mta.submission import Origin, Submission, Submitter
from couriermail.mta.submitwire import RequestReader, encode_answer, encode_items
from couriermail.queue import Recipient

if TYPE_CHECKING:
    from couriermail.rfc822.headers import Headers

__all__ = ["Peer", "Request", "SubmissionProtocol", "drop_mark", "peer_of", "peer_of_socket"]

log = logging.getLogger("couriermail.mta.submit")

IDLE_SECONDS = 300.0
NO_CONTROL = Reply(554, "A drop file is a message.", enhanced="5.5.4")
LOCALHOST = "dns; localhost (localhost [127.0.0.1])"
DROP_MARK = "drop:"
SERVICE_UNAVAILABLE = Reply(451, "Service temporarily unavailable.")


@attrs.frozen
class Peer:
    """Who submits: a login name and uid, and the full name that From gets."""

    uid: int
    user: str
    full_name: str


def peer_of(uid: int) -> Peer:
    """The peer behind a uid; a uid without a passwd entry is called by its number."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Peer(uid, "nobody", "")
    return Peer(uid, entry.pw_name, entry.pw_gecos.partition(",")[0])


def peer_of_socket(connection: socket.socket) -> Peer:
    """Who is at the other end of a unix socket, as the kernel says."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return peer_of(struct.unpack("3i", raw)[1])


@attrs.define(eq=False)
class Request:
    """One request on its way into the queue; used by the socket and by drop files.

    Attributes:
        submitter: where it goes.
        peer: who sent it.
        drop_name: name of the drop file it comes from, or "".  Its sender is no longer there to
            hear about a refused recipient, so such recipients are taken and reported by mail.
    """

    submitter: Submitter
    peer: Peer
    drop_name: str = attrs.field(default="", kw_only=True)
    _reader: RequestReader = attrs.field(factory=RequestReader, init=False)
    _submission: Submission | None = attrs.field(default=None, init=False)
    _refused: list[tuple[str, str]] = attrs.field(factory=list, init=False)
    _final: Reply | None = attrs.field(default=None, init=False)
    _is_smtp: bool = attrs.field(default=False, init=False)
    _verified: list[str] | None = attrs.field(default=None, init=False)

    @property
    def is_complete(self) -> bool:
        """True when the whole request was read."""
        return self._reader.is_complete

    @property
    def is_over(self) -> bool:
        """True when nothing more need be read: complete, or refused whatever follows."""
        return self._reader.is_complete or bool(self._reader.error)

    @property
    def _is_settled(self) -> bool:
        """Nobody is there any more to hear about a recipient: of a drop file, or after RCPT."""
        return bool(self.drop_name) or self._is_smtp

    def show(self, reply: Reply) -> str:
        """A reply as the caller wants it: `sendmail` prints no enhanced codes, SMTP has them."""
        return str(reply) if self._is_smtp else _plain(reply)

    @property
    def control(self) -> list[tuple[str, str]]:
        """The fields of a request about the queue; empty for a message."""
        fields = self._reader.fields or []
        return fields if "request" in dict(fields) else []

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Recipients that were not accepted, with their replies; complete behind `finish`."""
        if self._submission is None:
            return self._refused
        late = self._submission.turned_away
        return self._refused + [(address, self.show(reply)) for address, reply in late]

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the request."""
        for chunk in self._reader.feed(data):
            self._begin()
            if self._submission is not None:
                self._submission.write(chunk)
        if self._reader.fields is not None:
            self._begin()

    def finish(self) -> Future[Reply]:
        """The final reply, after the commit; an incomplete request is thrown away."""
        if self._final is None and not self._reader.is_complete:
            self._final = Reply(451, self._reader.error or "Incomplete submission.")
        future: Future[Reply] = Future()
        if self._final is not None or self._submission is None:
            self.discard()
            future.set_result(self._final or Reply(451, "Incomplete submission."))
            return future
        if self._verified is not None:
            self._answer_verify(self._submission, self._verified, future)
            return future
        return self._submission.finish()

    def discard(self) -> None:
        """Forget the message."""
        if self._submission is not None:
            self._submission.discard()
            self._submission = None

    def _begin(self) -> None:
        if self._submission is not None or self._final is not None:
            return
        fields = self._reader.fields or []
        if self.control:
            self._final = NO_CONTROL  # of a drop file; the socket serves it and asks no further
            return
        single = dict(fields)
        self._is_smtp = "smtp" in single
        recipients = _recipients(fields, single.get("notify", ""))
        started = self._start(single)
        if isinstance(started, Reply):
            self._final = started
            return
        self._submission = started
        if "verify" in single:
            self._verify(started, recipients)
            return
        started.header_recipients = not recipients
        started.bcc_only = "bcc" in single
        if not self._is_smtp:
            started.edit_headers = self._from_editor(single)
        self._add(started, recipients)

    def _start(self, fields: dict[str, str]) -> Submission | Reply:
        origin = Origin(
            module="local",
            source=LOCALHOST,
            ident=f"uid {self.peer.uid}",
            protocol="local",
            label="local",
            user=self.peer.user,
            uid=self.peer.uid,
        )
        if self._is_smtp:
            origin = _as_smtp(origin, fields)
        sender = fields["from"] if "from" in fields else self._default_sender(fields)
        return self.submitter.begin(
            origin,
            sender,
            envid=fields.get("envid"),
            ret=fields.get("ret", ""),
            security=fields.get("security", ""),
            verp="verp" in fields,
            smtputf8="smtputf8" in fields,
            mark=drop_mark(self.drop_name) if self.drop_name else "",
            is_settled=self._is_settled,
        )

    def _default_sender(self, fields: dict[str, str]) -> str:
        """Spec mta.md 7.2: the first name that is set, the host only if one is."""
        user = _first(
            fields,
            "env.MAILSUSER",
            "env.MAILUSER",
            "env.LOGNAME",
            "env.USER",
            default=self.peer.user,
        )
        host = _first(fields, "env.MAILSHOST", "env.MAILHOST")
        return f"{user}@{host}" if host else user

    def _from_editor(self, fields: dict[str, str]) -> Callable[[Headers], Headers]:
        identity = SenderIdentity.of(fields, user=self.peer.user, full_name=self.peer.full_name)
        return lambda headers: rewrite_from(headers, identity)

    def _add(self, submission: Submission, recipients: Iterable[Recipient]) -> None:
        """Spec mta.md 18.6: a refused recipient is reported, the others still get their mail."""
        refusals: list[Reply] = []
        accepted = 0
        for wanted in recipients:
            reply = _offer(submission, wanted)
            if reply.is_success:
                accepted += 1
            elif self._is_settled:
                submission.add_checked([wanted])
                accepted += 1
            else:
                refusals.append(reply)
                self._refused.append((wanted.address, self.show(reply)))
        if refusals and not accepted:
            self._final = refusals[-1]
            self.discard()

    def _verify(self, submission: Submission, recipients: Iterable[Recipient]) -> None:
        """`sendmail -bv`: say of each address whether mail for it would be taken."""
        self._verified = []
        for wanted in recipients:
            reply = _offer(submission, wanted)
            if reply.is_success:
                self._verified.append(wanted.address)
            else:
                self._refused.append((wanted.address, self.show(reply)))

    def _answer_verify(
        self, submission: Submission, verified: list[str], answer: Future[Reply]
    ) -> None:
        """Ask the filters of those that exist, and give the answer."""

        def asked(future: Future[list[tuple[str, Reply]]]) -> None:
            self.discard()
            if future.cancelled() or future.exception() is not None:
                answer.set_result(SERVICE_UNAVAILABLE)
                return
            refused = dict(future.result())
            self._refused += [(address, self.show(reply)) for address, reply in refused.items()]
            lines = [f"{name}... deliverable" for name in verified if name not in refused]
            answer.set_result(Reply(250 if not self._refused else 550, "\n".join(lines)))

        submission.ask_recipients().add_done_callback(asked)


def _offer(submission: Submission, wanted: Recipient) -> Reply:
    return submission.add_recipient(wanted.address, notify=wanted.notify, original=wanted.original)


def _recipients(fields: Iterable[tuple[str, str]], notify: str) -> list[Recipient]:
    """The recipients of a head, each with what was said about it."""
    found: list[Recipient] = []
    for name, value in fields:
        if name == "rcpt":
            found.append(Recipient(address=value, notify=notify))
        elif name == "rcpt.notify" and found:
            found[-1] = attrs.evolve(found[-1], notify=value)
        elif name == "rcpt.orcpt" and found:
            found[-1] = attrs.evolve(found[-1], original=value)
    return found


def _as_smtp(origin: Origin, fields: dict[str, str]) -> Origin:
    """The origin of a message that a program on this machine said by SMTP (spec mta.md 7.1)."""
    # These words go into Received: nothing of a line end or a comment's mark may be in them.
    helo, protocol = (
        "".join(mark for mark in fields.get(name, "") if mark.isprintable() and mark not in " ()\\")
        for name in ("helo", "smtp")
    )
    return attrs.evolve(
        origin,
        module="esmtp",
        source=f"dns; {helo[:255] or 'localhost'} (localhost [127.0.0.1])",
        protocol=protocol[:16] or "SMTP",
        label="authsmtp",
        may_relay=True,  # RELAYCLIENT
    )


def drop_mark(name: str) -> str:
    """The queue's mark for a drop file: it became a message (`Queue.has_mark`)."""
    return f"{DROP_MARK}{name}"


def _first(fields: dict[str, str], *names: str, default: str = "") -> str:
    return next((fields[name] for name in names if fields.get(name)), default)


class SubmissionProtocol(asyncio.Protocol):
    """One connection of the submission socket."""

    def __init__(self, submitter: Submitter, control: QueueControl) -> None:
        self._submitter = submitter
        self._control = control
        self._request: Request | None = None
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A program connected: find out who it is."""
        # A unix server's transports are streams; those of uvloop do not say so by their class.
        stream = cast("asyncio.Transport", transport)
        self._transport = stream
        connection = transport.get_extra_info("socket")
        self._request = Request(self._submitter, peer_of_socket(connection))
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE_SECONDS, stream.abort)

    def data_received(self, data: bytes) -> None:
        """Bytes of the request."""
        if self._answering or self._request is None:
            return
        self._request.feed(data)
        if self._request.is_over:
            self._answer(self._request)

    def eof_received(self) -> bool:
        """The program closed its side: answer, even if the answer is that something is missing."""
        if not self._answering and self._request is not None:
            self._answer(self._request)
        return True  # the answer has still to go out

    def connection_lost(self, exc: Exception | None) -> None:
        """The program is gone; a message that was not complete is thrown away."""
        if self._idle is not None:
            self._idle.cancel()
        if not self._answering and self._request is not None:
            self._request.discard()

    def _answer(self, request: Request) -> None:
        self._answering = True
        loop = asyncio.get_running_loop()
        if request.control and request.is_complete:
            # It reads the whole queue or waits for a commit: not in the loop's thread.
            answer = self._control.answer
            asked = loop.run_in_executor(None, answer, request.peer.uid, request.control)
            asked.add_done_callback(self._send_items)
            return
        future = asyncio.wrap_future(request.finish(), loop=loop)
        future.add_done_callback(self._send)

    def _send_items(self, future: asyncio.Future[ControlAnswer]) -> None:
        if self._transport is None:
            return
        error = future.exception()
        if error is not None:
            log.error("a request about the queue failed", exc_info=error)
        answer = ControlAnswer(SERVICE_UNAVAILABLE) if error else future.result()
        self._transport.write(encode_items(answer.items, _plain(answer.reply)))
        self._transport.close()

    def _send(self, future: asyncio.Future[Reply]) -> None:
        transport, request = self._transport, self._request
        if transport is None or request is None:
            return
        error = future.exception()
        if error is not None:
            log.error("submission failed", exc_info=error)
        reply = SERVICE_UNAVAILABLE if error else future.result()
        transport.write(encode_answer(request.refused, request.show(reply)))
        transport.close()


def _plain(reply: Reply) -> str:
    """A reply as sendmail prints it: without the enhanced code."""
    return "\n".join(Reply(reply.code, reply.text).lines())
