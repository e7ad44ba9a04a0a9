"""Laws of delivery reports and log lines."""

from __future__ import annotations

import email
import email.policy

import attrs
from hypothesis import given
from hypothesis import strategies as st

from couriermail.mta import maillog
from couriermail.mta.dsn import ReportKind, ReportPolicy, enhanced_status, plan_report
from couriermail.mta.dsnreport import ReportWriter
from couriermail.queue import Envelope, Recipient, RecipientState
from couriermail.rfc822 import DeliveryStatus

ACTIONS = st.sampled_from(["delivered", "relayed", "expanded", "failed", "delayed"])
LINES = st.lists(st.text(max_size=40) | st.just("550 5.1.1 no"), max_size=3).map(tuple)
NOTIFY = st.sampled_from(["", "N", "S", "F", "D", "SF", "SD", "FD", "SFD"])
KINDS: list[ReportKind] = ["early", "delay", "final"]
ADDRESSES = st.from_regex(r"[a-zü]{1,8}@[a-zи]{1,8}\.test", fullmatch=True)


@st.composite
def states(draw: st.DrawFn) -> RecipientState:
    recipient = Recipient(
        address=draw(ADDRESSES), original=draw(st.none() | ADDRESSES), notify=draw(NOTIFY)
    )
    kind = draw(st.sampled_from(["pending", "success", "failure"]))
    lines, peer = draw(LINES), draw(st.none() | st.just("mx.x.test"))
    if kind == "success":
        flag = draw(st.sampled_from(["", "l", "r"]))
        return RecipientState(
            recipient=recipient, state="success", flag=flag, lines=lines, peer=peer
        )
    if kind == "failure":
        return RecipientState(recipient=recipient, state="failure", lines=lines, peer=peer)
    return RecipientState(recipient=recipient, lines=lines, peer=peer)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Envelope, list[RecipientState]]:
    every = draw(st.lists(states(), min_size=1, max_size=4))
    envelope = Envelope(
        sender=draw(st.sampled_from(["", "#@[]", "a@x.test", "ü@пример.test"])),
        recipients=tuple(state.recipient for state in every),
        source=draw(st.sampled_from(["", "dns; x", "odd"])),
        ret=draw(st.sampled_from(["", "F", "H"])),
        envid=draw(st.none() | st.text(max_size=10)),
        smtputf8=draw(st.booleans()),
    )
    return envelope, every


@given(action=ACTIONS, lines=LINES, is_expired=st.booleans())
def test_the_class_of_a_status_fits_its_action(
    action: str, lines: tuple[str, ...], *, is_expired: bool
) -> None:
    """RFC 3463 2: 2 success, 4 persistent transient failure, 5 permanent failure."""
    status = enhanced_status(action, lines, is_expired=is_expired and action == "failed")
    assert status[0] in {"failed": "54", "delayed": "4"}.get(action, "2")
    assert [part.isdigit() for part in status.split(".")] == [True] * 3


@given(message=messages(), moments=st.lists(st.sampled_from(KINDS), max_size=6))
def test_each_recipient_is_reported_once_per_kind(
    message: tuple[Envelope, list[RecipientState]], moments: list[ReportKind]
) -> None:
    """ "each recipient is reported once per kind" """
    envelope, every = message
    told: list[tuple[int, str]] = []
    for moment in moments:
        plan = plan_report(envelope, every, moment, ReportPolicy())
        for index, letter in (plan.marks if plan else {}).items():
            told.append((index, letter))
            every[index] = attrs.evolve(every[index], reported=every[index].reported + letter)
    assert len(told) == len(set(told))


@given(message=messages(), moment=st.sampled_from(KINDS))
def test_nobody_who_said_never_is_reported(
    message: tuple[Envelope, list[RecipientState]], moment: ReportKind
) -> None:
    """RFC 3461 4.1: NEVER requests that a DSN not be returned under any conditions."""
    envelope, every = message
    plan = plan_report(envelope, every, moment, ReportPolicy())
    for entry in plan.entries if plan else ():
        assert every[entry.index].recipient.notify != "N"
    if envelope.sender == "#@[]":
        assert plan is None


@given(
    message=messages(),
    moment=st.sampled_from(KINDS),
    original=st.binary(max_size=80) | st.just(b"Subject: x\n\n--=_courier_0\n"),
)
def test_a_report_can_be_read_back(
    message: tuple[Envelope, list[RecipientState]], moment: ReportKind, original: bytes
) -> None:
    """RFC 3464 2.1: multipart/report with text, message/delivery-status and the original."""
    envelope, every = message
    plan = plan_report(envelope, every, moment, ReportPolicy())
    if plan is None:
        return
    writer = ReportWriter(me="почта.test", dsn_from="Post <postmaster@x.test>")
    report = writer.write(plan, envelope, arrival=1.7e9, original=original)
    parsed = email.message_from_bytes(bytes(report), policy=email.policy.compat32)
    assert parsed.get_content_type() == "multipart/report"
    assert len(parsed.get_payload()) == 3
    status = DeliveryStatus.parse(bytes(report.status))
    assert [one.action for one in status.recipients] == [entry.action for entry in plan.entries]
    assert [one.final_address for one in status.recipients] == [
        entry.address for entry in plan.entries
    ]
    assert [one.status for one in status.recipients] == [entry.status for entry in plan.entries]


@given(st.text(), st.text(), st.text(), st.text())
def test_a_log_line_is_one_clean_line(one: str, two: str, three: str, four: str) -> None:
    """ "CR dropped, inner LF -> `/`, ... other control characters -> `.`; line <= 1023 bytes" """
    for line in (
        maillog.newmsg(one, two, auth=three),
        maillog.started(one, two, module=three, host=four, address=one),
        maillog.info(one, two, three, four),
        maillog.success(one, two, three, four, size=5),
        *maillog.failure(one, two, three, [four], is_deferred=True),
    ):
        assert len(line.encode()) <= 1023
        assert line.isprintable() or not any(ord(char) < 32 or ord(char) == 127 for char in line)
