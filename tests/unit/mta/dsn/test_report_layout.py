"""What a report looks like (spec mta 12.4, 12.5, 19.5; RFC 3464, RFC 6533)."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path

import attrs
import pytest

from couriermail.mta.config import load_config
from couriermail.mta.dsn import ReportKind, ReportPolicy, plan_report
from couriermail.mta.dsnreport import ReportWriter, is_report_header
from couriermail.mta.dsntext import ReportTexts
from couriermail.mta.errors import MtaConfigError
from couriermail.queue import Envelope, Recipient, RecipientState

ORIGINAL = b"Subject: hi\nFrom: alice@example.com\n\nbody\n"
ENVELOPE = Envelope(
    sender="alice@example.com",
    recipients=(Recipient(address="nosuchlocal@example.com"),),
    source="dns; client.test (client.test [192.0.2.7])",
    label="smtp",
    envid="ENV+2B1",
    expires=1_700_600_000.0,
)
WRITER = ReportWriter(
    me="mx.example.com", dsn_from="Courier mail server <postmaster@mx.example.com>"
)
FAILED = RecipientState(
    recipient=ENVELOPE.recipients[0],
    state="failure",
    lines=("550 User <nosuchlocal> unknown",),
)


def report(
    *states: RecipientState,
    kind: ReportKind = "final",
    envelope: Envelope = ENVELOPE,
    original: bytes = ORIGINAL,
    writer: ReportWriter = WRITER,
) -> bytes:
    plan = plan_report(envelope, states, kind, ReportPolicy())
    assert plan is not None
    return bytes(writer.write(plan, envelope, arrival=1_700_000_000.0, original=original))


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    return message


def part(raw: bytes, index: int) -> str:
    """The raw text of one of the three parts, as it stands between its boundaries."""
    boundary = parsed(raw).get_boundary()
    return raw.decode().split(f"\n--{boundary}")[index + 1]


def test_the_report_of_an_unknown_user() -> None:
    raw = report(FAILED)
    message = parsed(raw)
    assert message["From"] == "Courier mail server <postmaster@mx.example.com>"
    assert message["To"] == "alice@example.com"
    assert message["Subject"] == "Delivery report for your message"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_content_type() == "multipart/report"
    assert message["Content-Transfer-Encoding"] == "7bit"
    assert [one.get_content_type() for one in message.iter_parts()] == [
        "text/plain", "message/delivery-status", "message/rfc822",
    ]  # fmt: skip
    assert "<nosuchlocal@example.com>:\n <<< 550 User <nosuchlocal> unknown\n" in part(raw, 0)
    assert part(raw, 1).partition("\n\n")[2] == (
        "Reporting-MTA: dns; mx.example.com\n"
        "Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
        "Original-Envelope-Id: ENV+1\n"
        "Received-From-MTA: dns; client.test (client.test [192.0.2.7])\n"
        "\n"
        "Final-Recipient: rfc822; nosuchlocal@example.com\n"
        "Action: failed\n"
        "Status: 5.1.1\n"
        "Diagnostic-Code: unknown; 550 User <nosuchlocal> unknown\n"
    )
    assert ORIGINAL in raw


def test_the_report_of_a_delay_says_until_when() -> None:
    late = RecipientState(
        recipient=Recipient(address="bob@x.test", original="Bob@alias.test"),
        kind="deferral",
        lines=("450 4.2.0 try later",),
        peer="mx.x.test",
    )
    raw = report(late, kind="delay")
    assert parsed(raw)["Subject"] == "Warning: your message is delayed"
    text = part(raw, 0)
    assert "<Bob@alias.test>:\n     mx.x.test:\n <<< 450 4.2.0 try later\n" in text
    fields = part(raw, 1)
    assert "Action: delayed\nOriginal-Recipient: rfc822; Bob@alias.test\nStatus: 4.2.0\n" in fields
    assert "Will-Retry-Until: Tue, 21 Nov 2023 20:53:20 +0000\n" in fields
    assert "Remote-MTA" not in fields
    assert "text/rfc822-headers" in part(raw, 2)
    assert b"\nbody\n" not in raw


def test_sections_stand_in_order_each_with_its_text_once() -> None:
    def one(name: str, *, flag: str = "", notify: str = "SF", note: str = "") -> RecipientState:
        return RecipientState(
            recipient=Recipient(address=f"{name}@x.test", notify=notify),
            state="success" if flag else "failure",
            flag=flag,
            note=note,
        )

    states = [
        one("f1"), one("r1", flag="r"), one("d1", flag="l"), one("e1", flag="r", note="expanded"),
        one("f2"), one("silent", flag="l", notify="F"),
    ]  # fmt: skip
    raw = report(*states)
    text = part(raw, 0)
    order = [text.index(f"<{name}@x.test>") for name in ("d1", "r1", "e1", "f1", "f2")]
    assert order == sorted(order)
    assert "silent" not in text
    for sentence in ("as you asked to be told", "was handed on for", "could NOT be delivered"):
        assert text.count(sentence) == 1
    machine = part(raw, 1)
    order = [machine.index(f"{name}@x.test") for name in ("f1", "r1", "d1", "e1", "f2")]
    assert order == sorted(order), "the part for programs keeps the queue's order"


@pytest.mark.parametrize(
    ("size", "kind", "ret", "sender", "is_whole"),
    [
        pytest.param(100, "final", "", "a@b.test", True, id="small failure"),
        pytest.param(100, "early", "F", "a@b.test", True, id="early failure"),
        pytest.param(100, "final", "H", "a@b.test", False, id="RET=HDRS"),
        pytest.param(32_768, "final", "F", "a@b.test", False, id="too large even for RET=FULL"),
        pytest.param(32_767, "final", "", "a@b.test", True, id="just below the limit"),
        pytest.param(100, "delay", "F", "a@b.test", False, id="delay"),
        pytest.param(99_999, "final", "H", "", True, id="null sender"),
    ],
)
def test_when_the_original_comes_back_whole(
    size: int, kind: ReportKind, ret: str, sender: str, *, is_whole: bool
) -> None:
    envelope = attrs.evolve(ENVELOPE, sender=sender, ret=ret)
    one = attrs.evolve(FAILED, state="pending") if kind == "delay" else FAILED
    plan = plan_report(envelope, [one], kind, ReportPolicy())
    assert plan is not None
    assert WRITER.returns_whole(plan, envelope, size) is is_whole


def test_a_pure_receipt_returns_the_header_only() -> None:
    receipt = RecipientState(
        recipient=Recipient(address="b@x.test", notify="S"), state="success", flag="l"
    )
    raw = report(receipt, envelope=attrs.evolve(ENVELOPE, ret="F"))
    assert "text/rfc822-headers" in part(raw, 2)


def test_text_of_strangers_stays_in_its_line() -> None:
    rude = "550 a\r\nAction: delivered\x00\x1b[2J " + "x" * 600
    raw = report(attrs.evolve(FAILED, lines=(rude,), peer="mx.x.test"))
    assert "\nAction: delivered" not in part(raw, 1)
    assert raw.count(b"\x1b") == 0
    lines = part(raw, 0).split("\n")
    assert " <<< 550 a" in lines
    assert max(map(len, lines)) <= 505
    assert "Remote-MTA: dns; mx.x.test\n" in part(raw, 1)


def test_an_original_recipient_cannot_write_lines_of_its_own() -> None:
    rude = Recipient(address="b@x.test", original="b@x.test>:\n <<< 250 ok\nStatus: 2.0.0")
    envelope = attrs.evolve(ENVELOPE, source="dns; a\n\nx", envid="a+0AStatus:2.0.0")
    raw = report(attrs.evolve(FAILED, recipient=rude), envelope=envelope)
    assert " <<< 250 ok\n" not in part(raw, 0)
    assert "from a..x\n" in part(raw, 0)
    fields = part(raw, 1).split("\n")
    assert [line for line in fields if line.startswith("Status")] == ["Status: 5.1.1"]
    assert "Original-Envelope-Id: a.Status:2.0.0" in fields
    assert "Received-From-MTA: dns; a..x" in fields


def test_connection_errors_take_the_place_of_the_diagnostic() -> None:
    plan = plan_report(ENVELOPE, [FAILED], "final", ReportPolicy())
    assert plan is not None
    entry = attrs.evolve(plan.entries[0], errors=("Connection refused",), commands=("RCPT TO",))
    changed = attrs.evolve(plan, entries=(entry,))
    raw = bytes(WRITER.write(changed, ENVELOPE, arrival=0.0, original=ORIGINAL))
    assert " *** Connection refused\n >>> RCPT TO\n <<< 550" in part(raw, 0)
    assert "X-Network-Error: Connection refused\n" in part(raw, 1)
    assert "Diagnostic-Code" not in part(raw, 1)


@pytest.mark.parametrize(
    ("smtputf8", "expected"),
    [
        (True, "Final-Recipient: utf-8; üser@пример.test\n"),
        (False, "Final-Recipient: utf-8; \\x{FC}ser@\\x{43F}"),
    ],
)
def test_addresses_that_are_not_ascii_have_their_own_type(*, smtputf8: bool, expected: str) -> None:
    one = attrs.evolve(FAILED, recipient=Recipient(address="üser@пример.test"))
    raw = report(one, envelope=attrs.evolve(ENVELOPE, smtputf8=smtputf8))
    assert expected in part(raw, 1)
    assert ("message/global-delivery-status" in part(raw, 1)) is smtputf8


def test_the_header_of_a_report_is_ascii(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("почта.test\n")
    writer = ReportWriter.of(load_config(tmp_path))
    envelope = attrs.evolve(ENVELOPE, sender="alice@пример.test")
    header = report(FAILED, envelope=envelope, writer=writer).partition(b"\n\n")[0]
    assert header.isascii()
    assert b"<postmaster@xn--80a1acny.test>" in header
    assert b"To: alice@xn--e1afmkfd.test" in header


def test_texts_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "dsnsubjectnotice.txt").write_text("News\nsecond line\n")
    (tmp_path / "dsnheader.txt").write_bytes(
        b'Content-Type: text/plain; charset="iso-8859-1"\n\n'
        b"\xfcber [#ME#] [#FROMTIME#] [#FROMMTA#] [#NOPE#]|[#bad\n"
    )
    (tmp_path / "dsnfailed.txt").write_text("It failed: 100 %s\n")
    writer = attrs.evolve(WRITER, texts=ReportTexts.load(str(tmp_path)))
    raw = report(FAILED, writer=writer)
    assert parsed(raw)["Subject"] == "News"
    text = part(raw, 0)
    assert 'Content-Type: text/plain; charset="utf-8"\n' in text
    assert (
        "über mx.example.com Tue, 14 Nov 2023 22:13:20 +0000 "
        "client.test (client.test [192.0.2.7]) |[#bad\n"
    ) in text
    assert "It failed: 100 %s\n" in text


def test_a_text_that_cannot_be_read_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "dsnfooter.txt").mkdir()
    with pytest.raises(MtaConfigError, match="dsnfooter"):
        ReportTexts.load(str(tmp_path))


def test_a_source_without_a_host_is_unknown() -> None:
    raw = report(FAILED, envelope=attrs.evolve(ENVELOPE, source="", envid="a b"))
    assert "from unknown\n" in part(raw, 0)
    assert "Received-From-MTA" not in part(raw, 1)
    assert "Original-Envelope-Id: a b\n" in part(raw, 1)


@pytest.mark.parametrize(
    ("header", "is_report"),
    [
        (b"Subject: x\nCONTENT-TYPE: Multipart/Report; x=y\n", True),
        (b"Content-Type:\n multipart/report\n", True),
        (b"Content-Type: multipart/reporting\n", False),
        (b"X-Content-Type: multipart/report\n", False),
        (b"", False),
    ],
)
def test_reports_are_recognised_by_their_type(header: bytes, *, is_report: bool) -> None:
    assert is_report_header(header) is is_report
