"""Whether mailbot answers, and the list of those that were answered (spec filter 4.17, 3.6)."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from couriermail.filter import (
    AutoreplyDecision,
    AutoreplyHistory,
    AutoreplyHistoryError,
    AutoreplyRules,
    decide_autoreply,
    mailbox_key,
)
from couriermail.maildir.locks import LockPolicy
from couriermail.rfc822 import Headers
from couriermail.rfc822.address import parse_addresses

NOW = 1_800_000_000
DAY = 86_400
ANN = b"From: Ann <ann@example.com>\nTo: me@example.com\n"


def decide(header: bytes, rules: AutoreplyRules | None = None) -> AutoreplyDecision:
    return decide_autoreply(Headers(header), rules or AutoreplyRules())


@pytest.mark.parametrize(
    ("header", "obstacle"),
    [
        pytest.param(b"", None, id="plain"),
        pytest.param(b"Precedence: first-class\n", None, id="first-class"),
        pytest.param(b"Precedence: Junk mail\n", "its precedence is low", id="junk"),
        pytest.param(b"Precedence: first\nPrecedence: list\n", "its precedence is low", id="second"),
        pytest.param(b"Auto-Submitted: No\n", None, id="not-automatic"),
        pytest.param(b"Auto-Submitted: no; x=y\n", None, id="not-automatic-parameter"),
        pytest.param(b"Auto-Submitted: auto-generated\n", "a program sent it", id="automatic"),
        pytest.param(
            b"Content-Type: (c) multipart/report\n", "it is a report", id="report-behind-comment"
        ),
        pytest.param(b"Content-Type: text/report\n", None, id="no-report"),
        pytest.param(b"List-Id: \n", None, id="empty-list"),
        pytest.param(b"LIST-ID: <x>\n", "it came from a mailing list", id="list"),
        pytest.param(b"List-Post: NO\n", "it came from a mailing list", id="list-post"),
        pytest.param(b"Return-Path: <> (c)\n", "its reverse path is empty", id="bounce"),
        pytest.param(b"Return-Path: <l-bounces+a=b@x>\n", "a program sent it", id="bounces"),
        pytest.param(b"Sender: owner-l@x\n", "a program sent it", id="owner"),
        pytest.param(b"Reply-To: l-request@x\n", "a program would get the answer", id="request"),
        pytest.param(b'Reply-To: "Mailer-Daemon"@x\n', "a program would get the answer", id="quoted"),
        pytest.param(b"Reply-To: a@b, l-owner@x\n", "a program would get the answer", id="one-of-two"),
        pytest.param(b"Reply-To: \n", "it names no sender", id="empty-reply-to"),
        pytest.param(b"Reply-To: g: a@b;\n", "it names no sender", id="group"),
        pytest.param(
            b"X-Auto-Response-Suppress: DR, OOF\n", "its sender wants no answer", id="suppress"
        ),
        pytest.param(b"X-Loop: Ann@example.com\n", "it was here before", id="loop"),
    ],
)  # fmt: skip
def test_what_speaks_against_an_answer(header: bytes, obstacle: str | None) -> None:
    decision = decide(header + ANN)
    assert decision.obstacle == obstacle
    assert bool(decision.recipients) is (obstacle is None)


@pytest.mark.parametrize(
    ("rules", "header", "obstacle"),
    [
        pytest.param(
            AutoreplyRules(own_addresses=["ANN@example.com."]), b"", "the answer would come back",
            id="own-address",
        ),
        pytest.param(
            AutoreplyRules(own_addresses=["me@x"]), b"X-Loop: me@x\n", "it was here before",
            id="own-loop",
        ),
        pytest.param(
            AutoreplyRules(envelope_sender=""), b"", "its reverse path is empty", id="null-envelope"
        ),
        pytest.param(AutoreplyRules(envelope_sender="a@b"), b"", None, id="envelope"),
        pytest.param(
            AutoreplyRules(wanted_recipients=["zz@x"]), b"", "it is to nobody who answers",
            id="not-for-me",
        ),
        pytest.param(
            AutoreplyRules(wanted_recipients=["CC@x"]), b"Cc: (c) <cc@X>\n", None, id="in-cc"
        ),
        pytest.param(
            AutoreplyRules(answer_to=[]), b"", "it names no sender", id="nobody-chosen"
        ),
        pytest.param(
            AutoreplyRules(is_careful=False), b"Return-Path: <>\nList-Post: x\n", None,
            id="not-careful",
        ),
        pytest.param(
            AutoreplyRules(is_careful=False), b"Precedence: bulk\n", "its precedence is low",
            id="not-careful-bulk",
        ),
    ],
)  # fmt: skip
def test_rules_of_the_one_who_answers(
    rules: AutoreplyRules, header: bytes, obstacle: str | None
) -> None:
    assert decide(header + ANN, rules).obstacle == obstacle


def test_a_header_that_is_too_large_to_look_at_gets_no_answer() -> None:
    assert decide(ANN + b"X: " + b"x" * (1 << 20) + b"\n").obstacle == "its header is too large"


def test_who_is_answered() -> None:
    envelope = b"Return-Path: <path@x>\nErrors-To: <>\n" + ANN
    assert decide(ANN).senders == ("ann@example.com",)
    assert decide(b"Reply-To: a@b, C@d\n" + ANN).senders == ("a@b", "c@d")
    assert decide(envelope, AutoreplyRules(prefer_envelope=True)).senders == ("path@x",)
    chosen = AutoreplyRules(answer_to=parse_addresses("Bob <bob@x>"))
    assert decide(b"Subject: no sender\n", chosen).senders == ("bob@x",)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        pytest.param("A@B", "a@b", id="case"),
        pytest.param('"a b"@c', "a b@c", id="quotes"),
        pytest.param('"joe"@c.', "joe@c", id="needless-quotes-and-dot"),
        pytest.param("joe", "joe", id="local"),
        pytest.param("a@Bücher.example", "a@xn--bcher-kva.example", id="idn"),
        pytest.param("a@[1.2.3.4]", "a@[1.2.3.4]", id="literal"),
    ],
)
def test_all_spellings_of_a_mailbox_have_one_key(address: str, key: str) -> None:
    assert mailbox_key(address) == key


def test_172_nobody_is_answered_twice_in_the_period(tmp_path: Path) -> None:
    history = AutoreplyHistory(tmp_path / "adb", days=2)
    assert history.claim(["a@b"], NOW)
    assert history.claim(["c@d"], NOW)
    assert not history.claim(["a@b"], NOW + 2 * DAY - 1)
    assert not history.claim(["x@y", "a@b"], NOW + 1), "one of two was answered"
    assert history.claim(["x@y"], NOW + 1), "a claim that was refused notes nothing"
    assert AutoreplyHistory(tmp_path / "adb", days=0).claim(["a@b"], NOW)
    assert history.claim(["a@b"], NOW + 2 * DAY)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adb.lmdb", "adb.lock"]


def test_a_claim_that_is_withdrawn_was_never_made(tmp_path: Path) -> None:
    history = AutoreplyHistory(tmp_path / "adb")
    first = history.claim(["a@b"], NOW)
    assert first
    history.withdraw(first)
    second = history.claim(["a@b"], NOW)
    assert second
    later = history.claim(["a@b"], NOW + 3 * DAY)
    assert later
    history.withdraw(second)
    assert not history.claim(["a@b"], NOW + 3 * DAY), "what was noted since stays"
    history.withdraw(later)
    assert not history.claim(["a@b"], NOW + DAY - 1), "the time before is back"


def test_old_answers_are_forgotten_after_thirty_days(tmp_path: Path) -> None:
    history = AutoreplyHistory(tmp_path / "adb", days=1)
    for number in range(3000):
        if number % 100 == 0:
            history.claim([f"{other}@x" for other in range(number, number + 100)], NOW)
    size = os.stat(tmp_path / "adb.lmdb").st_size
    for month in range(1, 4):
        assert history.claim([f"{other}@y" for other in range(3000)], NOW + 31 * DAY * month)
    assert os.stat(tmp_path / "adb.lmdb").st_size < 4 * size


@pytest.mark.parametrize("sender", ["", "\0purged", "x" * 600 + "@y", "\udce4@x", "ü@x"], ids=ascii)
def test_any_sender_can_be_remembered(tmp_path: Path, sender: str) -> None:
    history = AutoreplyHistory(tmp_path / "adb")
    assert history.claim([sender], NOW)
    assert not history.claim([sender], NOW + 1)


@pytest.mark.parametrize("contents", [b"no table", b"\0" * 4096, b"x" * 70_000], ids=len)
def test_a_file_that_is_no_list_is_an_error(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "adb.lmdb").write_bytes(contents)
    with pytest.raises(AutoreplyHistoryError) as caught:
        AutoreplyHistory(tmp_path / "adb").claim(["a@b"], NOW)
    assert caught.value.exit_code == 75


def test_a_list_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    history = AutoreplyHistory(tmp_path / "adb")
    assert history.claim([f"{number}@x" for number in range(2000)], NOW)
    os.truncate(tmp_path / "adb.lmdb", 3 * 4096)
    with pytest.raises(AutoreplyHistoryError, match="cut off"):
        history.claim(["a@b"], NOW)


def test_a_list_in_no_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AutoreplyHistoryError, match="No such file"):
        AutoreplyHistory(tmp_path / "none" / "adb").claim(["a@b"], NOW)


def _hold(path: str, ready: str, release: str) -> None:
    import fcntl

    with open(path, "a+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        Path(ready).write_bytes(b"1")
        Path(release).read_bytes()


def test_a_lock_that_stays_is_an_error_after_a_while(tmp_path: Path) -> None:
    ready, release = tmp_path / "ready", tmp_path / "release"
    os.mkfifo(ready)
    os.mkfifo(release)
    child = os.fork()
    if not child:
        _hold(str(tmp_path / "adb.lock"), str(ready), str(release))
        os._exit(0)
    ready.read_bytes()
    pauses: list[float] = []
    policy = LockPolicy(retry_after=1, patience=3, pause=pauses.append)
    with pytest.raises(AutoreplyHistoryError, match="locked by another program"):
        AutoreplyHistory(tmp_path / "adb", policy=policy).claim(["a@b"], NOW)
    assert len(pauses) == 3
    release.write_bytes(b"1")
    os.waitpid(child, 0)


def _claims(name: str, start: object, results: object) -> None:
    start.wait()  # type: ignore[attr-defined] # multiprocessing's types are made by its context
    claim = AutoreplyHistory(name).claim(["a@b"], NOW)
    results.put(claim is not None)  # type: ignore[attr-defined] # as above


def test_of_many_processes_at_once_one_answers(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, results = context.Barrier(6), context.SimpleQueue()
    workers = [
        context.Process(target=_claims, args=(str(tmp_path / "adb"), start, results))
        for _ in range(6)
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    assert sorted(found) == [False] * 5 + [True]
