"""The lines of an AUTH exchange (RFC 4954 4): the command, and the answers to challenges."""

from __future__ import annotations

from couriermail.smtp.authenticator import CLEAR_TEXT_MECHANISMS
from couriermail.smtp.config import ServerConfig
from couriermail.smtp.errors import CommandSyntaxError
from couriermail.smtp.events import Auth, AuthResponse
from couriermail.smtp.gates import mechanisms_offered
from couriermail.smtp.session import TlsInfo

__all__ = ["parse_auth", "parse_auth_response"]


def parse_auth(raw: bytes, config: ServerConfig, tls: TlsInfo | None) -> Auth:
    """Read what follows `AUTH `: the mechanism and perhaps an initial response.

    Raises:
        CommandSyntaxError: 538 for a password in clear text, 504 for another mechanism that was
            not announced, 501 for bad base64.
    """
    word, _, initial = raw.partition(b" ")
    mechanism = word.upper().decode("ascii", "backslashreplace")
    if mechanism not in mechanisms_offered(config, tls):
        raise _not_offered(mechanism, config, tls)
    return Auth(mechanism=mechanism, initial=_decode(initial) if initial else None)


def parse_auth_response(line: bytes) -> AuthResponse:
    """Read the answer to a challenge.

    Raises:
        CommandSyntaxError: 501, for `*`, by which the client gives up, and for bad base64.
    """
    if line == b"*":
        raise CommandSyntaxError(501, "5.7.0", "Authentication cancelled")
    return AuthResponse(_decode(line))


def _not_offered(mechanism: str, config: ServerConfig, tls: TlsInfo | None) -> CommandSyntaxError:
    listed = config.auth_mechanisms + config.auth_mechanisms_tls
    if tls is None and mechanism in CLEAR_TEXT_MECHANISMS and mechanism in listed:
        # spec smtp 8: without TLS the password would be anybody's
        return CommandSyntaxError(538, "5.7.11", "Encryption required for this mechanism")
    return CommandSyntaxError(504, "5.5.4", "Unknown authentication mechanism")


def _decode(encoded: bytes) -> bytes:
    from couriermail.auth import SaslAbortedError, decode_line  # not before the first AUTH

    try:
        return decode_line(encoded)
    except SaslAbortedError:
        raise CommandSyntaxError(501, "5.5.2", "Cannot decode response") from None  # a secret
