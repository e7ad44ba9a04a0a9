"""Asking a sender's server: verifyfilter's probe beside our own SMTP server on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from couriermail.core import Reply
from couriermail.filter.courierfilter import Finding
from couriermail.mta.senderprobe import SenderProbe
from couriermail.smtp import DataSink, Mail, Rcpt, Session
from couriermail.smtp.aio import ThreadedServer, serve


class Server:
    """Answers RCPT by the local part, and MAIL as it is told."""

    mail_reply: Reply | None = None

    def __init__(self) -> None:
        self.senders: list[str] = []

    def mail(self, session: Session, mail: Mail) -> Reply | None:
        self.senders.append(mail.reverse_path)
        return self.mail_reply

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        replies = {
            "bad": Reply(550, "User unknown.", enhanced="5.1.1"),
            "busy": Reply(450, "Try later.", enhanced="4.2.0"),
        }
        return replies.get(rcpt.forward_path.partition("@")[0])

    def data(self, session: Session) -> DataSink:
        raise AssertionError("a probe sends nothing")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def probe(server: Server) -> Iterator[SenderProbe]:
    with ThreadedServer(serve(server, port=0)) as running:
        yield SenderProbe(
            me="mx.example.test",
            exchangers=lambda domain: ["127.0.0.1"],
            port=running.port,
            timeout=5.0,
        )


def test_a_server_that_takes_mail_makes_a_good_address(probe: SenderProbe, server: Server) -> None:
    finding = probe("ann@x.example")
    assert finding == Finding(is_good=True, server="127.0.0.1 [127.0.0.1]", lines=finding.lines)
    assert len(finding.lines) == 1
    assert server.senders == [""]


def test_a_permanent_refusal_of_the_recipient_is_hard(probe: SenderProbe) -> None:
    assert probe("bad@x.example").reply("bad@x.example") == (
        "530-127.0.0.1 [127.0.0.1]:\n"
        "530->>> RCPT TO:<bad@x.example>\n"
        "530-5.1.1 User unknown.\n"
        "530 <bad@x.example> verification failed."
    )


def test_a_temporary_refusal_is_soft(probe: SenderProbe) -> None:
    finding = probe("busy@x.example")
    assert (finding.is_good, finding.is_hard) == (False, False)


def test_a_server_that_wants_no_null_sender_says_nothing_about_the_address(
    probe: SenderProbe, server: Server
) -> None:
    server.mail_reply = Reply(550, "No bounces.", enhanced="5.7.1")
    finding = probe("ann@x.example")
    assert (finding.is_good, finding.is_hard, finding.command) == (False, False, "MAIL FROM:<>")


@pytest.mark.parametrize("address", ["a\rb@x.example", "größe@x.example"])
def test_an_address_that_cannot_be_said_is_soft(probe: SenderProbe, address: str) -> None:
    finding = probe(address)
    assert not finding.is_hard


def no_dns(domain: str) -> list[str]:
    raise OSError("DNS: no answer")


@pytest.mark.parametrize(
    ("exchangers", "hard", "line"),
    [(no_dns, False, "DNS: no answer"), (lambda domain: [], True, "No such domain.")],
    ids=["no-dns", "no-domain"],
)
def test_what_dns_says(exchangers: Callable[[str], list[str]], line: str, *, hard: bool) -> None:
    finding = SenderProbe(me="mx.example.test", exchangers=exchangers)("ann@x.example")
    assert (finding.is_good, finding.is_hard, finding.lines) == (False, hard, (line,))


def test_nobody_listening_is_soft_and_every_host_is_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    probe = SenderProbe(
        me="mx.example.test", exchangers=lambda domain: ["127.0.0.1", "127.0.0.2"], port=port
    )
    finding = probe("ann@x.example")
    assert (finding.is_good, finding.is_hard) == (False, False)
    assert (finding.server, finding.lines) == ("127.0.0.2", ("Connection refused",))


@pytest.mark.parametrize(
    "script",
    [
        [b"554 Go away.\r\n"],
        [b"220 hello\r\n", b""],
        [b"\xff\xfe\r\n"],
        [b"220 h\r\n", b"250-h\r\n250 STARTTLS\r\n", b"220 go\r\n", b"no tls\r\n"],
    ],
    ids=["refuses", "hangs-up", "garbage", "broken-tls"],
)
def test_a_server_that_misbehaves_is_soft(script: list[bytes]) -> None:
    with scripted(script) as port:
        probe = SenderProbe(
            me="mx.example.test", exchangers=lambda domain: ["127.0.0.1"], port=port, timeout=2.0
        )
        finding = probe("ann@x.example")
    assert (finding.is_good, finding.is_hard) == (False, False)


@contextlib.contextmanager
def scripted(script: list[bytes]) -> Iterator[int]:
    """A server that says one line per command and then hangs up, for two connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        for line in script:
                            connection.sendall(line)
                            connection.recv(4096)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
