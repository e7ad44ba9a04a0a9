"""The same client and the same messages against aiosmtpd and against ours: the stored bytes agree."""

from __future__ import annotations

import asyncio
import smtplib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from couriermail.smtp import ServerConfig, Sink, ThreadedServer, serve

peer = pytest.importorskip("aiosmtpd.smtp", reason="peer absent: aiosmtpd")

MESSAGES = {
    "plain": b"Subject: x\r\n\r\nhello\r\n",
    "dots": b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\n...\r\nend.\r\n",
    "empty": b"",
    "only header": b"Subject: x\r\n",
    "no last line end": b"Subject: x\r\n\r\nhello",
    "eight bit": b"Subject: x\r\n\r\n\xc3\xa9\xff\r\n",
    "large": b"Subject: x\r\n\r\n" + b"0123456789 .\r\n.\r\n" * 20_000,
}
# Commands whose reply class both servers must agree on
COMMANDS = [
    "NOOP", "RSET", "HELP", "VRFY a@b.test", "FOO", "MAIL FROM:<>", "RSET", "MAIL FROM:<a@b.test> SIZE=10", "RSET",
    "MAIL FROM:<a@b.test> FOO=BAR", "MAIL FROM:<a@b.test> SIZE=x", "MAIL FROM:<a@b.test> SIZE=99999999999", "RSET x",
    "RCPT TO:<a@b.test>", "DATA", "MAIL FROM:<a@b.test>", "MAIL FROM:<a@b.test>", "RCPT TO:", "DATA",
    "RCPT TO:<c@d.test>", "RSET", "RCPT TO:<c@d.test>", "MAIL", "EHLO", "AUTH", "QUIT",
]  # fmt: skip


class Keep:
    """Keeps the last message of aiosmtpd."""

    content = b""

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        self.content = getattr(envelope, "original_content")  # noqa: B009 - the peer has no types
        return "250 Ok"


@contextmanager
def aiosmtpd(keep: Keep) -> Iterator[int]:
    """The peer on a free port; its own controller cannot take port 0."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> asyncio.Server:
        return await loop.create_server(
            lambda: peer.SMTP(keep, loop=loop, hostname="localhost"), "127.0.0.1", 0
        )

    async def stop(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def send(port: int, content: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("a@example.test", ["b@example.test"], content)


@pytest.mark.parametrize("name", MESSAGES)
def test_the_same_message_is_stored(name: str) -> None:
    keep, sink = Keep(), Sink()
    with aiosmtpd(keep) as port:
        send(port, MESSAGES[name])
    with ThreadedServer(serve(sink, port=0)) as server:
        send(server.port, MESSAGES[name])
    assert sink.messages[0].content == keep.content


def classes(port: int) -> list[str]:
    """First digits of the replies to `COMMANDS`."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo("c.test")
        return [f"{command}: {client.docmd(command)[0] // 100}" for command in COMMANDS]


def test_the_same_commands_succeed() -> None:
    with aiosmtpd(Keep()) as port:
        theirs = classes(port)
    with ThreadedServer(serve(Sink(), port=0, config=ServerConfig())) as server:
        ours = classes(server.port)
    assert ours == theirs
