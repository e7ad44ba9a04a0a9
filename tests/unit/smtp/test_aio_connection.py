"""One connection on a transport under full control."""

from __future__ import annotations

import asyncio

from couriermail.core import Reply
from couriermail.smtp import ServerConfig, Sink, Timeouts
from couriermail.smtp.aio.connection import Connection, ConnectionSettings
from couriermail.smtp.dialogue import Hooks
from couriermail.smtp.events import Rcpt
from couriermail.smtp.session import DataSink, Handler, Session


class Wire(asyncio.Transport):
    """Notes what the connection asks of its transport."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.asked: list[str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("::ffff:192.0.2.1", 4711, 0, 0) if name == "peername" else default

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")


async def connected(handler: Handler | None = None) -> tuple[Connection, Wire]:
    settings = ConnectionSettings(
        config=ServerConfig(), hooks=Hooks.of(handler or Sink()), timeouts=Timeouts(), tls=None
    )
    connection, wire = Connection(settings, lambda _connection: None), Wire()
    connection.connection_made(wire)
    return connection, wire


def test_a_client_that_takes_no_replies_is_not_read() -> None:
    async def story() -> None:
        connection, wire = await connected()
        connection.pause_writing()
        assert wire.asked == ["pause"]
        connection.data_received(b"NOOP\r\n")  # was on its way already
        assert wire.asked == ["pause"]
        connection.resume_writing()
        assert wire.asked == ["pause", "resume"]
        connection.connection_lost(None)

    asyncio.run(story())


def test_one_read_makes_at_most_one_write() -> None:
    async def story() -> None:
        connection, wire = await connected()
        connection.data_received(
            b"EHLO c\r\nNOOP\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDA"
        )
        connection.data_received(b"TA\r\nx\r\n.\r\n")
        assert [data[:8] for data in wire.written] == [b"220 loca", b"250-loca", b"354 End "]
        assert wire.written[2].endswith(b"250 2.6.0 Ok\r\n")
        connection.connection_lost(None)

    asyncio.run(story())


def test_a_mapped_address_is_an_ipv4_address() -> None:
    async def story() -> None:
        connection, _wire = await connected()
        assert str(connection.engine.session.peer) == "192.0.2.1:4711"
        connection.connection_lost(None)

    asyncio.run(story())


class Pondering:
    """Answers about recipients later, in the order that the test wants; keeps messages."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.asked: dict[str, asyncio.Future[Reply | None]] = {}

    def rcpt(self, session: Session, rcpt: Rcpt) -> asyncio.Future[Reply | None] | None:
        if rcpt.forward_path.startswith("quick@"):
            return None
        future: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self.asked[rcpt.forward_path] = future
        return future

    def data(self, session: Session) -> DataSink:
        return self.sink.data(session)


def test_answers_about_recipients_that_come_later_keep_a_pipeline_in_order() -> None:
    async def story() -> None:
        handler = Pondering()
        connection, wire = await connected(handler)
        connection.data_received(
            b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<one@d.test>\r\nRCPT TO:<quick@d.test>\r\n"
            b"RCPT TO:<two@d.test>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
        )
        assert list(handler.asked) == ["one@d.test"]  # the others wait for its answer
        handler.asked["one@d.test"].set_result(Reply(550, "no", enhanced="5.7.1"))
        await asyncio.sleep(0)
        assert list(handler.asked) == ["one@d.test", "two@d.test"]
        handler.asked["two@d.test"].set_result(None)
        await asyncio.sleep(0)
        lines = b"".join(wire.written).decode().splitlines()
        assert [line[:3] for line in lines[-7:]] == [
            "250",
            "550",
            "250",
            "250",
            "354",
            "250",
            "221",
        ]
        (message,) = handler.sink.messages
        assert [rcpt.forward_path[:3] for rcpt in message.recipients] == ["qui", "two"]
        connection.connection_lost(None)

    asyncio.run(story())


def test_a_client_that_leaves_while_a_recipient_is_considered() -> None:
    async def story() -> None:
        handler = Pondering()
        connection, wire = await connected(handler)
        connection.data_received(
            b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<one@d.test>\r\nDATA\r\n"
        )
        before = len(wire.written)
        connection.connection_lost(None)
        handler.asked["one@d.test"].set_result(None)
        await asyncio.sleep(0)
        assert len(wire.written) == before
        assert connection.engine.is_closed

    asyncio.run(story())
