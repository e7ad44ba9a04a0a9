r"""The shape of a PCRE2 pattern, as far as it decides whether the pattern can match at all.

A checker must not cry wolf.  So this reads only what it understands (anything else raises
`UnreadableShape`), and keeps of it only what a proof needs: literal characters, that something
takes a character, anchors, look-arounds, repetitions and alternatives.

The proof follows what is certain of the position in the subject, from item to item: whether it
is the subject's start, or its end.  `a^b` fails because `^` needs a start that `a` has left
behind; `a$b` because `b` needs a character where `$` has seen the end.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import attrs

from couriermail.filter.pcre import CONTROLS, quantifier_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "Any",
    "Char",
    "Edge",
    "Group",
    "Item",
    "Repeat",
    "Sequence",
    "Shape",
    "UnreadableShape",
    "read_shape",
]

MAX_DEPTH = 30
"""Groups in groups; deeper patterns are not looked at."""


class UnreadableShape(Exception):  # noqa: N818 - no error: the pattern is just not looked at
    """A pattern with something that no proof here covers."""


@attrs.frozen
class Char:
    """A literal character."""

    char: str


@attrs.frozen
class Any:
    """One character out of a set.

    Attributes:
        may_be_line_end: False when the set has no LF.
    """

    may_be_line_end: bool


@attrs.frozen
class Edge:
    """`^` and `$`, and their relatives."""

    side: Literal["start", "end"]


@attrs.frozen
class Opaque:
    """Something that takes any number of characters, such as a back-reference."""


@attrs.frozen
class Group:
    """Alternatives.

    Attributes:
        branches: each of them.
        look: `""` for a group that takes characters, else `?=`, `?!`, `?<=` or `?<!`.
    """

    branches: tuple[Sequence, ...]
    look: str = ""


@attrs.frozen
class Repeat:
    """A quantified item.

    Attributes:
        item: what is repeated.
        is_optional: True when it may be absent.
    """

    item: Item
    is_optional: bool


Item = Char | Any | Edge | Opaque | Group | Repeat
Sequence = tuple[Item, ...]


@attrs.frozen
class Shape:
    """A pattern.

    Attributes:
        whole: its alternatives.
        groups: how many groups capture.
    """

    whole: Group
    groups: int


def read_shape(pattern: str) -> Shape:
    """Read a pattern that compiles.

    Raises:
        UnreadableShape: it has something that is not covered here.
    """
    reader = _Reader(pattern)
    branches = reader.alternatives(0)
    if reader.at != len(pattern):
        raise UnreadableShape
    return Shape(Group(branches), reader.groups)


_LINE_END_SETS = frozenset("sDWHvRX")
_PLAIN_SETS = frozenset("dwhSVN")
_NOTHING = frozenset("bBK")
_EDGES: dict[str, Literal["start", "end"]] = {"A": "start", "z": "end", "Z": "end"}
_LOOKS = ("?=", "?!", "?<=", "?<!")
_PLAIN_GROUPS = ("?:", "?>", "?|")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.groups = 0

    def alternatives(self, depth: int) -> tuple[Sequence, ...]:
        if depth > MAX_DEPTH:
            raise UnreadableShape
        branches: list[Sequence] = []
        while True:
            branches.append(tuple(self._branch(depth)))
            if not self._skip("|"):
                return tuple(branches)

    def _branch(self, depth: int) -> Iterator[Item]:
        while self.at < len(self.text) and self.text[self.at] not in "|)":
            items = self._items(depth)
            yield from items[:-1]
            if items:
                yield self._quantified(items[-1])

    def _items(self, depth: int) -> list[Item]:
        """What stands here; one item, none, or the characters of a quotation."""
        char = self.text[self.at]
        if char in "*+?" or (char == "{" and quantifier_end(self.text, self.at) is not None):
            raise UnreadableShape  # behind something of no width, such as `\b`
        step = self._STEPS.get(char)
        if step is not None:
            return step(self, depth)
        self.at += 1
        return [Char(char)]

    def _quantified(self, item: Item) -> Item:
        """The item with its quantifier; `{` that counts nothing is a literal."""
        text, at = self.text, self.at
        sign = text[at : at + 1]
        if sign and sign in "*+?":
            self.at += 1
            is_optional = sign != "+"
        elif sign == "{" and (end := quantifier_end(text, at)) is not None:
            self.at = end
            is_optional = not text[at + 1 : end].partition(",")[0].rstrip("}").strip("0")
        else:
            return item
        if self.text[self.at : self.at + 1] in ("?", "+"):
            self.at += 1  # lazy, possessive: what can match at all stays the same for us
        return Repeat(item, is_optional)

    def _group(self, depth: int) -> list[Item]:
        self.at += 1
        if self._skip("?#"):
            self.at = self._behind(")")
            return []
        look = next((sign for sign in _LOOKS if self._skip(sign)), "")
        if not look and not any(self._skip(sign) for sign in _PLAIN_GROUPS):
            self._name_or_flags()
        if self.text[self.at - 1] == ")":
            return []  # `(?i)`
        branches = self.alternatives(depth + 1)
        if not self._skip(")"):
            raise UnreadableShape
        return [Group(branches, look)]

    def _name_or_flags(self) -> None:
        if self.text[self.at : self.at + 1] == "*":
            raise UnreadableShape
        if not self._skip("?"):
            self.groups += 1
            return
        if self._skip("P<") or self._skip("<"):
            self.at = self._behind(">")
            self.groups += 1
        elif self._skip("'"):
            self.at = self._behind("'")
            self.groups += 1
        else:
            while self.text[self.at : self.at + 1] in ("i", "-"):
                self.at += 1
            if not (self._skip(":") or self._skip(")")):
                raise UnreadableShape

    def _class(self, depth: int) -> list[Item]:
        """A class; what is in it does not matter here."""
        text = self.text
        self.at += 1
        self._skip("^")
        first = self.at
        while self.at < len(text) and (text[self.at] != "]" or self.at == first):
            if text[self.at] == "\\":
                self.at += 2
            elif text[self.at] == "[" and text[self.at + 1 : self.at + 2] in (":", ".", "="):
                end = text.find(text[self.at + 1] + "]", self.at + 2)
                self.at = end + 2 if end > 0 and "]" not in text[self.at : end] else self.at + 1
            else:
                self.at += 1
        self.at += 1
        return [Any(may_be_line_end=True)]

    def _escape(self, depth: int) -> list[Item]:
        char = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if char == "Q":
            end = self.text.find("\\E", self.at)
            quoted = self.text[self.at : end if end >= 0 else len(self.text)]
            self.at = end + 2 if end >= 0 else len(self.text)
            return [Char(one) for one in quoted]
        if char in _NOTHING or char == "E":
            return []
        if char in _EDGES:
            return [Edge(_EDGES[char])]
        if char in _LINE_END_SETS or char in _PLAIN_SETS:
            return [Any(may_be_line_end=char in _LINE_END_SETS)]
        if char in CONTROLS:
            return [Char(CONTROLS[char])]
        if char.isdigit() and char != "0" and not self.text[self.at : self.at + 1].isdigit():
            return [Opaque()]
        if not char or char.isalnum():
            raise UnreadableShape
        return [Char(char)]

    def _dot(self, depth: int) -> list[Item]:
        self.at += 1
        return [Any(may_be_line_end=False)]

    def _edge(self, depth: int) -> list[Item]:
        side: Literal["start", "end"] = "start" if self.text[self.at] == "^" else "end"
        self.at += 1
        return [Edge(side)]

    def _skip(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def _behind(self, sign: str) -> int:
        end = self.text.find(sign, self.at)
        if end < 0:
            raise UnreadableShape
        return end + len(sign)

    _STEPS: ClassVar[dict[str, Callable[[_Reader, int], list[Item]]]] = {
        "(": _group,
        "[": _class,
        "\\": _escape,
        ".": _dot,
        "^": _edge,
        "$": _edge,
    }
