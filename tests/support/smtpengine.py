"""A conversation with the engine of the SMTP server, without a socket."""

from __future__ import annotations

from couriermail.core import Reply
from couriermail.smtp import (
    DataEnd,
    ServerConfig,
    ServerEngine,
)
from couriermail.smtp.events import AWAITS_REPLY, Event

HELLO = b"EHLO c.test\r\n"


MAIL = b"MAIL FROM:<a@example.test>\r\n"


RCPT = b"RCPT TO:<b@lab.test>\r\n"


MESSAGE = HELLO + MAIL + RCPT + b"DATA\r\n"


def drive(engine: ServerEngine) -> list[Event]:
    """Answer every event in the usual way and give all of them."""
    seen: list[Event] = []
    while (event := engine.next_event()) is not None:
        seen.append(event)
        if type(event) in AWAITS_REPLY:
            engine.reply(Reply(250, "stored") if isinstance(event, DataEnd) else None)
    return seen


def talk(data: bytes, config: ServerConfig | None = None) -> tuple[list[Event], list[str]]:
    """Events and reply lines, without those of the banner."""
    engine = ServerEngine(config or ServerConfig(hostname="mail.lab.test"))
    drive(engine)
    engine.bytes_to_send()
    engine.receive(data)
    events = drive(engine)
    return events, engine.bytes_to_send().decode().splitlines()


def last_reply(data: bytes, config: ServerConfig | None = None) -> str:
    return talk(data, config)[1][-1]
