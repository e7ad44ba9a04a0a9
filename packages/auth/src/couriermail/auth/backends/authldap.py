"""authldap: accounts in an LDAP directory.

A login finds its entry by one attribute (`LDAP_MAIL`), or in two steps through a handle
(`LDAP_EMAILMAP`).  The password is checked by binding as the entry (`LDAP_AUTHBIND`), or
against an attribute with the clear password, or against one with a hash.

Standard: spec auth 4.5 (authldap); RFC 4511, RFC 4513 5.1.2, RFC 4515 3.
"""

from __future__ import annotations

import attrs

from couriermail.auth.account import Account, AccountOptions
from couriermail.auth.backends.credentials import (
    LoginCheck,
    id_of,
    is_clean_text,
    login_name,
    new_scram_secret,
    usable_account,
)
from couriermail.auth.backends.ldapconnection import LdapConnection, LdapEntry
from couriermail.auth.backends.ldapfilters import (
    account_filter,
    emailmap_filter,
    listing_filter,
)
from couriermail.auth.backends.ldapsettings import LdapSettings
from couriermail.auth.backends.session import Session
from couriermail.auth.backends.sessionmodule import SessionModule
from couriermail.auth.errors import DirectoryError
from couriermail.auth.rcfile import RcFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["LdapModule", "open_ldap_module"]

NO_SECRET = "-"  # noqa: S105 - none: no value may be empty, and the old password must not go on


def open_ldap_module(rc_path: str) -> LdapModule:
    """The module for an `authldaprc`; nothing is read before the first request.

    Raises:
        ImportError: python-ldap is not installed.
    """
    import ldap  # noqa: F401  an administrator is to hear of it at start-up

    return LdapModule(Session(RcFile(rc_path, LdapSettings.read), LdapConnection.open))


@attrs.frozen
class _Found:
    """An account and the entry it was made of."""

    account: Account
    entry: LdapEntry


@attrs.define(eq=False)
class LdapModule(SessionModule[LdapSettings, LdapConnection]):
    """An `AuthModule` over a directory; changes passwords and lists accounts.

    Attributes:
        session: the connection to the server.
        name: the module's name in a chain.
    """

    session: Session[LdapSettings, LdapConnection]
    name: str = "authldap"
    _check: LoginCheck = attrs.field(factory=lambda: LoginCheck(prefers_clear=True), init=False)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account; see `Directory.lookup`.

        Raises:
            DirectoryError: the settings or the server cannot be used now.
        """

        def find(connection: LdapConnection, settings: LdapSettings) -> Account | None:
            found = self._find(connection, settings, name, service)
            return found.account if found else None

        return self.session.run(find)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password; see `AuthModule.login`.

        Raises:
            DirectoryError: the question cannot be answered now.
        """

        def check(connection: LdapConnection, settings: LdapSettings) -> Account | None:
            found = self._find(connection, settings, name, service)
            return self._accept(settings, found, password)

        return self.session.run(check)

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Store a new password in those attributes for passwords that the entry has.

        Raises:
            DirectoryError: it cannot be done now; nothing was changed.
        """
        if not is_clean_text(new):
            return False

        def change(connection: LdapConnection, settings: LdapSettings) -> bool:
            found = self._find(connection, settings, name, service)
            if found is None or self._accept(settings, found, old) is None:
                return False
            if not settings.has_authbind:
                return _replace_password(connection, settings, found.entry, new)
            own = LdapConnection.open_as(settings, found.entry.dn, old)
            if own is None:
                return False
            try:
                return _replace_password(own, settings, found.entry, new)
            finally:
                own.close()

        return self.session.run(change)

    def accounts(self) -> Iterator[Account]:
        """Every account, sorted by address: one for each value of the login attribute.

        Raises:
            DirectoryError: the list is not complete.
        """

        def list_all(connection: LdapConnection, settings: LdapSettings) -> list[Account]:
            entries = connection.find_all(
                settings.base, listing_filter(settings), settings.attributes
            )
            found = (
                usable_account(_account(settings, entry, address, ""), self.name)
                for entry in entries
                for address in entry.all(settings.mail)
            )
            return sorted(filter(None, found), key=lambda account: account.address)

        yield from self.session.run(list_all)

    def _find(
        self, connection: LdapConnection, settings: LdapSettings, name: str, service: str
    ) -> _Found | None:
        login = login_name(name, settings.domain)
        if login is None:
            return None
        entry = _find_entry(connection, settings, name, login)
        if entry is None:
            return None
        account = usable_account(_account(settings, entry, name, service), self.name)
        return _Found(account, entry) if account else None

    def _accept(
        self, settings: LdapSettings, found: _Found | None, password: str
    ) -> Account | None:
        if not settings.has_authbind:
            return self._check.accept(found.account if found else None, password)
        is_right = _binds(settings, found, password)
        if not found or not is_right:
            return None
        return attrs.evolve(found.account, clear_password=password, scram=None)


def _binds(settings: LdapSettings, found: _Found | None, password: str) -> bool:
    """Tell whether a password binds as an entry.

    Who was not found costs a bind as well, in vain: the time that a refusal takes must not tell
    which names exist (spec auth 7).
    """
    try:
        own = LdapConnection.open_as(settings, found.entry.dn if found else settings.base, password)
    except DirectoryError:
        if found:
            raise
        return False
    if own is None:
        return False
    own.close()
    return True


def _find_entry(
    connection: LdapConnection, settings: LdapSettings, name: str, login: str
) -> LdapEntry | None:
    attribute, value = settings.mail, login
    if settings.emailmap and "@" in name:
        handle = settings.emailmap_handle
        mapping = connection.find_one(
            settings.emailmap_base, emailmap_filter(settings, name), [handle]
        )
        mapped = mapping.first(handle) if mapping else None
        if not mapped:
            return None
        attribute, value = settings.emailmap_mail, mapped
    wanted = account_filter(settings, attribute, value)
    return connection.find_one(settings.base, wanted, settings.attributes)


def _account(settings: LdapSettings, entry: LdapEntry, name: str, service: str) -> Account:
    uid, gid = entry.first(settings.uid), entry.first(settings.gid)
    home = entry.first(settings.home) or ""
    if home and settings.mail_root and not home.startswith("/"):
        home = f"{settings.mail_root.rstrip('/')}/{home}"
    options = [
        f"{option}={value}"
        for attribute, option in settings.options
        if (value := entry.first(attribute)) is not None
    ]
    maildir = settings.delivery if service == "courier" else settings.maildir
    return Account(
        name=name,
        address=name,
        uid=settings.glob_uid if uid is None else id_of(uid),
        gid=settings.glob_gid if gid is None else id_of(gid),
        home=home,
        maildir=entry.first(maildir) or None,
        quota=entry.first(settings.quota) or None,
        full_name=entry.first(settings.full_name) or None,
        options=AccountOptions(",".join(options)),
        password=entry.first(settings.crypt) or None,
        scram=entry.first(settings.scram) or None,
        clear_password=entry.first(settings.clear) or None,
    )


def _replace_password(
    connection: LdapConnection, settings: LdapSettings, entry: LdapEntry, new: str
) -> bool:
    from couriermail.auth.passwords import make_like

    changes = {}
    if entry.first(settings.clear) is not None:
        changes[settings.clear] = new
    stored = entry.first(settings.crypt)
    if stored is not None:
        changes[settings.crypt] = make_like(stored, new)
    if entry.first(settings.scram) is not None:
        changes[settings.scram] = new_scram_secret(new) or NO_SECRET
    if changes:
        connection.replace(entry.dn, changes)
    return bool(changes)
