"""What all back ends do alike with names and passwords.

Standard: spec auth 4.3, 4.4, 4.5; 7 (dummy verification, empty passwords).
"""

from __future__ import annotations

import logging

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account
    from couriermail.auth.module import CramResponse

__all__ = [
    "LoginCheck",
    "accept_cram",
    "id_of",
    "is_clean_text",
    "is_same_text",
    "login_name",
    "new_scram_secret",
    "usable_account",
]

MAX_ID_DIGITS = 10  # 32 bits

_log = logging.getLogger("couriermail.auth")


def login_name(name: str, default_domain: str) -> str | None:
    """The name that a back end is asked for; None for one that can be nobody's.

    Args:
        name: as the client gave it.
        default_domain: appended to a name without `@`; empty: nothing is.
    """
    if not is_clean_text(name):
        return None
    return f"{name}@{default_domain}" if default_domain and "@" not in name else name


def is_clean_text(text: str) -> bool:
    """Tell whether a name or new password can be sent to a back end at all.

    Control characters (NUL ends a text in many libraries, LF a line in all protocols) and
    octets that are no UTF-8 cannot; the empty text is nobody's name and no password.
    """
    return bool(text) and not any(
        char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in text
    )


class LoginCheck:
    """Checks logins of one back end; a refusal costs the same for known and unknown names.

    The decoy is used from the first account with a hash on: where passwords are stored in
    clear, the check that costs something would itself tell which names exist.

    Args:
        prefers_clear: where both are stored, the clear password decides and not the hash.
    """

    def __init__(self, *, prefers_clear: bool = False) -> None:
        from couriermail.auth.passwords import PasswordVerifier

        self._prefers_clear = prefers_clear
        self._verifier = PasswordVerifier()
        self._has_hashes = False

    def accept(self, account: Account | None, password: str) -> Account | None:
        """The account with the password that logged in, or None when it does not fit.

        The stored hash decides where there is one, else the stored clear password (or the other
        way round); an account with neither has none that fits, and the empty password never fits.

        Raises:
            PasswordError: the hash needs an algorithm that this system lacks.
        """
        if not password or not self._fits(account, password) or account is None:
            return None
        # Spec auth 4.1, rule 4: PASSWD2; who has the password needs nothing made of it.
        return attrs.evolve(account, clear_password=password, scram=None)

    def _fits(self, account: Account | None, password: str) -> bool:
        clear = (account.clear_password if account else None) or ""
        stored = (account.password if account else None) or ""
        if stored and not (self._prefers_clear and clear):
            self._has_hashes = True
            return self._verifier.verify(stored, password)
        if self._has_hashes:
            self._verifier.verify(None, password)
        return bool(clear) and is_same_text(clear, password)


def new_scram_secret(password: str) -> str:
    """The SCRAM-SHA-256 secret to store; empty for a password that SCRAM cannot have."""
    from couriermail.auth.errors import SaslError
    from couriermail.auth.scram import ScramSecret

    try:
        return ScramSecret.from_password(password).to_text()
    except SaslError:  # RFC 4013 forbids a character of it
        return ""


def accept_cram(account: Account | None, response: CramResponse) -> Account | None:
    """The account, when the response was made with its clear password; else None."""
    from couriermail.auth.hmac_context import HMAC_ALGORITHMS, HmacContext

    if account is None or not account.clear_password:
        return None
    if response.algorithm not in HMAC_ALGORITHMS:
        return None
    context = HmacContext.from_password(response.algorithm, account.clear_password)
    is_right = context.accepts(response.challenge, response.digest)
    return attrs.evolve(account, scram=None) if is_right else None


def id_of(text: str) -> int:
    """A numeric id in decimal; 0, which no account of a network has, for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else 0


def usable_account(account: Account, module: str) -> Account | None:
    """The account, or None, logged, when it lacks what every account must have.

    Ids 0 are refused: who can write to the database of a network must not become root.
    """
    wanted = {"name": account.address, "home": account.home, "uid": account.uid, "gid": account.gid}
    missing = next((field for field, value in wanted.items() if not value), None)
    if missing is None:
        return account
    _log.warning("%s: an entry without usable %s is no account", module, missing)
    return None


def is_same_text(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    import hmac

    return hmac.compare_digest(
        one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape")
    )
