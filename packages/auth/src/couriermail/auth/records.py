"""Userdb records: the grammar of one record and how an account is made of it.

    record  = name TAB field *( "|" field )
    field   = fname [ "=" value ]

The first field of a name counts; a field without `=` has an empty value; numbers are their
leading digits.  `home`, `uid` and `gid` are required.  A record whose name ends in `=` is a
reverse entry (uid to name), no account.

Standard: spec auth 3.1, 3.2 and 4.5 (authuserdb).
"""

from __future__ import annotations

import logging
from typing import Protocol

import attrs

from couriermail.auth.account import Account, AccountOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["UserdbRecord", "UserdbSource", "is_reverse_entry"]

_MAX_ID = 2**32 - 2  # the next one means "no user" to the system

_log = logging.getLogger("couriermail.auth")


@attrs.frozen
class UserdbRecord:
    """One record of a userdb, undecoded.

    Attributes:
        fields: the fields, joined by `|`; may hold passwords, so it is not part of `repr`.
        shadow: the fields of the shadow database, where passwords are kept apart.
    """

    fields: bytes = attrs.field(repr=False)
    shadow: bytes = attrs.field(default=b"", repr=False)

    def field(self, name: str) -> str | None:
        """The value of the first field of that name, or None."""
        return _value(_values(self.fields), name)

    def password(self, service: str) -> str | None:
        """The stored password for a service: `<service>pw`, else `systempw` (spec auth 4.5)."""
        values = _values(self.shadow + b"|" + self.fields)
        own = _value(values, f"{service}pw")
        return own if own is not None else _value(values, "systempw")

    def hmac_context(self, service: str, algorithm: str) -> str | None:
        """The stored HMAC context: `<service>-hmac-<hash>pw`, else `hmac-<hash>pw` (4.5)."""
        own = self.secret(f"{service}-hmac-{algorithm}pw")
        return own if own is not None else self.secret(f"hmac-{algorithm}pw")

    def scram_secret(self, service: str) -> str | None:
        """The stored SCRAM secret: `<service>-scram-sha-256pw`, else `scram-sha-256pw`."""
        own = self.secret(f"{service}-scram-sha-256pw")
        return own if own is not None else self.secret("scram-sha-256pw")

    def secret(self, name: str) -> str | None:
        """The value of the first password field of that name, or None."""
        return _value(_values(self.shadow + b"|" + self.fields), name)

    def account(self, name: str, service: str) -> Account | None:
        """The account that the record describes; None when it lacks a required field."""
        values = _values(self.fields)
        uid, gid = _number(values, "uid"), _number(values, "gid")
        home = _value(values, "home")
        if uid is None or gid is None or home is None:
            missing = "uid" if uid is None else "gid" if gid is None else "home"
            _log.debug("userdb record without a usable %s is no account", missing)
            return None
        return Account(
            name=name,
            address=name,
            uid=uid,
            gid=gid,
            home=home,
            maildir=_value(values, "mail"),
            quota=_value(values, "quota"),
            full_name=_value(values, "gecos"),
            options=AccountOptions(_value(values, "options") or ""),
            password=self.password(service),
            scram=self.scram_secret(service),
        )


class UserdbSource(Protocol):
    """Where the records of a userdb come from: the text, or the compiled tables."""

    def refresh(self) -> bool:
        """Look whether the records changed, and read them anew; True when they did.

        Raises:
            DirectoryError: they cannot be read; those read before stay in use.
        """
        ...

    def find(self, name: bytes) -> UserdbRecord | None:
        """The record of exactly that name.

        Raises:
            DirectoryError: the records cannot be read.
        """
        ...

    def records(self) -> Iterator[tuple[bytes, UserdbRecord]]:
        """Every record but the reverse entries, sorted by name.

        Raises:
            DirectoryError: the records cannot be read.
        """
        ...


def is_reverse_entry(name: bytes) -> bool:
    """Tell whether a record leads from a uid to a name (`1001=`), and is no account."""
    return name.endswith(b"=")


def _values(fields: bytes) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for field in fields.split(b"|"):
        name, _, value = field.partition(b"=")
        values.setdefault(name, value)
    return values


def _value(values: dict[bytes, bytes], name: str) -> str | None:
    value = values.get(name.encode("utf-8", "surrogateescape"))
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _number(values: dict[bytes, bytes], name: str) -> int | None:
    """Leading digits as a number; none at all is a missing field, never user 0."""
    value = values.get(name.encode(), b"")
    digits = value[: len(value) - len(value.lstrip(b"0123456789"))]
    if not digits or len(digits) > 10 or int(digits) > _MAX_ID:
        return None
    return int(digits)
