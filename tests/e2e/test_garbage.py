"""What strangers send to the SMTP port: a clean reply or a closed connection, and nothing else.

One running system takes everything in turn.  Its memory is sampled, its log must stay free of
tracebacks, and at the end of each test it must still take mail.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.support.mailsite import MailSite

MEMORY_SLACK = 12 * 1024  # KiB that esmtpd may grow by under any one attack
REPLY = re.compile(rb"(?:\d{3}[- ][^\r\n]*\r\n)*")


@pytest.fixture(scope="module")
def site(shared_root: Path) -> Iterator[MailSite]:
    """One running system with STARTTLS, short time limits and small connection limits."""
    made = MailSite.make(shared_root / "site", accounts=("alice", "bob"))
    tls = ""
    if shutil.which("openssl"):
        certificate = made.config / "esmtpd.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=mx.example.test", "-keyout", certificate, "-out", certificate),
            ],
            check=True,
            capture_output=True,
            timeout=30,
        )
        tls = f"TLS_CERTFILE={certificate}\n"
    made.write_config("esmtpd", f"ADDRESS=127.0.0.1\nPORT=0\nMAXPERIP=40\nMAXDAEMONS=90\n{tls}")
    made.write_config("esmtptimeout", "20\n")
    with made.running():
        yield made


@pytest.fixture(autouse=True)
def _unharmed(site: MailSite) -> Iterator[None]:
    """Memory stays bounded, no traceback, no restart, and mail still arrives."""
    pids, memory, before = site.pids(), resident(site), len(site.messages("bob"))
    yield
    site.send("still there", to="bob@example.test")
    site.wait(lambda: len(site.messages("bob")) == before + 1, "mail after the attack")
    site.assert_no_traceback()
    assert site.pids() == pids
    assert resident(site) < memory + MEMORY_SLACK
    assert not site.messages("alice")


def resident(site: MailSite) -> int:
    """KiB of memory that esmtpd has now."""
    text = Path(f"/proc/{site.pids()['esmtpd']}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found
    return int(found[1])


def read_to_end(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset counts as closed."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def push(connection: socket.socket, data: bytes) -> None:
    """Send, also to a server that has closed meanwhile."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.sendall(data)


def dialogue(site: MailSite, data: bytes) -> bytes:
    """Send everything at once, close our half, read to the end."""
    with site.raw() as connection:
        push(connection, data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        return read_to_end(connection)


def codes(answer: bytes) -> list[int]:
    """The codes of the replies' last lines; all of the answer must be replies."""
    assert REPLY.fullmatch(answer), answer[-200:]
    return [int(code) for code in re.findall(rb"^(\d{3}) ", answer, re.MULTILINE)]


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes(site: MailSite, seed: int) -> None:
    answer = dialogue(site, random.Random(seed).randbytes(100_000))
    found = codes(answer)
    assert found[0] == 220
    assert set(found[1:]) <= {421, 500, 501, 502, 503, 550, 554}


def test_random_bytes_in_every_state(site: MailSite) -> None:
    steps = [b"EHLO x\r\n", b"MAIL FROM:<a@example.test>\r\n", b"RCPT TO:<alice@example.test>\r\n"]
    for count in range(len(steps) + 1):
        found = codes(
            dialogue(site, b"".join(steps[:count]) + random.Random(count).randbytes(3000))
        )
        assert found[: count + 1] == [220, *([250] * count)]


def test_an_endless_line_is_cut_off(site: MailSite) -> None:
    with site.raw() as connection:
        for _ in range(64):
            push(connection, b"x" * (1 << 20))
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        found = codes(read_to_end(connection))
    assert found[0] == 220
    assert set(found[1:]) <= {421, 500}


def test_an_endless_body_line_is_refused_or_taken_but_not_kept_in_memory(site: MailSite) -> None:
    head = b"EHLO x\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
    with site.raw() as connection:
        push(connection, head)
        for _ in range(24):
            push(connection, b"y" * (1 << 20))
        push(connection, b"\r\n.\r\nQUIT\r\n")
        found = codes(read_to_end(connection))
    assert found[:5] == [220, 250, 250, 250, 354]
    assert found[5] // 100 == 5


def test_ten_thousand_noops_are_answered_or_cut_off(site: MailSite) -> None:
    found = codes(dialogue(site, b"NOOP\r\n" * 10_000 + b"QUIT\r\n"))
    assert found[0] == 220
    assert set(found[1:-1]) <= {250}
    assert found[-1] in (221, 421)


def test_ten_thousand_bad_commands_are_cut_off(site: MailSite) -> None:
    found = codes(dialogue(site, b"WRONG\r\n" * 10_000))
    assert set(found[1:]) <= {500, 502, 421}
    assert len(found) < 1000


def test_replies_that_nobody_reads_fill_no_memory(site: MailSite) -> None:
    with site.raw() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.5)
        with contextlib.suppress(OSError):
            for _ in range(400):
                connection.sendall(b"EHLO x\r\n" * 2000)


def test_half_closed_and_abandoned_connections(site: MailSite) -> None:
    for data in (b"", b"EH", b"EHLO x\r\nMAIL FROM:<a@example.test>\r\n"):
        assert codes(dialogue(site, data))[0] == 220
    head = b"EHLO x\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
    assert 250 not in codes(dialogue(site, head + b"Subject: half\r\n\r\nno end"))[4:]
    for _ in range(30):
        connection = site.raw()
        push(connection, head + b"Subject: reset\r\n\r\n")
        linger = struct.pack("ii", 1, 0)  # close with a reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
    site.wait_empty()


def test_too_many_connections_are_told_so_and_the_others_served(site: MailSite) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(site.raw()) for _ in range(60)]
        greetings = [connection.recv(1000)[:3] for connection in connections]
    assert greetings.count(b"220") == 40
    assert set(greetings) <= {b"220", b"421", b""}
    site.wait(partial(can_greet, site), "a free place")


def can_greet(site: MailSite) -> bool:
    with site.raw() as connection:
        return connection.recv(1000).startswith(b"220")


@pytest.mark.parametrize(
    "end",
    [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\n\n.\r\n", b"\r\n\x00.\r\n"],
    ids=repr,
)
def test_smuggled_ends_of_data_start_no_second_message(site: MailSite, end: bytes) -> None:
    """RFC 5321 4.1.1.4: only CRLF.CRLF ends the data (CVE-2023-51764 and its kin)."""
    data = (
        b"EHLO x\r\nMAIL FROM:<a@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
        b"Subject: outer\r\n\r\nbody"
        + end
        + b"MAIL FROM:<evil@example.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
        b"Subject: smuggled\r\n\r\nevil\r\n.\r\nQUIT\r\n"
    )
    before = len(site.messages("bob"))
    found = codes(dialogue(site, data))
    assert found[:5] == [220, 250, 250, 250, 354]
    assert len(found) == 7, found  # one answer to the whole data, one to QUIT
    if found[5] == 250:
        site.wait(lambda: len(site.messages("bob")) == before + 1, "the outer message")


@pytest.mark.peer("openssl")
def test_commands_behind_starttls_are_not_run(site: MailSite) -> None:
    """RFC 3207 4.2: what was sent in the clear must not be taken as said under TLS."""
    with site.raw() as connection:
        push(connection, b"EHLO x\r\n")
        answer = b""
        while b"\n250 " not in answer:
            answer += connection.recv(4096)
        assert b"STARTTLS" in answer
        push(connection, b"STARTTLS\r\nMAIL FROM:<a@example.test>\r\n")
        found = codes(read_to_end(connection))
    assert found[0] in (220, 421, 454, 501, 503)
    assert 250 not in found


@pytest.mark.peer("openssl")
def test_a_broken_tls_handshake_ends_the_connection(site: MailSite) -> None:
    with site.raw() as connection:
        push(connection, b"EHLO x\r\nSTARTTLS\r\n")
        time_limit = time.monotonic() + 20
        answer = b""
        while answer.count(b"220 ") < 2 and time.monotonic() < time_limit:
            answer += connection.recv(4096)
        push(connection, random.Random(1).randbytes(500))
        read_to_end(connection)


def test_odd_commands_get_the_replies_of_the_standard(site: MailSite) -> None:
    data = (
        b"EHLO\r\nEHLO x\r\nMAIL FROM:<\xff\xfe@example.test>\r\nMAIL FROM:<a@example.test> SIZE=z\r\n"
        b"RCPT TO:<alice@example.test>\r\nDATA\r\nVRFY \x00\r\n"
        b"MAIL FROM:<a@example.test>\x00\r\nEXPN\r\n\r\nQUIT now\r\nQUIT\r\n"
    )
    found = codes(dialogue(site, data))
    assert found[0] == 220
    assert 354 not in found
    assert found[-1] in (221, 421)  # so many mistakes may end it early
