"""The handler of an LMTP server: every recipient of a message becomes a delivery.

`RCPT` says whether there is such a mailbox; after the message each accepted recipient gets the
reply that its own delivery earned (RFC 2033 4.2).  `250` leaves after the agent has said that the
message is synced.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import time
from typing import TYPE_CHECKING

import attrs

from couriermail.core import Reply
from couriermail.mta import maillog
from couriermail.mta.assembly import Trace
from couriermail.mta.lmtp.replies import reply_for
from couriermail.mta.lmtp.spool import Spool
from couriermail.mta.local.values import LocalJob, LocalResult
from couriermail.rfc822 import format_date

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from couriermail.mta.accounts import LocalTarget
    from couriermail.mta.lmtp.lanes import DeliveryLanes
    from couriermail.mta.lmtp.recipients import RecipientSearch
    from couriermail.smtp import Rcpt, Session

__all__ = ["LmtpHandler"]

log = logging.getLogger("couriermail.mta.mail")

FILTER = "| maildrop"  # the user's recipe, run by the agent itself (couriermail.mta.local)


@attrs.frozen
class _Recipient:
    rcpt: Rcpt
    target: LocalTarget


@attrs.define(eq=False)
class LmtpHandler:
    """Joins `couriermail.smtp.aio.serve` to delivery agents.

    Attributes:
        recipients: whose mailbox an address is.
        lanes: where deliveries go.
        me: our name in `Received:`.
        environment: variables for commands of recipes.
        now: seconds since the epoch, for `Received:`.
    """

    recipients: RecipientSearch
    lanes: DeliveryLanes
    me: str = attrs.field(kw_only=True)
    environment: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    now: Callable[[], float] = attrs.field(default=time.time, kw_only=True)
    _counter: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        """Accept a recipient that has a mailbox here."""
        target = self.recipients.find(rcpt.forward_path)
        if isinstance(target, Reply):
            return target
        if not isinstance(session.data, list):
            session.data = []
        session.data.append(_Recipient(rcpt, target))
        return None

    def data(self, session: Session) -> _Message:
        """Where the message's octets go."""
        recipients = session.data if isinstance(session.data, list) else []
        session.data = None
        now = self.now()
        name = f"{int(now * 1_000_000):x}.{os.getpid():x}.{next(self._counter):x}"
        message = _Message(
            self, name, session.mail.reverse_path if session.mail else "", recipients
        )
        message.write(self._received(session, name, now))
        return message

    def reset(self, session: Session) -> None:
        """Forget the transaction."""
        session.data = None

    def _received(self, session: Session, name: str, now: float) -> bytes:
        """Our trace line (RFC 5321 4.4, with the protocol words of RFC 3848)."""
        second = int(now)
        return Trace(
            source=f"dns; {session.helo} ([{session.peer.host or 'unix'}])",
            me=self.me,
            protocol=session.protocol,
            queue_id=name,
            date=format_date(second, time.localtime(second).tm_gmtoff),
            message_id_host=self.me,
        ).received()


@attrs.define(eq=False)
class _Message:
    """One message for all its recipients."""

    _handler: LmtpHandler
    _name: str
    _sender: str
    _recipients: list[_Recipient]
    _spool: Spool = attrs.field(factory=Spool, init=False)

    def write(self, chunk: bytes) -> None:
        self._spool.write(chunk)

    async def finish(self) -> list[Reply]:
        with contextlib.ExitStack() as undo:
            undo.callback(self._spool.close)
            bodies = [self._body(undo) for _ in self._recipients]
            undo.pop_all()  # nothing can fail now: the lanes take the descriptors over
        self._spool.close()
        results = await asyncio.gather(*map(self._deliver, self._recipients, bodies))
        return list(map(self._reply, self._recipients, results))

    def discard(self) -> None:
        self._spool.close()

    def _body(self, undo: contextlib.ExitStack) -> bytes | int:
        body = self._spool.body()
        if isinstance(body, int):
            undo.callback(os.close, body)
        return body

    def _deliver(self, recipient: _Recipient, body: bytes | int) -> asyncio.Future[LocalResult]:
        target = recipient.target
        job = LocalJob(
            key=0,
            recipient=recipient.rcpt.forward_path,
            original=recipient.rcpt.orcpt,
            sender=self._sender,
            user=target.name,
            account=target.account,
            home=target.home,
            maildir=target.maildir or "",
            quota=target.quota or "",
            extension=target.extension,
            default_instructions=FILTER,
            reads_dot_file=False,
            size=self._spool.size,
            body=body,
            environment=self._handler.environment,
        )
        return self._handler.lanes.deliver(target.uid, target.gid, job)

    def _reply(self, recipient: _Recipient, result: LocalResult) -> Reply:
        address = recipient.rcpt.forward_path
        if result.kind == "success":
            line = maillog.success(
                self._name, self._sender, address, result.lines[-1], size=self._spool.size
            )
            log.info("%s", line)
        else:
            is_deferred = result.kind == "deferral"
            for line in maillog.failure(
                self._name, self._sender, address, result.lines, is_deferred=is_deferred
            ):
                log.info("%s", line)
        return reply_for(result, self._name)
