"""Proofs that a pattern cannot match anything, or no header line.

Each function answers with the reason, or with the empty string when there is no proof, which
is the answer for all patterns of right recipes.
"""

from __future__ import annotations

from typing import Literal

import attrs

from couriermail.filter.patternshape import Any, Char, Edge, Group, Item, Repeat, Sequence, Shape

__all__ = ["header_contradiction", "never_matches"]


def never_matches(shape: Shape, *, in_lines: bool) -> str:
    """Why a pattern can match nothing at all.

    Args:
        shape: the pattern.
        in_lines: True when lines of the message are searched, which have no line ends.
    """
    proof = _Proof(in_lines=in_lines)
    if proof.after(shape.whole, _Place()) is not None:
        return ""
    return proof.reason or "it contradicts itself"


def header_contradiction(shape: Shape) -> str:
    """Why a pattern can match no header line (spec filter 4.9, item 1).

    A header line is searched as `Name: value`: no blank before the colon, one behind it.
    """
    reasons = [_colon_contradiction(branch) for branch in shape.whole.branches]
    return reasons[0] if all(reasons) else ""


def _colon_contradiction(branch: Sequence) -> str:
    if not branch or branch[0] != Edge("start"):
        return ""
    name: list[str] = []
    for at, item in enumerate(branch[1:], 2):
        if not isinstance(item, Char):
            return ""
        if item.char == ":":
            return _around_colon("".join(name), branch[at:])
        name.append(item.char)
    return ""


def _around_colon(name: str, following: Sequence) -> str:
    if name != name.rstrip(" \t"):
        return f"header lines have no blank before the colon: write ^{name.rstrip()}:"
    item = following[0] if following else None
    if isinstance(item, Repeat) and not item.is_optional:
        item = item.item
    if (isinstance(item, Char) and item.char != " ") or item == Edge("end"):
        return f"header lines have one blank behind the colon: write ^{name}: or ^{name}: *"
    return ""


@attrs.frozen
class _Place:
    """What is certain of the position in the subject.

    Attributes:
        start: whether it is the subject's start.
        is_end: True when it must be the end, or stand before the last line end.
    """

    start: Literal["yes", "maybe", "no"] = "maybe"
    is_end: bool = False


class _Proof:
    """Follows the certain part of the position through a pattern.

    Attributes:
        reason: why the last thing that failed did.
    """

    def __init__(self, *, in_lines: bool) -> None:
        self._in_lines = in_lines
        self.reason = ""

    def after(self, item: Item, place: _Place) -> _Place | None:
        """Where a match of the item ends, or None when it cannot match there."""
        if isinstance(item, Char):
            return self._character(place, may_be_line_end=item.char == "\n", is_set=False)
        if isinstance(item, Any):
            return self._character(place, may_be_line_end=item.may_be_line_end, is_set=True)
        if isinstance(item, Edge):
            return self._edge(item, place)
        if isinstance(item, Group):
            return self._group(item, place)
        if isinstance(item, Repeat):
            return self._repeat(item, place)
        return attrs.evolve(place, start="no" if place.start == "no" else "maybe", is_end=False)

    def _character(self, place: _Place, *, may_be_line_end: bool, is_set: bool) -> _Place | None:
        if may_be_line_end and not is_set and self._in_lines:
            return self._fail("lines of the message are searched, and have no line end in them")
        if place.is_end and (self._in_lines or not may_be_line_end):
            return self._fail("something stands behind $, which is the end")
        return _Place("no", place.is_end)

    def _edge(self, item: Edge, place: _Place) -> _Place | None:
        if item.side == "end":
            return attrs.evolve(place, is_end=True)
        if place.start == "no":
            return self._fail("something stands before ^, which is the start")
        return attrs.evolve(place, start="yes")

    def _group(self, group: Group, place: _Place) -> _Place | None:
        if group.look in ("?!", "?<!"):
            return place
        if group.look == "?<=":
            return self._behind(group, place)
        found = [self._sequence(branch, place) for branch in group.branches]
        ends = [end for end in found if end is not None]
        if not ends:
            return None
        return place if group.look else _either(ends)

    def _behind(self, group: Group, place: _Place) -> _Place | None:
        needs_text = all(any(_takes(item) for item in branch) for branch in group.branches)
        if needs_text and place.start == "yes":
            return self._fail("there is nothing before ^ to look at")
        return attrs.evolve(place, start="no") if needs_text else place

    def _sequence(self, items: Sequence, place: _Place) -> _Place | None:
        current: _Place | None = place
        for at, item in enumerate(items):
            if current is None:
                return None
            if isinstance(item, Group) and _contradicts(item, items[at + 1 :]):
                return self._fail("what it looks ahead for is not what follows")
            current = self.after(item, current)
        return current

    def _repeat(self, item: Repeat, place: _Place) -> _Place | None:
        once = self.after(item.item, place)
        if once is None:
            return place if item.is_optional else None
        again = self.after(item.item, once)
        ends = [once, *([] if again is None else [again]), *([place] if item.is_optional else [])]
        return _either(ends)

    def _fail(self, reason: str) -> _Place | None:
        self.reason = reason
        return None


def _either(places: list[_Place]) -> _Place:
    """What is certain when any of these may be."""
    starts = {place.start for place in places}
    return _Place(
        next(iter(starts)) if len(starts) == 1 else "maybe",
        all(place.is_end for place in places),
    )


def _takes(item: Item) -> bool:
    """True when an item certainly takes a character."""
    if isinstance(item, Repeat):
        return not item.is_optional and _takes(item.item)
    if isinstance(item, Group) and not item.look:
        return all(any(_takes(one) for one in branch) for branch in item.branches)
    return isinstance(item, Char | Any)


def _contradicts(look: Group, following: Sequence) -> bool:
    """True when a look-ahead of literals excludes the literals that stand behind it."""
    if look.look not in ("?=", "?!") or len(look.branches) != 1:
        return False
    (content,) = look.branches
    wanted, text = _literals(content), _literals(following)
    if look.look == "?=":
        # caseless matching folds no ASCII letter to another one
        pairs = zip(wanted, text, strict=False)
        return any(a.isascii() and b.isascii() and a.lower() != b.lower() for a, b in pairs)
    return all(isinstance(item, Char) for item in content) and text.startswith(wanted)


def _literals(items: Sequence) -> str:
    """The literal characters that an item row certainly begins with."""
    found = ""
    for item in items:
        if isinstance(item, Char):
            found += item.char
            continue
        if isinstance(item, Repeat) and not item.is_optional and isinstance(item.item, Char):
            found += item.item.char
        break
    return found
