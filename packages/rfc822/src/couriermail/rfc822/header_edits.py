"""Editing a header line by line, as `reformail` does: append, replace, rename, thin out.

Nothing is parsed: a field is found by its name and colon as they stand, and what no edit
names comes out octet for octet.  Source: spec rfc822 2.4.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HeaderEdits", "field_key", "join_folded", "raw_fields"]

_BLANKS = b" \t"


def field_key(raw: bytes) -> bytes:
    """What a field is found by: its name and colon in lower case.

    A line without a colon is compared as a whole, so that no name with a colon finds it.
    """
    line = raw.partition(b"\n")[0]
    name, colon, _ = line.partition(b":")
    return (name + colon).lower()


def raw_fields(block: bytes) -> Iterator[bytes]:
    """Cuts a block of LF lines into fields: a line and the lines behind it that start blank."""
    start, length = 0, len(block)
    while start < length:
        end = block.find(b"\n", start) + 1
        while 0 < end < length and block[end] in _BLANKS:
            end = block.find(b"\n", end) + 1
        end = end or length
        yield block[start:end]
        start = end


def join_folded(raw: bytes) -> bytes:
    """Puts a field on one line: each line end and the white space behind it is one blank."""
    lines = raw.removesuffix(b"\n").split(b"\n")
    if len(lines) == 1:
        return raw
    # A line of blanks only is white space behind the line end before it.
    rest = [text for line in lines[1:] if (text := line.lstrip(b" \t\r\v\f"))]
    return b" ".join([lines[0], *rest]) + b"\n"


class HeaderEdits:
    """What to do with a header.  Fill in the lists, then `apply` it to any number of headers.

    Fields are bytes without line end, such as `b"X-Spam: no"`; names have their colon, such as
    `b"X-Spam:"`, and are found in any spelling.  For each field of a header the edits are tried
    in the order of the attributes below from `supersede` on; what is appended follows the
    header in the order `append_missing`, `append`, `supersede`, `replace`, `keep_last`.

    Attributes:
        append_missing: appended, unless the header has a field of that name; each field of
            the header makes up for one entry.
        append: appended always.
        supersede: fields of that name get the prefix `Old-`; then the entry is appended,
            unless it is a bare name.
        rename: pairs of old name and new name.
        replace: fields of that name are deleted; then the entry is appended, unless it is a
            bare name.
        keep_first: names of which only the first field stays.
        keep_last: names of which only the last field stays, behind all others; those in
            `keep_first` are left out.
    """

    __slots__ = (
        "append", "append_missing", "keep_first", "keep_last", "rename", "replace", "supersede",
    )  # fmt: skip

    def __init__(self) -> None:
        self.append_missing: list[bytes] = []
        self.append: list[bytes] = []
        self.supersede: list[bytes] = []
        self.rename: list[tuple[bytes, bytes]] = []
        self.replace: list[bytes] = []
        self.keep_first: list[bytes] = []
        self.keep_last: list[bytes] = []

    @property
    def is_empty(self) -> bool:
        """True when `apply` would change nothing."""
        return not any(getattr(self, name) for name in self.__slots__)

    def apply(self, block: bytes) -> bytes:
        """Edits a header.

        Args:
            block: its fields with LF line ends, without the empty line.

        Returns:
            The new block; every field in it ends with LF.
        """
        return _Editor(self).edit(block)


class _Editor:
    """The tables of one pass over a header."""

    def __init__(self, edits: HeaderEdits) -> None:
        self._edits = edits
        self._superseded = set(map(field_key, edits.supersede))
        self._renamed = {field_key(old): new for old, new in reversed(edits.rename)}
        self._replaced = set(map(field_key, edits.replace))
        self._firsts = set(map(field_key, edits.keep_first))
        self._lasts = set(map(field_key, edits.keep_last)) - self._firsts
        self._seen: set[bytes] = set()
        self._saved: dict[bytes, bytes] = {}
        self._missing = list(edits.append_missing)
        self._missing_keys = [field_key(field) for field in self._missing]

    def edit(self, block: bytes) -> bytes:
        kept = [edited for raw in raw_fields(block) if (edited := self._edit_field(raw))]
        edits = self._edits
        appended = [*self._missing, *edits.append]
        for fields in (edits.supersede, edits.replace):
            appended += [field for field in fields if not _is_bare_name(field)]
        kept += [field + b"\n" for field in appended]
        return b"".join([*kept, *self._saved.values()])

    def _edit_field(self, raw: bytes) -> bytes:
        """The field as it is to stand here; empty when it goes away."""
        if not raw.endswith(b"\n"):
            raw += b"\n"
        key = field_key(raw)
        if key in self._superseded:
            raw, key = b"Old-" + raw, b"old-" + key
        if key in self._renamed:
            # It keeps its old name for the edits that follow (spec rfc822 2.4.2).
            raw = self._renamed[key] + raw[len(key) :]
        if key in self._replaced or self._is_repeated(key):
            return b""
        if key in self._lasts:
            self._saved.pop(key, None)  # saved fields stand in the order of the header
            self._saved[key] = raw
            return b""
        if key in self._missing_keys:
            index = self._missing_keys.index(key)
            del self._missing[index], self._missing_keys[index]
        return raw

    def _is_repeated(self, key: bytes) -> bool:
        if key not in self._firsts:
            return False
        is_repeated = key in self._seen
        self._seen.add(key)
        return is_repeated


def _is_bare_name(field: bytes) -> bool:
    return field.endswith(b":") and field.find(b":") == len(field) - 1
