"""What SASL servers and clients share: base64 lines, and the domain that a short name gets.

Standard: RFC 4422 (SASL), RFC 4954 4 (lines of SMTP, the same in IMAP and POP3); spec auth 4.6.
"""

from __future__ import annotations

import attrs

from couriermail.auth.errors import SaslAbortedError

__all__ = ["CRAM_MECHANISMS", "MAX_LINE_BYTES", "DomainRule", "decode_line", "encode_line"]

# Mechanism -> hash, the strongest first (RFC 2195, and its sisters with other hashes).
CRAM_MECHANISMS = {"CRAM-SHA256": "sha256", "CRAM-SHA1": "sha1", "CRAM-MD5": "md5"}

MAX_LINE_BYTES = 12288  # RFC 4954 4.5: clients and servers read this much


def decode_line(line: bytes, *, limit: int = MAX_LINE_BYTES) -> bytes:
    """What the base64 in a line from the other side stands for.

    Args:
        line: the line without CRLF; `=` alone is a response of no octets, as an initial one.
        limit: longer lines are refused unread.

    Raises:
        SaslAbortedError: `*`, by which a client gives up, a line that is too long, or no
            strict base64: whole groups of four, padded, nothing else in between.
    """
    from binascii import Error, a2b_base64

    if line.startswith(b"*"):
        raise SaslAbortedError("the other side gave up")
    if len(line) > limit:
        raise SaslAbortedError("response is too long")
    if line == b"=":
        return b""
    if len(line) % 4:  # Python 3.11 takes one padding character too many
        raise SaslAbortedError("response is not base64")
    try:
        return a2b_base64(line, strict_mode=True) if line else b""
    except Error:
        raise SaslAbortedError("response is not base64") from None  # it may be a password


def encode_line(data: bytes) -> bytes:
    """Base64 in one line, as challenges and responses are sent."""
    from binascii import b2a_base64

    return b2a_base64(data, newline=False)


@attrs.frozen
class DomainRule:
    """The domain that names without one get at login (DEFDOMAIN and DOMAINSEP).

    Attributes:
        suffix: what is appended, such as `@example.com`; empty appends nothing.
        separators: a name with one of these has a domain; None: the suffix's first character.
    """

    suffix: str = ""
    separators: str | None = None

    def apply(self, name: str) -> str:
        """The name with its domain."""
        separators = self.suffix[:1] if self.separators is None else self.separators
        if not self.suffix or any(letter in name for letter in separators):
            return name
        return name + self.suffix
