"""One connection: moves bytes between a transport and a dialogue.

Theory of operation.  `data_received` gives the bytes to the engine and runs the dialogue; when
no hook wants to be awaited, everything happens inside that one call and the replies leave in
one write: no task, no future, no stream.  When a hook returns a future, its callback goes on from
there; when it returns another awaitable, one task drives the dialogue until it has drained.
Bytes that arrive meanwhile wait in the engine, and above `HIGH_WATER` reading stops, so the
kernel's window holds the client back.  Reading also stops while the client does not take our
replies.

Time is one timer per connection that looks at the clock when the earliest deadline could have
come, so that activity costs one assignment instead of a cancelled and a new timer.

STARTTLS: reading is paused in the same call that wrote the 220, so that nothing the client sends
afterwards can reach the engine in clear text; the TLS layer finds it in the socket.
Decrypted bytes may arrive before `start_tls` returns to us and wait in `_early`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

import attrs

from couriermail.smtp import replies
from couriermail.smtp.config import ServerConfig
from couriermail.smtp.dialogue import Answer, Dialogue, Hooks
from couriermail.smtp.engine import ServerEngine
from couriermail.smtp.events import DataEnd
from couriermail.smtp.limits import Timeouts
from couriermail.smtp.session import Endpoint, Session, TlsInfo

__all__ = ["Connection", "ConnectionSettings"]

logger = logging.getLogger("couriermail.smtp")

HIGH_WATER = 65536  # octets that may wait in the engine before reading stops


@attrs.frozen(kw_only=True)
class ConnectionSettings:
    """What all connections of a server share."""

    config: ServerConfig
    hooks: Hooks
    timeouts: Timeouts
    tls: ssl.SSLContext | None


class Connection(asyncio.Protocol):
    """Serves one client; `on_lost` is called once, when it is gone."""

    def __init__(
        self, settings: ConnectionSettings, on_lost: Callable[["Connection"], None]
    ) -> None:
        self.engine = ServerEngine(settings.config, Session())
        self._settings = settings
        self._on_lost = on_lost
        self._dialogue = Dialogue(self.engine, settings.hooks)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Future[Answer] | asyncio.Future[None] | None = None
        self._early: list[bytes] | None = None
        self._is_draining = False
        self._is_write_paused = False
        self._is_read_paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._started = self._active = self._loop.time()
        self._data_started: float | None = None
        self._closing_since: float | None = None

    # Called by the server

    def drain(self) -> None:
        """Say 421 and close as soon as no message is in flight."""
        self._is_draining = True
        if self._task is None:
            self._flush()

    def abort(self) -> None:
        """Cut the connection now and stop waiting for hooks."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there, behind the TLS handshake where TLS is implicit."""
        # A stream server makes stream transports; those of uvloop do not say so by their class.
        self._transport = cast("asyncio.Transport", transport)
        session = self.engine.session
        session.peer = _endpoint(transport.get_extra_info("peername"))
        session.local = _endpoint(transport.get_extra_info("sockname"))
        session.tls = self._tls_info(transport, is_implicit=True)
        logger.debug("connection from %s", session.peer)
        self._tick()
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client, decrypted under TLS."""
        if self._early is not None:
            self._early.append(data)
            return
        self._active = self._loop.time()
        self.engine.receive(data)
        if self._task is None:
            self._advance()
        elif self.engine.buffered > HIGH_WATER:
            self._update_reading()

    def eof_received(self) -> bool:
        """The client sends no more; it may still wait for replies (half-closed)."""
        self.engine.receive_eof()
        if self._task is None:
            self._advance()
        return self.engine.session.tls is None and self._early is None  # TLS cannot half-close

    def pause_writing(self) -> None:
        """The client does not take our replies."""
        self._is_write_paused = True
        self._update_reading()

    def resume_writing(self) -> None:
        """It takes them again."""
        self._is_write_paused = False
        self._update_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, by whichever side."""
        if self._transport is None:
            return
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        logger.debug("connection from %s lost: %s", self.engine.session.peer, exc)
        self.engine.close(None, "eof")
        if self._task is None:
            self._say_goodbye()

    # The dialogue

    def _say_goodbye(self) -> None:
        """The transport is gone and no task is left: the last hooks, then the server."""
        self._advance()
        if self._task is None:
            self._on_lost(self)

    def _advance(self) -> None:
        outcome = self._dialogue.run()
        if outcome is None:
            self._flush()
            return
        if isinstance(outcome, asyncio.Future):
            self._before_waiting()
            self._task = outcome
            outcome.add_done_callback(self._on_answer)
        else:
            self._task = self._loop.create_task(self._drive(outcome))

    def _on_answer(self, future: asyncio.Future[Answer]) -> None:
        self._task = None
        self._active = self._loop.time()
        self._dialogue.take(future)
        if self._transport is None:
            self._say_goodbye()
        else:
            self._advance()

    def _before_waiting(self) -> None:
        if isinstance(self.engine.pending, DataEnd):
            self._write()  # storing takes its time; the 354 should not wait for it

    async def _drive(self, outcome: Awaitable[Answer] | None) -> None:
        try:
            while outcome is not None:
                self._before_waiting()
                await self._dialogue.wait(outcome)
                outcome = self._dialogue.run()
        finally:
            self._task = None
            self._active = self._loop.time()
            if self._transport is None:
                self._on_lost(self)
        self._flush()

    def _write(self) -> None:
        data = self.engine.bytes_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def _flush(self) -> None:
        """Write what there is and see what comes next: the end, TLS, or more commands."""
        engine = self.engine
        if self._is_draining and engine.is_between_commands and not engine.is_awaiting_tls:
            engine.close(replies.SHUTDOWN, "shutdown")
            self._is_draining = False
            return self._advance()
        self._write()
        if engine.is_closed:
            return self._close()
        if engine.is_awaiting_tls and self._task is None:
            self._is_read_paused = True
            if self._transport is not None:
                self._transport.pause_reading()
            self._task = self._loop.create_task(self._start_tls())
            return None
        if not engine.is_receiving:
            self._data_started = None
        elif self._data_started is None:
            self._data_started = self._active
        if self._is_read_paused:
            self._update_reading()
        return None

    def _close(self) -> None:
        if self._closing_since is None and self._transport is not None:
            self._closing_since = self._loop.time()
            self._transport.close()
            if self._transport is not None:
                self._tick()

    def _update_reading(self) -> None:
        """Read only while there is room for what comes in and for what goes out."""
        is_full = self._task is not None and self.engine.buffered > HIGH_WATER
        should_pause = self._is_write_paused or is_full
        if self._transport is None or should_pause == self._is_read_paused:
            return
        self._is_read_paused = should_pause
        if should_pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # TLS

    async def _start_tls(self) -> None:
        transport, context = self._transport, self._settings.tls
        if transport is None or context is None:
            return
        self._early = []
        try:
            upgraded = await self._loop.start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._settings.timeouts.greeting,
            )
        except (OSError, asyncio.CancelledError) as error:  # ssl.SSLError is an OSError
            logger.info("TLS handshake with %s failed: %s", self.engine.session.peer, error)
            upgraded = None
        finally:
            self._task = None
            early, self._early = self._early or [], None
        if self._transport is None:  # lost meanwhile, and nobody was told
            self._say_goodbye()
        elif upgraded is None:
            transport.abort()  # in a failed handshake asyncio does not tell us that it is lost
            self.connection_lost(None)
        else:
            self._tls_started(upgraded, early)

    def _tls_started(self, transport: asyncio.Transport, early: list[bytes]) -> None:
        tls = self._tls_info(transport, is_implicit=False)
        if tls is None:
            raise TypeError("the transport has no TLS")
        self._transport = transport
        self._is_read_paused = False
        self._active = self._loop.time()
        self.engine.tls_started(tls)
        for data in early:
            self.engine.receive(data)
        self._advance()

    def _tls_info(self, transport: asyncio.BaseTransport, *, is_implicit: bool) -> TlsInfo | None:
        cipher = transport.get_extra_info("cipher")
        if cipher is None:
            return None
        name, version, bits = cipher
        field = self.engine.config.tls_identity
        return TlsInfo(
            version=version,
            cipher=name,
            bits=bits or 0,
            implicit=is_implicit,
            identity=_certificate_identity(transport, field) if field else "",
        )

    # Time

    def _tick(self) -> None:
        """Look whether a deadline has passed; come again when the next one could have."""
        if self._timer is not None:
            self._timer.cancel()
        now = self._loop.time()
        due = self._due()
        if now >= due:
            self._expire()
            return
        timeouts = self._settings.timeouts
        patience = min(timeouts.command, timeouts.data_idle, timeouts.data_total)
        self._timer = self._loop.call_at(min(due, now + patience), self._tick)

    def _due(self) -> float:
        timeouts = self._settings.timeouts
        if self._closing_since is not None:
            return self._closing_since + timeouts.close
        if self._task is not None:  # we keep the client waiting, not the client us
            return float("inf")
        deadlines = [self._started + timeouts.session]
        if self._data_started is None:
            deadlines.append(self._active + timeouts.command)
        else:
            deadlines.append(self._active + timeouts.data_idle)
            deadlines.append(self._data_started + timeouts.data_total)
        return min(deadlines)

    def _expire(self) -> None:
        if self._closing_since is not None:
            logger.info("%s does not take our last reply", self.engine.session.peer)
            return self.abort()
        logger.info("%s timed out", self.engine.session.peer)
        self.engine.close(replies.TIMEOUT, "timeout")
        return self._advance()


def _endpoint(address: object) -> Endpoint:
    match address:
        case (str(host), int(port), *_):
            return Endpoint(host.removeprefix("::ffff:"), port)
    return Endpoint()


def _certificate_identity(transport: asyncio.BaseTransport, field: str) -> str:
    """A field of the client certificate's subject; of several the last counts (spec smtp 2.3).

    `ssl` shows the contents only of a certificate that it has verified.
    """
    certificate = transport.get_extra_info("peercert") or {}
    pairs = [pair for group in certificate.get("subject", ()) for pair in group]
    found = [str(value) for name, value in pairs if name.lower() == field.lower()]
    return found[-1] if found else ""
