"""An account as a value, and the protocol of what can look one up.

Standard: spec auth 1 (the fields), 3.6 and 4.2 (the options).
"""

from __future__ import annotations

from typing import Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Account", "AccountOptions", "Directory", "is_safe_name"]

_TRUE_LETTERS = frozenset("tTyY")
_FORBIDDEN = frozenset("/|=")  # path, field and reverse-entry separators of userdb


@attrs.frozen
class AccountOptions:
    """The comma list of account options, such as `disableimap=1,group=staff` (spec auth 3.6).

    Names are case-sensitive; the first of several equal names counts, but `all` gives every
    value, because `group` may be repeated.  A name without `=` has an empty value.

    Attributes:
        text: the list as it is stored.
    """

    text: str = ""

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for item in self.text.split(","):
            name, _, value = item.partition("=")
            if name:
                yield name, value

    def get(self, name: str) -> str | None:
        """The value of the first option of that name, or None."""
        return next((value for found, value in self if found == name), None)

    def all(self, name: str) -> list[str]:
        """The values of every option of that name, in order."""
        return [value for found, value in self if found == name]

    def number(self, name: str) -> int:
        """The option as a number: its leading digits; `true` and `yes` are 1; absent is 0."""
        value = self.get(name) or ""
        digits = value[: len(value) - len(value.lstrip("0123456789"))]
        if digits and digits.isascii():
            return int(digits[:18])
        return int(value[:1] in _TRUE_LETTERS)

    def with_defaults(self, defaults: AccountOptions) -> AccountOptions:
        """Add each default whose name the account does not have itself (spec auth 4.2)."""
        if not self.text:
            return defaults
        names = {name for name, _ in self}
        added = [item for item in defaults.text.split(",") if item.partition("=")[0] not in names]
        return AccountOptions(",".join([self.text, *filter(None, added)]))

    def __str__(self) -> str:
        return self.text


@attrs.frozen(kw_only=True)
class Account:
    """Who somebody is to the mail system, and where their mail is.

    Paths and texts that are not UTF-8 hold the odd bytes as surrogates (`os.fsencode` gives
    them back).

    Attributes:
        name: the name that was looked up.
        address: the account's own address or login name.
        uid: numeric user id that owns the mail.
        gid: numeric group id.
        home: absolute path of the home directory.
        maildir: mailbox relative to home or absolute; for the service `courier` it may be a
            delivery instruction.  None: the default.
        quota: Maildir++ quota text, or None.
        full_name: the person's name, or None.
        options: account options.
        system_user: the system's own name for this user, where there is one.
        password: stored password hash for the service, or None.  Not part of `repr`.
        scram: stored SCRAM-SHA-256 secret (RFC 5803), or None.
        clear_password: the password itself, where a back end stores it or a login gave it.
    """

    name: str
    address: str
    uid: int
    gid: int
    home: str
    maildir: str | None = None
    quota: str | None = None
    full_name: str | None = None
    options: AccountOptions = AccountOptions()
    system_user: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    scram: str | None = attrs.field(default=None, repr=False)
    clear_password: str | None = attrs.field(default=None, repr=False)


class Directory(Protocol):
    """Something that knows accounts by name."""

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account.

        Args:
            name: login name or address, in the case and form the directory uses.
            service: who asks: `courier` (the mail system), `login`, `imap`, `pop3`, `esmtp`,
                `webmail`; chooses the password and the meaning of `maildir`.

        Returns:
            The account, or None when there is none of that name.

        Raises:
            DirectoryError: the question cannot be answered now.
        """
        ...


def is_safe_name(name: str) -> bool:
    """Tell whether a name can be one that a directory knows at all.

    Control characters, lone surrogates, `/`, `|` and `=` are in no account's name: they
    separate paths, fields and reverse entries, and must not reach another entry.
    """
    return name.isprintable() and bool(name) and _FORBIDDEN.isdisjoint(name)
