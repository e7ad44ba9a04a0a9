"""Replies of authdaemond: bytes to values and values to bytes, without any I/O.

    account  = *( KEY "=" value LF ) "." LF            ; to PRE and AUTH
    refused  = "FAIL" LF                               ; to PRE, AUTH and PASSWD
    changed  = "OK" LF                                 ; to PASSWD
    list     = *( "# " module LF LF *line ) "." LF     ; to ENUMERATE
    line     = name TAB uid TAB gid TAB home TAB maildir TAB options LF

No reply (the connection closes) means: it cannot be said now.  An absent field is not an empty
one: `AccountFields` has None for the first and an empty text for the second.

Standard: spec auth 4.1.
"""

from __future__ import annotations

import attrs

from couriermail.auth.account import Account, AccountOptions
from couriermail.auth.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CHANGED",
    "LIST_END",
    "REFUSED",
    "AccountFields",
    "ListReader",
    "ReplyReader",
    "list_heading",
    "list_line",
]

REFUSED = b"FAIL\n"
CHANGED = b"OK\n"
LIST_END = b".\n"
MAX_REPLY = 8191  # what C clients have room for
MAX_LIST_LINE = 8191

_LEADING = "0123456789"


@attrs.frozen(kw_only=True)
class AccountFields:
    """An account as it is on the wire, before anybody looks whether it is complete.

    Attributes:
        system_user: `USERNAME`, the system's own name of the user.
        uid: `UID`; a reply has it or `USERNAME`.
        gid: `GID`.
        home: `HOME`.
        address: `ADDRESS`, the account's own login name.
        full_name: `NAME`.
        maildir: `MAILDIR`.
        quota: `QUOTA`.
        password: `PASSWD`, the stored hash.
        clear_password: `PASSWD2`, the password itself.
        options: `OPTIONS`, a comma list.
        scram: `SCRAM-SHA-256`, a stored secret (RFC 5803) for servers that offer this
            mechanism.  Courier: its daemon has no such line, and its clients skip it.
    """

    system_user: str | None = None
    uid: int | None = None
    gid: int | None = None
    home: str | None = None
    address: str | None = None
    full_name: str | None = None
    maildir: str | None = None
    quota: str | None = None
    password: str | None = attrs.field(default=None, repr=False)
    clear_password: str | None = attrs.field(default=None, repr=False)
    options: str | None = None
    scram: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, account: Account) -> AccountFields:
        """The fields that describe an account.

        A system user goes by name, all others by uid; the full name ends at its first comma
        (spec auth 4.1, rule 3); empty options are left out (4.2).
        """
        full_name = account.full_name
        return cls(
            system_user=account.system_user,
            uid=None if account.system_user else account.uid,
            gid=account.gid,
            home=account.home,
            address=account.address,
            full_name=None if full_name is None else full_name.partition(",")[0],
            maildir=account.maildir,
            quota=account.quota,
            password=account.password,
            clear_password=account.clear_password,
            options=account.options.text or None,
            scram=account.scram,
        )

    @classmethod
    def from_lines(cls, reply: bytes) -> AccountFields:
        """Read `KEY=value` lines; unknown keys and lines without `=` are ignored.

        A number is its leading digits, none of them is 0, as C clients read it.
        """
        found: dict[str, str] = {}
        for line in reply.split(b"\n"):
            key, separator, value = line.partition(b"=")
            if separator and key in _NAMES:
                found[_NAMES[key]] = value.decode("utf-8", "surrogateescape")
        uid, gid = (found.pop(name, None) for name in ("uid", "gid"))
        return cls(
            uid=None if uid is None else _number(uid),
            gid=None if gid is None else _number(gid),
            **found,
        )

    def to_bytes(self) -> bytes:
        """The reply with its end.

        Raises:
            WireError: a value with a line end, or more than a client can take.
        """
        values = ((key, getattr(self, name)) for key, name in _KEYS.items())
        lines = [f"{key}={value}" for key, value in values if value is not None]
        if any("\n" in line for line in lines):
            raise WireError("an account has a value with a line end")
        reply = "".join(f"{line}\n" for line in [*lines, "."]).encode("utf-8", "surrogateescape")
        if len(reply) > MAX_REPLY:
            raise WireError("an account is too long for a reply")
        return reply

    def account(self, name: str, uid: int | None = None) -> Account:
        """The account that was looked up as `name`.

        Args:
            name: the name asked for.
            uid: the uid of `system_user`, which only the system knows.

        Raises:
            WireError: no uid, or no gid.
        """
        uid = self.uid if uid is None else uid
        if uid is None or self.gid is None:
            raise WireError("an account without user or group id")
        return Account(
            name=name,
            address=name if self.address is None else self.address,
            uid=uid,
            gid=self.gid,
            home=self.home or "",
            maildir=self.maildir,
            quota=self.quota,
            full_name=self.full_name,
            options=AccountOptions(self.options or ""),
            system_user=self.system_user,
            password=self.password,
            scram=self.scram,
            clear_password=self.clear_password,
        )


@attrs.define(eq=False)
class ReplyReader:
    """Collects the reply to PRE, AUTH or PASSWD from bytes that arrive in any portions.

    After `is_complete`, one of `fields`, `is_changed` and `is_refused` says what it was.
    """

    is_refused: bool = attrs.field(default=False, init=False)
    is_changed: bool = attrs.field(default=False, init=False)
    fields: AccountFields | None = attrs.field(default=None, init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    @property
    def is_complete(self) -> bool:
        """True when the reply has arrived."""
        return self.is_refused or self.is_changed or self.fields is not None

    def receive_data(self, data: bytes) -> bool:
        """Take what arrived; True when the reply is complete.

        Raises:
            WireError: more than a reply can be, or bytes after its end.
        """
        if data and self.is_complete:
            raise WireError("authdaemond said more than one reply")
        start = max(0, len(self._buffer) - len(LIST_END))  # its end may be split
        self._buffer += data
        if self._buffer.startswith((REFUSED, CHANGED)):
            self._take_word()
        elif self._buffer == LIST_END or self._buffer.find(b"\n.\n", start) >= 0:
            self._take_fields()
        elif len(self._buffer) > MAX_REPLY:
            raise WireError("the reply is too long")
        return self.is_complete

    def _take_word(self) -> None:
        if self._buffer not in (REFUSED, CHANGED):
            raise WireError("authdaemond said more than one reply")
        self.is_refused = self._buffer == REFUSED
        self.is_changed = not self.is_refused

    def _take_fields(self) -> None:
        if not self._buffer.endswith(LIST_END):
            raise WireError("authdaemond said more than one reply")
        self.fields = AccountFields.from_lines(bytes(self._buffer))


@attrs.define(eq=False)
class ListReader:
    """Reads the reply to ENUMERATE, which may be long, line by line.

    Attributes:
        is_complete: True after the end marker; without it the list may lack accounts.
    """

    is_complete: bool = attrs.field(default=False, init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    def receive_data(self, data: bytes) -> Iterator[AccountFields]:
        """Take what arrived; gives the accounts of the lines that are complete now.

        Comments, lines with fewer than four fields and users or groups with the id 0 are
        left out (spec auth 4.1, rule 6).

        Raises:
            WireError: a line is too long.
        """
        self._buffer += data
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer[:] = rest
        if len(rest) > MAX_LIST_LINE:
            raise WireError("a line of the list is too long")
        for line in lines:
            if line == b".":
                self.is_complete = True
            if self.is_complete:
                return
            fields = _list_fields(line)
            if fields is not None:
                yield fields


def list_heading(module: str) -> bytes:
    """What stands before a module's accounts."""
    return f"# {module}\n\n".encode()


def list_line(account: Account) -> bytes:
    """The line of one account in the reply to ENUMERATE.

    Raises:
        WireError: a value with TAB or a line end would make other fields of it.
    """
    values = (
        account.address,
        str(account.uid),
        str(account.gid),
        account.home,
        account.maildir or "",
        account.options.text,
    )
    if any("\t" in value or "\n" in value for value in values):
        raise WireError("an account has a value with TAB or line end")
    return ("\t".join(values) + "\n").encode("utf-8", "surrogateescape")


# Order and keys of an account on the wire (spec auth 4.1).
_KEYS = {
    "USERNAME": "system_user",
    "UID": "uid",
    "GID": "gid",
    "HOME": "home",
    "ADDRESS": "address",
    "NAME": "full_name",
    "MAILDIR": "maildir",
    "QUOTA": "quota",
    "PASSWD": "password",
    "PASSWD2": "clear_password",
    "OPTIONS": "options",
    "SCRAM-SHA-256": "scram",
}
_NAMES = {key.encode(): name for key, name in _KEYS.items()}


def _list_fields(line: bytes) -> AccountFields | None:
    text = line.partition(b"#")[0].decode("utf-8", "surrogateescape")
    values = text.split("\t")
    if len(values) < 4:
        return None
    address, uid, gid, home = values[:4]
    if not _number(uid) or not _number(gid):
        return None
    maildir, options = (*values[4:6], "", "")[:2]
    return AccountFields(
        address=address,
        uid=_number(uid),
        gid=_number(gid),
        home=home,
        maildir=maildir or None,
        options=options or None,
    )


def _number(text: str) -> int:
    digits = text[: len(text) - len(text.lstrip(_LEADING))]
    return int(digits[:18] or 0)
