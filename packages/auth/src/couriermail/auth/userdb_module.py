"""The module `authuserdb`: logins, CRAM, listing and password changes on a userdb.

Standard: spec auth 4.5 (authuserdb), 7.
"""

from __future__ import annotations

import logging
import os

import attrs

from couriermail.auth.account import is_safe_name
from couriermail.auth.errors import SaslError
from couriermail.auth.hmac_context import HMAC_ALGORITHMS, HmacContext
from couriermail.auth.passwords import PasswordVerifier, make_like, verify_password
from couriermail.auth.scram import ScramSecret
from couriermail.auth.userdb import UserdbDirectory
from couriermail.auth.userdb_compile import change_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.auth.account import Account
    from couriermail.auth.module import CramResponse
    from couriermail.auth.records import UserdbRecord
    from couriermail.core.clock import Clock

__all__ = ["UserdbModule"]

_FORBIDDEN_IN_VALUES = frozenset("|='\"")  # spec auth 4.5, password change

_log = logging.getLogger("couriermail.auth")


@attrs.define(eq=False)
class UserdbModule:
    """An `AuthModule`, `PasswordChanger` and `AccountLister` over a userdb.

    A refusal takes as long for an unknown name as for a wrong password.

    Attributes:
        path: the userdb, without `.dat`.
        scheme: of new hashes where the old one's is not kept; None is the strongest here.
        name: the module's name in a chain.
    """

    path: str
    _directory: UserdbDirectory = attrs.field(repr=False)
    scheme: str | None = attrs.field(default=None, kw_only=True)
    name: str = attrs.field(default="authuserdb", init=False)
    _verifier: PasswordVerifier = attrs.field(factory=PasswordVerifier, init=False, repr=False)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        scheme: str | None = None,
        revalidate: float = 1.0,
        clock: Clock | None = None,
    ) -> UserdbModule:
        """The userdb at `path`; arguments as for `UserdbDirectory.open` and the class."""
        directory = UserdbDirectory.open(path, revalidate=revalidate, clock=clock)
        return cls(os.fspath(path), directory, scheme=scheme)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account; see `Directory.lookup`.

        Raises:
            DirectoryError: the userdb cannot be read.
        """
        return self._directory.lookup(name, service)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password; see `AuthModule.login`.

        Raises:
            DirectoryError: the userdb cannot be read, or the hash's algorithm is not here.
        """
        account = self._directory.lookup(name, service)
        stored = None if account is None else account.password
        is_right = self._verifier.verify(stored, password)
        if account is None or not is_right:
            return None
        return attrs.evolve(account, clear_password=password, scram=None)

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Check a CRAM response; see `AuthModule.cram`.

        The account comes without password, quota and full name (spec auth 4.5).

        Raises:
            DirectoryError: the userdb cannot be read.
        """
        account = self._directory.lookup(response.name, service)
        record = None if account is None else self._record(response.name)
        context = _context(record, service, response.algorithm)
        if context is None:
            context = HmacContext.from_password(response.algorithm, "decoy")
            account = None
        is_right = context.accepts(response.challenge, response.digest)
        if account is None or not is_right:
            return None
        return attrs.evolve(account, password=None, scram=None, quota=None, full_name=None)

    def accounts(self) -> Iterator[Account]:
        """Every account, sorted by name; reverse entries and incomplete records are none.

        Raises:
            DirectoryError: the userdb cannot be read.
        """
        self._directory.refresh()
        for raw, record in self._directory.source.records():
            name = raw.decode("utf-8", "surrogateescape")
            account = record.account(name, "login") if is_safe_name(name) else None
            if account is not None:
                yield account

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Change every password field of the service that the old password fits.

        That is `<service>pw`, else `systempw`, and of each HMAC hash and of SCRAM the service's
        own and the general secret.  The text and both tables are changed before it returns.

        Raises:
            DirectoryError: it cannot be done now; nothing was changed.
        """
        if not _is_changeable(name, old, new, service):
            return False
        if self._directory.lookup(name, service) is None:
            self._verifier.verify(None, old)
            return False
        record = self._record(name)
        values = {} if record is None else self._new_values(record, service, old, new)
        if not values:
            return False
        change_fields(self.path.rstrip("/"), name.encode(), values)
        self._directory.refresh()
        _log.info("password fields changed: %d", len(values))
        return True

    def idle(self) -> None:
        """Nothing is held that costs while nobody asks."""

    def close(self) -> None:
        """Nothing needs to be closed."""

    def _record(self, name: str) -> UserdbRecord | None:
        return self._directory.source.find(name.encode())

    def _new_values(
        self, record: UserdbRecord, service: str, old: str, new: str
    ) -> dict[bytes, bytes]:
        values: dict[str, str] = {}
        field = f"{service}pw" if record.secret(f"{service}pw") is not None else "systempw"
        stored = record.secret(field)
        if stored is not None and verify_password(stored, old):
            values[field] = make_like(stored, new, default=self.scheme)
        for algorithm in HMAC_ALGORITHMS:
            for field in (f"{service}-hmac-{algorithm}pw", f"hmac-{algorithm}pw"):
                context = HmacContext.from_hex(algorithm, record.secret(field) or "")
                if context is not None and context.is_of(old):
                    values[field] = HmacContext.from_password(algorithm, new).to_hex()
        for field in (f"{service}-scram-sha-256pw", "scram-sha-256pw"):
            secret = ScramSecret.from_text(record.secret(field) or "")
            if secret is not None and secret.is_of(old):
                values[field] = _renewed(secret, new)
        return {
            field.encode("utf-8", "surrogateescape"): value.encode()
            for field, value in values.items()
        }


def _context(record: UserdbRecord | None, service: str, algorithm: str) -> HmacContext | None:
    stored = None if record is None else record.hmac_context(service, algorithm)
    return None if stored is None else HmacContext.from_hex(algorithm, stored)


def _renewed(secret: ScramSecret, new: str) -> str:
    """The secret of the new password, as costly as the old one's; empty where there is none."""
    try:
        return ScramSecret.from_password(new, iterations=secret.iterations).to_text()
    except SaslError:  # RFC 4013 forbids a character of it: no SCRAM, rather than the old password
        return ""


def _is_changeable(name: str, old: str, new: str, service: str) -> bool:
    if not new or "'" in name or '"' in name or not is_safe_name(name):
        return False
    return all(_is_plain(text) for text in (old, new, service))


def _is_plain(text: str) -> bool:
    has_control = any(letter < " " or letter == "\x7f" for letter in text)
    return not has_control and _FORBIDDEN_IN_VALUES.isdisjoint(text)
