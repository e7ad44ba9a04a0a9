"""The SMTP server's handler: every message that a client sends becomes a `Submission`.

`250` leaves only after the queue's commit (`finish` awaits it); many sessions may wait for the
same commit.  All other methods are plain functions, so that a command costs no task switch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from couriermail.core import Reply
from couriermail.mta.completions import Completions
from couriermail.mta.submission import Origin, Submission, Submitter

if TYPE_CHECKING:
    from couriermail.smtp import Mail, Rcpt, Session

__all__ = ["SmtpHandler"]

Answer = Reply | Sequence[Reply]
_A = TypeVar("_A")

NO_TRANSACTION = Reply(503, "MAIL first.", enhanced="5.5.1")


@attrs.define(eq=False)
class SmtpHandler:
    """Joins `couriermail.smtp.aio.serve` to a `Submitter`.

    Attributes:
        submitter: where accepted mail goes.
        relay_networks: addresses of clients that may send to any domain.
        add_message_id: add a Message-ID where there is none.
        add_date: add a Date where there is none.
        label: source label of clients that may not relay; those that may are `auth` + label.
    """

    submitter: Submitter
    relay_networks: frozenset[str] = frozenset()
    add_message_id: bool = False
    add_date: bool = False
    label: str = "smtp"
    _completions: Completions[Reply] = attrs.field(factory=Completions, init=False)
    _answers: Completions[Answer] = attrs.field(factory=Completions, init=False)

    def mail(self, session: Session, mail: Mail) -> Reply | None:
        """Begin a submission, or refuse its sender."""
        started = self.submitter.begin(
            self._origin(session),
            mail.reverse_path,
            envid=mail.envid,
            ret=mail.ret[:1],
            security=mail.security,
            verp=mail.verp,
            smtputf8=mail.smtputf8,
            announced_size=mail.size or 0,
            exdata=mail.exdata,
        )
        if isinstance(started, Reply):
            return started
        session.data = started
        return None

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | asyncio.Future[Reply]:
        """Accept a recipient that the router can deliver to and whose filter does not mind."""
        submission = session.data
        if not isinstance(submission, Submission):
            return NO_TRANSACTION
        answer = submission.offer_recipient(
            rcpt.forward_path, notify=rcpt.notify, original=rcpt.orcpt
        )
        return answer if isinstance(answer, Reply) else self._completions.wait_for(answer)

    def data(self, session: Session) -> _Sink[Reply] | _Sink[Answer]:
        """Where the message's bytes go."""
        submission = session.data
        session.data = None
        assert isinstance(submission, Submission)  # noqa: S101 - the engine answered MAIL with 250
        if session.mail is not None and session.mail.exdata:
            return _Sink(submission.finish_each, submission, self._answers)
        return _Sink(submission.finish, submission, self._completions)

    def reset(self, session: Session) -> None:
        """Forget the transaction."""
        if isinstance(session.data, Submission):
            session.data.discard()
        session.data = None

    def disconnect(self, session: Session) -> None:
        """Forget what the client left unfinished."""
        self.reset(session)

    def _origin(self, session: Session) -> Origin:
        may_relay = session.auth is not None or session.peer.host in self.relay_networks
        return Origin(
            module="esmtp",
            source=f"dns; {session.helo} ([{session.peer.host}])",
            ident=_ident(session),
            protocol=session.protocol,
            label=f"auth{self.label}" if may_relay else self.label,
            auth=session.auth.identity if session.auth else None,
            may_relay=may_relay,
            server_ip=session.local.host or None,
            client_ip=session.peer.host,
            add_message_id=self.add_message_id,
            add_date=self.add_date,
        )


@attrs.define(eq=False)
class _Sink(Generic[_A]):
    """One message's bytes on the way into the queue."""

    _finish: Callable[[], Future[_A]]
    _submission: Submission
    _completions: Completions[_A]

    def write(self, chunk: bytes) -> None:
        self._submission.write(chunk)

    def finish(self) -> asyncio.Future[_A]:
        return self._completions.wait_for(self._finish())

    def discard(self) -> None:
        self._submission.discard()


def _ident(session: Session) -> str:
    """The second line of Received (spec smtp.md 5.9): who authenticated, under which TLS."""
    parts = []
    if session.auth is not None:
        parts.append(f"AUTH: {session.auth.mechanism[:20]} {session.auth.identity}")
    if session.tls is not None:
        word = "SSL" if session.tls.implicit else "TLS"
        parts.append(f"{word}: {session.tls.version},{session.tls.bits}bits,{session.tls.cipher}")
    return ", ".join(parts)
