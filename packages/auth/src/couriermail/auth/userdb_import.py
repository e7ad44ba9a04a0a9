"""Make userdb records of password files: `/etc/passwd` with `/etc/shadow`, and vpopmail's.

    passwd   = name ":" password ":" uid ":" gid ":" gecos ":" home ":" shell
    vpasswd  = name ":" password ":" number ":" number ":" gecos ":" home ":" quota
    record   = name TAB uid "|" gid "|" home [ "|" shell ] [ "|" systempw ] [ "|" gecos ]

Standard: spec auth 2.8.
"""

from __future__ import annotations

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ImportRules", "passwd_records", "read_shadow"]

_FIELDS = 7
_NO_PASSWORD = b"x"  # it is in the shadow file


@attrs.frozen(kw_only=True)
class ImportRules:
    """How records are made.

    Attributes:
        domain: makes `name@domain` of names; empty leaves them.
        with_reverse: also make reverse entries, from uid to name.
        ids: uid and gid of every record; None takes the file's own.
        has_quota: the seventh field is vpopmail's quota, not a shell.
    """

    domain: bytes = b""
    with_reverse: bool = True
    ids: tuple[int, int] | None = None
    has_quota: bool = False


def passwd_records(
    text: bytes, shadow: Mapping[bytes, bytes], rules: ImportRules
) -> Iterator[bytes]:
    """The userdb lines, without their ends, of a password file.

    Comments, empty lines and what is no entry, or holds what no record can, are skipped.

    Args:
        text: the password file.
        shadow: passwords by name, from `read_shadow`.
        rules: how records are made.
    """
    for line in text.split(b"\n"):
        entry = line.split(b":")
        if line.startswith(b"#") or not 6 <= len(entry) <= _FIELDS or not _is_usable(entry):
            continue
        entry += [b""] * (_FIELDS - len(entry))
        name = entry[0] + b"@" + rules.domain if rules.domain else entry[0]
        password = shadow.get(entry[0], entry[1])
        uid, gid = entry[2:4] if rules.ids is None else (b"%d" % part for part in rules.ids)
        yield name + b"\t" + b"|".join(_fields(entry, uid, gid, password, rules))
        if rules.with_reverse:
            yield uid + b"=\t" + name


def read_shadow(text: bytes) -> dict[bytes, bytes]:
    """Passwords by name, of a shadow file."""
    entries = (line.split(b":") for line in text.split(b"\n") if not line.startswith(b"#"))
    return {entry[0]: entry[1] for entry in entries if len(entry) > 1}


def _fields(
    entry: list[bytes], uid: bytes, gid: bytes, password: bytes, rules: ImportRules
) -> Iterator[bytes]:
    _, _, _, _, gecos, home, last = entry
    yield b"uid=" + uid
    yield b"gid=" + gid
    yield b"home=" + home
    if last and not rules.has_quota:
        yield b"shell=" + last
    if password and password != _NO_PASSWORD and b"|" not in password:
        yield b"systempw=" + password
    if gecos:
        yield b"gecos=" + gecos.replace(b"|", b".")
    if rules.has_quota and _is_quota(last):
        yield b"quota=" + last


def _is_usable(entry: list[bytes]) -> bool:
    """Tell whether the fields that are taken over as they are fit into a record."""
    taken = [entry[0], entry[2], entry[3], *entry[5:]]
    return bool(entry[0]) and not any(b"|" in field or b"\t" in entry[0] for field in taken)


def _is_quota(text: bytes) -> bool:
    """Tell whether a text is a Maildir++ quota, such as `1000S,10C`."""
    parts = text.split(b",")
    return bool(text) and all(part[:-1].isdigit() and part[-1:] in (b"S", b"C") for part in parts)
