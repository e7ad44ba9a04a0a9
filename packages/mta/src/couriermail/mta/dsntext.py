"""Texts of delivery reports: our own wording, which files may replace (spec mta 3.7).

Each text is a file of the configuration directory, or of `[paths] templates`; those that are
missing are the constants below.  In the header's text `[#ME#]`, `[#FROMTIME#]` and
`[#FROMMTA#]` stand for this host, the arrival date and the host that the message came from.
"""

from __future__ import annotations

import os
import re

import attrs

from couriermail.mta.errors import MtaConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ReportTexts"]

_HEADER = """\
Content-Type: text/plain; charset="utf-8"

This is the mail system at [#ME#].

A message that reached us on [#FROMTIME#]
from [#FROMMTA#]
has news about its delivery.
"""
_DELAYED = """
The message could not be delivered YET to the recipients below.  There is nothing you have to
do: the mail system goes on trying, and tells you when it gives up.
"""
_DELIVERED = """
The message was put into the mailbox of each recipient below, as you asked to be told.
"""
_RELAYED = """
The message was handed on for each recipient below.  No further reports may follow, because
what comes next does not send any.
"""
_FAILED = """
The message could NOT be delivered to the recipients below, and it will not be tried again.
"""
_FOOTER = """\
The rest of this report is meant for programs, and returns your message or its header.
"""

_PLACEHOLDER = re.compile(r"\[#([^\[\]#]*)#\]")
_CHARSET = re.compile(r"""charset\s*=\s*["']?([A-Za-z0-9_.:+-]+)""", re.IGNORECASE)


@attrs.frozen(kw_only=True)
class ReportTexts:
    """The texts of reports.

    Attributes:
        subject_warning: Subject of a report of a delay.
        subject_notice: Subject of every other report.
        header: begins with the text part's own Content-Type header and an empty line.
        delayed: before the recipients that are still tried.
        delivered: before the recipients that got the message.
        relayed: before the recipients whose message was handed on.
        failed: before the recipients that will not get the message.
        footer: after all recipients.
    """

    subject_warning: str = "Warning: your message is delayed"
    subject_notice: str = "Delivery report for your message"
    header: str = _HEADER
    delayed: str = _DELAYED
    delivered: str = _DELIVERED
    relayed: str = _RELAYED
    failed: str = _FAILED
    footer: str = _FOOTER

    @classmethod
    def load(cls, directory: str) -> ReportTexts:
        """Read the texts that exist in a directory; the packaged ones stand for the rest.

        Raises:
            MtaConfigError: a file exists and cannot be read.
        """
        found = {name: _read(os.path.join(directory, file)) for name, file in _FILES.items()}
        texts = {name: text for name, text in found.items() if text is not None}
        for name in ("subject_warning", "subject_notice"):
            if name in texts:
                texts[name] = texts[name].partition("\n")[0].strip()
        return cls(**texts)

    def opening(self, values: Mapping[str, str]) -> tuple[str, str]:
        """The header of the text part and the text that opens it, placeholders filled in.

        Args:
            values: by placeholder name; unknown names stand for nothing.
        """
        head, blank, text = self.header.partition("\n\n")
        if not blank or ":" not in head:
            head, text = "Content-Type: text/plain", self.header
        filled = _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), text)
        return 'Content-Type: text/plain; charset="utf-8"\n', filled


_FILES: Mapping[str, str] = {
    "subject_warning": "dsnsubjectwarn.txt",
    "subject_notice": "dsnsubjectnotice.txt",
    "header": "dsnheader.txt",
    "delayed": "dsndelayed.txt",
    "delivered": "dsndelivered.txt",
    "relayed": "dsnrelayed.txt",
    "failed": "dsnfailed.txt",
    "footer": "dsnfooter.txt",
}


def _read(path: str) -> str | None:
    """A text file; its own charset parameter says how to decode it, UTF-8 otherwise."""
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise MtaConfigError(f"cannot read: {error.strerror or error}", path=path) from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        charset = _CHARSET.search(raw.decode("latin-1"))
    try:
        return raw.decode(charset[1] if charset else "latin-1")
    except (LookupError, UnicodeDecodeError):
        return raw.decode("latin-1")
