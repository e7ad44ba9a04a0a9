"""From an address to queued recipients: aliases, ORCPT and duplicates (spec mta.md 5.4)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from couriermail.auth import Account
from couriermail.core import ManualClock, Reply
from couriermail.mta.addresses import AddressRules
from couriermail.mta.admission import RouterAdmission
from couriermail.mta.aliases import MemoryAliases
from couriermail.mta.config import Config, load_config
from couriermail.mta.router import Router
from couriermail.mta.services import log_oddities
from couriermail.mta.smtphandler import SmtpHandler
from couriermail.mta.submission import Origin, Submission, SubmissionSettings, Submitter
from couriermail.mta.transport import Route
from couriermail.queue import Queue
from couriermail.smtp import Endpoint, Mail, Rcpt, Session

SMTP = Origin(module="esmtp", source="dns; x", server_ip="192.0.2.1")


@attrs.frozen
class Accounts:
    """Knows alice and bob."""

    def lookup(self, name: str, service: str) -> Account | None:
        if name not in {"alice", "bob"}:
            return None
        return Account(name=name, address=name, uid=2001, gid=2001, home=f"/home/{name}")


@attrs.frozen
class Remote:
    """Takes every remote address; the local part's case does not matter to it."""

    name: str = "esmtp"
    priority: int = 50

    def route(self, address: str) -> Route | None:
        host = address.partition("@")[2]
        return Route(module="esmtp", host=host, address=address.lower()) if host else None


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "me").write_text("example.com\n")
    (tmp_path / "locallowercase").write_text("")
    return load_config(str(tmp_path))


@pytest.fixture
def submitter(config: Config, queue: Queue, clock: ManualClock) -> Submitter:
    aliases: Mapping[str, tuple[str, ...]] = {
        "postmaster@example.com": ("alice@example.com",),
        "staff@example.com": ("alice@example.com", "BOB@example.com", "gone@example.com"),
    }
    router = Router.of(config, Accounts(), transports=[Remote()], clock=clock)
    admission = RouterAdmission(AddressRules.of(config), MemoryAliases(config, aliases), router)
    settings = SubmissionSettings(
        me="example.com", default_domain="example.com", message_id_host="example.com"
    )
    return Submitter(queue, admission, settings, clock)


def begin(submitter: Submitter) -> Submission:
    started = submitter.begin(attrs.evolve(SMTP, may_relay=True), "a@example.net")
    assert isinstance(started, Submission)
    return started


Given = tuple[str, str, str | None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            [("bob@example.com", "", None), ("BOB@Example.COM", "", None)],
            [("bob@example.com", "", None)],
            id="two spellings of a local address",
        ),
        pytest.param(
            [("x@example.net", "", None), ("X@example.net", "", None)],
            [("x@example.net", "", None)],
            id="two addresses of one route",
        ),
        pytest.param(
            [("bob@example.com", "", "rfc822;b1"), ("bob@example.com", "", "rfc822;b2")],
            [("bob@example.com", "", "rfc822;b1"), ("bob@example.com", "", "rfc822;b2")],
            id="another ORCPT is another entry",
        ),
        pytest.param(
            [("bob@example.com", "N", "rfc822;b1"), ("bob@example.com", "N", "rfc822;b2")],
            [("bob@example.com", "N", "rfc822;b1")],
            id="nobody hears about NEVER recipients",
        ),
        pytest.param(
            [("staff@example.com", "", None), ("bob@example.com", "F", None)],
            [
                ("alice@example.com", "N", None),
                ("gone@example.com", "N", None),
                ("bob@example.com", "F", None),
            ],
            id="a recipient of its own replaces the alias's member",
        ),
        pytest.param(
            [("bob@example.com", "F", None), ("staff@example.com", "", None)],
            [
                ("bob@example.com", "F", None),
                ("alice@example.com", "N", None),
                ("gone@example.com", "N", None),
            ],
            id="also when it was named first",
        ),
        pytest.param(
            [("PostMaster@Example.com", "", None)],
            [("alice@example.com", "", "PostMaster@example.com")],
            id="the only member has the alias as written for ORCPT",
        ),
        pytest.param(
            [("bob@[192.0.2.1]", "", None)],
            [("bob@example.com", "", None)],
            id="our own address literal",
        ),
    ],
)
def test_recipients_are_merged_by_mailbox(
    submitter: Submitter, given: list[Given], expected: list[Given]
) -> None:
    submission = begin(submitter)

    for address, notify, original in given:
        assert submission.add_recipient(address, notify=notify, original=original).code == 250

    found = [(r.address, r.notify, r.original) for r in submission.recipients]
    assert found == expected


def test_an_alias_is_queued_as_a_recipient_that_is_done(submitter: Submitter, queue: Queue) -> None:
    submission = begin(submitter)
    submission.add_recipient("staff@example.com", notify="SF")
    submission.write(b"Subject: x\n\n")
    assert submission.finish().result().code == 250

    (summary,) = queue.summaries()

    alias = summary.states[-1]
    assert [state.state for state in summary.states] == ["pending"] * 3 + ["success"]
    assert (alias.recipient.address, alias.recipient.notify) == ("staff@example.com", "SF")
    assert (alias.flag, alias.lines) == ("r", ("250 Ok - delivered to alias.",))


def test_the_literal_of_another_machine_is_not_ours(submitter: Submitter) -> None:
    submission = submitter.begin(attrs.evolve(SMTP, server_ip=None), "a@example.net")
    assert isinstance(submission, Submission)

    assert submission.add_recipient("bob@[192.0.2.1]").code == 513


def test_the_smtp_server_knows_its_own_address(submitter: Submitter) -> None:
    session = Session(local=Endpoint("192.0.2.1", 25), helo="client")
    handler = SmtpHandler(submitter)
    assert handler.mail(session, Mail(reverse_path="a@example.net")) is None

    reply = handler.rcpt(session, Rcpt(forward_path="bob@[192.0.2.1]"))

    assert isinstance(reply, Reply)
    assert reply.code == 250


def test_what_is_odd_is_logged_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "me").write_text("example.com\n")
    (tmp_path / "batchsize").write_text("many\n")
    config = load_config(str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)

    with caplog.at_level(logging.WARNING):
        log_oddities(config)

    assert "batchsize" in caplog.text
    assert "set mailuser" in caplog.text
