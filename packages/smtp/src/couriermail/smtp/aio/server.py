"""`serve`: an SMTP or LMTP server as an async context manager.

async with serve(Sink(), host="127.0.0.1", port=2525) as server:
await server.wait_closed()
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv6Network
from types import TracebackType

import attrs

from couriermail.core import ConfigError
from couriermail.smtp import replies
from couriermail.smtp.aio.connection import Connection, ConnectionSettings
from couriermail.smtp.aio.listener import Listener, open_tcp_sockets, open_unix_socket
from couriermail.smtp.authenticator import Authenticator
from couriermail.smtp.config import ServerConfig
from couriermail.smtp.dialogue import Hooks
from couriermail.smtp.limits import Timeouts
from couriermail.smtp.session import Authenticate, Handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth import AuthModule

__all__ = ["Server", "serve"]

logger = logging.getLogger("couriermail.smtp")


def serve(
    handler: Handler,
    *,
    host: str | None = "127.0.0.1",
    port: int | None = None,
    unix: str | os.PathLike[str] | None = None,
    sock: socket.socket | None = None,
    tls: ssl.SSLContext | None = None,
    implicit_tls: bool = False,
    authenticate: Authenticate | Authenticator | AuthModule | Sequence[AuthModule] | None = None,
    config: ServerConfig | None = None,
    timeouts: Timeouts | None = None,
    backlog: int = 1024,
    grace: float = 30.0,
) -> "Server":
    """Make a server; it listens inside `async with`, or between `start` and `close`.

    Args:
        handler: is asked about each command.
        host: name or address to listen on; None is every address of the machine.
        port: TCP port; 0 takes a free one (see `Server.port`); None listens on no TCP port.
        unix: path of a unix socket to listen on.
        sock: a listening socket that exists already and may be shared with other processes; the
            server closes its copy.
        tls: certificate and rules; STARTTLS is offered, unless `implicit_tls`.
        implicit_tls: every connection begins with TLS (RFC 8314 3.3); needs `tls`.
        authenticate: says who clients are.  A function checks passwords (AUTH PLAIN and LOGIN), an
            `Authenticator` whatever it has hooks for.  A module of `couriermail.auth`, or a
            sequence of them, is asked in a thread (`module_authenticator`).  PLAIN and LOGIN are
            offered over TLS, or always with `config.auth_in_clear`.
        config: everything else that the engine wants to know.  Of its mechanisms, those that
            `authenticate` can check are offered; where it lists none, all of them.
        timeouts: how long to wait for a client.
        backlog: connections that the kernel keeps until we accept them.
        grace: seconds that `close` waits for messages in flight.

    Raises:
        ConfigError: nothing to listen on, implicit TLS without `tls`, or LMTP on port 25.
    """
    config = config or ServerConfig()
    if port is None and unix is None and sock is None:
        raise ConfigError("a port, a unix socket or a listening socket is needed")
    if implicit_tls and tls is None:
        raise ConfigError("implicit TLS needs a TLS context")
    if config.mode == "lmtp" and port == 25:
        raise ConfigError("LMTP must not be served on port 25")  # RFC 2033 5
    authenticator = _authenticator(authenticate)
    config = attrs.evolve(
        _with_mechanisms(config, authenticator), starttls=tls is not None and not implicit_tls
    )
    settings = ConnectionSettings(
        config=config,
        hooks=Hooks.of(handler, authenticator),
        timeouts=timeouts or Timeouts(),
        tls=tls,
    )
    place = _Place(host=host, port=port, unix=None if unix is None else os.fspath(unix), sock=sock)
    return Server(settings, place, implicit_tls=implicit_tls, backlog=backlog, grace=grace)


def _authenticator(
    given: Authenticate | Authenticator | AuthModule | Sequence[AuthModule] | None,
) -> Authenticator | None:
    if given is None or isinstance(given, Authenticator):
        return given
    if callable(given):
        return Authenticator(password=given)
    from couriermail.smtp.aio.module_authenticator import module_authenticator

    return module_authenticator(given if isinstance(given, Sequence) else (given,))


def _with_mechanisms(config: ServerConfig, authenticator: Authenticator | None) -> ServerConfig:
    if authenticator is None:
        return attrs.evolve(config, auth_mechanisms=(), auth_mechanisms_tls=())
    if not config.has_auth:
        return attrs.evolve(config, auth_mechanisms=authenticator.mechanisms)
    under_tls = config.auth_mechanisms_tls
    return attrs.evolve(
        config,
        auth_mechanisms=authenticator.offer(config.auth_mechanisms),
        auth_mechanisms_tls=authenticator.offer(under_tls) if under_tls else (),
    )


@attrs.frozen(kw_only=True)
class _Place:
    host: str | None
    port: int | None
    unix: str | None
    sock: socket.socket | None


class Server:
    """Listens, accepts within the limits, and shuts down without losing a message."""

    def __init__(
        self,
        settings: ConnectionSettings,
        place: _Place,
        *,
        implicit_tls: bool,
        backlog: int,
        grace: float,
    ) -> None:
        self._settings = settings
        self._place = place
        self._implicit_tls = settings.tls if implicit_tls else None
        self._backlog = backlog
        self._grace = grace
        self._listeners: list[Listener] = []
        self._connections: set[Connection] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._hosts: dict[Connection, str] = {}
        self._per_host: Counter[str] = Counter()
        self._is_closing = False
        self._idle: asyncio.Event | None = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""
        return tuple(listener.sock for listener in self._listeners)

    @property
    def port(self) -> int:
        """The first TCP port that the server listens on; 0 if there is none."""
        for sock in self.sockets:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                return int(sock.getsockname()[1])
        return 0

    @property
    def connection_count(self) -> int:
        """How many connections are open or in their TLS handshake."""
        return len(self._hosts)

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Bind and accept from now on.

        Raises:
            OSError: an address cannot be bound.
        """
        place = self._place
        sockets = []
        if place.port is not None:
            sockets += await open_tcp_sockets(place.host, place.port, self._backlog)
        try:
            if place.unix is not None:
                sockets.append(open_unix_socket(place.unix, self._backlog))
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        if place.sock is not None:
            sockets.append(place.sock)
        self._idle = asyncio.Event()
        self._listeners = [Listener(sock, self._adopt) for sock in sockets]
        for listener in self._listeners:
            listener.resume()

    async def close(self, *, grace: float | None = None) -> None:
        """Stop accepting, say 421 to idle clients, wait for messages in flight, then cut.

        Args:
            grace: seconds to wait; the server's own when None.
        """
        self._is_closing = True
        for listener in self._listeners:
            if listener.sock.family == socket.AF_UNIX and listener.sock is not self._place.sock:
                _unlink_quietly(str(listener.sock.getsockname()))
            listener.close()
        self._listeners = []
        for connection in tuple(self._connections):
            connection.drain()
        try:
            async with asyncio.timeout(self._grace if grace is None else grace):
                await self.wait_closed()
        except TimeoutError:
            logger.warning("%d connections cut at shutdown", len(self._hosts))
            await self._abort()

    async def wait_closed(self) -> None:
        """Wait until the server was told to close and the last client has gone."""
        while self._idle is not None and not (self._is_closing and not self._hosts):
            self._idle.clear()
            await self._idle.wait()

    async def _abort(self) -> None:
        for task in tuple(self._accepting):
            task.cancel()
        for connection in tuple(self._connections):
            connection.abort()
        await self.wait_closed()

    # Accepting

    def _adopt(self, sock: socket.socket) -> None:
        limits = self._settings.config.limits
        host = _client_key(sock)
        if host and limits.connections_per_ip and self._per_host[host] >= limits.connections_per_ip:
            self._turn_away(sock, host)
            return
        connection = Connection(self._settings, self._forget)
        self._hosts[connection] = host
        self._per_host[host] += 1
        if len(self._hosts) >= limits.connections:
            logger.warning("%d connections: no more are accepted for now", len(self._hosts))
            for listener in self._listeners:
                listener.pause()
        task = asyncio.get_running_loop().create_task(self._connect(connection, sock))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    def _turn_away(self, sock: socket.socket, host: str) -> None:
        logger.warning("too many connections from %s", host)
        with sock:
            sock.settimeout(0)
            if self._implicit_tls is None:
                try:
                    sock.send(replies.TOO_MANY_CONNECTIONS.to_bytes())
                except OSError:
                    pass  # it is closed in any case

    async def _connect(self, connection: Connection, sock: socket.socket) -> None:
        sock.settimeout(0)
        timeout = self._settings.timeouts.greeting
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._implicit_tls,
                ssl_handshake_timeout=None if self._implicit_tls is None else timeout,
            )
        except (OSError, asyncio.CancelledError) as error:
            logger.info("TLS handshake with %s failed: %s", self._hosts.get(connection), error)
            sock.close()
            self._forget(connection)
            return
        if connection in self._hosts:
            self._connections.add(connection)
            if self._is_closing:
                connection.drain()

    def _forget(self, connection: Connection) -> None:
        host = self._hosts.pop(connection, None)
        self._connections.discard(connection)
        if host is None:
            return
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]
        if len(self._hosts) < self._settings.config.limits.connections:
            for listener in self._listeners:
                listener.resume()
        if self._idle is not None:
            self._idle.set()


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _client_key(sock: socket.socket) -> str:
    """What `Limits.connections_per_ip` counts by; empty for unix sockets."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return ""
    try:
        host = str(sock.getpeername()[0]).removeprefix("::ffff:")
    except OSError:
        return ""  # already gone
    if ":" not in host:
        return host
    # One customer has at least a /64 ("spec smtp 20.1"), so counting addresses would count nothing
    return str(IPv6Network((host.partition("%")[0], 64), strict=False))
