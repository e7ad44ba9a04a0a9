"""The errors of the filter room.

All of them are temporary (exit code 75, spec filter 5; an administrator may choose another for
full maildirs): whatever is wrong with a recipe or
with the place it delivers to, the message stays where it is and is tried again.

This module imports nothing heavy: `maildrop` runs once per message.
"""

from __future__ import annotations

from couriermail.core.errors import CouriermailError

__all__ = [
    "FilterError",
    "OverQuotaError",
    "RecipeLimitError",
    "RecipeRuntimeError",
    "RecipeSyntaxError",
]


class FilterError(CouriermailError):
    """Base of every error that the filter room raises; the message is kept."""

    is_temporary = True
    reply_code = 451
    enhanced_code = "4.3.0"
    reply_text = "Mail filter failed, try again later."
    exit_code = 75  # EX_TEMPFAIL


class RecipeSyntaxError(FilterError):
    """A recipe that cannot be read; nothing of it was executed.

    Attributes:
        name: the recipe's file name.
        line: 1-based line of the offending words.
        column: 1-based column of the offending words, in bytes.
        scanner_line: the line that the scanner had reached, which classic tools print.
        reason: what is wrong, in the classic words (spec filter 5).
        near: the recipe's text around the place.
        hint: how the classic mistakes are mended, or the empty string.
        detail: a line that classic tools print before the diagnostic, or the empty string.
    """

    def __init__(
        self,
        reason: str,
        *,
        name: str,
        line: int,
        column: int,
        scanner_line: int,
        near: str = "",
        hint: str = "",
        detail: str = "",
    ) -> None:
        place = f"{name}:{line}:{column}: {reason}"
        super().__init__(
            place + (f" near: {near}" if near else "") + (f" ({hint})" if hint else "")
        )
        self.reason = reason
        self.name = name
        self.line = line
        self.column = column
        self.scanner_line = scanner_line
        self.near = near
        self.hint = hint
        self.detail = detail

    @property
    def classic(self) -> str:
        """The diagnostic as maildrop prints it: `FILE(LINE): TEXT`."""
        return f"{self.name}({self.scanner_line}): {self.reason}"


class RecipeRuntimeError(FilterError):
    """A recipe that could not be carried out; an `exception` block may trap it.

    Attributes:
        reason: what went wrong, in the classic words (spec filter 4.7, 4.13).
        name: the recipe's file name, or the empty string outside any recipe.
        line: 1-based line of the statement, or 0.
        column: 1-based column of the statement, or 0.
    """

    def __init__(self, reason: str, *, name: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.name = name
        self.line = line
        self.column = column

    def at(self, name: str, line: int, column: int) -> RecipeRuntimeError:
        """Name the statement that failed, unless an inner statement was named before."""
        if not self.line:
            self.name, self.line, self.column = name, line, column
        return self

    def __str__(self) -> str:
        place = f" ({self.name}:{self.line}:{self.column})" if self.line else ""
        return f"{self.reason}{place}"


class OverQuotaError(RecipeRuntimeError):
    """A maildir that is too full for the message, which is kept.

    Attributes:
        exit_code: what `maildrop` ends with: QUOTA_EXITCODE, or 75 (spec filter 7, item 11).
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__("maildir over quota.")
        self.exit_code = exit_code


class RecipeLimitError(RecipeRuntimeError):
    """A recipe that runs too long or grows too large; no `exception` block traps it.

    Attributes:
        limit: the limit's name in `couriermail.filter.RunLimits`.
    """

    def __init__(self, reason: str, *, limit: str) -> None:
        super().__init__(reason)
        self.limit = limit
