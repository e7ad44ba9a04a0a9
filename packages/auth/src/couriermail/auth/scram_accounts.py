"""SCRAM secrets of accounts: stored ones, and those made of clear passwords.

A server must not tell which names exist (RFC 5802 9).  Unknown names get decoys from the SASL
engine; a secret made of a clear password looks like one of them: the same number of
iterations, and a salt that follows from the name and the server's key.
"""

from __future__ import annotations

import attrs

from couriermail.auth.errors import SaslError
from couriermail.auth.scram import ScramSecret, constant_salt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account

__all__ = ["ScramSecrets"]

_DECOY_PASSWORD = "decoy"  # noqa: S105 - nobody's; it only has to take as long


@attrs.define(eq=False)
class ScramSecrets:
    """Finds the SCRAM-SHA-256 secret of an account that was looked up.

    Attributes:
        key: makes the salts; keep it over restarts, and use the same for decoys.
    """

    key: bytes = attrs.field(repr=False)
    _has_clear: bool = attrs.field(default=False, init=False)

    def of(self, account: Account | None, name: str) -> ScramSecret | None:
        """The stored secret, else one of the clear password; None where there is neither.

        From the first account with a clear password on, names without a secret cost as much.

        Args:
            account: what the directory knows of the name.
            name: the login name, as the client gave it.
        """
        stored = account.scram if account else None
        if stored:
            return ScramSecret.from_text(stored)
        clear = account.clear_password if account else None
        if not clear:
            if self._has_clear:
                self._derive(_DECOY_PASSWORD, name)
            return None
        self._has_clear = True
        return self._derive(clear, name)

    def _derive(self, password: str, name: str) -> ScramSecret | None:
        try:
            return ScramSecret.from_password(password, salt=constant_salt(self.key, name))
        except (SaslError, UnicodeError):  # a password that SCRAM cannot have (RFC 4013)
            return None
