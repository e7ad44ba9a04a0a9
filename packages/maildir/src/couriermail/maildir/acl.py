"""Access control lists of folders (spec maildir 3.9, 4.9): rights, entries and what they give.

    owner aceilrstwx
    administrators aceilrstwx
    anyone lr
    -user=mary r

An entry gives rights to an identifier: `owner`, `anyone`, `user=NAME`, `group=NAME` or
`administrators`.  A leading `-` takes rights away.  Rights are letters: `l` lookup, `r` read,
`s` seen flag, `w` other flags and keywords, `i` insert, `c` create subfolders, `x` delete the
folder, `t` deleted flag, `e` expunge, `a` administer; others are kept as they are.

Pure values; `acl_store` has the files.
"""

from __future__ import annotations

import attrs

from couriermail.maildir.errors import AclMinimumError, InvalidNameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = [
    "ADMINISTRATORS",
    "ALL_RIGHTS",
    "ANYONE",
    "OWNER",
    "Acl",
    "AclEntry",
    "identities_of",
    "normalize_rights",
]

ALL_RIGHTS = "aceilrstwx"
OWNER = "owner"
ANYONE = "anyone"
ADMINISTRATORS = "administrators"
ADMINISTRATORS_GROUP = "group=administrators"
_EVERYBODY = frozenset({ANYONE, "anonymous"})
_BOTH_SPELLINGS = frozenset({ADMINISTRATORS, ADMINISTRATORS_GROUP})
_NEVER_TAKEN_FROM_ADMINISTRATORS = "al"


def normalize_rights(letters: Iterable[str]) -> str:
    """Rights in order and without repeats.

    Raises:
        InvalidNameError: a blank or control character.
    """
    rights = "".join(sorted(set("".join(letters))))
    if any(_is_forbidden(letter) for letter in rights) or not _is_encodable(rights):
        raise InvalidNameError(f"invalid access rights: {rights!r}")
    return rights


def identities_of(
    user: str, *, groups: Iterable[str] = (), owner: str | None = None
) -> frozenset[str]:
    """The identifiers that apply to a user (spec maildir 4.9 rule 2).

    Args:
        user: login name.
        groups: names of the groups that the user is in.
        owner: login name of the folder's owner, if it has one.
    """
    found = {f"user={user}", *(f"group={group}" for group in groups)}
    return frozenset(found | {OWNER} if owner == user else found)


def _check_identifier(_: object, __: object, identifier: str) -> None:
    if not identifier or any(map(_is_forbidden, identifier)) or not _is_encodable(identifier):
        raise InvalidNameError(f"invalid identifier: {identifier!r}")


@attrs.frozen
class AclEntry:
    """The rights that one identifier gives, or takes away.

    Attributes:
        identifier: such as `user=bob`, or `-user=bob`.
        rights: letters, sorted and without repeats.
    """

    identifier: str = attrs.field(validator=_check_identifier)
    rights: str = attrs.field(converter=normalize_rights)

    @property
    def is_negative(self) -> bool:
        """True when the entry takes rights away."""
        return self.identifier.startswith("-")

    def applies_to(self, identities: Collection[str]) -> bool:
        """True when the entry concerns somebody with these identifiers."""
        subject = self.identifier.removeprefix("-")
        if subject in _BOTH_SPELLINGS:
            return not _BOTH_SPELLINGS.isdisjoint(identities)
        return subject in _EVERYBODY or subject in identities


@attrs.frozen
class Acl:
    """An access control list; changing it gives a new one.

    Attributes:
        entries: in the order of the file, each identifier once.
    """

    entries: tuple[AclEntry, ...] = ()

    @classmethod
    def default(cls) -> Acl:
        """What an inbox without a file has: all rights for its owner and administrators."""
        return cls((AclEntry(OWNER, ALL_RIGHTS), AclEntry(ADMINISTRATORS, ALL_RIGHTS)))

    @classmethod
    def parse(cls, data: bytes) -> Acl:
        """Read a file; lines that are no entries are passed over, later ones replace earlier."""
        entries: dict[str, AclEntry] = {}
        for line in data.decode("utf-8", "surrogateescape").split("\n"):
            identifier, *rights = line.replace("\t", " ").split(" ")
            try:
                entries[identifier] = AclEntry(identifier, rights)
            except InvalidNameError:
                continue
        return cls(tuple(entries.values()))

    def to_bytes(self) -> bytes:
        """The file's contents."""
        text = "".join(f"{entry.identifier} {entry.rights}\n" for entry in self.entries)
        return text.encode("utf-8", "surrogateescape")

    def get(self, identifier: str) -> str | None:
        """The rights in the entry of exactly this identifier, or None."""
        return next((one.rights for one in self.entries if one.identifier == identifier), None)

    def with_rights(self, identifier: str, rights: Iterable[str]) -> Acl:
        """A list in which the identifier has these rights; a new one comes last.

        Raises:
            InvalidNameError: the identifier or a right cannot be stored.
        """
        entry = AclEntry(identifier, rights)
        if self.get(identifier) is None:
            return Acl((*self.entries, entry))
        return Acl(tuple(entry if one.identifier == identifier else one for one in self.entries))

    def with_change(self, identifier: str, change: str) -> Acl:
        """A list changed by a text: `lr` replaces rights, `+lr` adds some, `-lr` takes some.

        Raises:
            InvalidNameError: the identifier or a right cannot be stored.
        """
        old = set(self.get(identifier) or "")
        match change[:1]:
            case "+":
                return self.with_rights(identifier, old | set(change[1:]))
            case "-":
                return self.with_rights(identifier, old - set(change[1:]))
        return self.with_rights(identifier, change)

    def without(self, identifier: str) -> Acl:
        """A list without the identifier's entry, if it has one."""
        return Acl(tuple(one for one in self.entries if one.identifier != identifier))

    def rights_of(self, identities: Collection[str], *, owner_administers: bool = True) -> str:
        """The rights of somebody with these identifiers; see `identities_of`.

        Args:
            identities: such as `{"user=bob", "group=staff"}`.
            owner_administers: give `owner` the right `a` in any case.
        """
        applying = [entry for entry in self.entries if entry.applies_to(identities)]
        given = {right for entry in applying if not entry.is_negative for right in entry.rights}
        taken = {right for entry in applying if entry.is_negative for right in entry.rights}
        extra = {"a"} if owner_administers and OWNER in identities else set()
        return normalize_rights((given - taken) | extra)

    def completed(self) -> Acl:
        """The list as it counts: administrators have all rights (spec maildir 4.9 rule 4)."""
        if self.get(ADMINISTRATORS_GROUP) is not None:
            acl = self.without(ADMINISTRATORS).with_rights(ADMINISTRATORS_GROUP, ALL_RIGHTS)
        else:
            acl = self.with_rights(ADMINISTRATORS, ALL_RIGHTS)
        for negative in (f"-{ADMINISTRATORS}", f"-{ADMINISTRATORS_GROUP}"):
            taken = acl.get(negative)
            if taken is not None:
                kept = set(taken).difference(_NEVER_TAKEN_FROM_ADMINISTRATORS)
                acl = acl.with_rights(negative, kept) if kept else acl.without(negative)
        return acl

    def check_minimum(self, owner: str | None = None) -> None:
        """Make sure that nobody is locked out (spec maildir 4.9 rule 5).

        Args:
            owner: identifier of the folder's owner, such as `user=bob`.

        Raises:
            AclMinimumError: the owner would lose `l` or `a`, or administrators any right.
        """
        for identity in (OWNER, owner or OWNER):
            rights = self.rights_of({OWNER, identity}, owner_administers=False)
            if not {"l", "a"} <= set(rights):
                raise AclMinimumError(identity)
        if not set(ALL_RIGHTS) <= set(self.rights_of({ADMINISTRATORS})):
            raise AclMinimumError(ADMINISTRATORS)

    def __iter__(self) -> Iterator[AclEntry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def _is_forbidden(char: str) -> bool:
    return char <= " " or char == "\x7f"


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
