"""The server side of SMTP and LMTP as a machine without I/O: bytes in, events out.

Theory of operation
-------------------
The caller has a connection; the engine knows the protocol.  The caller feeds what it read to
`receive`, takes events with `next_event` until there is none, answers those that ask a question
with `reply`, and writes what `bytes_to_send` gives.  There is no clock, no log and no socket here;
time-outs and shutdown are things the caller *tells* the engine (`close`).

One question is open at a time.  A client may send many commands at once (PIPELINING,
RFC 2920), but the answer to one decides what the next means: DATA behind a refused RCPT is an
error.  So the next event is made only after the pending one was answered.  What the client
sent meanwhile waits in one buffer, which serves commands and messages alike: a QUIT behind
the final dot is not lost and bytes behind DATA are data.  Replies collect, so that the answers to a
pipeline leave in one write.

What may come when is a table (`states.COMMANDS`), and so is what follows a success
(`states.AFTER_SUCCESS`).  A command passes four gates: is the line well formed, is the verb known,
is it served before TLS and AUTH, may it come now and with such an argument.  Behind the gates
one short method per verb makes the event or the reply.

Messages are never buffered.  Their bytes pass through `content.DotReader` as they come and leave
as `DataChunk` events.  A message that breaks a rule (size, bare CR or LF) is read on to its true
end all the same and refused only there: stopping early would read the rest of the message as
commands.

Two barriers keep bytes of one kind from being taken for another.  Bytes behind STARTTLS that
arrived in clear text close the session (CVE-2011-0411 and its children: they must not be
executed inside TLS).  Bytes behind a *refused* DATA close it too: such a client did
not wait for 354 and what it sent may be a message, which must not be read as commands.

Bounds.  Memory: one received piece plus `Limits.command_line`, plus the envelope, which
`Limits.recipients` bounds.  Work: linear in bytes received.  The events and the
replies depend on the bytes only, not on how they were cut, the two barriers excepted.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import attrs

from couriermail.core import Reply
from couriermail.smtp import events, replies
from couriermail.smtp.auth_lines import parse_auth, parse_auth_response
from couriermail.smtp.config import ServerConfig
from couriermail.smtp.errors import CommandSyntaxError, EngineUseError
from couriermail.smtp.gates import auth_refusal, capabilities, find_command, refusal_of
from couriermail.smtp.incoming import Incoming, parse_bdat
from couriermail.smtp.line_buffer import LineBuffer
from couriermail.smtp.parameters import parse_mail, parse_rcpt
from couriermail.smtp.session import AuthInfo, Session, TlsInfo
from couriermail.smtp.states import AFTER_SUCCESS, Phase

__all__ = ["ServerEngine"]

# Only CRLF ends a command (RFC 5321 2.3.8); NUL is no character of SMTP (4.1.1.4).
_BAD_OCTETS = re.compile(rb"[\r\n\0]")
_NAME_BLANKS = re.compile(r"[\x00-\x20\x7f-\x9f]")
_NAME_LENGTH = 255


@attrs.define
class ServerEngine:
    """One session of an SMTP or LMTP server.

    Attributes:
        config: what is offered and demanded.
        session: what is known about the client; the engine keeps it up to date.
    """

    config: ServerConfig = attrs.Factory(ServerConfig)
    session: Session = attrs.Factory(Session)
    _phase: Phase = Phase.CONNECT
    _pending: events.Event | None = None
    _ready: deque[events.Event] = attrs.Factory(lambda: deque([events.Connected()]))
    _buffer: LineBuffer = attrs.Factory(LineBuffer)
    _output: list[bytes] = attrs.Factory(list)
    _is_eof: bool = False
    _errors: int = 0
    _idle_commands: int = 0
    _transactions: int = 0
    _incoming: Incoming | None = None
    _phase_after_chunk: Phase = Phase.READY  # of a chunk that is refused
    _mechanism: str = ""

    def __attrs_post_init__(self) -> None:
        self.session.lmtp = self.config.mode == "lmtp"

    # What the caller uses

    @property
    def is_closed(self) -> bool:
        """The session is over; only `bytes_to_send` and the last events are left."""
        return self._phase is Phase.CLOSED

    @property
    def is_awaiting_tls(self) -> bool:
        """STARTTLS was accepted: flush, do the handshake, then say `tls_started`."""
        return self._phase is Phase.TLS

    @property
    def is_receiving(self) -> bool:
        """The client was told to send a message and its end has not come."""
        return self._incoming is not None and self._incoming.is_wanted

    @property
    def is_between_commands(self) -> bool:
        """Nothing is going on: a polite moment for 421."""
        return self._pending is None and self._incoming is None

    @property
    def pending(self) -> events.Event | None:
        """The event that waits for `reply`, if any."""
        return self._pending

    @property
    def buffered(self) -> int:
        """Bytes received that wait for their turn; a reason to stop reading when large."""
        return len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take bytes from the client; does nothing but remember them."""
        if not data or self._phase is Phase.CLOSED:
            return
        if self._phase is Phase.TLS:  # RFC 3207 5, 6: see the theory of operation
            self.close(None, "protocol")
            return
        self._buffer.append(data)

    def receive_eof(self) -> None:
        """The client will send no more; what it sent so far is still served."""
        self._is_eof = True

    def next_event(self) -> events.Event | None:
        """The next thing that happened; None when a reply or more bytes are needed first."""
        while not self._ready:
            if self._pending is not None or not self._step():
                return None
        event = self._ready.popleft()
        if type(event) in events.AWAITS_REPLY:
            self._pending = event
        return event

    def bytes_to_send(self) -> bytes:
        """What has to go to the client now; each byte is given once."""
        if not self._output:
            return b""
        data = self._output[0] if len(self._output) == 1 else b"".join(self._output)
        self._output.clear()
        return data

    def reply(self, reply: Reply | None = None) -> None:
        """Answer the pending event; None is the event's usual answer.

        A 221 or 421 closes the session.  Any 2xx or 3xx to `DataStart` means 354.

        Raises:
            EngineUseError: nothing is pending, the end of a message was given no answer, or
                success was claimed for AUTH without `accept_auth`.
        """
        event = self._pending
        if event is None:
            raise EngineUseError("no event waits for a reply")
        reply = reply or self._default_reply(event)
        self._pending = None
        if isinstance(event, events.DataEnd):
            self._answer_message([reply] * self._reply_count())
        elif reply.code in (221, 421):
            self._send(reply)
            self.close(None, "reply")
        elif reply.code >= 400:
            self._settle_refusal(event, reply)
        else:
            self._settle_success(event, reply)

    def reply_each(self, answers: Sequence[Reply]) -> None:
        """Answer the end of a message with one reply per accepted recipient.

        LMTP sends them one by one (RFC 2033 4.2), SMTP joined for clients that said EXDATA.

        Raises:
            EngineUseError: the client expects one reply for all, no message has ended, or the
                number is wrong.
        """
        session = self.session
        is_joint = session.mail is not None and session.mail.exdata
        if not (session.lmtp or is_joint) or not isinstance(self._pending, events.DataEnd):
            raise EngineUseError("replies per recipient are for messages by LMTP or EXDATA")
        if len(answers) != len(session.recipients):
            raise EngineUseError("one reply per accepted recipient")
        self._pending = None
        self._answer_message(answers, is_joint=is_joint)

    def accept_auth(self, identity: str) -> None:
        """Answer `Auth` or `AuthResponse` with 235: the client is `identity`."""
        if not isinstance(self._pending, events.Auth | events.AuthResponse):
            raise EngineUseError("no authentication is pending")
        self.session.auth = AuthInfo(self._mechanism, identity)
        self.reply(replies.AUTH_OK)

    def tls_started(self, tls: TlsInfo) -> None:
        """The handshake after STARTTLS succeeded: the session begins anew (RFC 3207 4.2)."""
        if self._phase is not Phase.TLS:
            raise EngineUseError("no TLS handshake was under way")
        self._phase = Phase.START
        session = self.session
        session.tls, session.helo, session.esmtp, session.auth = tls, "", False, None

    def close(self, reply: Reply | None, cause: str) -> None:
        """End the session from our side: a time-out, a shutdown, a broken connection.

        Args:
            reply: what to tell the client, or None when it cannot hear us.
            cause: for the `Closed` event.
        """
        if self._phase is Phase.CLOSED:
            return
        if reply is not None:
            self._send(reply)
        if self.is_receiving:
            self._ready.append(events.DataDiscarded(reply))
        self._incoming = None
        self._phase = Phase.CLOSED
        self._pending = None
        self._buffer.clear()
        self._ready.append(events.Closed(cause))

    # Reading

    def _step(self) -> bool:
        """Do one piece of work on what waits in the buffer; False when there is none."""
        match self._phase:
            case Phase.DATA | Phase.CHUNK:
                return self._step_message()
            case Phase.CLOSED | Phase.CONNECT:
                return False
            case Phase.TLS:
                return self._step_eof()
            case Phase.AUTH:
                return self._step_line(self.config.limits.auth_line, self._auth_line)
            case _:
                return self._step_line(self._command_limit(), self._command)

    def _command_limit(self) -> int:
        limits = self.config.limits
        # RFC 4954 4: an AUTH command with its initial response may be as long as a response
        if self.config.has_auth and self._buffer.peek(5).upper() == b"AUTH ":
            return limits.auth_line
        return limits.command_line

    def _step_eof(self) -> bool:
        if self._is_eof:
            self.close(None, "eof")
        return self._is_eof

    def _step_line(self, limit: int, use: Callable[[bytes], None]) -> bool:
        try:
            line = self._buffer.take_line(limit)
            if line is None:
                return self._step_eof()
            use(line)
        except CommandSyntaxError as error:
            if self._phase is Phase.AUTH:
                self._phase = Phase.READY
            self._refuse(error.reply)
        return True

    def _command(self, line: bytes) -> None:
        if _BAD_OCTETS.search(line):
            return self._refuse(replies.BAD_LINE)
        verb, _, argument = line.rstrip(b" \t").partition(b" ")
        verb = verb.upper()
        argument = argument.lstrip(b" ")
        command = find_command(verb, self.config)
        if command is None:
            self._ready.append(events.Unknown(_to_text(verb), _to_text(argument)))
            return None
        if command.is_idle:
            self._idle_commands += 1
            if self._idle_commands > self.config.limits.idle_commands:
                return self.close(replies.TOO_MANY_IDLE, "idle")
        refusal = refusal_of(
            command, argument, phase=self._phase, config=self.config, session=self.session
        )
        if refusal is not None:
            return self._refuse_command(verb, argument, refusal)
        return _PARSERS[verb](self, verb, argument)

    def _refuse_command(self, verb: bytes, argument: bytes, refusal: Reply) -> None:
        if verb == b"BDAT":
            return self._skip_chunk(argument, refusal)
        self._refuse(refusal)
        if verb == b"DATA":
            self._guard_refused_data()
        return None

    # One method per verb

    def _helo(self, verb: bytes, argument: bytes) -> None:
        name = _NAME_BLANKS.sub("_", _to_text(argument))[:_NAME_LENGTH]
        self._ready.append(events.Helo(verb.decode("ascii"), name))

    def _starttls(self, _verb: bytes, _argument: bytes) -> None:
        if self.session.tls is not None:
            return self._refuse(replies.BAD_SEQUENCE)
        if not self.config.starttls:
            return self._refuse(replies.TLS_UNAVAILABLE)
        self._ready.append(events.StartTls())  # the first barrier is in _settle_success
        return None

    def _auth(self, _verb: bytes, argument: bytes) -> None:
        refusal = auth_refusal(self.config, self.session)
        if refusal is not None:
            return self._refuse(refusal)
        auth = parse_auth(argument, self.config, self.session.tls)
        self._mechanism = auth.mechanism
        self._ready.append(auth)
        return None

    def _auth_line(self, line: bytes) -> None:
        self._phase = Phase.READY
        self._ready.append(parse_auth_response(line))

    def _mail(self, _verb: bytes, argument: bytes) -> None:
        if argument[:5].upper() != b"FROM:":
            return self._refuse(replies.BAD_ARGUMENT)
        if self._transactions >= self.config.limits.transactions:
            return self.close(replies.TOO_MANY_TRANSACTIONS, "transactions")
        self._ready.append(parse_mail(argument[5:], self.config))
        return None

    def _rcpt(self, _verb: bytes, argument: bytes) -> None:
        if argument[:3].upper() != b"TO:":
            return self._refuse(replies.BAD_ARGUMENT)
        if len(self.session.recipients) >= self.config.limits.recipients:
            return self._send(replies.TOO_MANY_RECIPIENTS)  # RFC 5321 4.5.3.1.10
        mail = self.session.mail
        rcpt = parse_rcpt(argument[3:], self.config, smtputf8=mail is not None and mail.smtputf8)
        self._ready.append(rcpt)
        return None

    def _data(self, _verb: bytes, _argument: bytes) -> None:
        self._ready.append(events.DataStart("DATA"))

    def _bdat(self, _verb: bytes, argument: bytes) -> None:
        chunk = parse_bdat(argument)
        if chunk is None:
            return self._skip_chunk(argument, replies.BAD_ARGUMENT)
        size, is_last = chunk
        if self._incoming is not None:
            self._phase = Phase.CHUNK
            return self._incoming.start_chunk(size, is_last=is_last)
        self._incoming = Incoming.by_bdat(self.config)
        self._incoming.start_chunk(size, is_last=is_last)
        self._ready.append(events.DataStart("BDAT"))
        return None

    def _rset(self, _verb: bytes, _argument: bytes) -> None:
        self._end_transaction("RSET")
        self._send(replies.OK)

    def _noop(self, verb: bytes, _argument: bytes) -> None:
        self._send(replies.HELP if verb == b"HELP" else replies.OK)

    def _vrfy(self, _verb: bytes, argument: bytes) -> None:
        self._ready.append(events.Vrfy(_to_text(argument)))

    def _expn(self, _verb: bytes, argument: bytes) -> None:
        self._ready.append(events.Expn(_to_text(argument)))

    def _quit(self, _verb: bytes, _argument: bytes) -> None:
        self.close(replies.BYE, "quit")

    # The message

    def _step_message(self) -> bool:
        incoming = self._incoming
        if incoming is None or not (len(self._buffer) or incoming.is_at_end):
            return self._step_eof()
        event = incoming.read(self._buffer)
        if event is not None:
            self._ready.append(event)
        if incoming.is_at_end:
            self._end_piece(incoming)
        return True

    def _end_piece(self, incoming: Incoming) -> None:
        """The message, or one chunk of it, has gone by."""
        refusal = incoming.refusal
        if refusal is not None and incoming.is_skipped:
            self._incoming = None
            self._phase = self._phase_after_chunk
            self._refuse(refusal)
        elif refusal is not None:
            self._answer_message([refusal] * self._reply_count())
        elif incoming.is_whole:
            self._incoming = None
            self._ready.append(events.DataEnd())
        else:
            self._phase = Phase.BDAT
            self._send(replies.OK)

    def _reply_count(self) -> int:
        # RFC 2033 4.2: one reply for each accepted RCPT
        return len(self.session.recipients) if self.session.lmtp else 1

    def _answer_message(self, answers: Sequence[Reply], *, is_joint: bool = False) -> None:
        if any(answer.is_success for answer in answers):
            self._errors = self._idle_commands = 0
            self.session.messages += 1
        self._end_transaction(None)
        answers = [replies.joined(answers)] if is_joint else answers
        for answer in answers:
            self._send(answer)
        if any(answer.code in (221, 421) for answer in answers):
            self.close(None, "reply")
        elif any(answer.is_permanent_failure for answer in answers):
            self._count_error()

    def _skip_chunk(self, argument: bytes, refusal: Reply) -> None:
        """Refuse a BDAT command when its octets have gone by (RFC 3030 2)."""
        chunk = parse_bdat(argument)
        if chunk is None:  # nobody knows where the next command begins
            self._send(refusal)
            return self.close(replies.DATA_BEFORE_REPLY, "protocol")
        self._incoming = Incoming.by_bdat(self.config)
        self._incoming.start_chunk(chunk[0], is_last=True)
        return self._read_past_chunk(self._incoming, refusal)

    def _read_past_chunk(self, incoming: Incoming, refusal: Reply) -> None:
        incoming.skip(refusal)
        self._phase_after_chunk, self._phase = self._phase, Phase.CHUNK

    def _guard_refused_data(self) -> None:
        """Never read as commands what a client sent as a message (second barrier)."""
        if len(self._buffer):
            self.close(replies.DATA_BEFORE_REPLY, "protocol")

    # Answers

    def _default_reply(self, event: events.Event) -> Reply:
        match event:
            case events.Connected():
                name = "LMTP" if self.session.lmtp else "ESMTP"
                return Reply(220, self.config.banner or f"{self.config.hostname} {name}")
            case events.Helo():
                return Reply(250, self.config.hostname)
        reply = _DEFAULT_REPLIES.get(type(event))
        if reply is None:
            raise EngineUseError(f"{type(event).__name__} needs an explicit reply")
        return reply

    def _settle_success(self, event: events.Event, reply: Reply) -> None:
        match event:
            case events.Connected():
                self._send_plain(reply)
            case events.Helo():
                self._accept_helo(event, reply)
            case events.DataStart():
                return self._accept_data()
            case events.StartTls() if len(self._buffer):  # RFC 3207 6: the first barrier
                return self.close(replies.TLS_INJECTION, "protocol")
            case events.Auth() | events.AuthResponse():
                return self._settle_auth(event, reply)
            case _:
                self._settle_transaction(event, reply)
        self._phase = AFTER_SUCCESS.get(type(event), self._phase)
        return None

    def _settle_transaction(self, event: events.Event, reply: Reply) -> None:
        if isinstance(event, events.Mail):
            self._transactions += 1
            self.session.mail = event
        elif isinstance(event, events.Rcpt):
            self.session.recipients.append(event)
        self._send(reply)

    def _settle_auth(self, event: events.Event, reply: Reply) -> None:
        if reply.code == 334:
            self._phase = Phase.AUTH
            return self._send_plain(reply)
        if self.session.auth is None:
            self._pending = event
            raise EngineUseError("AUTH succeeds through accept_auth")
        return self._send(reply)

    def _settle_refusal(self, event: events.Event, reply: Reply) -> None:
        match event:
            case events.Connected():
                self._phase = Phase.REFUSED
                return self._send_plain(reply)
            case events.DataStart() if self._incoming is not None:
                return self._read_past_chunk(self._incoming, reply)
            case events.DataStart():
                self._refuse(reply)
                return self._guard_refused_data()
        return self._refuse(reply)

    def _accept_helo(self, event: events.Helo, reply: Reply) -> None:
        self._end_transaction(event.verb)  # RFC 5321 4.1.4: EHLO acts as RSET
        self.session.helo = event.name
        self.session.esmtp = event.verb != "HELO"
        lines = [reply.text]
        if self.session.esmtp:
            lines += capabilities(self.config, self.session.tls)
        self._send_plain(Reply(250, "\n".join(lines)))

    def _accept_data(self) -> None:
        if self._incoming is not None:  # BDAT: the octets are already on their way
            self._phase = Phase.CHUNK
        else:
            self._incoming = Incoming.by_data(self.config)
            self._phase = Phase.DATA
            self._send_plain(replies.START_DATA)
        self._incoming.is_wanted = True

    def _end_transaction(self, cause: str | None) -> None:
        """Forget the transaction; `cause` says by which command it was given up."""
        session = self.session
        if session.mail is not None and cause is not None:
            if self.is_receiving:  # between two BDAT commands
                self._ready.append(events.DataDiscarded(None))
            self._ready.append(events.Reset(cause))
        session.mail = None
        session.recipients = []
        self._incoming = None
        if self._phase is not Phase.START:
            self._phase = Phase.READY

    def _refuse(self, reply: Reply) -> None:
        self._send(reply)
        if reply.code >= 500:
            self._count_error()

    def _count_error(self) -> None:
        self._errors += 1
        if self._errors >= self.config.limits.errors:
            self.close(replies.TOO_MANY_ERRORS, "errors")

    def _send(self, reply: Reply) -> None:
        """Queue a reply; RFC 2034 4 wants an enhanced code on each but banner and EHLO."""
        if reply.enhanced is None:
            reply = attrs.evolve(reply, enhanced=f"{reply.code // 100}.0.0")
        self._send_plain(reply)

    def _send_plain(self, reply: Reply) -> None:
        if "\r" in reply.text:
            reply = attrs.evolve(reply, text=reply.text.replace("\r", ""))
        self._output.append(reply.to_bytes())


def _to_text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")


_PARSERS: Mapping[bytes, Callable[[ServerEngine, bytes, bytes], None]] = {
    b"EHLO": ServerEngine._helo,
    b"HELO": ServerEngine._helo,
    b"LHLO": ServerEngine._helo,
    b"STARTTLS": ServerEngine._starttls,
    b"AUTH": ServerEngine._auth,
    b"MAIL": ServerEngine._mail,
    b"RCPT": ServerEngine._rcpt,
    b"DATA": ServerEngine._data,
    b"BDAT": ServerEngine._bdat,
    b"RSET": ServerEngine._rset,
    b"NOOP": ServerEngine._noop,
    b"HELP": ServerEngine._noop,
    b"VRFY": ServerEngine._vrfy,
    b"EXPN": ServerEngine._expn,
    b"QUIT": ServerEngine._quit,
}

_DEFAULT_REPLIES: Mapping[type, Reply] = {
    events.StartTls: replies.START_TLS,
    events.Mail: replies.MAIL_OK,
    events.Rcpt: replies.RCPT_OK,
    events.DataStart: replies.START_DATA,
    events.Vrfy: replies.CANNOT_VERIFY,
    events.Expn: replies.NOT_IMPLEMENTED,
    events.Unknown: replies.UNKNOWN_COMMAND,
}
