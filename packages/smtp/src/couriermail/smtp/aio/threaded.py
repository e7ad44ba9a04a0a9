"""A server in a thread of its own, for the tests of programs that are not async."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType

from couriermail.smtp.aio.server import Server

__all__ = ["ThreadedServer"]


class ThreadedServer:
    """Runs a server made by `serve` in a thread, inside `with`.

        with ThreadedServer(serve(Sink(), port=0)) as server:
            smtplib.SMTP("127.0.0.1", server.port)

    The server listens when `with` begins and no thread is left when it ends.  Handler methods
    run in that thread.

    Attributes:
        server: the server.
        port: its TCP port.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="smtp-server", daemon=True)

    def __enter__(self) -> "ThreadedServer":
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:  # handed to the thread that uses us
            self._failure = failure
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.server:
            self.port = self.server.port
            self._started.set()
            await self._stop.wait()
