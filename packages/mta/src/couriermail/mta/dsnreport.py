"""From a `ReportPlan` to the message that is sent (spec mta 12.4, RFC 3464).

The multipart/report itself is written by `couriermail.rfc822.Report`; here is what it says.
"""

from __future__ import annotations

import re

import attrs

from couriermail.mta.dsntext import ReportTexts
from couriermail.rfc822 import (
    DeliveryStatus,
    MessageStatus,
    RecipientStatus,
    Report,
    address_to_ascii,
    domain_to_ascii,
    encode_phrase,
    encode_typed_address,
    encode_words,
    format_date,
    parse_addresses,
)
from couriermail.smtp import decode_xtext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from mmap import mmap

    from couriermail.mta.config import Config
    from couriermail.mta.dsn import ReportEntry, ReportPlan
    from couriermail.queue import Envelope

__all__ = ["IDENT", "SOURCE", "ReportWriter", "is_report_header"]

SOURCE = "dns; localhost (localhost [127.0.0.1])"
"""Source of a report's own submission (spec mta 12.1)."""

IDENT = "https://www.rfc-editor.org/rfc/rfc3464"
"""Its second Received line: where reports are explained."""

_MAX_LINE = 500  # octets of a reply line in the text (spec mta 12.4)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_REPORT_TYPE = re.compile(rb"^content-type:\s*multipart/report\b", re.IGNORECASE | re.MULTILINE)


def is_report_header(header: bytes) -> bool:
    """True for the header of a message that is itself a multipart/report (RFC 6522)."""
    return _REPORT_TYPE.search(header) is not None


@attrs.frozen(kw_only=True)
class ReportWriter:
    """Writes reports in the name of one mail system.

    Attributes:
        me: its name, UTF-8.
        dsn_from: body of the From field.
        dsn_limit: an original of this size or more is not returned whole.
        texts: what people read.
        utc_offset: seconds east of UTC for dates.
    """

    me: str
    dsn_from: str
    dsn_limit: int = 32_768
    texts: ReportTexts = attrs.field(factory=ReportTexts)
    utc_offset: int = 0

    @classmethod
    def of(cls, config: Config, *, utc_offset: int = 0) -> ReportWriter:
        """The writer of a configuration, with the texts it names."""
        import os

        directory = os.path.join(config.directory, config.settings.paths.templates)
        return cls(
            me=config.me,
            dsn_from=config.dsnfrom,
            dsn_limit=config.dsnlimit,
            texts=ReportTexts.load(directory),
            utc_offset=utc_offset,
        )

    def write(
        self, plan: ReportPlan, envelope: Envelope, *, arrival: float, original: bytes | mmap
    ) -> Report:
        """Write a report.

        Args:
            plan: what it is about.
            envelope: the original's.
            arrival: epoch at which the original was submitted.
            original: the original, LF line ends; a large one is best mapped.

        Returns:
            The report; `bytes(report)` or `report.chunks()` is the message.  Date and
            Message-ID are left to its submission.
        """
        arrival_date = format_date(arrival, self.utc_offset)
        header, opening = self.texts.opening(
            {"ME": self.me, "FROMTIME": arrival_date, "FROMMTA": _source_host(envelope.source)}
        )
        return Report(
            fields=self._fields(plan),
            text=_to_bytes(opening + self._sections(plan) + self.texts.footer),
            text_header=header.encode(),
            status=DeliveryStatus(
                self._message_status(envelope, arrival_date),
                tuple(self._recipient_status(entry, envelope) for entry in plan.entries),
            ),
            original=original,
            headers_only=not self.returns_whole(plan, envelope, len(original)),
        )

    def returns_whole(self, plan: ReportPlan, envelope: Envelope, size: int) -> bool:
        """True when the original comes back whole and not only its header (spec mta 12.4)."""
        if not envelope.sender:
            return True
        is_wanted = plan.kind != "delay" and plan.reports_failure and envelope.ret != "H"
        return is_wanted and size < self.dsn_limit

    def _fields(self, plan: ReportPlan) -> tuple[tuple[str, str], ...]:
        is_warning = plan.kind == "delay"
        subject = self.texts.subject_warning if is_warning else self.texts.subject_notice
        return (
            ("From", _mailbox(self.dsn_from)),
            ("To", address_to_ascii(plan.to)),
            ("Subject", subject if subject.isascii() else encode_words(subject)),
            ("Auto-Submitted", "auto-replied"),  # RFC 3834 5
        )

    def _sections(self, plan: ReportPlan) -> str:
        """Each text once, before the recipients it is about."""
        sections = (
            (self.texts.delivered, {"delivered"}),
            (self.texts.relayed, {"relayed", "expanded"}),
            (self.texts.failed, {"failed"}),
            (self.texts.delayed, {"delayed"}),
        )
        pieces: list[str] = []
        for text, actions in sections:
            entries = [entry for entry in plan.entries if entry.action in actions]
            if entries:
                pieces.append(f"{text}\n")
                pieces.extend(_paragraph(entry) for entry in entries)
        return "".join(pieces)

    def _message_status(self, envelope: Envelope, arrival_date: str) -> MessageStatus:
        return MessageStatus(
            reporting_mta=f"dns; {domain_to_ascii(self.me)}",
            arrival_date=arrival_date,
            envelope_id=_envelope_id(envelope.envid),
            received_from_mta=_clean(envelope.source) if ";" in envelope.source else "",
        )

    def _recipient_status(self, entry: ReportEntry, envelope: Envelope) -> RecipientStatus:
        is_delay = entry.letter == "D"
        form = "utf-8" if envelope.smtputf8 else "unitext"
        diagnostic = "\n".join(_clean_lines(entry.lines))
        if diagnostic:
            diagnostic = f"{entry.diagnostic_type}; {diagnostic}"
        errors = tuple(("X-Network-Error", line) for line in _clean_lines(entry.errors))
        return RecipientStatus(
            final_recipient=_typed(entry.address, form),
            action=entry.action,
            original_recipient=_typed(entry.original, form) if entry.original else "",
            status=entry.status,
            remote_mta=f"dns; {_clean(entry.peer)}" if entry.peer and not is_delay else "",
            diagnostic_code="" if errors else diagnostic,
            will_retry_until=format_date(envelope.expires, self.utc_offset) if is_delay else "",
            extra=errors,
        )


def _paragraph(entry: ReportEntry) -> str:
    """One recipient for people: who, whom we spoke to, and what was said."""
    lines = [f"<{_clean(entry.original or entry.address)}>:"]
    if entry.peer:
        lines.append(f"     {_clean(entry.peer)}:")
    lines.extend(f" *** {line}" for line in _clean_lines(entry.errors))
    lines.extend(f" >>> {line}" for line in _clean_lines(entry.commands))
    lines.extend(f" <<< {line}" for line in _clean_lines(entry.lines))
    return "\n".join(lines) + "\n\n"


def _clean_lines(texts: Iterable[str]) -> Iterator[str]:
    """Text of strangers as single lines of bounded length, without control characters."""
    for text in texts:
        for line in text.replace("\r", "").split("\n"):
            yield _to_bytes(_clean(line))[:_MAX_LINE].decode("utf-8", "ignore")


def _clean(text: str) -> str:
    """Text of strangers, such as ORCPT, without control characters."""
    return _CONTROL.sub(".", text)


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")  # a lone surrogate must not stop a report


def _source_host(source: str) -> str:
    _, semicolon, host = source.partition(";")
    return _clean(host.strip()) if semicolon and host.strip() else "unknown"


def _envelope_id(envid: str | None) -> str:
    """The ENVID as the sender wrote it (RFC 3464 2.2.1); what is no xtext stays as it is."""
    if not envid:
        return ""
    from couriermail.smtp import XtextError

    try:
        decoded = decode_xtext(envid.encode("utf-8", "replace"))
    except XtextError:
        return _clean(envid)
    return _clean(decoded.decode("utf-8", "replace"))


def _typed(address: str, form: str) -> str:
    """An address with its type; ASCII ones as they are (RFC 3464 2.1.2), others by RFC 6533."""
    if address.isascii():
        return f"rfc822; {_clean(address)}"
    return encode_typed_address(_clean(address), form).replace(";", "; ", 1)


def _mailbox(text: str) -> str:
    """The From body with its name encoded (RFC 2047) and its domain in ASCII, where needed."""
    if text.isascii():
        return text
    found = parse_addresses(text)
    if not found:
        return encode_words(text)
    address = found[0]
    return f"{encode_phrase(address.name)} <{address_to_ascii(address.addr)}>"
