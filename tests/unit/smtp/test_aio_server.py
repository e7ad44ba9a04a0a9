"""The asyncio shell on real loopback sockets."""

from __future__ import annotations

import asyncio
import errno
import resource
import smtplib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import attrs
import pytest
from tests.support.smtpstory import MESSAGE, Client, Recorder, connect, run, until

from couriermail.core import ConfigError, Reply
from couriermail.smtp import (
    DataSink,
    Limits,
    Rcpt,
    Server,
    ServerConfig,
    Session,
    Sink,
    ThreadedServer,
    Timeouts,
    serve,
)

LOOSE = ServerConfig(limits=Limits(connections_per_ip=0))


def test_every_hook_is_called_in_order() -> None:
    async def story() -> None:
        handler = Recorder()
        handler.gate.set()
        async with serve(handler, port=0) as server:
            client = await connect(server)
            client.writer.write(MESSAGE)
            await client.until("354")
            assert await client.ask(b"hello\r\n.\r\n") == "250 2.0.0 stored"
            client.writer.write(b"MAIL FROM:<a@b.test>\r\nRSET\r\nQUIT\r\n")
            await client.until("221")
            assert await client.is_closed()
            await client.close()
        assert handler.log == [
            "connect", "helo c", "mail", "rcpt c@d.test", "finish", "mail", "reset", "disconnect",
        ]  # fmt: skip

    run(story)


def test_errors_of_hooks_become_replies_without_details(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        handler = Recorder()
        async with serve(handler, port=0) as server:
            client = await connect(server)
            await client.ask(b"EHLO c\r\n")
            await client.ask(b"MAIL FROM:<a@b.test>\r\n")
            assert await client.ask(b"RCPT TO:<full@d.test>\r\n") == "452 4.3.1 Mail system full."
            assert (await client.ask(b"RCPT TO:<bug@d.test>\r\n")).startswith(
                "451 4.3.0 Local error"
            )
            await client.ask(b"RCPT TO:<ok@d.test>\r\n")
            await client.ask(b"DATA\r\n")
            assert (await client.ask(b"explode\r\n.\r\n")).startswith("451 4.3.0 Local error")
            assert await client.ask(b"NOOP\r\n") == "250 2.0.0 Ok"
            await client.close()
        assert "discard" in handler.log
        assert "finish" not in handler.log

    run(story)
    assert "RuntimeError: secret detail" in caplog.text
    assert "bug@d.test" not in caplog.text


def test_replies_of_a_pipeline_leave_in_one_write() -> None:
    with (
        ThreadedServer(serve(Sink(), port=0)) as server,
        socket.create_connection(("127.0.0.1", server.port)) as sock,
    ):
        sock.recv(4096)
        sock.sendall(MESSAGE)
        assert sock.recv(4096).endswith(
            b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
        )


def test_many_messages_wait_in_finish_at_the_same_time() -> None:
    async def story() -> None:
        handler = Recorder()
        async with serve(handler, port=0, config=LOOSE) as server:
            clients = [await connect(server) for _ in range(8)]
            for client in clients:
                client.writer.write(MESSAGE + b"x\r\n.\r\n")
                await client.until("354")
            await until(lambda: handler.waiting == 8)
            handler.gate.set()
            for client in clients:
                assert await client.reply() == "250 2.0.0 stored"
                await client.close()
        assert handler.most_waiting == 8

    run(story)


def test_a_client_that_vanishes_in_data_leaves_nothing() -> None:
    async def story() -> None:
        handler = Recorder()
        async with serve(handler, port=0) as server:
            client = await connect(server)
            client.writer.write(MESSAGE)
            await client.until("354")
            client.writer.write(b"half a message")
            await client.close()
            await until(lambda: "disconnect" in handler.log)
        assert handler.log[-2:] == ["discard", "disconnect"]

    run(story)


def test_a_half_closed_client_gets_all_its_replies() -> None:
    async def story() -> None:
        handler = Recorder()
        async with serve(handler, port=0) as server:
            client = await connect(server)
            client.writer.write(MESSAGE + b"x\r\n.\r\nNOOP\r\n")
            client.writer.write_eof()
            await client.until("354")
            handler.gate.set()
            assert await client.reply() == "250 2.0.0 stored"
            assert await client.reply() == "250 2.0.0 Ok"
            assert await client.is_closed()
            await client.close()

    run(story)


@pytest.mark.parametrize(
    ("timeouts", "sent"),
    [
        pytest.param(Timeouts(command=0.02), b"", id="command"),
        pytest.param(Timeouts(data_idle=0.02), MESSAGE, id="data idle"),
        pytest.param(Timeouts(data_total=0.02), MESSAGE, id="data total"),
        pytest.param(Timeouts(session=0.02), b"NOOP\r\n", id="session"),
    ],
)
def test_a_client_that_keeps_us_waiting_gets_421(timeouts: Timeouts, sent: bytes) -> None:
    async def story() -> None:
        async with serve(Sink(), port=0, timeouts=timeouts) as server:
            client = await connect(server)
            client.writer.write(sent)
            assert await client.until("421") == "421 4.4.2 Timeout, closing connection"
            assert await client.is_closed()
            await client.close()

    run(story)


def test_a_client_that_waits_for_us_does_not_time_out() -> None:
    async def story() -> None:
        handler = Recorder()
        timeouts = Timeouts(command=0.01, data_idle=0.01, data_total=0.01, session=0.5)
        async with serve(handler, port=0, timeouts=timeouts) as server:
            client = await connect(server)
            client.writer.write(MESSAGE + b"x\r\n.\r\n")
            await client.until("354")
            asyncio.get_running_loop().call_later(0.05, handler.gate.set)
            assert await client.reply() == "250 2.0.0 stored"
            await client.close()

    run(story)


def test_a_client_that_takes_no_replies_is_cut_in_the_end() -> None:
    async def story() -> None:
        timeouts = Timeouts(command=0.05, close=0.05)
        limits = Limits(errors=10**9, connections_per_ip=0)
        async with serve(
            Sink(), port=0, timeouts=timeouts, config=ServerConfig(limits=limits)
        ) as server:
            client = await connect(server)
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport
            for _ in range(200):  # the replies fill the socket, then reading stops too
                client.writer.write(b"FOO\r\n" * 50_000)
            await until(lambda: not server.connection_count)
            client.writer.transport.abort()

    run(story)


def test_too_many_connections_of_one_address() -> None:
    async def story() -> None:
        config = ServerConfig(limits=Limits(connections_per_ip=1))
        async with serve(Sink(), port=0, config=config) as server:
            first = await connect(server)
            second = Client(*await asyncio.open_connection("127.0.0.1", server.port))
            assert (await second.reply()).startswith("421 4.7.0 Too many connections")
            await second.close()
            await first.ask(b"QUIT\r\n")
            assert await first.is_closed()
            await first.close()
            await (await connect(server)).close()

    run(story)


def test_a_full_server_lets_newcomers_wait() -> None:
    async def story() -> None:
        config = ServerConfig(limits=Limits(connections=1))
        async with serve(Sink(), port=0, config=config) as server:
            first = await connect(server)
            second = Client(*await asyncio.open_connection("127.0.0.1", server.port))
            await first.ask(b"NOOP\r\n")
            assert server.connection_count == 1
            await first.close()
            assert (await second.reply()).startswith("220")
            await second.close()

    run(story)


def test_shutdown_is_polite() -> None:
    async def story() -> None:
        handler = Recorder()
        async with serve(handler, port=0) as server:
            idle = await connect(server)
            busy = await connect(server)
            busy.writer.write(MESSAGE + b"x\r\n.\r\n")
            await busy.until("354")
            closing = asyncio.ensure_future(server.close(grace=10))
            assert (await idle.reply()).startswith("421 4.3.2")
            handler.gate.set()
            assert await busy.reply() == "250 2.0.0 stored"
            assert (await busy.reply()).startswith("421 4.3.2")
            await closing
            await idle.close()
            await busy.close()

    run(story)


def test_shutdown_does_not_wait_for_ever() -> None:
    async def story() -> None:
        handler = Recorder()
        async with serve(handler, port=0) as server:
            client = await connect(server)
            client.writer.write(MESSAGE + b"x\r\n.\r\n")
            await client.until("354")
            await server.close(grace=0.01)
            assert server.connection_count == 0
            await client.close()

    run(story)


class _Flaky(socket.socket):
    """A listening socket whose accept fails twice."""

    failures: ClassVar[list[int]] = [errno.EMFILE, errno.ECONNABORTED]

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            raise OSError(self.failures.pop(0), "injected")
        return super().accept()


def test_accept_survives_a_machine_without_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        sock = _Flaky(socket.AF_INET, socket.SOCK_STREAM)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        async with serve(Sink(), sock=sock) as server:
            await (await connect(server)).close()

    run(story)
    assert "cannot accept (EMFILE)" in caplog.text


def test_two_servers_share_one_listening_socket() -> None:
    async def story() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        config = ServerConfig(limits=Limits(connections=1))
        async with (
            serve(Sink(), sock=sock.dup(), config=config) as one,
            serve(Sink(), sock=sock, config=config) as two,
        ):
            clients = [await connect(one), await connect(one)]
            assert (one.connection_count, two.connection_count) == (1, 1)
            for client in clients:
                assert (await client.ask(b"QUIT\r\n")).startswith("221")
                await client.close()

    run(story)


def test_ipv6_clients_are_counted_by_64() -> None:
    async def story() -> None:
        config = ServerConfig(limits=Limits(connections_per_ip=1))
        try:
            server = serve(Sink(), host="::1", port=0, config=config)
            await server.start()
        except OSError:
            pytest.skip("no IPv6 on this machine")
        clients = []
        for expected in ("220", "421"):
            clients.append(Client(*await asyncio.open_connection("::1", server.port)))
            assert (await clients[-1].reply()).startswith(expected)
        await server.close()
        for client in clients:
            await client.close()

    run(story)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((Reply(250, "one"), Reply(550, "two")), ["250 2.0.0 one", "550 5.0.0 two"]),
        ((Reply(250, "one"),), ["451 4.3.0 Local error, try again later"] * 2),
        (Reply(452, "full", enhanced="4.2.2"), ["452 4.2.2 full"] * 2),
    ],
    ids=["one each", "wrong number", "the same for all"],
)
def test_lmtp_replies_of_finish(answers: Reply | tuple[Reply, ...], expected: list[str]) -> None:
    class Store(Sink):
        def data(self, session: Session) -> DataSink:
            return FixedAnswer(answers)

    async def story() -> None:
        async with serve(Store(), port=0, config=ServerConfig(mode="lmtp")) as server:
            client = await connect(server)
            client.writer.write(
                b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
            )
            client.writer.write(b"DATA\r\nx\r\n.\r\n")
            await client.until("354")
            assert [await client.reply(), await client.reply()] == expected
            await client.close()

    run(story)


@attrs.define
class FixedAnswer:
    answers: Reply | tuple[Reply, ...] | None

    def write(self, chunk: bytes) -> None:
        pass

    def finish(self) -> Reply | tuple[Reply, ...]:
        return self.answers  # type: ignore[return-value]  # None is what a forgetful sink gives

    def discard(self) -> None:
        pass


def test_a_finish_without_answer_is_a_temporary_failure(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(Sink):
        def data(self, session: Session) -> DataSink:
            return FixedAnswer(None)

    async def story() -> None:
        async with serve(Forgetful(), port=0) as server:
            client = await connect(server)
            client.writer.write(MESSAGE + b".\r\n")
            await client.until("354")
            assert (await client.reply()).startswith("451")
            await client.close()

    run(story)
    assert "finish() returned no reply" in caplog.text


def test_unix_socket(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "smtp.sock"
        for _ in range(2):
            config = ServerConfig(mode="lmtp")
            async with serve(Sink(), unix=path, config=config):
                client = Client(*await asyncio.open_unix_connection(path))
                assert await client.reply() == "220 localhost LMTP"
                await client.close()
            assert not path.exists()

    run(story)


@pytest.mark.parametrize(
    "make",
    [
        lambda: serve(Sink()),
        lambda: serve(Sink(), port=0, implicit_tls=True),
        lambda: serve(Sink(), port=25, config=ServerConfig(mode="lmtp")),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], Server]) -> None:
    with pytest.raises(ConfigError):
        make()


def test_a_busy_port_is_an_error_of_the_caller() -> None:
    with ThreadedServer(serve(Sink(), port=0)) as server:
        second = ThreadedServer(serve(Sink(), port=server.port))
        with pytest.raises(OSError, match="in use"):
            second.__enter__()


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


def test_a_large_message_passes_in_little_memory() -> None:
    """200 MB go through; the process (server and client together) grows by a few MB at most."""

    async def story() -> None:
        handler = Recorder()
        handler.gate.set()
        config = ServerConfig(line_ends="lf", limits=Limits(message_size=0))
        block = (b"x" * 76 + b"\r\n") * 3361  # 256 KiB
        async with serve(handler, port=0, config=config) as server:
            client = await connect(server)
            client.writer.write(MESSAGE)
            await client.until("354")
            client.writer.write(block)
            await client.writer.drain()
            before = most = resident_pages()
            for _ in range(800):
                client.writer.write(block)
                await client.writer.drain()
                most = max(most, resident_pages())
            assert await client.ask(b".\r\n") == "250 2.0.0 stored"
            await client.close()
        assert handler.size == 801 * 3361 * 77
        assert (most - before) * resource.getpagesize() < 8 * 1024 * 1024

    run(story)


@attrs.define
class SlowSink:
    """Takes one chunk and then nothing until the gate opens."""

    gate: asyncio.Event
    size: int = 0

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        return None

    def data(self, session: Session) -> DataSink:
        return self

    def write(self, chunk: bytes) -> Awaitable[None] | None:
        self.size += len(chunk)
        return self.wait()

    async def wait(self) -> None:
        await self.gate.wait()

    def finish(self) -> Reply:
        return Reply(250, "stored")

    def discard(self) -> None:
        pass


def test_a_slow_sink_stops_the_client() -> None:
    async def story() -> None:
        sink = SlowSink(asyncio.Event())
        config = ServerConfig(limits=Limits(message_size=0))
        async with serve(sink, port=0, config=config) as server:
            client = await connect(server)
            client.writer.write(MESSAGE)
            await client.until("354")
            body = b"x" * 64 * 1024 * 1024
            client.writer.write(body + b"\r\n.\r\n")
            waiting = -1
            for _ in range(50):  # until nothing moves any more
                await asyncio.sleep(0.002)
                waiting = client.writer.transport.get_write_buffer_size()
            assert sink.size <= 1024 * 1024
            assert waiting > 32 * 1024 * 1024  # most of it never left the client
            sink.gate.set()
            assert await client.reply() == "250 2.0.0 stored"
            assert sink.size == len(body) + 2
            await client.close()

    run(story)


def test_smtplib_delivers_to_a_threaded_server() -> None:
    sink = Sink()
    with (
        ThreadedServer(serve(sink, port=0)) as server,
        smtplib.SMTP("127.0.0.1", server.port) as client,
    ):
        client.ehlo("client.test")
        assert client.has_extn("size")
        refused = client.sendmail(
            "a@example.test",
            ["b@example.test", "c@example.test"],
            b"Subject: x\r\n\r\n.dot\r\n..\r\nend",
            mail_options=["BODY=8BITMIME"],
            rcpt_options=["NOTIFY=NEVER"],
        )
        assert refused == {}
    [message] = sink.messages
    assert message.content == b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n"
    assert [rcpt.forward_path for rcpt in message.recipients] == [
        "b@example.test",
        "c@example.test",
    ]
    assert message.protocol == "ESMTP"
