"""Disposition notifications and feedback reports, both ways (RFC 8098, RFC 5965)."""

from __future__ import annotations

from couriermail.rfc822 import (
    DispositionNotification,
    FeedbackReport,
    Message,
    Report,
    read_delivery_status,
    read_disposition_notification,
    read_feedback_report,
)

FIELDS = (("From", "a@b"), ("To", "c@d"), ("Subject", "x"))


def test_a_disposition_notification_comes_back() -> None:
    sent = DispositionNotification(
        final_recipient="joe@example.com",
        disposition="automatic-action/MDN-sent-automatically; processed/error,expired",
        original_message_id="<a@b>",
        reporting_ua="laptop; Mailer 1.0",
        error="no room",
        extra=(("X-Note", "y"),),
    )
    message = Message(bytes(Report(fields=FIELDS, text=b"read\n", status=sent)))
    message.validate()
    kinds = [str(part.content_type) for part in message.walk()]
    assert kinds == ["multipart/report", "text/plain", "message/disposition-notification"]
    assert message.content_type.get("report-type") == "disposition-notification"
    found = read_disposition_notification(message)
    assert found is not None
    assert (found.action_mode, found.sending_mode) == ("automatic-action", "mdn-sent-automatically")
    assert (found.kind, found.modifiers) == ("processed", ("error", "expired"))
    assert (found.final_address, found.error) == ("joe@example.com", "no room")
    assert (found.original_message_id, found.extra) == ("<a@b>", (("X-Note", "y"),))
    assert read_feedback_report(message) is None
    assert read_delivery_status(message) is None


def test_an_international_recipient_makes_it_global() -> None:
    status = DispositionNotification(final_recipient="jö@example.com")
    report = Report(fields=FIELDS, text=b"", status=status, original=b"A: b\n\nx\n")
    message = Message(bytes(report))
    assert str(message.root.children[1].content_type) == "message/global-disposition-notification"
    found = read_disposition_notification(message)
    assert found is not None
    assert found.final_address == "jö@example.com"


def test_a_feedback_report_comes_back() -> None:
    sent = FeedbackReport(
        feedback_type="abuse",
        user_agent="couriermail/0.1",
        mail_from="<x@y>",
        source_ip="192.0.2.1",
        extra=(("Reported-Domain", "a.example"), ("Reported-Domain", "b.example")),
    )
    report = Report(fields=FIELDS, text=b"spam\n", status=sent, original=b"A: b\n\nx\n")
    message = Message(bytes(report))
    message.validate()
    found = read_feedback_report(message)
    assert found == sent
    assert found is not None
    assert found.get_all("reported-domain") == ["a.example", "b.example"]
    assert message.root.children[2].body() == b"A: b\n\nx\n"


def test_damaged_reports_are_read_as_far_as_they_go() -> None:
    assert DispositionNotification.parse(b"\xff\n\nDisposition: x").disposition == "x"
    assert DispositionNotification.parse(b"").kind == ""
    assert FeedbackReport.parse(b"Feedback-Type: ABUSE\nno colon").feedback_type == "abuse"


def test_text_of_strangers_stays_in_its_field() -> None:
    status = FeedbackReport(feedback_type="a\nVersion: 9", user_agent="x")
    assert b"\nVersion: 9" not in bytes(status)
