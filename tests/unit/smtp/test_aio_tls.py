"""TLS and authentication in the asyncio shell, on real loopback sockets."""

from __future__ import annotations

import logging
import shutil
import smtplib
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from tests.support.smtpstory import Recorder, connect, run, until

from couriermail.smtp import (
    Authenticator,
    Credentials,
    ServerConfig,
    Session,
    Sink,
    ThreadedServer,
    serve,
)


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
