"""sendmail's rules for the From header of local mail (spec mta.md 7.3)."""

from __future__ import annotations

import attrs

from couriermail.rfc822 import Address, encode_phrase, parse_addresses
from couriermail.rfc822.headers import Field, Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SenderIdentity", "rewrite_from"]


@attrs.frozen(kw_only=True)
class SenderIdentity:
    """What sendmail's options and environment say about the sender; "" where they say nothing.

    Attributes:
        option_name: `-F`.
        mail_name: `MAILNAME`.
        name: `NAME`.
        full_name: the passwd entry's full name.
        mail_user: `MAILUSER`: replaces the local part of an existing From.
        mail_host: `MAILHOST`: replaces its domain.
        login: `LOGNAME`, else `USER`, else the passwd entry's login name.
    """

    option_name: str = ""
    mail_name: str = ""
    name: str = ""
    full_name: str = ""
    mail_user: str = ""
    mail_host: str = ""
    login: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str], *, user: str, full_name: str) -> SenderIdentity:
        """The identity of a submission.

        Args:
            fields: those of the submission: `name`, `env.MAILNAME` and their like.
            user: the login name in the passwd entry.
            full_name: the full name there.
        """

        def first(*names: str) -> str:
            return next((fields[name] for name in names if fields.get(name)), "")

        return cls(
            option_name=first("name"),
            mail_name=first("env.MAILNAME"),
            name=first("env.NAME"),
            full_name=full_name,
            mail_user=first("env.MAILUSER"),
            mail_host=first("env.MAILHOST"),
            login=first("env.LOGNAME", "env.USER") or user,
        )

    @property
    def name_for_existing(self) -> str:
        """The display name put into an existing From: the environment wins over `-F`."""
        return self.mail_name or self.name or self.option_name

    @property
    def name_for_missing(self) -> str:
        """The display name of a From that has to be made: `-F` wins."""
        return self.option_name or self.mail_name or self.name or self.full_name

    def address(self) -> str:
        """The address of a From that has to be made; the default domain is added later."""
        user = self.mail_user or self.login
        return f"{user}@{self.mail_host}" if self.mail_host else user


def rewrite_from(headers: Headers, identity: SenderIdentity) -> Headers:
    """Apply the rules; a header that needs no change is returned as it is.

    A missing From is appended, a second and later ones are dropped, and the first one gets the
    name, local part and domain that the environment demands.
    """
    existing = headers.positions("From")
    if not existing:
        return _appended(headers, _made(identity))
    if len(existing) == 1 and not (
        identity.name_for_existing or identity.mail_user or identity.mail_host
    ):
        return headers
    fields = list(headers.fields)
    fields[existing[0]] = _edited(fields[existing[0]], identity)
    kept = [field for position, field in enumerate(fields) if position not in existing[1:]]
    return Headers(b"".join(field.raw for field in kept) + (headers.separator or b"\n"))


def _appended(headers: Headers, field: Field) -> Headers:
    block = headers.raw[: len(headers.raw) - len(headers.separator)]
    if block and not block.endswith(b"\n"):
        block += b"\n"
    return Headers(block + field.raw + (headers.separator or b"\n"))


def _made(identity: SenderIdentity) -> Field:
    return Field.make("From", _mailbox(identity.address(), identity.name_for_missing))


def _edited(field: Field, identity: SenderIdentity) -> Field:
    addresses = parse_addresses(field.unfolded)
    if not addresses:
        return _made(identity)
    if identity.mail_host:
        addresses = addresses[:1]  # several mailboxes cannot all become the same one
    return Field.make("From", ", ".join(_edited_address(item, identity) for item in addresses))


def _edited_address(address: Address, identity: SenderIdentity) -> str:
    local, at, domain = address.addr.rpartition("@")
    if not at:
        local, domain = domain, ""
    local = identity.mail_user or local
    domain = identity.mail_host or domain
    spec = f"{local}@{domain}" if domain else local
    return _mailbox(spec, identity.name_for_existing or address.name)


def _mailbox(spec: str, name: str) -> str:
    """Name and address; names with 8-bit, quotes or backslashes are encoded (RFC 2047 5)."""
    if name.isascii() and '"' not in name and "\\" not in name:
        return str(Address.make(spec, name))
    return f"{encode_phrase(name)} <{spec}>"
