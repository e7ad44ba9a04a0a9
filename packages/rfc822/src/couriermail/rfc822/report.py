"""Reports: the multipart/report message, from values to bytes.

A report has three parts: text for people, the status for programs, and the message (or its
header) that it is about.  The status says which kind of report it is: `DeliveryStatus` (RFC
3464), `DispositionNotification` (RFC 8098) or `FeedbackReport` (RFC 5965).  The message is never
copied or changed: `Report.chunks` hands it through as it is.  Source: RFC 6522, RFC 6533, spec
mta 12.4, spec rfc822 4.22.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from couriermail.rfc822.headers import find_body

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    from couriermail.rfc822.delivery_status import DeliveryStatus
    from couriermail.rfc822.disposition import DispositionNotification
    from couriermail.rfc822.feedback import FeedbackReport

    Status = DeliveryStatus | DispositionNotification | FeedbackReport

__all__ = ["Report", "choose_boundary"]

_CHUNK: Final = 262_144
_DEL: Final = b"\x7f"  # spec mta 12.4: octets from 127 on make a part 8bit
_BOUNDARY: Final = "=_courier_"


@attrs.define(kw_only=True, slots=False, frozen=True)
class Report:
    """A report.

    Attributes:
        fields: header fields in order, name and value (already encoded and folded), without
            those of MIME: From, To, Subject, and what else the sender wants.
        text: the text for people.
        text_header: the header lines of the text part, such as its Content-Type line.
        status: the status for programs; it decides the kind of report.
        original: the message that the report is about; its header is enough when
            `headers_only` is true.  Line ends are LF.  None leaves the third part out.
        headers_only: return only the header of `original`.
        original_header: further header lines of the third part.
        preamble: text before the first part, for readers without MIME.
    """

    fields: tuple[tuple[str, str], ...]
    text: bytes
    text_header: bytes = b"Content-Type: text/plain; charset=utf-8\n"
    status: Status
    original: bytes | mmap | None = attrs.field(repr=False, default=None)
    headers_only: bool = False
    original_header: bytes = b""
    preamble: bytes = b"This is a delivery status notification in MIME format.\n"

    @cached_property
    def boundary(self) -> str:
        """Starts no line of any part (RFC 2046 5.1.1)."""
        return choose_boundary(self.text_header, self.text, bytes(self.status), self._returned)

    @cached_property
    def is_eight_bit(self) -> bool:
        """True when the report needs a transport for 8-bit data."""
        return self.needs_smtputf8 or _has_eight_bit(self.text) or self._is_original_eight_bit

    @cached_property
    def needs_smtputf8(self) -> bool:
        """True when a header or the status has 8-bit octets (RFC 6533 6)."""
        own = "".join(name + value for name, value in self.fields)
        return not own.isascii() or self._is_status_global or self._is_original_global

    def chunks(self) -> Iterator[bytes]:
        """The message with LF line ends, in pieces; pieces of the original are not copied.

        An original that is mapped is read in pieces of 256 KiB.
        """
        delimiter = f"\n--{self.boundary}\n".encode()
        yield self._format_header() + b"\n" + self.preamble + delimiter
        yield _encoding(is_eight_bit=_has_eight_bit(self.text)) + self._format_text_header()
        yield b"\n"
        yield self.text
        yield delimiter + self._format_status()
        if self.original is not None:
            yield delimiter + self._format_original_header()
            yield from _slices(self.original, self._original_end)
        yield f"\n--{self.boundary}--\n".encode()

    def __bytes__(self) -> bytes:
        """The whole message."""
        return b"".join(self.chunks())

    @property
    def _returned(self) -> bytes | mmap:
        return b"" if self.original is None else self.original

    @cached_property
    def _original_end(self) -> int:
        return find_body(self._returned)[0] if self.headers_only else len(self._returned)

    @cached_property
    def _is_status_global(self) -> bool:
        return not bytes(self.status).isascii()

    @cached_property
    def _is_original_global(self) -> bool:
        return not self._returned[: find_body(self._returned)[0]].isascii()

    @cached_property
    def _is_original_eight_bit(self) -> bool:
        return any(map(_has_eight_bit, _slices(self._returned, self._original_end)))

    def _format_header(self) -> bytes:
        own = "".join(f"{name}: {value}\n" for name, value in self.fields)
        mime = (
            "Mime-Version: 1.0\n"
            f"Content-Type: multipart/report; report-type={self.status.report_type};\n"
            f'    boundary="{self.boundary}"\n'
        )
        encoding = _encoding(is_eight_bit=self.is_eight_bit)
        return (own + mime).encode("utf-8", "surrogateescape") + encoding

    def _format_text_header(self) -> bytes:
        header = self.text_header
        return header if header.endswith(b"\n") else header + b"\n"

    def _format_status(self) -> bytes:
        is_global = self._is_status_global
        kind = self.status.global_media_type if is_global else self.status.media_type
        encoding = _encoding(is_eight_bit=is_global)
        return b"Content-Type: %s\n%s\n%s" % (kind.encode(), encoding, bytes(self.status))

    def _format_original_header(self) -> bytes:
        kind = _ORIGINAL_TYPES[self.headers_only, self._is_original_global]
        encoding = _encoding(is_eight_bit=self._is_original_eight_bit)
        return b"Content-Type: %s\n%s%s\n" % (kind, self.original_header, encoding)


def choose_boundary(*texts: bytes | mmap) -> str:
    """The first `=_courier_<n>` that starts no line of any text, whatever its case.

    `=_` occurs in no base64 or quoted-printable data, so that decoding makes no new ones.
    """
    taken: set[bytes] = set()
    for text in texts:
        if text.find(b"--=_") >= 0:
            for found in _USED.finditer(text):
                number = found[1]
                # a line that starts with `--B12` also starts with `--B1`
                taken.update(number[:length] for length in range(1, len(number) + 1))
    number = 0
    while b"%d" % number in taken:
        number += 1
    return f"{_BOUNDARY}{number}"


_USED: Final = re.compile(rb"^--=_courier_([0-9]{1,20})", re.IGNORECASE | re.MULTILINE)

_ORIGINAL_TYPES: Final = {
    # (headers_only, the header has 8-bit octets)
    (False, False): b"message/rfc822",
    (False, True): b"message/global",  # RFC 6532 3.7
    (True, False): b'text/rfc822-headers; charset="utf-8"',
    (True, True): b'message/global-headers; charset="utf-8"',  # RFC 6533 5
}


def _encoding(*, is_eight_bit: bool) -> bytes:
    return b"Content-Transfer-Encoding: %s\n" % (b"8bit" if is_eight_bit else b"7bit")


def _has_eight_bit(data: bytes) -> bool:
    return not data.isascii() or _DEL in data


def _slices(data: bytes | mmap, end: int) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data if end == len(data) else data[:end]
        return
    for start in range(0, end, _CHUNK):
        yield data[start : min(start + _CHUNK, end)]
