"""authdaemond: the server that asks the back ends on behalf of other programs.

Theory of operation.  One process accepts connections, reads one request from each and relays
it to worker processes (`daemon_worker`); it never calls a back end itself, so a slow one holds
up nobody else.  A connection that is accepted is answered by the chain of that moment: after
SIGHUP new connections get the chain of the new settings, while the old one ends when it has
answered.  Settings that cannot be read change nothing.

Every resource is bounded: connections, the size of a request, the time to send it, the time
to answer it, the time to take the reply.

Standard: spec auth 3.5, 4.1, 4.9, 7.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import struct

import attrs

from couriermail.auth.daemon_chain import REQUEST_SECONDS, install_modules
from couriermail.auth.errors import DirectoryError, WireError
from couriermail.auth.wire import RequestParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from couriermail.auth.authdaemonrc import AuthdaemonSettings
    from couriermail.auth.daemon_chain import ModuleChain, ModuleLoader
    from couriermail.auth.wire import Request

__all__ = ["AuthDaemon", "DaemonLimits"]

READ_BYTES = 8192
OVERLOAD_PAUSE = 0.1  # seconds until the next accept when descriptors or memory ran out
OVERLOADED = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ECONNABORTED}

_log = logging.getLogger("couriermail.auth.daemon")


@attrs.frozen(kw_only=True)
class DaemonLimits:
    """What clients and back ends may cost (spec auth 4.1, 7).

    Attributes:
        connections: served at a time; more wait in the socket's queue.
        request_seconds: for the back ends to answer; below a client's 30.
        read_seconds: for a client to send its request.
        write_seconds: for a client to take its reply, or a piece of it.
        stop_seconds: for running requests, and again for the workers, when the daemon stops;
            the start script kills after 8.
    """

    connections: int = 400
    request_seconds: float = REQUEST_SECONDS
    read_seconds: float = 10.0
    write_seconds: float = 30.0
    stop_seconds: float = 3.0


@attrs.define(eq=False, kw_only=True)
class AuthDaemon:
    """The server.

    Attributes:
        configure: reads the settings, at the start and whenever they are to be read again.
        load: gives a back end by name, or None; see `install_modules`.
        limits: what clients and back ends may cost.
        on_ready: called when connections are accepted.
        extra_descriptors: descriptors of the caller that no worker must keep.
    """

    configure: Callable[[], AuthdaemonSettings]
    load: ModuleLoader
    limits: DaemonLimits = DaemonLimits()
    on_ready: Callable[[], None] = lambda: None
    extra_descriptors: tuple[int, ...] = ()
    _chain: ModuleChain | None = attrs.field(default=None, init=False)
    _chains: list[ModuleChain] = attrs.field(factory=list, init=False)  # with those that end
    _sockets: set[socket.socket] = attrs.field(factory=set, init=False)
    _tasks: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)
    _stop: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def run(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reads the settings again.

        Signal handlers are this process's business: call it from the main thread of a program
        that does nothing else.

        Args:
            listener: a listening unix socket; it is closed at the end.

        Raises:
            DirectoryError: the settings cannot be used, or no worker can be started.
        """
        asyncio.run(self._run_with_signals(listener))

    async def serve(self, listener: socket.socket) -> None:
        """Serve until `stop`; like `run`, without signals.

        Raises:
            DirectoryError: the settings cannot be used, or no worker can be started.
        """
        listener.settimeout(0)
        self._sockets.add(listener)
        try:
            self._install(self.configure())
            self.on_ready()
            await self._until_stopped(self._accept(listener))
        finally:
            self._close(listener)
            await self._finish()

    def stop(self) -> None:
        """Accept nothing more, answer what was asked, and end."""
        self._stop.set()

    def reload(self) -> None:
        """Read the settings again; when that fails the old ones stay."""
        try:
            self._install(self.configure())
        except DirectoryError as error:
            _log.error("keeping the settings that were read before: %s", error)

    async def _run_with_signals(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: self.stop,
            signal.SIGINT: self.stop,
            signal.SIGHUP: self.reload,
        }
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            await self.serve(listener)
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _install(self, settings: AuthdaemonSettings) -> None:
        chain = install_modules(
            settings,
            self.load,
            self._descriptors,
            time_limit=self.limits.request_seconds,
        )
        self._chains.append(chain)
        try:
            for pool in chain.pools:
                pool.start_one()
        except DirectoryError:
            self._retire(chain)
            raise
        old, self._chain = self._chain, chain
        if old is not None:
            self._retire(old)

    def _retire(self, chain: ModuleChain) -> None:
        chain.retire()
        self._keep(asyncio.create_task(self._bury(chain)))

    async def _bury(self, chain: ModuleChain) -> None:
        await chain.wait_closed(self.limits.request_seconds + self.limits.stop_seconds)
        self._chains.remove(chain)

    def _descriptors(self) -> list[int]:
        """What workers must not keep: they would hold up clients and each other."""
        found = [number for chain in self._chains for number in chain.descriptors]
        return [*found, *(held.fileno() for held in self._sockets), *self.extra_descriptors]

    async def _until_stopped(self, accept: Coroutine[None, None, None]) -> None:
        accepting = asyncio.create_task(accept)
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({accepting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not accepting.cancel():
            accepting.result()  # it never returns: this raises what ended it

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Semaphore(self.limits.connections)
        while True:
            await room.acquire()
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError as error:
                room.release()
                if error.errno not in OVERLOADED:
                    raise
                _log.error("cannot accept: %s", error.strerror)
                await asyncio.sleep(OVERLOAD_PAUSE)
                continue
            self._sockets.add(client)
            task = asyncio.create_task(self._serve_client(client))
            task.add_done_callback(lambda _: room.release())
            self._keep(task)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)  # the loop itself holds tasks only weakly
        task.add_done_callback(self._tasks.discard)

    async def _serve_client(self, client: socket.socket) -> None:
        chain = self._chain
        try:
            request = await asyncio.wait_for(
                _read_request(client), timeout=self.limits.read_seconds
            )
            if request is not None and chain is not None:
                _log_peer(client)
                await chain.answer(request, lambda data: self._send(client, data))
        except WireError as error:
            _log.debug("closing a connection: %s", error)
        except TimeoutError:
            _log.debug("closing a connection: the client took too long")
        except OSError as error:
            _log.debug("closing a connection: %s", error.strerror)
        finally:
            self._close(client)

    async def _send(self, client: socket.socket, data: bytes) -> None:
        sending = asyncio.get_running_loop().sock_sendall(client, data)
        await asyncio.wait_for(sending, timeout=self.limits.write_seconds)

    def _close(self, held: socket.socket) -> None:
        self._sockets.discard(held)
        held.close()

    async def _finish(self) -> None:
        """Let running requests end, then the workers; neither may take long."""
        seconds = self.limits.stop_seconds
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                task.cancel()
        for chain in self._chains:
            chain.retire()
        await asyncio.gather(*(chain.wait_closed(seconds) for chain in self._chains))


async def _read_request(client: socket.socket) -> Request | None:
    """The request of a connection; None when the client says nothing."""
    loop = asyncio.get_running_loop()
    parser = RequestParser()
    while True:
        request = parser.next_request()
        if request is not None:
            return request
        data = await loop.sock_recv(client, READ_BYTES)
        if not data:
            return None
        parser.receive_data(data)


def _log_peer(client: socket.socket) -> None:
    """Log who asks: the kernel knows the process at the other end (unix(7), SO_PEERCRED)."""
    credentials = struct.Struct("3i")
    octets = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    pid, uid, gid = credentials.unpack(octets)
    _log.debug("request of process %d, uid=%d, gid=%d", pid, uid, gid)
