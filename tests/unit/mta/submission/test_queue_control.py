"""Who may see and change what of the queue (spec mta.md 16)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from couriermail.cli import cancelmsg, mailq
from couriermail.core import ManualClock
from couriermail.mta import queuelist
from couriermail.mta.config import load_config
from couriermail.mta.errors import MtaError
from couriermail.mta.queueaccess import open_queue
from couriermail.mta.queuecontrol import ControlAnswer, QueueControl, decode_summary, encode_summary
from couriermail.mta.submission import Submitter
from couriermail.mta.submitclient import ServiceUnavailableError, ask, submit
from couriermail.mta.submitserver import SubmissionProtocol
from couriermail.queue import Envelope, Outcome, Queue, Recipient, Submission

T = TypeVar("T")
ALICE, BOB, MAIL = 2001, 2002, 90


def put(queue: Queue, uid: int) -> str:
    queue_id = queue.new_id()
    recipients = (Recipient(address="x@example.net", original="X@example.net"),)
    queue.submit(Submission(queue_id, Envelope(sender="a@b", recipients=recipients, uid=uid), b""))
    return queue_id


@pytest.fixture
def control(queue: Queue) -> QueueControl:
    return QueueControl(queue, frozenset({0, MAIL}))


def test_everybody_sees_their_own_mail_and_the_mail_system_sees_all(
    queue: Queue, control: QueueControl
) -> None:
    of_alice, of_bob, by_smtp = put(queue, ALICE), put(queue, BOB), put(queue, -1)

    def seen(uid: int) -> list[str]:
        answer = control.answer(uid, [("request", "list")])
        return [decode_summary(item).id for item in answer.items]

    assert seen(ALICE) == [of_alice]
    assert seen(BOB) == [of_bob]
    assert seen(0) == seen(MAIL) == [of_alice, of_bob, by_smtp]
    assert seen(4000) == []


@pytest.mark.parametrize(
    ("uid", "reply"),
    [
        (ALICE, "250 Message scheduled for cancellation."),
        (0, "250 Message scheduled for cancellation."),
        (MAIL, "250 Message scheduled for cancellation."),
        (BOB, "550 Message not found."),
        (-1, "550 Message not found."),
    ],
)
def test_the_owner_and_the_mail_system_may_cancel(
    queue: Queue, control: QueueControl, uid: int, reply: str
) -> None:
    queue_id = put(queue, ALICE)

    answer = control.answer(uid, [("request", "cancel"), ("id", queue_id), ("reason", "no\nmore")])

    assert str(answer.reply) == reply
    expected = ("no more",) if reply.startswith("2") else None
    assert queue.find(queue_id).cancelled == expected


def test_a_message_is_cancelled_once(queue: Queue, control: QueueControl) -> None:
    request = [("request", "cancel"), ("id", put(queue, ALICE))]

    assert control.answer(ALICE, request).reply.code == 250
    assert control.answer(ALICE, request).reply.text == "Message not found."


@pytest.mark.parametrize("queue_id", ["", "nonsense", "0" * 16 + "." + "0" * 16 + "." + "0" * 8])
def test_what_is_not_there_is_not_found(control: QueueControl, queue_id: str) -> None:
    for request in ("cancel", "hold", "release"):
        answer = control.answer(0, [("request", request), ("id", queue_id)])
        assert answer == ControlAnswer(answer.reply)
        assert answer.reply.text == "Message not found."


def test_reasons_are_bounded(queue: Queue, control: QueueControl) -> None:
    queue_id = put(queue, ALICE)
    reasons = [("reason", "x" * 5000)] * 100

    control.answer(ALICE, [("request", "cancel"), ("id", queue_id), *reasons])

    assert queue.find(queue_id).cancelled == ("x" * 1024,) * 64


def test_the_owner_holds_and_releases(queue: Queue, control: QueueControl) -> None:
    queue_id = put(queue, ALICE)

    control.answer(ALICE, [("request", "hold"), ("id", queue_id), ("reason", "not now")])
    assert queue.find(queue_id).held == "not now"
    assert control.answer(BOB, [("request", "release"), ("id", queue_id)]).reply.code == 550
    control.answer(ALICE, [("request", "release"), ("id", queue_id)])
    assert queue.find(queue_id).held is None


def test_only_the_mail_system_flushes(
    queue: Queue, control: QueueControl, clock: ManualClock
) -> None:
    put(queue, ALICE)
    (job,) = queue.lease(1, clock.now())
    queue.finish(job, next_due=clock.now() + 900).result()

    assert control.answer(ALICE, [("request", "flush"), ("id", job.id)]).reply.code == 550
    assert queue.next_due() == clock.now() + 900
    assert control.answer(MAIL, [("request", "flush")]).reply.code == 250
    assert queue.next_due() == clock.now()


def test_an_unknown_request_is_refused(control: QueueControl) -> None:
    assert control.answer(0, [("request", "reformat")]).reply.code == 500


def test_a_summary_survives_the_wire(queue: Queue, clock: ManualClock) -> None:
    queue_id = put(queue, ALICE)
    (job,) = queue.lease(1, clock.now())
    late = Outcome(index=0, kind="deferral", lines=("450 \u2028 no\ttab",), peer="dns; x", note="n")
    queue.finish(job, [late], next_due=clock.now() + 9).result()
    queue.cancel(queue_id, ["why", "not"])
    summary = queue.find(queue_id)

    assert decode_summary(encode_summary(summary)) == summary


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"states": [1], "cancelled": null}'])
def test_what_is_no_summary_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode_summary(text)


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


def test_the_socket_knows_who_asks(queue: Queue, submitter: Submitter, tmp_path: Path) -> None:
    def client() -> tuple[list[str], str]:
        submit(str(tmp_path), [("from", "a@b"), ("rcpt", "c@d")], [b"Subject: x\n\n"])
        return ask(str(tmp_path), [("request", "list")])

    put(queue, os.getuid() + 1)
    items, reply = serving(queue, submitter, tmp_path, client)

    (found,) = map(decode_summary, items)
    assert (found.uid, found.sender, reply) == (os.getuid(), "a@b", "250 Ok.")


def test_a_daemon_that_does_not_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailableError, match="not running"):
        ask(str(tmp_path), [("request", "list")])


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A configuration directory with an empty queue."""
    (tmp_path / "me").write_text("mail.example.com\n")
    (tmp_path / "state" / "queue").mkdir(parents=True)
    with open_queue(load_config(str(tmp_path))):
        return tmp_path


def run_command(
    monkeypatch: pytest.MonkeyPatch, main: Callable[[], None], site: Path, *words: str
) -> int:
    monkeypatch.setattr("sys.argv", [main.__module__, "-C", str(site), *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("is_direct", [True, False])
def test_mailq_and_cancelmsg_work_with_the_queue_and_with_the_daemon(
    site: Path,
    submitter: Submitter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_direct: bool,
) -> None:
    def client() -> None:
        assert run_command(monkeypatch, mailq.main, site) == 0
        assert run_command(monkeypatch, cancelmsg.main, site, queue_id, "wrong", "file") == 0
        assert run_command(monkeypatch, cancelmsg.main, site, queue_id) == 1

    with open_queue(load_config(str(site))) as queue:
        queue_id = put(queue, os.getuid())
        if not is_direct:
            monkeypatch.setattr("os.access", lambda path, mode: False)
            serving(queue, submitter, site / "state", client)
    if is_direct:
        client()

    out, err = capsys.readouterr()
    assert queue_id in out
    assert out.endswith("   1 messages.\nMessage scheduled for cancellation.\n")
    assert err == "Message not found.\n"
    with open_queue(load_config(str(site))) as queue:
        assert queue.find(queue_id).cancelled == ("wrong", "file")


def test_cancelmsg_without_a_message_is_a_usage_error(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(monkeypatch, cancelmsg.main, site) == 2


def test_without_a_queue_there_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("mail.example.com\n")

    with pytest.raises(MtaError, match="no queue in"):
        list(queuelist.list_queue(load_config(str(tmp_path))))
