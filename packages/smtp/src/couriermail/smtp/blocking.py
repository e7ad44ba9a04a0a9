"""The blocking shell of the SMTP engine: one session on a pair of streams, no protocol rule.

For `sendmail -bs` and for servers that a super-server starts with a connection as standard input
and output.  One client, one thread, no time-outs: whoever closes the other end ends it.

    serve_streams(handler, lambda: os.read(0, 65536), lambda data: write_all(1, data))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import attrs

from couriermail.smtp.config import ServerConfig
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.engine import ServerEngine
from couriermail.smtp.errors import EngineUseError
from couriermail.smtp.session import Handler, Session

__all__ = ["LineEndFixer", "serve_streams"]

DEFAULT_CONFIG = ServerConfig()


def serve_streams(
    handler: Handler,
    read: Callable[[], bytes],
    write: Callable[[bytes], object],
    *,
    config: ServerConfig = DEFAULT_CONFIG,
    session: Session | None = None,
    add_cr: bool = False,
) -> Session:
    """Serve one client until QUIT or the end of its input; the finished session.

    Args:
        handler: its methods must be plain ones; STARTTLS must not be offered.
        read: waits for the client's next bytes; empty at the end.
        write: writes all of what it is given.
        config: how the engine behaves.
        session: who the client is, as far as the caller knows.
        add_cr: give lines that end in a bare LF the CR that SMTP asks for: input typed by hand or
            written by a program on this machine.

    Raises:
        EngineUseError: a method of the handler returned an awaitable.
        OSError: whatever `read` and `write` raise, after the handler was told of the end.
    """
    engine = ServerEngine(config, session if session is not None else Session())
    dialogue = Dialogue(engine, Hooks.of(handler))
    fixer = LineEndFixer() if add_cr else None
    try:
        while True:
            _run(dialogue)
            data = engine.bytes_to_send()
            if data:
                write(data)
            if engine.is_closed:
                return engine.session
            piece = read()
            if piece:
                engine.receive(fixer.feed(piece) if fixer else piece)
            else:
                engine.receive_eof()
    finally:
        if not engine.is_closed:
            engine.close(None, "eof")
            _run(dialogue)


def _run(dialogue: Dialogue) -> None:
    outcome = dialogue.run()
    if outcome is not None:
        if inspect.iscoroutine(outcome):
            outcome.close()
        raise EngineUseError("a blocking server needs plain methods")


@attrs.define
class LineEndFixer:
    """Puts a CR before each LF that has none, across any split of the input."""

    _ends_in_cr: bool = False

    def feed(self, data: bytes) -> bytes:
        """The next bytes, mended."""
        if not data:
            return b""
        fixed = data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        if self._ends_in_cr and data.startswith(b"\n"):
            fixed = fixed[1:]  # its CR came with the piece before
        self._ends_in_cr = data.endswith(b"\r")
        return fixed
