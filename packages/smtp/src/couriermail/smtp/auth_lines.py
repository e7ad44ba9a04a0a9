"""The lines of an AUTH exchange (RFC 4954 4): the command, and the answers to challenges."""

from __future__ import annotations

from binascii import Error as Base64Error
from binascii import a2b_base64

from couriermail.smtp.config import ServerConfig
from couriermail.smtp.errors import CommandSyntaxError
from couriermail.smtp.events import Auth, AuthResponse

__all__ = ["parse_auth", "parse_auth_response"]


def parse_auth(raw: bytes, config: ServerConfig) -> Auth:
    """Read what follows `AUTH `: the mechanism and perhaps an initial response.

    Raises:
        CommandSyntaxError: 504 for a mechanism that was not announced, 501 for bad base64.
    """
    word, _, initial = raw.partition(b" ")
    mechanism = word.upper().decode("ascii", "backslashreplace")
    if mechanism not in config.auth_mechanisms:
        raise CommandSyntaxError(504, "5.5.4", "Unknown authentication mechanism")
    if not initial:
        return Auth(mechanism=mechanism, initial=None)
    # RFC 4954 4: "=" is an initial response of no octets
    return Auth(mechanism=mechanism, initial=b"" if initial == b"=" else _decode(initial))


def parse_auth_response(line: bytes) -> AuthResponse:
    """Read the answer to a challenge.

    Raises:
        CommandSyntaxError: 501, for `*`, by which the client gives up, and for bad base64.
    """
    if line == b"*":
        raise CommandSyntaxError(501, "5.7.0", "Authentication cancelled")
    return AuthResponse(_decode(line))


def _decode(encoded: bytes) -> bytes:
    try:
        return a2b_base64(encoded, strict_mode=True) if encoded else b""
    except Base64Error:
        raise CommandSyntaxError(501, "5.5.2", "Cannot decode response") from None  # a secret
