"""Stories of a server and a client of SMTP in one event loop, on real loopback sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import attrs

from couriermail.core import Reply, StorageError
from couriermail.smtp import (
    DataSink,
    Rcpt,
    Server,
    Session,
)

MESSAGE = b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until something has happened in the same process."""
    while not condition():  # noqa: ASYNC110 - the condition lies in objects without events
        await asyncio.sleep(0.001)


@attrs.define
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def reply(self) -> str:
        """The last line of the next reply."""
        while True:
            line = (await self.reader.readline()).decode()
            if line[3:4] != "-":
                return line.rstrip()

    async def ask(self, data: bytes) -> str:
        self.writer.write(data)
        return await self.reply()

    async def until(self, word: str) -> str:
        while word not in (line := await self.reply()):
            assert line, "closed too early"
        return line

    async def is_closed(self) -> bool:
        return await self.reader.read() == b""

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


async def connect(server: Server) -> Client:
    client = Client(*await asyncio.open_connection("127.0.0.1", server.port))
    assert (await client.reply()).startswith("220 ")
    return client


@attrs.define
class Recorder:
    """A handler whose every hook is async, and whose sink waits for a gate."""

    gate: asyncio.Event = attrs.Factory(asyncio.Event)
    log: list[str] = attrs.Factory(list)
    waiting: int = 0
    most_waiting: int = 0
    size: int = 0

    async def connect(self, session: Session) -> Reply | None:
        self.log.append("connect")
        return None

    async def helo(self, session: Session, name: str) -> Reply | None:
        self.log.append(f"helo {name}")
        return None

    async def mail(self, session: Session, mail: object) -> Reply | None:
        self.log.append("mail")
        return None

    async def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        await asyncio.sleep(0)
        self.log.append(f"rcpt {rcpt.forward_path}")
        if rcpt.forward_path.startswith("full"):
            raise StorageError("/secret/path is full", is_full=True)
        if rcpt.forward_path.startswith("bug"):
            raise RuntimeError("secret detail")
        return None

    def data(self, session: Session) -> DataSink:
        return RecorderSink(self)

    async def reset(self, session: Session) -> None:
        self.log.append("reset")

    async def disconnect(self, session: Session) -> None:
        self.log.append("disconnect")


@attrs.define
class RecorderSink:
    recorder: Recorder

    def write(self, chunk: bytes) -> None:
        self.recorder.size += len(chunk)
        if b"explode" in chunk:
            raise RuntimeError("secret detail")

    async def finish(self) -> Reply:
        self.recorder.waiting += 1
        self.recorder.most_waiting = max(self.recorder.most_waiting, self.recorder.waiting)
        await self.recorder.gate.wait()
        self.recorder.waiting -= 1
        self.recorder.log.append("finish")
        return Reply(250, "stored", enhanced="2.0.0")

    def discard(self) -> None:
        self.recorder.log.append("discard")
