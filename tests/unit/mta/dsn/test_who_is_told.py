"""Who is told about which recipients (spec mta 12.2, 12.3, 18.2; RFC 3461 4.1)."""

from __future__ import annotations

import attrs
import pytest

from couriermail.mta.config import load_config
from couriermail.mta.dsn import (
    ReportKind,
    ReportPlan,
    ReportPolicy,
    enhanced_status,
    plan_report,
)
from couriermail.queue import Envelope, Recipient, RecipientState

SENDER = "alice@example.com"


def state(kind: str, notify: str = "", *, flag: str = "l", reported: str = "") -> RecipientState:
    recipient = Recipient(address=f"{kind}@x.test", notify=notify)
    if kind == "success":
        return RecipientState(recipient=recipient, state="success", flag=flag, reported=reported)
    if kind == "failure":
        return RecipientState(recipient=recipient, state="failure", reported=reported)
    return RecipientState(recipient=recipient, kind="deferral", reported=reported)


def plan(
    kind: ReportKind,
    *states: RecipientState,
    sender: str = SENDER,
    policy: ReportPolicy | None = None,
    auth: str | None = None,
    is_report: bool = False,
) -> ReportPlan | None:
    envelope = Envelope(
        sender=sender,
        recipients=tuple(one.recipient for one in states),
        label="smtp",
        auth=auth,
        security="STARTTLS",
    )
    return plan_report(envelope, states, kind, policy or ReportPolicy(), is_report=is_report)


@pytest.mark.parametrize(
    ("kind", "notify", "flag", "final", "early", "delay"),
    [
        pytest.param("failure", "", "", "F", "F", "", id="failure, NOTIFY unset"),
        pytest.param("failure", "F", "", "F", "F", "", id="failure wanted"),
        pytest.param("failure", "SFD", "", "F", "F", "", id="everything wanted"),
        pytest.param("failure", "S", "", "", "", "", id="failure not wanted"),
        pytest.param("failure", "D", "", "", "", "", id="only delays wanted"),
        pytest.param("failure", "N", "", "", "", "", id="never"),
        pytest.param("success", "", "l", "", "", "", id="success, NOTIFY unset"),
        pytest.param("success", "S", "l", "S", "", "", id="local success wanted"),
        pytest.param("success", "S", "r", "S", "", "", id="relayed success wanted"),
        pytest.param("success", "S", "", "", "", "", id="the next system reports it"),
        pytest.param("pending", "", "", "F", "", "D", id="pending, NOTIFY unset"),
        pytest.param("pending", "D", "", "", "", "D", id="only delays wanted"),
        pytest.param("pending", "F", "", "F", "", "", id="no delays wanted"),
        pytest.param("pending", "N", "", "", "", "", id="pending, never"),
    ],
)
def test_notify_decides(
    kind: str, notify: str, flag: str, *, final: str, early: str, delay: str
) -> None:
    one = state(kind, notify, flag=flag)
    for moment, letter in (("final", final), ("early", early), ("delay", delay)):
        planned = plan(moment, one)  # type: ignore[arg-type]  # a table of the three literals
        assert (planned.marks if planned else {}) == ({0: letter} if letter else {}), moment


def test_delays_are_not_reported_unasked_where_that_is_turned_off() -> None:
    quiet = ReportPolicy(notify_delay=False)
    assert plan("delay", state("pending"), policy=quiet) is None
    assert plan("delay", state("pending", "D"), policy=quiet) is not None


def test_one_report_covers_every_recipient_with_news() -> None:
    planned = plan(
        "final", state("failure"), state("success"), state("success", "S"), state("pending")
    )
    assert planned is not None
    assert planned.marks == {0: "F", 2: "S", 3: "F"}
    assert [entry.action for entry in planned.entries] == ["failed", "delivered", "failed"]
    assert [entry.status for entry in planned.entries] == ["5.0.0", "2.0.0", "4.4.7"]
    assert (planned.to, planned.sender, planned.label, planned.security) == (
        SENDER, "", "smtp/dsn", "STARTTLS",
    )  # fmt: skip
    assert planned.reports_failure


@pytest.mark.parametrize(
    ("kind", "letter", "moment"),
    [("failure", "F", "final"), ("success", "S", "final"), ("pending", "D", "delay")],
)
def test_nobody_is_told_the_same_news_twice(kind: str, letter: str, moment: ReportKind) -> None:
    wanted = state(kind, "SFD")
    assert plan(moment, wanted) is not None
    assert plan(moment, attrs.evolve(wanted, reported=letter)) is None


def test_a_recipient_whose_delay_was_reported_is_reported_again_when_it_fails() -> None:
    planned = plan("final", state("failure", reported="D"))
    assert planned is not None
    assert planned.marks == {0: "F"}


def test_a_failure_of_a_null_sender_goes_to_postmaster_as_a_double_bounce() -> None:
    policy = ReportPolicy(defaultdomain="example.com")
    planned = plan("final", state("failure"), state("success", "S"), sender="", policy=policy)
    assert planned is not None
    assert (planned.to, planned.sender) == ("postmaster@example.com", "#@[]")
    assert planned.marks == {0: "F"}
    assert plan("early", state("failure"), sender="") is None
    assert plan("delay", state("pending", "D"), sender="") is None
    assert plan("final", state("failure", "S"), sender="") is None


def test_a_failure_of_a_double_bounce_is_dropped() -> None:
    for kind in ("failure", "pending"):
        assert plan("final", state(kind, "SFD"), sender="#@[]") is None


def test_reports_go_to_the_authenticated_sender_where_that_is_asked_for() -> None:
    policy = ReportPolicy(to_auth_address=True)

    def told(**more: str | bool | None) -> tuple[str, str]:
        planned = plan("final", state("failure"), policy=policy, **more)  # type: ignore[arg-type]
        assert planned is not None
        return planned.to, planned.sender

    assert told(auth="who@example.com") == ("who@example.com", "")
    assert told(auth="who@example.com", sender="") == ("who@example.com", "#@[]")
    assert told(auth="who") == (SENDER, "")
    assert told(auth="who@x.test\nBcc: a@b.test") == (SENDER, "")
    assert told(auth="who@example.com", sender="", is_report=True) == ("postmaster", "#@[]")
    assert plan(
        "final", state("failure"), policy=policy, auth="who@example.com", sender="#@[]"
    ) is None  # fmt: skip


def test_an_alias_with_several_members_is_expanded() -> None:
    one = attrs.evolve(state("success", "S", flag="r"), note="expanded")
    for expanded, action in ((True, "expanded"), (False, "relayed")):
        planned = plan("final", one, policy=ReportPolicy(expanded=expanded))
        assert planned is not None
        assert planned.entries[0].action == action


@pytest.mark.parametrize(
    ("text", "is_on"),
    [("A=1\n", True), ("DSNTOAUTHADDR=0\n", False), ("DSNTOAUTHADDR=1\n", True), (None, False)],
)
def test_dsntoauthaddr_is_on_where_the_file_leaves_it_out(
    tmp_path_factory: pytest.TempPathFactory, text: str | None, *, is_on: bool
) -> None:
    directory = tmp_path_factory.mktemp("config")
    if text is not None:
        (directory / "courierd").write_text(text)
    assert ReportPolicy.of(load_config(directory)).to_auth_address is is_on


@pytest.mark.parametrize(
    ("action", "lines", "status"),
    [
        ("failed", ["550 5.1.1 no such user"], "5.1.1"),
        ("failed", ["550-5.7.1 first", "550 5.7.1 second"], "5.7.1"),
        ("failed", ["550 User <x> unknown"], "5.1.1"),
        ("failed", ["Maildir over quota."], "5.2.2"),
        ("failed", ["Mail loop - already have my Delivered-To: header."], "5.4.6"),
        ("failed", ["Message cancelled."], "5.7.1"),
        ("failed", ["450 4.2.1 later"], "4.2.1"),
        ("failed", ["550 2.0.0 odd"], "5.0.0"),
        ("failed", ["550 5.1.1.9 odd"], "5.0.0"),
        ("failed", [], "5.0.0"),
        ("delayed", ["450 4.3.0 later"], "4.3.0"),
        ("delayed", ["550 5.3.0 but deferred"], "4.0.0"),
        ("delayed", ["Maildir over quota."], "4.2.2"),
        ("delayed", ["Connection refused"], "4.4.1"),
        ("delivered", ["Message delivered."], "2.0.0"),
        ("relayed", ["250 2.1.5 Ok"], "2.1.5"),
        ("expanded", ["250 Ok - delivered to alias."], "2.0.0"),
    ],
)
def test_the_class_of_a_status_fits_its_action(action: str, lines: list[str], status: str) -> None:
    assert enhanced_status(action, lines) == status


def test_expiry_is_the_reason_unless_a_reply_gave_a_better_one() -> None:
    assert enhanced_status("failed", ["Connection refused"], is_expired=True) == "4.4.7"
    assert enhanced_status("failed", ["452 4.2.2 full"], is_expired=True) == "4.2.2"


def test_a_peer_that_answered_makes_the_diagnostic_an_smtp_reply() -> None:
    reply = attrs.evolve(state("failure"), lines=("550 no",), peer="mx.x.test")
    planned = plan("final", reply, attrs.evolve(reply, peer=None))
    assert planned is not None
    assert [entry.diagnostic_type for entry in planned.entries] == ["smtp", "unknown"]
