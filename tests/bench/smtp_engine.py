"""What one message costs the SMTP server: engine alone, and engine with the asyncio shell.

One recipient, a 3 KB body, MAIL, RCPT, DATA and the body each sent after the reply to the one
before, as a client without PIPELINING does.  The handler does nothing.  `engine` feeds the engine in
process; `shell` adds `Connection` on a transport that takes what is written; `loopback` adds
real sockets, the event loop and a client, so it is an upper bound that holds all three.
`aiosmtpd` is the peer in the same loopback set-up.  Microseconds per message, best of several runs.

    python -m tests.bench.smtp_engine
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable

from couriermail.smtp import Limits, ServerConfig, ServerEngine, Sink, ThreadedServer, serve
from couriermail.smtp.aio.connection import Connection, ConnectionSettings
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.limits import Timeouts

MESSAGES = 2000
RUNS = 5
BODY = (
    b"Subject: benchmark\r\n\r\n"
    + b"A line of an ordinary message, sixty characters or so long..\r\n" * 49
)
STEPS = (
    b"MAIL FROM:<sender@example.test> SIZE=3060\r\n",
    b"RCPT TO:<recipient@example.net>\r\n",
    b"DATA\r\n",
    BODY + b".\r\n",
)
CONFIG = ServerConfig(line_ends="lf", limits=Limits(transactions=10**9, connections_per_ip=0))


class _Wire(asyncio.Transport):
    """Takes what the server writes; nothing else happens."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.last = data

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default


def engine_alone() -> Callable[[], None]:
    """One message through engine and dialogue, in process."""
    engine = ServerEngine(CONFIG)
    dialogue = Dialogue(engine, Hooks.of(Sink(keep=False)))
    dialogue.run()
    engine.receive(b"EHLO bench\r\n")
    dialogue.run()

    def one() -> None:
        for step in STEPS:
            engine.receive(step)
            dialogue.run()
            engine.bytes_to_send()

    return one


def with_shell() -> Callable[[], None]:
    """One message through `Connection` on a transport without socket."""

    async def make() -> Connection:
        settings = ConnectionSettings(
            config=CONFIG, hooks=Hooks.of(Sink(keep=False)), timeouts=Timeouts(), tls=None
        )
        connection = Connection(settings, lambda _connection: None)
        connection.connection_made(_Wire())
        connection.data_received(b"EHLO bench\r\n")
        return connection

    connection = asyncio.new_event_loop().run_until_complete(make())

    def one() -> None:
        for step in STEPS:
            connection.data_received(step)

    return one


def client(port: int) -> Callable[[], None]:
    """One message over a loopback connection."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.recv(4096)
    sock.sendall(b"EHLO bench\r\n")
    sock.recv(4096)

    def one() -> None:
        for step in STEPS:
            sock.sendall(step)
            if sock.recv(4096)[:1] not in (b"2", b"3"):
                raise SystemExit("the server refused the message")

    return one


def measure(one: Callable[[], None], messages: int = MESSAGES) -> float:
    """Microseconds per message, best of `RUNS`."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        for _ in range(messages):
            one()
        best = min(best, time.perf_counter() - start)
    return best / messages * 1e6


def aiosmtpd_loopback() -> float:
    """The peer: aiosmtpd with a handler that does nothing."""
    from aiosmtpd.smtp import SMTP

    class Handler:
        async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
            self, server: object, session: object, envelope: object
        ) -> str:
            return "250 Ok"

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: SMTP(Handler(), loop=loop, hostname="localhost"), "127.0.0.1", 0)
    )
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    result = measure(client(server.sockets[0].getsockname()[1]), MESSAGES // 4)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    return result


def main() -> None:
    """Run all four and print the ratio to the peer."""
    out = sys.stdout.write
    out(f"engine    {measure(engine_alone()):8.1f} us/message\n")
    out(f"shell     {measure(with_shell()):8.1f} us/message\n")
    with ThreadedServer(serve(Sink(keep=False), port=0, config=CONFIG)) as server:
        ours = measure(client(server.port))
    out(f"loopback  {ours:8.1f} us/message (with sockets, loop and client)\n")
    theirs = aiosmtpd_loopback()
    out(f"aiosmtpd  {theirs:8.1f} us/message (same loopback), ratio {theirs / ours:.1f}\n")


if __name__ == "__main__":
    main()
