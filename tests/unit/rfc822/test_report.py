"""Delivery reports (spec mta 12.4), their reader (spec rfc822 4.23), cases 111 and 112."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from couriermail.rfc822 import (
    DeliveryStatus,
    Message,
    MessageStatus,
    RecipientStatus,
    Report,
    choose_boundary,
    decode_typed_address,
    encode_typed_address,
    read_delivery_status,
)

ORIGINAL = b"From: a@example.com\nSubject: hello\n\nbody\n"
STATUS = DeliveryStatus(
    MessageStatus(
        reporting_mta="dns; mail.example.com", arrival_date="Tue, 14 Nov 2023 22:13:20 +0000"
    ),
    (
        RecipientStatus(
            final_recipient="joe@example.com",
            action="failed",
            status="5.1.1",
            original_recipient="rfc822;joe+2Bx@example.com",
            remote_mta="dns; mx.example.com",
            diagnostic_code="smtp; 550 5.1.1 no such user\n550 really",
        ),
        RecipientStatus(
            final_recipient="ann@example.com",
            action="failed",
            status="4.4.1",
            extra=(("X-Network-Error", "Connection refused"),),
        ),
    ),
)


def make_report(
    *,
    text: bytes = b"Sorry.\n",
    original: bytes = ORIGINAL,
    status: DeliveryStatus = STATUS,
    headers_only: bool = False,
) -> Report:
    fields = (("From", "mailer@example.com"), ("To", "a@example.com"), ("Subject", "NOTICE"))
    return Report(
        fields=fields, text=text, status=status, original=original, headers_only=headers_only
    )


def test_a_report_has_the_layout_of_the_specification() -> None:
    assert bytes(make_report()) == (
        b"From: mailer@example.com\n"
        b"To: a@example.com\n"
        b"Subject: NOTICE\n"
        b"Mime-Version: 1.0\n"
        b"Content-Type: multipart/report; report-type=delivery-status;\n"
        b'    boundary="=_courier_0"\n'
        b"Content-Transfer-Encoding: 7bit\n"
        b"\n"
        b"This is a delivery status notification in MIME format.\n"
        b"\n--=_courier_0\n"
        b"Content-Transfer-Encoding: 7bit\n"
        b"Content-Type: text/plain; charset=utf-8\n"
        b"\n"
        b"Sorry.\n"
        b"\n--=_courier_0\n"
        b"Content-Type: message/delivery-status\n"
        b"Content-Transfer-Encoding: 7bit\n"
        b"\n"
        b"Reporting-MTA: dns; mail.example.com\n"
        b"Arrival-Date: Tue, 14 Nov 2023 22:13:20 +0000\n"
        b"\n"
        b"Final-Recipient: rfc822; joe@example.com\n"
        b"Action: failed\n"
        b"Original-Recipient: rfc822;joe+2Bx@example.com\n"
        b"Status: 5.1.1\n"
        b"Remote-MTA: dns; mx.example.com\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 no such user\n"
        b"        550 really\n"
        b"\n"
        b"Final-Recipient: rfc822; ann@example.com\n"
        b"Action: failed\n"
        b"Status: 4.4.1\n"
        b"X-Network-Error: Connection refused\n"
        b"\n--=_courier_0\n"
        b"Content-Type: message/rfc822\n"
        b"Content-Transfer-Encoding: 7bit\n"
        b"\n" + ORIGINAL + b"\n--=_courier_0--\n"
    )


def test_our_own_parser_reads_it_back() -> None:
    message = Message(bytes(make_report()))
    assert [str(part.content_type) for part in message.walk()] == [
        "multipart/report",
        "text/plain",
        "message/delivery-status",
        "message/rfc822",
        "text/plain",
    ]
    assert message.defects(with_content=True) == []
    status = DeliveryStatus.parse(message.root.children[1].decoded())
    assert [recipient.final_address for recipient in status.recipients] == [
        "joe@example.com",
        "ann@example.com",
    ]
    assert status.recipients[0].original_address == "joe+x@example.com"
    assert status.message == STATUS.message
    assert message.root.children[2].body() == ORIGINAL


def test_a_report_is_recognised_by_its_type() -> None:
    report = bytes(make_report())
    status = read_delivery_status(Message(report))
    assert status is not None
    assert [recipient.status for recipient in status.recipients] == ["5.1.1", "4.4.1"]
    assert read_delivery_status(Message(report.replace(b"report-type", b"x-type"))) is None
    assert read_delivery_status(Message(report.replace(b"/delivery-", b"/x-"))) is None
    assert read_delivery_status(Message(ORIGINAL)) is None


def test_only_the_header_is_returned_on_request() -> None:
    message = Message(bytes(make_report(headers_only=True)))
    part = message.root.children[2]
    assert str(part.content_type) == "text/rfc822-headers"
    assert part.content_type.charset == "utf-8"
    assert part.body() == b"From: a@example.com\nSubject: hello\n"


@pytest.mark.parametrize(
    ("original", "headers_only", "media_type", "is_eight_bit", "needs_smtputf8"),
    [
        (b"A: b\n\nh\xe9\n", False, "message/rfc822", True, False),
        (b"A: b\n\nh\xe9\n", True, "text/rfc822-headers", False, False),
        (b"A: b\n\n\x7f\n", False, "message/rfc822", True, False),
        (b"A: \xc3\xa9\n\nx\n", False, "message/global", True, True),
        (b"A: \xc3\xa9\n\nx\n", True, "message/global-headers", True, True),
    ],
)
def test_eight_bit_originals_change_types(
    original: bytes, headers_only: bool, media_type: str, is_eight_bit: bool, needs_smtputf8: bool
) -> None:
    report = make_report(original=original, headers_only=headers_only)
    part = Message(bytes(report)).root.children[2]
    assert f"{part.content_type.type}/{part.content_type.subtype}" == media_type
    assert (report.is_eight_bit, report.needs_smtputf8) == (is_eight_bit, needs_smtputf8)
    assert part.encoding == ("8bit" if is_eight_bit else "7bit")


def test_an_international_recipient_makes_the_status_global() -> None:
    status = DeliveryStatus(MessageStatus(), (RecipientStatus(final_recipient="и@example.com"),))
    part = Message(bytes(make_report(status=status))).root.children[1]
    assert str(part.content_type) == "message/global-delivery-status"
    assert part.decoded() == "\nFinal-Recipient: utf-8; и@example.com\n".encode()


def test_text_of_a_peer_cannot_leave_its_field() -> None:
    block = bytes(
        RecipientStatus(
            final_recipient="a@b", diagnostic_code="smtp; 550 x\r\n\r\nAction: delivered\0"
        )
    )
    assert (
        block
        == b"Final-Recipient: rfc822; a@b\nDiagnostic-Code: smtp; 550 x\n        Action: delivered\n"
    )


@pytest.mark.parametrize(
    ("texts", "boundary"),
    [
        pytest.param([b"hello"], "=_courier_0", id="first"),
        pytest.param([b"--=_courier_0\n"], "=_courier_1", id="at-the-start"),
        pytest.param([b"x\n--=_COURIER_0--\n", b"x\n--=_courier_1\n"], "=_courier_2", id="case"),
        pytest.param([b"\n--=_courier_01\n"], "=_courier_1", id="prefix-of-a-longer-one"),
        pytest.param([b"\n --=_courier_0\n>--=_courier_0"], "=_courier_0", id="not-at-line-start"),
    ],
)
def test_the_boundary_starts_no_line(texts: list[bytes], boundary: str) -> None:
    assert choose_boundary(*texts) == boundary


def test_a_mapped_original_is_passed_through_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "original"
    body = b"A: b\n\n" + b"line\n" * 200_000
    path.write_bytes(body)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        fields = (("From", "m@example.com"),)
        chunks = list(Report(fields=fields, text=b"", status=STATUS, original=mapped).chunks())
    assert max(map(len, chunks)) <= 262_144
    assert body in b"".join(chunks)


def test_an_original_in_memory_is_not_copied() -> None:
    assert any(chunk is ORIGINAL for chunk in make_report().chunks())


@pytest.mark.parametrize(
    ("body", "recipients"),
    [
        pytest.param(
            b"Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; u1@example.com\n"
            b"Original-Recipient: rfc822;o1@example.com\nAction: FAILED\n",
            [("failed", "u1@example.com", "o1@example.com")],
            id="111",
        ),
        pytest.param(
            b"Final-Recipient: rfc822;a@b\nAction: delayed\n",
            [("delayed", "a@b", "")],
            id="no-message-block",
        ),
        pytest.param(
            b"Reporting-MTA: dns; x\r\n \t\r\nFinal-Recipient: rfc822;\r\n a@b\r\nAction:\r\n failed \r\n",
            [("failed", "a@b", "")],
            id="crlf-folded-blank-line",
        ),
        pytest.param(
            b"X: y\n\nFinal-Recipient: unknown; a@b\nAction: failed\n",
            [("failed", "", "")],
            id="other-type",
        ),
        pytest.param(b"", [], id="empty"),
        pytest.param(b"\n\n\n", [], id="only-lines"),
        pytest.param(b"garbage\xff\n\nmore", [], id="garbage"),
    ],
)
def test_reports_of_others_are_read(body: bytes, recipients: list[tuple[str, str, str]]) -> None:
    found = DeliveryStatus.parse(body).recipients
    assert [(r.action, r.final_address, r.original_address) for r in found] == recipients


@pytest.mark.parametrize(
    ("address", "form", "typed"),
    [
        ("n+x=y@e.c", "utf-8", "rfc822;n+2Bx+3Dy@e.c"),
        ("и@и.com", "utf-8", "utf-8;и@и.com"),
        ("и@и.com", "unitext", r"utf-8;\x{438}@\x{438}.com"),
        ("и@и.com", "rfc822", "rfc822;+D0+B8@xn--h1a.com"),
    ],
)
def test_case_112_typed_addresses(address: str, form: str, typed: str) -> None:
    assert encode_typed_address(address, form) == typed
    assert decode_typed_address(typed) == address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("joe@example.com", "joe@example.com"),
        (" RFC822 ; a+2bb@c ", "a+b@c"),
        ("rfc822;a+FF@c", "a+FF@c"),
        ("x400; foo", ""),
        ("rfc822; a b@c", ""),
        (r"utf-8;\x{110000}@c", r"\x{110000}@c"),
        ("", ""),
    ],
)
def test_odd_typed_addresses_are_read(typed: str, address: str) -> None:
    assert decode_typed_address(typed) == address
