"""Debian's SMTP clients, swaks and msmtp, against a running `courier start`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import MailSite, reachable_directory

MESSAGE = b"From: someone@client.test\nTo: alice@example.test\nSubject: by msmtp\n\n.dot\n\nend\n"


@pytest.fixture(scope="module")
def site() -> Iterator[MailSite]:
    """One running system."""
    with reachable_directory() as root:
        made = MailSite.make(root / "site")
        with made.running():
            yield made


def run(argv: list[str], message: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a client to its end."""
    return subprocess.run(argv, input=message, capture_output=True, check=False, timeout=60)


def swaks(site: MailSite, *options: str) -> subprocess.CompletedProcess[bytes]:
    server = f"127.0.0.1:{site.port}"
    return run(["swaks", "--server", server, "--from", "s@client.test", *options])


def msmtp(site: MailSite, home: Path, *recipients: str) -> subprocess.CompletedProcess[bytes]:
    argv = ["msmtp", f"--file={home / 'none'}", "--host=127.0.0.1", f"--port={site.port}"]
    (home / "none").write_text("")
    (home / "none").chmod(0o600)
    return run([*argv, "--from=someone@client.test", "--", *recipients], MESSAGE)


def arrived(site: MailSite, account: str, words: bytes) -> bytes:
    """The one message with these words."""
    found = site.wait(
        lambda: [text for text in site.messages(account) if words in text], f"{words!r}"
    )
    assert len(found) == 1
    return found[0]


@pytest.mark.peer("swaks")
def test_swaks_delivers_a_message(site: MailSite) -> None:
    options = ("--header", "Subject: by swaks", "--body", "a body\n.\nwith a dot")
    done = swaks(site, "--to", "alice@example.test,bob@example.test", *options)
    assert done.returncode == 0, done.stdout
    assert b"<** " not in done.stdout  # its mark for a reply that was not expected
    for account in ("alice", "bob"):
        message = arrived(site, account, b"Subject: by swaks\n")
        assert message.startswith(f"Delivered-To: {account}@example.test\n".encode())
        assert b"\n\na body\n.\nwith a dot\n" in message


@pytest.mark.peer("swaks")
def test_swaks_pipelines_a_message(site: MailSite) -> None:
    options = ("--pipeline", "--header", "Subject: pipelined", "--body", "x")
    done = swaks(site, "--to", "alice@example.test,bob@example.test", *options)
    assert done.returncode == 0, done.stdout
    arrived(site, "alice", b"Subject: pipelined\n")


@pytest.mark.peer("swaks")
def test_swaks_is_told_that_a_user_is_unknown(site: MailSite) -> None:
    done = swaks(site, "--to", "nobody-here@example.test")
    assert done.returncode == 24  # swaks: no recipient was accepted
    assert b"<** 550 " in done.stdout


@pytest.mark.peer("swaks")
def test_swaks_is_told_that_we_do_not_relay(site: MailSite) -> None:
    done = swaks(site, "--to", "x@elsewhere.test")
    assert done.returncode == 24
    assert b"Relaying denied" in done.stdout


@pytest.mark.peer("msmtp")
def test_msmtp_delivers_a_message(site: MailSite, tmp_path: Path) -> None:
    done = msmtp(site, tmp_path, "alice@example.test", "bob@example.test")
    assert (done.returncode, done.stderr) == (0, b"")
    for account in ("alice", "bob"):
        message = arrived(site, account, b"Subject: by msmtp\n")
        assert message.endswith(b"\n\n.dot\n\nend\n")
        assert b"Return-Path: <someone@client.test>\n" in message


@pytest.mark.peer("msmtp")
def test_msmtp_passes_our_refusal_on_as_its_exit_code(site: MailSite, tmp_path: Path) -> None:
    done = msmtp(site, tmp_path, "nobody-here@example.test")
    assert done.returncode == 65  # msmtp: the recipient was not accepted
    assert b"550" in done.stderr
