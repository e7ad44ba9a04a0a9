"""What a check of a recipe finds, and how it is shown: place, words, the line and a caret."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from couriermail.filter.printable import printable
from couriermail.filter.syntax import Node

__all__ = ["CODES", "Finding", "RecipeText", "Severity"]

SHOWN_COLUMNS = 100
"""How much of a long line is shown around the place."""


class Severity(StrEnum):
    """How bad a finding is.

    `ERROR`: maildrop itself refuses, or complains, when it comes to this place.
    `WARNING`: it runs, but hardly does what its author meant.
    """

    ERROR = "error"
    WARNING = "warning"


CODES: Mapping[str, tuple[Severity, str]] = {
    "syntax": (Severity.ERROR, "the recipe cannot be read"),
    "bad-pattern": (Severity.ERROR, "a pattern is wrong, or beyond this engine"),
    "missing-include": (Severity.ERROR, "an included file cannot be read"),
    "unclosed-variable": (Severity.ERROR, "`${` without its `}`"),
    "unknown-variable": (Severity.WARNING, "a variable that nothing sets is read"),
    "unknown-group": (Severity.WARNING, "MATCHn beyond the groups of every pattern"),
    "literal-name": (Severity.WARNING, "`$name=...`: the left side is taken literally"),
    "unreachable": (Severity.WARNING, "nothing can come to this statement"),
    "constant-condition": (Severity.WARNING, "a condition has always the same value"),
    "endless-loop": (Severity.WARNING, "a loop that nothing ends"),
    "empty-body": (Severity.WARNING, "a blank or comment line is the body of a condition"),
    "no-effect": (Severity.WARNING, "a statement that does nothing"),
    "numeric-comparison": (Severity.WARNING, "words compared as numbers"),
    "word-arithmetic": (Severity.WARNING, "`$X-1` is one word and no subtraction"),
    "cannot-match": (Severity.WARNING, "a pattern that no text can match"),
    "header-cannot-match": (Severity.WARNING, "a pattern that no header line can match"),
    "unknown-option": (Severity.WARNING, "an option letter without a meaning"),
    "missing-mailbox": (Severity.WARNING, "a delivery to a place that is not there"),
}
"""Every code with its severity and what it is about."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing to look at in a recipe.

    Attributes:
        code: which kind, a key of `CODES`; stable, for programs.
        message: what is wrong and how to mend it, for people.
        name: the file.
        line: 1-based line.
        column: 1-based column, in bytes.
        excerpt: the line, with nothing in it that could steer a terminal.
        caret: 0-based column of the place in `excerpt`, in characters.
    """

    code: str
    message: str
    name: str
    line: int
    column: int
    excerpt: str = ""
    caret: int = 0

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code][0]

    @property
    def position(self) -> str:
        """`FILE:LINE:COLUMN`, as editors read it."""
        return (
            f"{printable(self.name.encode('utf-8', 'surrogateescape'))}:{self.line}:{self.column}"
        )

    def render(self) -> str:
        """Two or three lines: place and words, the recipe's line, a caret below the place."""
        head = f"{self.position}: {self.severity}: {self.message} [{self.code}]"
        if not self.excerpt:
            return head
        return f"{head}\n    {self.excerpt}\n    {' ' * self.caret}^"

    def as_json(self) -> dict[str, str | int]:
        """Plain values under stable keys."""
        return {
            "file": self.name,
            "line": self.line,
            "column": self.column,
            "severity": str(self.severity),
            "code": self.code,
            "message": self.message,
            "excerpt": self.excerpt,
        }


@attrs.frozen
class RecipeText:
    """The text of one recipe file, from which findings take their excerpts.

    Attributes:
        name: the file's name.
        text: its contents.
    """

    name: str
    text: bytes
    _lines: list[bytes] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_lines", self.text.split(b"\n"))

    def line(self, number: int) -> bytes:
        """One line without its line end; empty behind the last one."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else b""

    def starts_with(self, node: Node, signs: bytes) -> bool:
        """True when the text of a node begins with one of these bytes."""
        char = self.line(node.line)[node.column - 1 : node.column]
        return bool(char) and char in signs

    def finding(self, code: str, place: Node, message: str) -> Finding:
        """A finding at a node."""
        return self.finding_at(code, place.line, place.column, message)

    def finding_at(self, code: str, line: int, column: int, message: str) -> Finding:
        """A finding at a place."""
        excerpt, caret = self.excerpt(line, column)
        return Finding(
            code=code,
            message=message,
            name=self.name,
            line=line,
            column=column,
            excerpt=excerpt,
            caret=caret,
        )

    def excerpt(self, line: int, column: int) -> tuple[str, int]:
        """What is shown of a line, and where in it the column is."""
        whole = self.line(line).rstrip(b"\r").replace(b"\t", b" ")
        start = max(0, column - 1 - SHOWN_COLUMNS // 2) if len(whole) > SHOWN_COLUMNS else 0
        before = printable(whole[start : column - 1])
        shown = before + printable(whole[column - 1 : start + SHOWN_COLUMNS])
        lead = len(shown) - len(shown.lstrip(" "))
        lead = min(lead, len(before))
        return shown[lead:], len(before) - lead
