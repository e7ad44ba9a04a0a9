"""What one message costs the SMTP server: engine alone, with the asyncio shell, and on a socket.

One recipient, a 3 KB body, MAIL, RCPT, DATA and the body each sent after the reply to the one
before, as a client without PIPELINING does.  The handler does nothing.

`engine` feeds engine and dialogue in process; `shell` adds `Connection` on a transport that takes
what is written.  `loopback` is a whole server on a real socket whose client is another
process: CPU time of the server process, system calls and event loop included, beside
aiosmtpd in the same set-up.  `content` is the message reader alone, in MB/s.

    python -m tests.bench.smtp_engine
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from couriermail.smtp import Limits, ServerConfig, ServerEngine, Sink, ThreadedServer, serve
from couriermail.smtp.aio.connection import Connection, ConnectionSettings
from couriermail.smtp.content import Content, DotReader
from couriermail.smtp.dialogue import Dialogue, Hooks
from couriermail.smtp.limits import Timeouts

MESSAGES = 2000
RUNS = 3
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


def run_client(port: int, messages: int) -> None:
    """Send messages over one connection; runs in a process of its own."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.recv(4096)
    sock.sendall(b"EHLO bench\r\n")
    sock.recv(4096)
    for _ in range(messages):
        for step in STEPS:
            sock.sendall(step)
            if sock.recv(4096)[:1] not in (b"2", b"3"):
                raise SystemExit("the server refused the message")


def loopback(port: int) -> float:
    """Microseconds of this process's CPU per message that another process sends."""
    best = float("inf")
    command = [sys.executable, "-m", "tests.bench.smtp_engine", "client", str(port), str(MESSAGES)]
    for _ in range(RUNS):
        start = time.process_time()
        subprocess.run(command, check=True)
        best = min(best, time.process_time() - start)
    return best / MESSAGES * 1e6


def measure(one: Callable[[], object], messages: int = MESSAGES) -> float:
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
    result = loopback(server.sockets[0].getsockname()[1])
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    return result


def content_speed() -> float:
    """MB/s of a message of 78-column lines, LF out, bare octets refused."""
    reader = DotReader(Content("lf", "reject"))
    block = (b"x" * 76 + b"\r\n") * 840  # 64 KiB, what one read brings
    return len(block) / measure(lambda: reader.feed(block), 200)


def main() -> None:
    """Run all four and print the ratio to the peer."""
    out = sys.stdout.write
    out(f"engine    {measure(engine_alone()):8.1f} us/message\n")
    out(f"shell     {measure(with_shell()):8.1f} us/message\n")
    out(f"content   {content_speed():8.1f} MB/s\n")
    with ThreadedServer(serve(Sink(keep=False), port=0, config=CONFIG)) as server:
        ours = loopback(server.port)
    out(f"loopback  {ours:8.1f} us/message (CPU of the server process)\n")
    theirs = aiosmtpd_loopback()
    out(f"aiosmtpd  {theirs:8.1f} us/message (the same), ratio {theirs / ours:.1f}\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        run_client(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
