"""`sendmail -bs`: SMTP on standard input goes in through the submission socket."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from tests.support.open_admission import OpenAdmission

from couriermail.cli.sendmail import read_command_line
from couriermail.mta.dropbox import DropBox
from couriermail.mta.queuecontrol import QueueControl
from couriermail.mta.stdinserver import SubmitHandler, serve_stdin
from couriermail.mta.submission import Submitter
from couriermail.mta.submitclient import ServiceUnavailableError, submit, verify
from couriermail.mta.submitserver import SubmissionProtocol
from couriermail.queue import Queue
from couriermail.smtp import ServerConfig
from couriermail.smtp.blocking import serve_streams

T = TypeVar("T")
TALK = """\
EHLO client (evil)
MAIL FROM:<a@example.com> RET=HDRS ENVID=e+2B1
RCPT TO:<b@example.net> NOTIFY=FAILURE ORCPT=rfc822;B@example.net
RCPT TO:<nobody@example.net>
RCPT TO:<c@example.net>
DATA
Subject: by hand
From: somebody@else.example

..
.
QUIT
"""


def talk(state: Path, text: str = TALK) -> list[str]:
    pieces = iter([text.encode(), b""])
    output = bytearray()
    serve_streams(
        SubmitHandler(str(state)),
        lambda: next(pieces),
        output.extend,
        config=ServerConfig(line_ends="lf"),
        add_cr=True,
    )
    return output.decode().splitlines()


def serving(queue: Queue, submitter: Submitter, path: Path, client: Callable[[], T]) -> T:
    """Run `client` in a thread while the submission socket is served."""
    control = QueueControl(queue, frozenset())

    async def main() -> T:
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(
            lambda: SubmissionProtocol(submitter, control), str(path / "submit.sock")
        )
        async with server:
            return await asyncio.to_thread(client)

    return asyncio.run(main())


def body_of(queue: Queue) -> str:
    (job,) = queue.lease(1, 4e9)
    return job.open_body().read().decode()


def test_a_session_queues_a_message_that_may_be_relayed(
    queue: Queue, submitter: Submitter, tmp_path: Path, admission: OpenAdmission
) -> None:
    lines = serving(queue, submitter, tmp_path, lambda: talk(tmp_path))

    (summary,) = queue.summaries()
    found = [
        (s.recipient.address, s.recipient.notify, s.recipient.original) for s in summary.states
    ]
    assert found == [("b@example.net", "F", "B@example.net"), ("c@example.net", "", None)]
    assert (summary.sender, summary.uid, summary.label) == (
        "a@example.com",
        os.getuid(),
        "authsmtp",
    )
    assert [origin.module for origin in admission.origins if not origin.may_relay] == []
    assert "550 5.1.1 User unknown." in lines
    assert lines[-1].startswith("221")


def test_the_message_is_as_it_was_said(queue: Queue, submitter: Submitter, tmp_path: Path) -> None:
    serving(queue, submitter, tmp_path, lambda: talk(tmp_path))

    body = body_of(queue)

    received, _, rest = body.partition("\nSubject: by hand\n")
    assert received.startswith("Received: from client_evil")
    assert f"(uid {os.getuid()})" in received
    assert "with ESMTP" in received
    assert rest.startswith("From: somebody@else.example\n")
    assert rest.endswith("\n\n.\n")


def test_a_refused_sender_is_refused_at_mail(
    queue: Queue, submitter: Submitter, tmp_path: Path
) -> None:
    text = "HELO x\nMAIL FROM:<nobody@refused.example>\nQUIT\n"

    lines = serving(queue, submitter, tmp_path, lambda: talk(tmp_path, text))

    assert "517 5.1.7 Syntax error." in lines


def test_without_a_daemon_the_message_is_kept_in_the_drop_directory(
    queue: Queue, submitter: Submitter, tmp_path: Path
) -> None:
    for name in ("tmp", "new", "bad"):
        (tmp_path / "drop" / name).mkdir(parents=True)

    lines = talk(tmp_path)
    assert [line for line in lines if line.endswith("Kept until the mail system starts.")]
    DropBox(str(tmp_path / "drop"), submitter).import_all()
    queue.clear_mark("settled").result()

    (summary,) = queue.summaries()
    assert [state.recipient.address for state in summary.states] == [
        "b@example.net", "nobody@example.net", "c@example.net",
    ]  # fmt: skip


def test_without_anything_the_client_is_told_to_try_again(tmp_path: Path) -> None:
    assert any(line.startswith("432 4.3.0") for line in talk(tmp_path))


def test_the_configuration_names_the_host(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("mail.example.com\n")
    pieces, output = iter([b"QUIT\n", b""]), bytearray()

    serve_stdin(str(tmp_path), lambda: next(pieces), output.extend)

    assert output.startswith(b"220 ")
    assert b"mail.example.com" in output


def test_a_forged_head_writes_no_line_of_its_own(
    queue: Queue, submitter: Submitter, tmp_path: Path
) -> None:
    head = [("smtp", "E\nX: y"), ("helo", "a\r\nEvil: (1)"), ("from", "a@b"), ("rcpt", "c@d")]

    serving(queue, submitter, tmp_path, lambda: submit(str(tmp_path), head, [b"Subject: x\n\n"]))

    body = body_of(queue)
    assert "\nEvil" not in body
    assert "\nX: y" not in body
    assert body.startswith("Received: from aEvil:1")


def test_sendmail_knows_the_option() -> None:
    assert read_command_line(["-bs"]).flags == {"smtp"}


def test_a_question_about_addresses_is_never_left_in_the_drop_directory(tmp_path: Path) -> None:
    for name in ("tmp", "new"):
        (tmp_path / "drop" / name).mkdir(parents=True)

    with pytest.raises(ServiceUnavailableError, match="not running"):
        verify(str(tmp_path), [("rcpt", "a@b"), ("verify", "1")])

    assert os.listdir(tmp_path / "drop" / "new") == []


def test_addresses_are_verified_without_a_message(
    queue: Queue, submitter: Submitter, tmp_path: Path
) -> None:
    head = [("rcpt", "a@example.net"), ("rcpt", "nobody@example.net"), ("verify", "1")]

    answer = serving(queue, submitter, tmp_path, lambda: verify(str(tmp_path), head))

    assert answer.refused == [("nobody@example.net", "550 User unknown.")]
    assert answer.reply == "550 a@example.net... deliverable"
    assert list(queue.summaries()) == []
