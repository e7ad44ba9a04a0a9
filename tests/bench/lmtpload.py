"""An LMTP client that costs little, for measuring a server on the same machine.

It sends MAIL, RCPT and DATA in one piece, as MTAs do (RFC 2920; LMTP demands PIPELINING of
servers, RFC 2033 5), then the message, and counts it when its recipient's 250 has come.
"""

from __future__ import annotations

import asyncio
import time

import attrs

__all__ = ["run_load"]

_ENVELOPE = b"MAIL FROM:<load@bench.test>\r\nRCPT TO:<user@bench.test>\r\nDATA\r\n"
_ENVELOPE_REPLIES = (b"250", b"250", b"354")


def run_load(port: int, connections: int, messages: int, body: bytes) -> float:
    """Send so many messages; seconds until the last one was acknowledged.

    Args:
        port: of 127.0.0.1.
        connections: open at the same time.
        messages: in all.
        body: the message, CRLF line ends, no line that begins with a dot.

    Raises:
        RuntimeError: the server answered anything but success.
    """
    return asyncio.run(_run(port, connections, _Load(messages, body + b".\r\n")))


@attrs.define(eq=False)
class _Load:
    left: int
    body: bytes


async def _run(port: int, connections: int, load: _Load) -> float:
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(load), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.greeted for client in clients))
    started = time.perf_counter()
    for client in clients:
        client.next_message()
    await asyncio.gather(*(client.done for client in clients))
    return time.perf_counter() - started


class _Client(asyncio.Protocol):
    """One connection: what it waits for is a tuple of reply codes."""

    def __init__(self, load: _Load) -> None:
        loop = asyncio.get_running_loop()
        self.greeted = loop.create_future()
        self.done = loop.create_future()
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._pending = b""
        self._wanted: list[bytes] = [b"220", b"250"]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"LHLO load.bench.test\r\n")

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not line.startswith(self._wanted.pop(0)):
                self._fail(line.decode(errors="replace"))
                return
        if not self._wanted:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self._fail("closed by the server")

    def next_message(self) -> None:
        """Begin another message, or end."""
        assert self._transport is not None
        if self._load.left <= 0:
            self.done.set_result(None)
            self._transport.close()
            return
        self._load.left -= 1
        self._wanted = list(_ENVELOPE_REPLIES)
        self._has_asked = True
        self._transport.write(_ENVELOPE)

    def _go_on(self) -> None:
        assert self._transport is not None
        if not self.greeted.done():
            self._has_asked = False
            self.greeted.set_result(None)
        elif self._has_asked:
            self._has_asked = False
            self._wanted = [b"250"]
            self._transport.write(self._load.body)
        else:
            self.next_message()

    def _fail(self, reason: str) -> None:
        for future in (self.greeted, self.done):
            if not future.done():
                future.set_exception(RuntimeError(reason))
