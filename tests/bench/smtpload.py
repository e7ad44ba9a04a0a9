"""An SMTP load generator on asyncio's raw protocol, so that the client costs little.

`sessions` connections are open at the same time and share one number of messages; each sends
MAIL, RCPT, DATA and the body, every one after the reply to the one before, and counts a message
when the final dot got a 250.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque

import attrs

__all__ = ["LoadError", "LoadResult", "SmtpLoad", "ordinary_message", "run_load"]

LINE = b"The quick brown fox jumps over the lazy dog, and again and again.\r\n"
REPLY_SECONDS = 120.0
MAX_FAILURES = 50


class LoadError(Exception):
    """The server closed the connection or refused what it should take."""


@attrs.frozen(kw_only=True)
class SmtpLoad:
    """One load.

    Attributes:
        port: where the server listens on 127.0.0.1.
        sessions: connections at the same time.
        messages: messages in all.
        recipients: addresses of every message.
        body: what each message is, CRLF line ends, no line starting with a dot.
        per_session: messages before QUIT and a new connection; 0 means all in one.
    """

    port: int
    sessions: int
    messages: int
    recipients: tuple[str, ...]
    body: bytes
    per_session: int = 0


@attrs.frozen(kw_only=True)
class LoadResult:
    """What came of a load.

    Attributes:
        started: epoch of its start.
        seconds: until the last message was accepted.
        accepted: messages that got their 250.
        median_ms: the middle message's time from MAIL to the final 250.
        failures: how often each error was met.
    """

    started: float
    seconds: float
    accepted: int
    median_ms: float
    failures: dict[str, int]


def ordinary_message(size: int) -> bytes:
    """A plain message of about `size` octets with the usual header."""
    head = (
        b"From: load@bench.test\r\nTo: load@bench.test\r\nSubject: load\r\n"
        b"Message-ID: <load.%d@bench.test>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n"
        b"Content-Transfer-Encoding: 7bit\r\n\r\n"
    ) % time.time_ns()
    return head + LINE * max(1, (size - len(head)) // len(LINE))


def run_load(load: SmtpLoad) -> LoadResult:
    """Send everything; returns when every message was accepted or given up."""
    return asyncio.run(_Run(load).run())


class _Client(asyncio.Protocol):
    """Collects complete replies; a multi-line reply counts once."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._pending = b""
        self._replies: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\r\n")
        self._replies.extend(line for line in lines if line[3:4] != b"-")
        self._notify()

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True
        self._notify()

    def _notify(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def ask(self, command: bytes, wanted: bytes) -> None:
        """Send a command, or nothing, and check how the reply begins."""
        assert self.transport is not None
        if command:
            self.transport.write(command)
        while not self._replies:
            if self._is_closed:
                raise LoadError("closed by the server")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        reply = self._replies.popleft()
        if not reply.startswith(wanted):
            raise LoadError(reply.decode(errors="replace")[:80])


class _Run:
    def __init__(self, load: SmtpLoad) -> None:
        self._load = load
        self._left = load.messages
        self._times: list[float] = []
        self._failures: Counter[str] = Counter()
        recipients = [b"RCPT TO:<%s>\r\n" % address.encode() for address in load.recipients]
        self._steps = [(b"MAIL FROM:<load@bench.test>\r\n", b"250")]
        self._steps += [(line, b"25") for line in recipients]
        self._steps += [(b"DATA\r\n", b"354"), (load.body + b".\r\n", b"250")]

    async def run(self) -> LoadResult:
        started, clock = time.time(), time.perf_counter()
        await asyncio.gather(*(self._worker() for _ in range(self._load.sessions)))
        times = sorted(self._times)
        return LoadResult(
            started=started,
            seconds=time.perf_counter() - clock,
            accepted=len(times),
            median_ms=1e3 * times[len(times) // 2] if times else 0.0,
            failures=dict(self._failures),
        )

    async def _worker(self) -> None:
        while self._left > 0 and self._failures.total() < MAX_FAILURES:
            try:
                await self._session()
            except (LoadError, OSError) as error:
                self._failures[str(error) or type(error).__name__] += 1
                await asyncio.sleep(0.02)

    async def _session(self) -> None:
        loop = asyncio.get_running_loop()
        transport, client = await loop.create_connection(_Client, "127.0.0.1", self._load.port)
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                await client.ask(b"", b"220")
                await client.ask(b"EHLO load.bench.test\r\n", b"250")
            remaining = self._load.per_session or self._load.messages
            while self._left > 0 and remaining > 0:
                remaining -= 1
                await self._message(client)
            await client.ask(b"QUIT\r\n", b"221")
        finally:
            transport.close()

    async def _message(self, client: _Client) -> None:
        self._left -= 1
        started = time.perf_counter()
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                for command, wanted in self._steps:
                    await client.ask(command, wanted)
        except BaseException:
            self._left += 1  # another session sends it
            raise
        self._times.append(time.perf_counter() - started)
