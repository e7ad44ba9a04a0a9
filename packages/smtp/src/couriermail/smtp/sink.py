"""A handler that takes every message and keeps it, or forgets it: for tests and first steps."""

from __future__ import annotations

import attrs

from couriermail.core import Reply
from couriermail.smtp import replies
from couriermail.smtp.events import Mail, Rcpt
from couriermail.smtp.session import DataSink, Session

__all__ = ["ReceivedMessage", "Sink"]


@attrs.frozen(kw_only=True)
class ReceivedMessage:
    """One message that a `Sink` took.

    Attributes:
        mail: the sender and its parameters.
        recipients: the accepted recipients, in order.
        content: the message; line ends as the server was configured.
        protocol: the word for Received:, such as `ESMTPS`.
    """

    mail: Mail | None
    recipients: tuple[Rcpt, ...]
    content: bytes = attrs.field(repr=False)
    protocol: str


@attrs.define
class Sink:
    """Accepts every recipient and every message.

    Attributes:
        keep: keep the messages in `messages`; otherwise they are only counted.
        messages: what was kept, oldest first.
        count: how many messages were accepted.
    """

    keep: bool = True
    messages: list[ReceivedMessage] = attrs.Factory(list)
    count: int = 0

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        """Accept."""
        return None

    def data(self, session: Session) -> DataSink:
        """Begin one message."""
        return _Message(self, session)


@attrs.define
class _Message:
    sink: Sink
    session: Session
    chunks: list[bytes] = attrs.Factory(list)

    def write(self, chunk: bytes) -> None:
        if self.sink.keep:
            self.chunks.append(chunk)

    def finish(self) -> Reply:
        self.sink.count += 1
        if self.sink.keep:
            self.sink.messages.append(
                ReceivedMessage(
                    mail=self.session.mail,
                    recipients=tuple(self.session.recipients),
                    content=b"".join(self.chunks),
                    protocol=self.session.protocol,
                )
            )
        return replies.MESSAGE_OK

    def discard(self) -> None:
        self.chunks.clear()
