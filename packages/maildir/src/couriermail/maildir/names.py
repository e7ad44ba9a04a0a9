"""Names of message files (spec maildir 3.2): how they are made and what they tell.

    tmp:  SECS.MUSECPPID_UNIQ.HOST
    new:  SECS.MUSECPPIDVDEVIINO_UNIQ.HOST,S=SIZE
    cur:  the same, then `:2,` and the flags in ASCII order

Behind the size may stand `,W=SIZE`, the size with CRLF line ends: Dovecot's invention, which we
read always and write when asked.

Everything that a scan needs (key, flags, size) can be read from the name without a `stat`.
These functions work on text only; no file is touched.
"""

from __future__ import annotations

import os

from couriermail.maildir.errors import InvalidNameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NewType

    MaildirKey = NewType("MaildirKey", str)
else:
    MaildirKey = str  # `typing` costs 12 ms to import

__all__ = [
    "SEPARATOR",
    "TMP",
    "MaildirKey",
    "arrival_order",
    "counts_for_quota",
    "current_name",
    "escape_host",
    "flags_of",
    "is_hidden",
    "key_of",
    "new_name",
    "size_of",
    "sorted_flags",
    "tmp_name",
    "virtual_size_of",
    "with_size",
    "without_flag",
]

TMP = "tmp"  # below each maildir and folder: files that no reader looks at
SEPARATOR = ":"  # between the unique part and the flags
_INFO = ":2,"
_SIZE = ",S="
_VIRTUAL_SIZE = ",W="
_LARGEST = 2**64 - 1  # of what Dovecot reads as a number


def escape_host(host: str) -> str:
    r"""The host part of a name: `/` and `:` become `\057` and `\072`, as does white space.

    Courier: escapes nothing, so a strange host name makes a name that nobody can parse.
    """
    if not any(char in "/:" or char <= " " for char in host):
        return host or "localhost"
    return "".join(f"\\{ord(char):03o}" if char in "/:" or char <= " " else char for char in host)


def tmp_name(now: float, pid: int, unique: str, host: str) -> str:
    """The name in `tmp/` of a message that arrived `now` (seconds since the epoch).

    Args:
        now: time of arrival.
        pid: number of the process.
        unique: tells the files of one process apart; may be empty for its only one.
        host: the machine's name, escaped.
    """
    return f"{_stamp(now)}P{pid}{_unique(unique)}.{host}"


def new_name(
    now: float,
    pid: int,
    unique: str,
    host: str,
    *,
    device: int,
    inode: int,
    size: int,
    virtual_size: int | None = None,
) -> str:
    """The final base name; the device and inode of the file itself make it unique.

    An empty message gets no `S=` (spec maildir 2.2) and no `W=`, nor does one whose
    `virtual_size` is None.
    """
    size_part = f"{_SIZE}{size}" if size else ""
    if size and virtual_size is not None:
        size_part += f"{_VIRTUAL_SIZE}{virtual_size}"
    return f"{_stamp(now)}P{pid}V{device:016X}I{inode:016X}{_unique(unique)}.{host}{size_part}"


def current_name(key: str, flags: str) -> str:
    """The name in `cur/` of the message `key` with these flags."""
    return f"{key}{_INFO}{sorted_flags(flags)}"


def sorted_flags(flags: str) -> str:
    """Flags in ASCII order without repeats; letters that we do not know are kept.

    Raises:
        InvalidNameError: a character that is not an ASCII letter or digit.
    """
    ordered = "".join(sorted(set(flags)))
    if ordered and not (ordered.isascii() and ordered.isalnum()):
        raise InvalidNameError(f"invalid message flags: {flags!r}")
    return ordered


def key_of(name: str) -> MaildirKey:
    """The base name: what stays the same when flags change."""
    return MaildirKey(name.partition(SEPARATOR)[0])


def flags_of(name: str) -> str:
    """The flags after `:2,`, or an empty text where there are none."""
    _, found, info = name.partition(_INFO)
    return info.partition(",")[0] if found else ""


def size_of(name: str) -> int | None:
    """The size in octets that the name states: the last `,S=` before the first `:`.

    Returns:
        None where the name states none; 0 for an `,S=` without digits.
    """
    base = name.partition(SEPARATOR)[0]
    _, found, rest = base.rpartition(_SIZE)
    if not found:
        return None
    digits = _leading_digits(rest)
    return int(digits) if digits else 0


def virtual_size_of(name: str) -> int | None:
    """The octets with CRLF line ends that the name states: the first `,W=` before the first `:`.

    Returns:
        None where the name states none, or something other than digits up to the next comma.
    """
    base = name.partition(SEPARATOR)[0]
    digits = base.partition(_VIRTUAL_SIZE)[2].partition(",")[0]
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 20):
        return None
    size = int(digits)
    return size if size <= _LARGEST else None


def with_size(name: str, size: int) -> str:
    """The name with its stated size replaced, or with one added before the flags."""
    base, colon, info = name.partition(SEPARATOR)
    head, found, rest = base.rpartition(_SIZE)
    if found:
        base, tail = head, rest[len(_leading_digits(rest)) :]
    else:
        tail = ""
    return f"{base}{_SIZE}{size}{tail}{colon}{info}"


def without_flag(path: str, flag: str) -> str:
    """A message's path or name with one flag taken out; directories before it stay as they are."""
    directory, slash, name = path.rpartition("/")
    base, found, info = name.partition(_INFO)
    letters, comma, rest = info.partition(",")
    return f"{directory}{slash}{base}{found}{letters.replace(flag, '')}{comma}{rest}"


def counts_for_quota(name: str) -> bool:
    """False when the message has the flag `T`: trashed mail is not counted (spec maildir 4.6).

    Only a run of capital letters after `:2,` is looked at; a small letter ends it.
    """
    _, found, info = name.partition(_INFO)
    if found:
        for letter in info:
            if not "A" <= letter <= "Z":
                break
            if letter == "T":
                return False
    return True


def arrival_order(key: str) -> tuple[int, bytes]:
    """Sorts keys by arrival: names begin with the second of it (spec maildir 3.2)."""
    digits = key[: len(key) - len(key.lstrip("0123456789"))]
    return int(digits[:20] or 0), os.fsencode(key)


def is_hidden(name: str) -> bool:
    """True for names that every reader of `tmp`, `new` and `cur` passes over."""
    return name.startswith(".")


def _unique(unique: str) -> str:
    return f"_{unique}" if unique else ""


def _stamp(now: float) -> str:
    microseconds = round(now * 1_000_000)
    return f"{microseconds // 1_000_000}.M{microseconds % 1_000_000}"


def _leading_digits(text: str) -> str:
    end = 0
    while end < len(text) and "0" <= text[end] <= "9":
        end += 1
    return text[:end]
