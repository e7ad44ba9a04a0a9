"""PLAIN (RFC 4616) and LOGIN as machines: a response in, a challenge or credentials out.

Both send the password itself, so an engine offers them over TLS only unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from couriermail.smtp.errors import CommandSyntaxError
from couriermail.smtp.session import Credentials

__all__ = ["EXCHANGES", "Exchange", "LoginExchange", "PlainExchange"]


class Exchange(Protocol):
    """One run of a SASL mechanism."""

    def step(self, response: bytes | None) -> bytes | Credentials:
        """Take a response, or None when there was no initial one; ask on or be done.

        Raises:
            CommandSyntaxError: 501, the response is not of the mechanism's form.
        """


@attrs.define
class PlainExchange:
    """PLAIN: `[authzid] NUL authcid NUL passwd` in one response."""

    def step(self, response: bytes | None) -> bytes | Credentials:
        """See `Exchange.step`."""
        if response is None:
            return b""
        fields = response.split(b"\0")
        if len(fields) != 3:
            raise _malformed()
        authorization, username, password = map(_to_text, fields)
        return _credentials("PLAIN", username, password, authorization)


@attrs.define
class LoginExchange:
    """LOGIN: the user name, then the password, each asked for."""

    _username: str | None = None

    def step(self, response: bytes | None) -> bytes | Credentials:
        """See `Exchange.step`."""
        if response is None:
            return b"Username:"
        if self._username is None:
            self._username = _to_text(response)
            return b"Password:"
        return _credentials("LOGIN", self._username, _to_text(response), "")


EXCHANGES: Mapping[str, Callable[[], Exchange]] = {"PLAIN": PlainExchange, "LOGIN": LoginExchange}


def _credentials(mechanism: str, username: str, password: str, authorization: str) -> Credentials:
    if not username or not password:  # RFC 4616 2: both have at least one character
        raise _malformed()
    return Credentials(
        mechanism=mechanism, username=username, password=password, authorization=authorization
    )


def _to_text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed() from None  # the octets may be a password: no trace of them


def _malformed() -> CommandSyntaxError:
    return CommandSyntaxError(501, "5.5.2", "Malformed authentication response")
