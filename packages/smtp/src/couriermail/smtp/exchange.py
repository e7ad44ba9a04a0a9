"""One AUTH exchange: the SASL engine of `couriermail.auth` between a client and the hooks.

This module, and `couriermail.auth` with it, is imported when a client says AUTH, not before.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable

import attrs

from couriermail.auth import (
    Challenge,
    CramResponse,
    DomainRule,
    ExternalLogin,
    PasswordLogin,
    SaslAbortedError,
    SaslAnswer,
    SaslServer,
    SaslSettings,
    ScramLogin,
    ScramQuery,
    ScramSecret,
    start_sasl,
)
from couriermail.core import Reply
from couriermail.smtp.authenticator import Authenticator
from couriermail.smtp.errors import CommandSyntaxError
from couriermail.smtp.session import Credentials, Session

__all__ = ["AuthExchange"]

Outcome = Awaitable[Reply | str | None] | Reply | str | None


@attrs.define
class AuthExchange:
    """Steps through one mechanism; its outcomes are what `Dialogue` gives to the engine."""

    _mechanism: str
    _session: Session
    _authenticator: Authenticator
    _sasl: SaslServer

    @classmethod
    def start(
        cls, mechanism: str, session: Session, authenticator: Authenticator, *, hostname: str
    ) -> AuthExchange:
        """Begin with the mechanism that the client chose of those that were offered."""
        settings = SaslSettings(
            mechanisms=(mechanism,),
            hostname=hostname,
            domain=DomainRule(authenticator.domain),
            decoy_key=authenticator.decoy_key,
        )
        identity = "" if session.tls is None else session.tls.identity
        sasl = start_sasl(mechanism, settings, external=identity)
        return cls(mechanism, session, authenticator, sasl)

    def step(self, response: bytes | None) -> Outcome:
        """Take a response, or None when there was no initial one.

        Returns:
            334 to ask on, an identity, None for a refusal, or one of them later.

        Raises:
            CommandSyntaxError: 501, the response is not of the mechanism's form.
            AuthError: 535, the mechanism itself failed; or what a hook raised.
        """
        try:
            answer = self._sasl.step(response)
        except SaslAbortedError:
            raise _malformed() from None  # the octets may be a password: no trace of them
        return self._settle(answer)

    def _settle(self, answer: SaslAnswer) -> Outcome:
        hooks, session = self._authenticator, self._session
        match answer:
            case Challenge():
                return _ask(answer)
            case ScramQuery(name=name):
                return self._query(_text(name))
            case ScramLogin(name=name):
                return name  # the exchange itself was the check
            case PasswordLogin():
                return hooks.password and hooks.password(session, self._credentials(answer))
            case CramResponse():
                _text(answer.name)
                return hooks.cram and hooks.cram(session, answer)
            case ExternalLogin(identity=identity):
                return hooks.external and hooks.external(session, _text(identity))

    def _credentials(self, login: PasswordLogin) -> Credentials:
        return Credentials(
            mechanism=self._mechanism,
            username=_text(login.name),
            password=_text(login.password),
            authorization=login.authorization and _text(login.authorization),
        )

    def _query(self, name: str) -> Outcome:
        hook = self._authenticator.scram
        secret = None if hook is None else hook(self._session, name)
        if secret is None or isinstance(secret, ScramSecret):
            return _ask(self._sasl.provide(secret))
        return self._query_later(secret)

    async def _query_later(self, secret: Awaitable[ScramSecret | None]) -> Reply:
        return _ask(self._sasl.provide(await secret))


def _ask(challenge: Challenge) -> Reply:
    return Reply(334, b64encode(challenge.data).decode("ascii"))


def _text(text: str) -> str:
    """A name or password as hooks may see it: there, and UTF-8 (RFC 4616 2)."""
    if not text or any("\ud800" <= character <= "\udfff" for character in text):
        raise _malformed()
    return text


def _malformed() -> CommandSyntaxError:
    return CommandSyntaxError(501, "5.5.2", "Malformed authentication response")
