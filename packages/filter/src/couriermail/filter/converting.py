"""`maildrop --convert-old`: recipes of maildrop 1.x for today's patterns (spec filter 4.10).

Only patterns, their option `w`, the MATCH variables that follow from them and the assignment to
MAILDROP_OLD_REGEXP change; every other byte stays.  What cannot be shown to decide as before is
left as it is and reported.

MATCH variables: in 1.x MATCH is the first segment of `/S1!S2/` and MATCH2 the second.  A recipe
that never reads MATCH gets `/S1(S2)/` and reads MATCH1 for MATCH2.  In one that reads it every
pattern gets a group for its first segment, so that MATCH1 is what MATCH was, and MATCH2 stays.
"""

from __future__ import annotations

import re

import attrs

from couriermail.filter.conversion_patterns import OldPattern, Unconvertible
from couriermail.filter.errors import RecipeSyntaxError
from couriermail.filter.parser import parse
from couriermail.filter.printable import printable
from couriermail.filter.substitute import split_text
from couriermail.filter.syntax import (
    Action,
    Assign,
    Block,
    Call,
    Foreach,
    Match,
    Pattern,
    Text,
    walk,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.filter.lexer import Token
    from couriermail.filter.syntax import Node

__all__ = ["Conversion", "ConversionFinding", "convert_old"]

SWITCH = b"MAILDROP_OLD_REGEXP"
_MATCH_NAME = re.compile(rb"MATCH[0-9]*")
_REFERENCE = re.compile(rb"\$(?:(MATCH[0-9]*)(?![A-Za-z0-9_])|\{(MATCH[0-9]*)\})")
_SUBSTITUTED = frozenset(("QSTR", "BTSTR"))


@attrs.frozen
class ConversionFinding:
    """A place that was not converted.

    Attributes:
        name: the recipe's file name.
        line: 1-based line in the old recipe.
        column: 1-based column there, in bytes.
        message: why, and what to do.
    """

    name: str
    line: int
    column: int
    message: str

    def render(self) -> str:
        """`FILE:LINE:COLUMN: message`, with nothing in it that could steer a terminal."""
        name = printable(self.name.encode("utf-8", "surrogateescape"))
        return f"{name}:{self.line}:{self.column}: {self.message}"


@attrs.frozen
class Conversion:
    """A recipe that was converted.

    Attributes:
        text: the recipe, with a comment before each statement that holds a finding.
        findings: what was not converted, from the first line to the last; when there is none
            the text decides as the old one does under `MAILDROP_OLD_REGEXP=1`.
    """

    text: bytes
    findings: tuple[ConversionFinding, ...]


def convert_old(source: bytes, filename: str) -> Conversion:
    """Rewrite a recipe whose patterns are those of maildrop 1.x.

    Args:
        source: the recipe.
        filename: its name, for the findings.
    """
    tokens: list[Token] = []
    try:
        tree = parse(source, name=filename, on_token=tokens.append)
    except RecipeSyntaxError as error:
        reason = f"not converted: {error.reason.rstrip('.')}"
        finding = ConversionFinding(filename, error.line, error.column, reason)
        return Conversion(_commented(source, [finding], {error.line}), (finding,))
    converter = _Converter(source, filename, tree, tokens)
    converter.convert()
    findings = sorted(converter.findings, key=lambda one: (one.line, one.column))
    text = _commented(source, findings, _safe_lines(tree, source), converter.edits)
    return Conversion(text, tuple(findings))


@attrs.define
class _Converter:
    """One recipe while it is converted: the edits of its bytes, and the findings."""

    source: bytes
    name: str
    tree: Block
    tokens: list[Token]
    findings: list[ConversionFinding] = attrs.field(factory=list)
    edits: list[tuple[int, int, bytes]] = attrs.field(factory=list)
    _at: dict[tuple[int, int], Token] = attrs.field(factory=dict)

    def convert(self) -> None:
        """Gather the edits and findings of the whole recipe."""
        self._at = {(token.line, token.column): token for token in self.tokens}
        patterns = self._patterns()
        has_segments = any(len(old.segments) > 1 for _, old in patterns)
        reads = self._reads()
        keeps_first = has_segments and b"MATCH" in reads
        for node, old in patterns:
            token = self._at[node.line, node.column]
            new = old.converted(groups_first=keeps_first)
            if split_text(new)[0] != [(False, new)] and new:
                self._find(node, "not converted: the new pattern would contain a variable")
                continue
            self._replace(token, b"/%b/%b" % (new, old.new_options()))
        if has_segments:
            self._rename(reads, keeps_first=keeps_first)
        self._settle_switch()

    def _patterns(self) -> list[tuple[Pattern, OldPattern]]:
        in_strings = {id(node.pattern) for node in walk(self.tree) if isinstance(node, Match)}
        in_loops = {id(node.search) for node in walk(self.tree) if isinstance(node, Foreach)}
        found: list[tuple[Pattern, OldPattern]] = []
        for node in walk(self.tree):
            if not isinstance(node, Pattern):
                continue
            try:
                old = OldPattern(
                    node.text,
                    node.options,
                    in_string=id(node) in in_strings,
                    in_loop=id(node) in in_loops,
                )
            except Unconvertible as error:
                self._find(node, f"not converted: {error}")
            else:
                found.append((node, old))
        return found

    # -- MATCH variables ---------------------------------------------------------------

    def _reads(self) -> set[bytes]:
        """The MATCH variables that strings and commands read."""
        return {
            name
            for token in self.tokens
            if token.kind in _SUBSTITUTED
            for name in _references(token.value)
        }

    def _rename(self, reads: set[bytes], *, keeps_first: bool) -> None:
        for token in self.tokens:
            if token.kind == "SQSTR" and b"MATCH" in token.value:
                self._find(token, "MATCH in single quotes is not converted: look at it yourself")
            elif token.kind in _SUBSTITUTED:
                self._rename_in(token, keeps_first=keeps_first)
        for node in walk(self.tree):
            self._flag_other_sources(node)

    def _rename_in(self, token: Token, *, keeps_first: bool) -> None:
        names = [*_references(token.value)]
        if b"MATCH1" in names:
            self._find(token, "MATCH1 is not converted: no 1.x pattern sets it")
            return
        if not names:
            return
        raw = self.source[token.offset : token.end]
        if len(names) != len(_REFERENCE.findall(raw)):
            self._find(token, "MATCH beside an escaped $ is not converted: look at it yourself")
            return
        self._replace(
            token, _REFERENCE.sub(lambda found: _renamed(found, keeps_first=keeps_first), raw)
        )

    def _flag_other_sources(self, node: Node) -> None:
        if isinstance(node, Assign) and _MATCH_NAME.fullmatch(node.name):
            self._find(node, "an assignment to a MATCH variable is not converted")
        elif isinstance(node, Call) and node.name == "lookup":
            self._find(node, "lookup sets MATCH variables too: look whether they are read")

    # -- the switch --------------------------------------------------------------------

    def _settle_switch(self) -> None:
        for node in walk(self.tree):
            if isinstance(node, Assign) and node.name == SWITCH:
                self._switch_off(node)
            elif isinstance(node, Action) and node.verb == "include":
                self._find(node, "the included file is not converted: convert it as well")
            elif isinstance(node, Action) and node.verb in ("import", "unset"):
                self._flag_name(node)
            elif isinstance(node, Text) and any(_mentions(part) for part in node.parts):
                self._find(node, f"what depends on {SWITCH.decode()} is not converted")

    def _switch_off(self, node: Assign) -> None:
        value = node.value
        if isinstance(value, Text) and len(value.parts) == 1:
            token = self._at[value.line, value.column]
            if token.value.isdigit() and int(token.value):
                self._replace(token, b"0")
                return
        self._find(node, f"{SWITCH.decode()} is not converted: patterns may be today's here")

    def _flag_name(self, node: Action) -> None:
        argument = node.argument
        if not isinstance(argument, Text):
            self._find(node, "the variable's name is not known: look at it yourself")
            return
        text = b"".join(part for _, part in argument.parts)
        if b"$" in text or text == SWITCH or _MATCH_NAME.fullmatch(text):
            self._find(node, f"{node.verb} of this variable is not converted")

    # -- small things ------------------------------------------------------------------

    def _find(self, place: Node | Token, message: str) -> None:
        self.findings.append(ConversionFinding(self.name, place.line, place.column, message))

    def _replace(self, token: Token, new: bytes) -> None:
        if self.source[token.offset : token.end] != new:
            self.edits.append((token.offset, token.end, new))


def _references(text: bytes) -> Iterator[bytes]:
    for is_variable, name in split_text(text)[0]:
        if is_variable and _MATCH_NAME.fullmatch(name):
            yield name


def _mentions(part: tuple[str, bytes]) -> bool:
    kind, text = part
    if kind == "SQSTR":
        return SWITCH in text
    return (True, SWITCH) in split_text(text)[0]


def _renamed(found: re.Match[bytes], *, keeps_first: bool) -> bytes:
    name: bytes = found[1] or found[2]
    number = int(name.removeprefix(b"MATCH") or b"0")
    new = name
    if keeps_first and not number:
        new = b"MATCH1"
    elif not keeps_first and number > 1:
        new = b"MATCH%d" % (number - 1)
    return found[0].replace(name, new)


# -- comments --------------------------------------------------------------------------


def _safe_lines(tree: Block, source: bytes) -> set[int]:
    """Lines before which a comment changes nothing.

    A comment behind a condition would be its body, so only the statements of a block count,
    and of them those that stand first on their line.
    """
    lines = source.split(b"\n")
    return {
        statement.line
        for block in walk(tree)
        if isinstance(block, Block)
        for statement in block.statements
        if not lines[statement.line - 1][: statement.column - 1].strip()
    }


def _commented(
    source: bytes,
    findings: list[ConversionFinding],
    safe: set[int],
    edits: list[tuple[int, int, bytes]] | None = None,
) -> bytes:
    """The edited text, each finding told in a comment at the last safe line before it."""
    starts = [0, *(found.end() for found in re.finditer(rb"\n", source))]
    changes = list(edits or ())
    for finding in findings:
        line = max((one for one in safe if one <= finding.line), default=1)
        text = f"# {finding.line}:{finding.column}: {finding.message}\n"
        start = starts[line - 1]
        changes.append((start, start, text.encode()))
    pieces: list[bytes] = []
    done = 0
    for start, end, new in sorted(changes, key=lambda change: change[:2]):
        pieces += (source[done:start], new)
        done = end
    return b"".join((*pieces, source[done:]))
