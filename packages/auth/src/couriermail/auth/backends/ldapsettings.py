"""The settings of authldap, read from authldaprc.

Standard: spec auth 4.5 (authldap: keys and defaults).
"""

from __future__ import annotations

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.rcfile import RcSettings

__all__ = ["LdapSettings"]

MAX_TIMEOUT_SECONDS = 25  # below the 30 s that clients of authdaemond wait
_DEREF = ("never", "searching", "finding", "always")


@attrs.frozen(kw_only=True)
class LdapSettings:
    """What authldaprc says.  Attribute names are empty where there is no such attribute.

    Attributes:
        uris: servers, tried in order.
        base: where the search for accounts begins.
        version: protocol version, or None for the library's.
        bind_dn, bind_password: who we are; None: anonymous.
        timeout: seconds for one answer.
        has_authbind: passwords are checked by binding as the account.
        has_starttls: TLS is begun on every connection.
        deref: how aliases are followed: `never`, `searching`, `finding` or `always`.
        mail: attribute that holds the login name.
        filter: condition that every account fulfils, in parentheses, or empty.
        domain: appended to names without `@`, or empty.
        glob_uid, glob_gid: ids of accounts without their own; 0: there are none.
        mail_root: put before home directories that are relative.
        home, maildir, delivery, quota, full_name, clear, crypt, scram, uid, gid: attributes.
        options: pairs of attribute and account option.
        enumerate_filter: condition of those that are listed, or empty.
        emailmap: filter with `@user@` and `@realm@` that finds a handle, or empty.
        emailmap_base, emailmap_handle, emailmap_mail: where, which attribute is the handle, and
            which attribute of the account it is looked for in.
    """

    uris: tuple[str, ...]
    base: str
    version: int | None
    bind_dn: str | None
    bind_password: str = attrs.field(repr=False)
    timeout: int
    has_authbind: bool
    has_starttls: bool
    deref: str
    mail: str
    filter: str
    domain: str
    glob_uid: int
    glob_gid: int
    mail_root: str
    home: str
    maildir: str
    delivery: str
    quota: str
    full_name: str
    clear: str
    crypt: str
    scram: str
    uid: str
    gid: str
    options: tuple[tuple[str, str], ...]
    enumerate_filter: str
    emailmap: str
    emailmap_base: str
    emailmap_handle: str
    emailmap_mail: str

    @classmethod
    def read(cls, rc: RcSettings) -> LdapSettings:
        """Make sense of a file.

        Raises:
            RcFileError: a required setting is missing, or one has a value that means nothing.
        """
        base, mail = rc.require("LDAP_BASEDN"), rc.get("LDAP_MAIL", default="mail")
        has_bind = bool(rc.number("LDAP_INITBIND"))
        return cls(
            uris=tuple(rc.require("LDAP_URI").replace(",", " ").split()),
            base=base,
            version=rc.number("LDAP_PROTOCOL_VERSION") or None,
            bind_dn=rc.require("LDAP_BINDDN") if has_bind else None,
            bind_password=rc.require("LDAP_BINDPW") if has_bind else "",
            timeout=min(rc.number("LDAP_TIMEOUT") or 5, MAX_TIMEOUT_SECONDS),
            has_authbind=bool(rc.number("LDAP_AUTHBIND")),
            has_starttls=bool(rc.number("LDAP_TLS")),
            deref=_deref(rc),
            mail=mail,
            filter=_in_parentheses(rc.get("LDAP_FILTER")),
            domain=rc.get("LDAP_DOMAIN").lstrip("@"),
            # Courier: takes the gid from the uid's setting.
            glob_uid=_user_id(rc, "LDAP_GLOB_UID"),
            glob_gid=_group_id(rc, "LDAP_GLOB_GID"),
            mail_root=rc.get("LDAP_MAILROOT"),
            home=rc.get("LDAP_HOMEDIR", default="homeDir"),
            maildir=rc.get("LDAP_MAILDIR"),
            delivery=rc.get("LDAP_DEFAULTDELIVERY"),
            quota=rc.get("LDAP_MAILDIRQUOTA"),
            full_name=rc.get("LDAP_FULLNAME"),
            clear=rc.get("LDAP_CLEARPW"),
            crypt=rc.get("LDAP_CRYPTPW"),
            scram=rc.get("LDAP_SCRAMPW"),
            uid=rc.get("LDAP_UID"),
            gid=rc.get("LDAP_GID"),
            options=_option_pairs(rc.get("LDAP_AUXOPTIONS")),
            enumerate_filter=_in_parentheses(rc.get("LDAP_ENUMERATE_FILTER")),
            emailmap=_in_parentheses(rc.get("LDAP_EMAILMAP")),
            emailmap_base=rc.get("LDAP_EMAILMAP_BASEDN", default=base),
            emailmap_handle=rc.get("LDAP_EMAILMAP_ATTRIBUTE", default="handle"),
            emailmap_mail=rc.get("LDAP_EMAILMAP_MAIL", default=mail),
        )

    @property
    def attributes(self) -> list[str]:
        """The attributes that are asked for, each once."""
        names = [
            self.mail, self.home, self.maildir, self.delivery, self.quota, self.full_name,
            self.clear, self.crypt, self.scram, self.uid, self.gid,
            *(name for name, _ in self.options),
        ]  # fmt: skip
        return list(dict.fromkeys(filter(None, names)))


def _in_parentheses(text: str) -> str:
    return text if not text or text.startswith("(") else f"({text})"


def _deref(rc: RcSettings) -> str:
    word = rc.get("LDAP_DEREF", default="never").lower()
    if word not in _DEREF:
        raise rc.error(f"LDAP_DEREF is none of {', '.join(_DEREF)}", "LDAP_DEREF")
    return word


def _option_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`attr=option,attr=option`; a bare attribute is an option of the same name."""
    pairs = []
    for item in text.replace(" ", "").split(","):
        attribute, _, option = item.partition("=")
        if attribute:
            pairs.append((attribute, option or attribute))
    return tuple(pairs)


def _user_id(rc: RcSettings, name: str) -> int:
    import pwd

    word = rc.get(name)
    if not word or word.isdigit():
        return rc.number(name)
    try:
        return pwd.getpwnam(word).pw_uid
    except KeyError:
        raise rc.error(f"{name} is no user of this system", name) from None


def _group_id(rc: RcSettings, name: str) -> int:
    import grp

    word = rc.get(name)
    if not word or word.isdigit():
        return rc.number(name)
    try:
        return grp.getgrnam(word).gr_gid
    except KeyError:
        raise rc.error(f"{name} is no group of this system", name) from None
