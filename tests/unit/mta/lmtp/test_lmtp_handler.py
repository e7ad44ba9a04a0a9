"""The LMTP dialogue with deliveries that are answered by the test: no agent, no socket."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import pytest

from couriermail.auth import Account
from couriermail.core import Reply, StorageError
from couriermail.mta.accounts import AccountSearch, LocalTarget, MailIdentity
from couriermail.mta.agentpool import AgentPool
from couriermail.mta.domains import DomainList, Domains
from couriermail.mta.lmtp import DeliveryLanes, LmtpHandler, RecipientSearch
from couriermail.mta.lmtp.spool import Spool
from couriermail.mta.local import LocalJob, LocalResult
from couriermail.smtp import Mail, Rcpt, Session


@attrs.frozen
class Accounts:
    """A directory of accounts by name."""

    accounts: Mapping[str, Account]

    def lookup(self, name: str, service: str) -> Account | None:
        return self.accounts.get(name)


def account(name: str, uid: int = 1001) -> Account:
    return Account(name=name, address=name, uid=uid, gid=uid, home=f"/home/{name}")


def search(only_uid: int | None = None, delimiters: str = "+") -> RecipientSearch:
    names = (account("alice"), account("root", 0), account("eve", 1002), account("a+b"))
    known = {each.name: each for each in names} | {"bob@hosted.test": account("bob")}
    accounts = AccountSearch(
        Accounts(known),
        MailIdentity(0, 0),
        "/nowhere",
        separators=delimiters,
        has_extensions=bool(delimiters),
        needs_dot_file=False,
    )
    domains = Domains(DomainList.of(["example.test"]), {"hosted.test": "1"})
    return RecipientSearch(domains, accounts, only_uid)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("alice@example.test", ("alice", "")),
        ("alice", ("alice", "")),
        ("alice@any.domain.test", ("alice", "")),
        ("alice+lists@example.test", ("alice", "lists")),
        ('"alice"@example.test', ("alice", "")),
        ("a+b@example.test", ("a+b", "")),
        ("bob@hosted.test", ("bob", "")),
        ("bob+x@HOSTED.test", ("bob", "x")),
        ("bob@example.test", 550),
        ("alice@hosted.test", 550),
        ("alice-lists@example.test", 550),
        ("root@example.test", 550),
        ("nobody@example.test", 550),
        ("alice+../x@example.test", 550),
        ("eve@example.test", ("eve", "")),
    ],
)
def test_whose_mailbox_an_address_is(address: str, expected: tuple[str, str] | int) -> None:
    found = search().find(address)
    if isinstance(expected, int):
        assert isinstance(found, Reply)
        assert found.code == expected
    else:
        assert isinstance(found, LocalTarget)
        assert (found.name, found.extension) == expected


def test_without_root_other_users_wait_for_a_better_set_up() -> None:
    found = search(only_uid=1001).find("eve@example.test")
    assert found == Reply(451, "This server delivers for one user only.", enhanced="4.3.5")
    assert isinstance(search(only_uid=1001).find("alice"), LocalTarget)


def test_without_delimiters_there_are_no_extensions() -> None:
    assert isinstance(search(delimiters="").find("alice+x@example.test"), Reply)


@attrs.define(eq=False)
class Answers(DeliveryLanes):
    """Instead of lanes: notes jobs, and answers each as the test says."""

    jobs: list[LocalJob] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    kinds: list[str] = attrs.field(factory=list)

    def deliver(self, uid: int, gid: int, job: LocalJob) -> asyncio.Future[LocalResult]:
        self.jobs.append(job)
        if isinstance(job.body, int):
            with open(job.body, "rb") as file:
                self.bodies.append(file.read())
        else:
            self.bodies.append(job.body)
        kind = self.kinds[len(self.jobs) - 1] if self.kinds else "success"
        future = asyncio.get_running_loop().create_future()
        future.set_result(
            LocalResult(key=0, kind="success", lines=("Message delivered.",))
            if kind == "success"
            else LocalResult(key=0, kind="deferral", lines=("Later.",), enhanced="4.3.0")
        )
        return future


Deliver = Callable[..., list[Reply]]


@pytest.fixture
def lanes() -> Answers:
    return Answers(AgentPool("nowhere", 1.0))


@pytest.fixture
def deliver(lanes: Answers) -> Deliver:
    handler = LmtpHandler(search(), lanes, me="mx.example.test", now=lambda: 0.0)

    def send(*recipients: str, chunks: tuple[bytes, ...] = (b"Subject: x\n\n",)) -> list[Reply]:
        async def story() -> list[Reply]:
            mail = Mail(reverse_path="s@example.org")
            session = Session(helo="client.test", esmtp=True, lmtp=True, mail=mail)
            for recipient in recipients:
                assert handler.rcpt(session, Rcpt(forward_path=recipient)) is None
            sink = handler.data(session)
            for chunk in chunks:
                sink.write(chunk)
            return await sink.finish()

        return asyncio.run(story())

    return send


def test_each_recipient_is_a_job_that_runs_the_recipe(lanes: Answers, deliver: Deliver) -> None:
    lanes.kinds = ["success", "deferral"]
    replies = deliver("alice+x@example.test", "bob@hosted.test")
    assert [reply.code for reply in replies] == [250, 451]
    first, second = lanes.jobs
    assert (first.recipient, first.user, first.extension) == ("alice+x@example.test", "alice", "x")
    assert (second.recipient, second.user, second.sender) == (
        "bob@hosted.test",
        "bob",
        "s@example.org",
    )
    for job in lanes.jobs:
        assert job.default_instructions == "| maildrop"
        assert not job.reads_dot_file
        assert job.size == len(lanes.bodies[0])


def test_the_trace_line_names_client_protocol_and_message(lanes: Answers, deliver: Deliver) -> None:
    [reply] = deliver("alice@example.test")
    name = reply.text.rpartition(" ")[2]
    pattern = (
        rb"Received: from client\.test \(\[unix\]\)\n  by mx\.example\.test with LMTP\n"
        rb"  id %s; \w{3}, .* 19[67]\d .*\nSubject: x\n\n" % re.escape(name.encode())
    )
    assert re.fullmatch(pattern, lanes.bodies[0])


def test_a_large_message_reaches_every_recipient_through_a_file_of_its_own(
    lanes: Answers, deliver: Deliver
) -> None:
    chunk = b"x" * 99 + b"\n"
    before = len(os.listdir("/proc/self/fd"))
    deliver("alice@example.test", "eve@example.test", chunks=(chunk,) * 6000)
    assert all(isinstance(job.body, int) for job in lanes.jobs)
    assert [body.endswith(chunk * 6000) for body in lanes.bodies] == [True, True]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_message_that_was_given_up_leaves_no_file(lanes: Answers) -> None:
    before = len(os.listdir("/proc/self/fd"))
    handler = LmtpHandler(search(), lanes, me="mx.example.test")
    session = Session(mail=Mail(reverse_path=""))
    handler.rcpt(session, Rcpt(forward_path="alice"))
    sink = handler.data(session)
    for _ in range(5):
        sink.write(b"x" * 100_000)
    sink.discard()
    assert len(os.listdir("/proc/self/fd")) == before


def test_reset_forgets_the_recipients(lanes: Answers) -> None:
    handler = LmtpHandler(search(), lanes, me="mx.example.test")
    session = Session(mail=Mail(reverse_path=""))
    handler.rcpt(session, Rcpt(forward_path="alice"))
    handler.reset(session)
    assert session.data is None


def test_a_full_disk_is_a_temporary_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    spool = Spool(memory=10)
    with pytest.raises(StorageError) as caught:
        spool.write(b"more than ten")
    assert caught.value.reply.is_temporary_failure
