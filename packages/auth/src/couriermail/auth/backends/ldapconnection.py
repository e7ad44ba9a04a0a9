"""A connection to an LDAP server, on python-ldap.

Of the LDAP libraries python-ldap is the one that is maintained and complete: it wraps
OpenLDAP's own library, which also reads the `LDAPTLS_*` variables that Courier's
administrators set.  (ldap3, in pure Python, had its last release in 2021.)
"""

from __future__ import annotations

from contextlib import contextmanager

import attrs

from couriermail.auth.backends.session import ConnectionLostError
from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from couriermail.auth.backends.ldapsettings import LdapSettings

    class _Handle(Protocol):
        """What is used of python-ldap's LDAPObject."""

        def set_option(self, option: int, invalue: object) -> None: ...
        def start_tls_s(self) -> object: ...
        def simple_bind_s(self, who: str, cred: str) -> object: ...
        def search_ext(
            self,
            base: str,
            scope: int,
            filterstr: str,
            attrlist: list[str],
            *,
            serverctrls: list[object] | None = None,
            timeout: float,
            sizelimit: int = 0,
        ) -> int: ...
        def result3(
            self, msgid: int, *, timeout: float
        ) -> tuple[
            int, list[tuple[str | None, dict[str, list[bytes]]]], int, list[_PagedControl]
        ]: ...
        def modify_s(self, dn: str, modlist: list[tuple[int, str, list[bytes]]]) -> object: ...
        def unbind_s(self) -> object: ...

    class _PagedControl(Protocol):
        controlType: str  # noqa: N815  python-ldap's name
        cookie: bytes


__all__ = ["LdapConnection", "LdapEntry"]

PAGE_ENTRIES = 400  # below the 500 that slapd gives at once by default


@attrs.frozen
class LdapEntry:
    """An entry.

    Attributes:
        dn: its distinguished name.
        values: lower-case attribute name -> values as text, odd octets as surrogates.
    """

    dn: str
    values: dict[str, list[str]] = attrs.field(repr=False)

    def all(self, attribute: str) -> list[str]:
        """The values of an attribute; none for the empty name."""
        return self.values.get(attribute.lower(), [])

    def first(self, attribute: str) -> str | None:
        """The first value of an attribute, or None."""
        return next(iter(self.all(attribute)), None)


@attrs.define(eq=False)
class LdapConnection:
    """An open connection, bound as somebody or anonymous.

    Every method but `close` raises `ConnectionLostError` when the connection broke, and
    `DirectoryError` for whatever else the server refuses.
    """

    _handle: _Handle
    _timeout: int

    @classmethod
    def open(cls, settings: LdapSettings) -> LdapConnection:
        """Connect as the settings say.

        Raises:
            DirectoryError: no server is reached, or it refuses us.
        """
        if not settings.bind_dn:
            return cls._connect(settings)
        connection = cls.open_as(settings, settings.bind_dn, settings.bind_password)
        if connection is None:
            raise DirectoryError("authldap: the server refuses LDAP_BINDDN with LDAP_BINDPW")
        return connection

    @classmethod
    def open_as(cls, settings: LdapSettings, dn: str, password: str) -> LdapConnection | None:
        """Connect as an account; None when the server refuses its password.

        Raises:
            DirectoryError: no server is reached, or it cannot tell.
        """
        # RFC 4513 5.1.2: a bind with an empty password succeeds without checking anything.
        if not password:
            return None
        connection = cls._connect(settings)
        try:
            if connection.bind(dn, password):
                return connection
        except DirectoryError:
            connection.close()
            raise
        connection.close()
        return None

    @classmethod
    def _connect(cls, settings: LdapSettings) -> LdapConnection:
        import ldap

        with _translated_errors():
            handle: _Handle = ldap.initialize(" ".join(settings.uris))
            options = {
                ldap.OPT_NETWORK_TIMEOUT: settings.timeout,
                ldap.OPT_TIMEOUT: settings.timeout,
                ldap.OPT_REFERRALS: 0,  # they would be followed anonymously
                ldap.OPT_DEREF: getattr(ldap, f"DEREF_{settings.deref.upper()}"),
            }
            if settings.version:
                options[ldap.OPT_PROTOCOL_VERSION] = settings.version
            for option, value in options.items():
                handle.set_option(option, value)
            if settings.has_starttls:
                handle.start_tls_s()
        return cls(handle, settings.timeout)

    def bind(self, dn: str, password: str) -> bool:
        """Become somebody; False when the server refuses the password."""
        import ldap

        try:
            with _translated_errors():
                self._handle.simple_bind_s(dn, password)
        except DirectoryError as error:
            refusals = (ldap.INVALID_CREDENTIALS, ldap.INAPPROPRIATE_AUTH, ldap.NO_SUCH_OBJECT)
            if isinstance(error.__cause__, refusals):
                return False
            raise
        return True

    def find_one(self, base: str, filter: str, attributes: list[str]) -> LdapEntry | None:
        """The one entry that a filter finds below a base; None for none, and for several."""
        import ldap

        try:
            entries = list(self._page(base, filter, attributes, sizelimit=2)[0])
        except DirectoryError as error:
            if isinstance(error.__cause__, ldap.SIZELIMIT_EXCEEDED):
                return None
            raise
        return entries[0] if len(entries) == 1 else None

    def find_all(self, base: str, filter: str, attributes: list[str]) -> Iterator[LdapEntry]:
        """All entries that a filter finds below a base, in pages (RFC 2696)."""
        from ldap.controls import SimplePagedResultsControl

        cookie: bytes | str = ""
        while True:
            control = SimplePagedResultsControl(criticality=False, size=PAGE_ENTRIES, cookie=cookie)
            entries, controls = self._page(base, filter, attributes, controls=[control])
            yield from entries
            cookies = (c.cookie for c in controls if c.controlType == control.controlType)
            cookie = next(cookies, b"")
            if not cookie:
                return

    def replace(self, dn: str, values: dict[str, str]) -> None:
        """Give attributes of an entry new values, all of them or none."""
        import ldap

        changes = [
            (int(ldap.MOD_REPLACE), name, [value.encode("utf-8", "surrogateescape")])
            for name, value in values.items()
        ]
        with _translated_errors():
            self._handle.modify_s(dn, changes)

    def close(self) -> None:
        """Give the connection up."""
        import ldap

        try:
            self._handle.unbind_s()
        except ldap.LDAPError:
            return  # it was dead already

    def _page(
        self,
        base: str,
        filter: str,
        attributes: list[str],
        *,
        sizelimit: int = 0,
        controls: list[object] | None = None,
    ) -> tuple[list[LdapEntry], list[_PagedControl]]:
        import ldap

        with _translated_errors():
            message = self._handle.search_ext(
                base,
                ldap.SCOPE_SUBTREE,
                filter,
                attributes,
                serverctrls=controls,
                timeout=self._timeout,
                sizelimit=sizelimit,
            )
            _, found, _, answers = self._handle.result3(message, timeout=self._timeout)
        # A reference to another server has no name of its own.
        return [_entry(dn, values) for dn, values in found if dn is not None], answers


def _entry(dn: str, values: dict[str, list[bytes]]) -> LdapEntry:
    decoded = {
        name.lower(): [value.decode("utf-8", "surrogateescape") for value in several]
        for name, several in values.items()
    }
    return LdapEntry(dn, decoded)


@contextmanager
def _translated_errors() -> Iterator[None]:
    import ldap

    try:
        yield
    except ldap.LDAPError as error:
        lost = (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE)
        kind = ConnectionLostError if isinstance(error, lost) else DirectoryError
        # Its text may hold names and filters; the class says what it is.
        raise kind(f"authldap: {type(error).__name__}") from error
    except (ValueError, TypeError) as error:
        raise DirectoryError(f"authldap: a value that LDAP cannot take: {error}") from error
