"""The asyncio shell on real loopback sockets."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import shutil
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import attrs
import pytest

from couriermail.core import ConfigError, Reply, StorageError
from couriermail.smtp import (
    Authenticator,
    Credentials,
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

MESSAGE = b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
LOOSE = ServerConfig(limits=Limits(connections_per_ip=0))


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


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh self-signed certificate with its key."""
    if shutil.which("openssl") is None:
        pytest.skip("peer absent: openssl")
    path = tmp_path_factory.mktemp("tls")
    key, cert = path / "key.pem", path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    (path / "both.pem").write_bytes(key.read_bytes() + cert.read_bytes())
    return path / "both.pem"


def contexts(certificate: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    return server, ssl.create_default_context(cafile=str(certificate.with_name("cert.pem")))


def check(session: Session, credentials: Credentials) -> str | None:
    return credentials.username if credentials.password == "secret" else None


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
def test_starttls_and_auth_with_smtplib(certificate: Path, mechanism: str) -> None:
    server_context, client_context = contexts(certificate)
    sink = Sink()
    server = serve(sink, port=0, tls=server_context, authenticate=check)
    with ThreadedServer(server) as threaded, smtplib.SMTP("127.0.0.1", threaded.port) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        client.starttls(context=client_context)
        client.ehlo()
        assert client.has_extn("auth")
        assert not client.has_extn("starttls")
        client.user, client.password = "alice", "wrong"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth(mechanism.removeprefix("auth_"), getattr(client, mechanism))
        client.password = "secret"
        client.auth(mechanism.removeprefix("auth_"), getattr(client, mechanism))
        client.sendmail("a@example.test", ["b@example.test"], b"hi\r\n" * 100_000)
    assert sink.messages[0].protocol == "ESMTPSA"
    assert len(sink.messages[0].content) == 400_000


def test_a_client_certificate_is_an_identity_for_external(certificate: Path) -> None:
    server_context, client_context = contexts(certificate)
    server_context.verify_mode = ssl.CERT_OPTIONAL
    server_context.load_verify_locations(certificate.with_name("cert.pem"))
    authenticator = Authenticator(external=lambda _session, identity: f"{identity}@example.test")
    config = ServerConfig(tls_identity="COMMONNAME")
    server = serve(Sink(), port=0, tls=server_context, authenticate=authenticator, config=config)
    with ThreadedServer(server) as threaded:
        for has_certificate in (False, True):
            if has_certificate:
                client_context.load_cert_chain(certificate)
            with smtplib.SMTP("127.0.0.1", threaded.port) as client:
                client.starttls(context=client_context)
                client.ehlo()
                assert client.has_extn("auth") is has_certificate
                code, _ = client.docmd("AUTH", "EXTERNAL =")
                assert code == (235 if has_certificate else 504)
                assert client.docmd("AUTH", "EXTERNAL =")[0] == (503 if has_certificate else 504)


def test_implicit_tls(certificate: Path) -> None:
    server_context, client_context = contexts(certificate)
    sink = Sink()
    server = serve(sink, port=0, tls=server_context, implicit_tls=True)
    with (
        ThreadedServer(server) as threaded,
        smtplib.SMTP_SSL("127.0.0.1", threaded.port, context=client_context) as client,
    ):
        client.sendmail("a@example.test", ["b@example.test"], b"hi\r\n")
    assert sink.messages[0].protocol == "ESMTPS"


def test_clear_text_behind_starttls_is_never_executed(certificate: Path) -> None:
    server_context, _ = contexts(certificate)
    with (
        ThreadedServer(serve(Sink(), port=0, tls=server_context)) as threaded,
        socket.create_connection(("127.0.0.1", threaded.port)) as sock,
    ):
        sock.recv(4096)
        sock.sendall(b"EHLO x\r\nSTARTTLS\r\nRSET\r\nMAIL FROM:<evil@x.test>\r\n")
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
    assert answer.count(b"\r\n421 4.7.0") == 1
    assert b"220 2.0.0" not in answer
    assert b"2.1.0" not in answer


def test_a_failed_handshake_frees_the_connection(certificate: Path) -> None:
    async def story() -> None:
        server_context, _ = contexts(certificate)
        async with serve(Sink(), port=0, tls=server_context) as server:
            client = await connect(server)
            assert (await client.ask(b"STARTTLS\r\n")).startswith("220 2.0.0")
            client.writer.write(b"this is no ClientHello\r\n" * 3)
            await client.reader.read()
            await until(lambda: not server.connection_count)
            await client.close()

    run(story)


@pytest.mark.parametrize("how", ["the client leaves", "the server stops"])
def test_an_unfinished_handshake_is_forgotten(certificate: Path, how: str) -> None:
    async def story() -> None:
        server_context, _ = contexts(certificate)
        handler = Recorder()
        async with serve(handler, port=0, tls=server_context) as server:
            client = await connect(server)
            assert (await client.ask(b"STARTTLS\r\n")).startswith("220 2.0.0")
            if how == "the client leaves":
                await client.close()
                await until(lambda: not server.connection_count)
            else:
                await server.close(grace=0.01)
                await client.close()
            assert server.connection_count == 0
            assert handler.log == ["connect", "disconnect"]

    run(story)


def test_no_secret_and_no_address_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = ServerConfig(auth_in_clear=True)
    with ThreadedServer(serve(Sink(), port=0, config=config, authenticate=check)) as threaded:
        client = smtplib.SMTP("127.0.0.1", threaded.port)
        client.login("alice", "secret")
        client.sendmail("private@example.test", ["hidden@example.test"], b"body text\r\n")
        client.quit()
    for word in ("secret", "private", "hidden", "body text", "c2VjcmV0"):
        assert word not in caplog.text
    assert "secret" not in repr(Credentials(mechanism="PLAIN", username="a", password="secret"))
