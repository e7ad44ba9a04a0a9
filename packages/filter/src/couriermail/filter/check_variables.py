"""Checks of variables across a recipe and the files that it includes."""

from __future__ import annotations

from difflib import get_close_matches

import attrs

from couriermail.filter.check_patterns import constant_pattern
from couriermail.filter.constants import constant_value
from couriermail.filter.patternshape import UnreadableShape, read_shape
from couriermail.filter.printable import printable
from couriermail.filter.run import INITIAL_VARIABLES
from couriermail.filter.substitute import split_text
from couriermail.filter.syntax import Action, Assign, Block, Call, Pattern, Text, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from couriermail.filter.findings import Finding, RecipeText
    from couriermail.filter.syntax import Node

__all__ = ["KNOWN_VARIABLES", "VariableChecks"]

KNOWN_VARIABLES = frozenset(INITIAL_VARIABLES) | frozenset(
    b"DEFAULT EXITCODE FLAGS FROM HOME HOSTNAME KEYWORDS LANG LANGUAGE LINES LOGNAME"
    b" MAILDIRQUOTA MAILDROP_OLD_REGEXP MAILFILTER MATCH QUOTA_CC_WARNS QUOTA_EXITCODE"
    b" RETURNCODE SIZE VERBOSE".split()
)
"""Variables that maildrop sets or looks at (spec filter 4.11)."""


@attrs.frozen
class _Read:
    """One place where a variable is read."""

    recipe: RecipeText
    place: Node
    name: bytes


@attrs.define
class VariableChecks:
    """Gathers what all files set and read; the findings come when all are gathered.

    Attributes:
        known: variables that are set before the recipe begins.
        is_open: True when variables may be set that cannot be seen here.
    """

    known: frozenset[bytes]
    is_open: bool = False
    _set: set[bytes] = attrs.field(factory=set, init=False)
    _reads: list[_Read] = attrs.field(factory=list, init=False)
    _broken: list[_Read] = attrs.field(factory=list, init=False)
    _groups: int = attrs.field(default=0, init=False)
    _has_open_groups: bool = attrs.field(default=False, init=False)

    def gather(self, recipe: RecipeText, tree: Block) -> None:
        """Note what one file sets and reads."""
        for node in walk(tree):
            if isinstance(node, Assign):
                self._set.add(node.name)
            elif isinstance(node, Text):
                for kind, text in node.parts:
                    if kind == "QSTR":
                        self._note_reads(recipe, node, text)
            elif isinstance(node, Pattern):
                self._note_reads(recipe, node, node.text)
                self._note_groups(node)
            elif isinstance(node, Action) and node.verb == "import":
                self._note_import(node)
            elif isinstance(node, Call) and node.name == "lookup":
                self._has_open_groups = True  # its patterns are in a file

    def findings(self) -> Iterator[Finding]:
        """What is read and set by nothing."""
        for read in self._broken:
            message = "Terminating } is missing"
            yield read.recipe.finding("unclosed-variable", read.place, message)
        for read in self._reads:
            yield from self._judge(read)

    def assigned(self) -> frozenset[bytes]:
        """The variables that the files set."""
        return frozenset(self._set)

    def _note_reads(self, recipe: RecipeText, node: Node, text: bytes) -> None:
        parts, unclosed = split_text(text)
        self._reads += [_Read(recipe, node, name) for is_name, name in parts if is_name]
        if unclosed:
            self._broken.append(_Read(recipe, node, b""))

    def _note_groups(self, node: Pattern) -> None:
        text = constant_pattern(node)
        if text is None:
            self._has_open_groups = True
            return
        try:
            self._groups = max(self._groups, read_shape(text.decode()).groups)
        except (UnreadableShape, UnicodeDecodeError):
            self._has_open_groups = True

    def _note_import(self, node: Action) -> None:
        name = constant_value(node.argument)
        if name is None:
            self.is_open = True
        else:
            self._set.add(name)

    def _judge(self, read: _Read) -> Iterator[Finding]:
        name = read.name
        if self.is_open or not name or name.isdigit() or name.startswith(b"LC_"):
            return
        if name in self._set or name in self.known or name in KNOWN_VARIABLES:
            return
        number = name.removeprefix(b"MATCH")
        if number != name and number.isdigit():
            if not self._has_open_groups and int(number) > self._groups:
                message = f"no pattern here has {int(number)} groups in parentheses"
                yield _at_name(read, "unknown-group", message)
            return
        yield _at_name(read, "unknown-variable", self._unknown_words(name))

    def _unknown_words(self, name: bytes) -> str:
        shown = printable(name)
        similar = _similar(shown, [*self._set, *self.known, *KNOWN_VARIABLES])
        if similar:
            return f"nothing sets ${shown}; did you mean ${similar}?"
        return f"nothing sets ${shown}: it is empty, unless the site's maildroprc sets it"


def _similar(name: str, candidates: Iterable[bytes]) -> str:
    by_lower = {printable(known).lower(): printable(known) for known in sorted(candidates)}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.75)
    return by_lower[found[0]] if found else ""


def _at_name(read: _Read, code: str, message: str) -> Finding:
    """A finding at the `$name` itself, where it stands in the line that the node begins in."""
    line, column = read.place.line, read.place.column
    text = read.recipe.line(line)
    found = max(text.find(sign + read.name, column - 1) for sign in (b"$", b"${"))
    return read.recipe.finding_at(code, line, found + 1 if found >= 0 else column, message)
