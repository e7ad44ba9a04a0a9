"""The shell keeps its promises on uvloop too."""

from __future__ import annotations

import asyncio

import pytest

from couriermail.smtp import ServerConfig, Sink, serve

uvloop = pytest.importorskip("uvloop", reason="peer absent: uvloop")


async def deliver() -> bytes:
    sink = Sink()
    async with serve(sink, port=0, config=ServerConfig(line_ends="lf")) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n")
        writer.write(b"line\r\n" * 100_000 + b".\r\nQUIT\r\n")
        assert (await reader.read()).endswith(b"250 2.6.0 Ok\r\n221 2.0.0 Bye\r\n")
        writer.close()
    return sink.messages[0].content


def test_a_message_arrives_whole() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(deliver()) == b"line\n" * 100_000
