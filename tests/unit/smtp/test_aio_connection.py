"""One connection on a transport under full control."""

from __future__ import annotations

import asyncio

from couriermail.smtp import ServerConfig, Sink, Timeouts
from couriermail.smtp.aio.connection import Connection, ConnectionSettings
from couriermail.smtp.dialogue import Hooks


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


async def connected() -> tuple[Connection, Wire]:
    settings = ConnectionSettings(
        config=ServerConfig(), hooks=Hooks.of(Sink()), timeouts=Timeouts(), tls=None
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
