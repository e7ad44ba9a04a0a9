r"""Environment files such as `courierd` and `esmtpd`, read without a shell.

The subset of shell syntax that such files consist of (spec mta 3.3)::

    file       := { line }
    line       := [ assignment | include ] [ comment ] ( LF | ";" )
    assignment := [ "export" ] NAME "=" { piece }
    include    := ( "." | "source" ) piece { piece }
    piece      := bare text, \x, 'text', "text with $NAME, ${NAME} and \$ \" \\ \`"
    comment    := "#" to the end of the line, at the start of a word

Quoted text may span lines.  A name is replaced by what the file gave it before; names that
were not set are empty.  Commands, command substitution, redirections and every other use of
the shell are errors with their place: nothing is ever run.
"""

from __future__ import annotations

import os

import attrs

from couriermail.mta.errors import MtaConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_INCLUDES", "parse_environment", "read_environment"]

MAX_INCLUDES = 10
"""How deep files may include each other."""

_NAME_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_NAME = _NAME_START | frozenset("0123456789")
_WORD_END = frozenset(" \t\n;")
_REFUSED = frozenset("`&|<>()")


def read_environment(path: str, environment: dict[str, str] | None = None) -> dict[str, str]:
    """Read an environment file with the files that it includes.

    Args:
        path: the file.
        environment: names that are set already; not changed.

    Raises:
        MtaConfigError: the file cannot be read, or does more than set names.
    """
    return parse_environment(_read_text(path), path=path, environment=environment, read=_read_text)


def parse_environment(
    text: str,
    *,
    path: str = "<text>",
    environment: dict[str, str] | None = None,
    read: Callable[[str], str] | None = None,
) -> dict[str, str]:
    """Read environment settings from text.

    Args:
        text: the text of the file.
        path: its name, for error messages.
        environment: names that are set already; not changed.
        read: how to get the text of an included file; None forbids includes.

    Raises:
        MtaConfigError: with path, line and column of what is not an assignment.
    """
    found = dict(environment or {})
    _Reader(text, path, found, read, 0).run()
    return found


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError as error:
        raise MtaConfigError("is not UTF-8", path=path) from error
    except OSError as error:
        raise MtaConfigError(f"cannot read: {error.strerror or error}", path=path) from error


@attrs.define
class _Reader:
    """One pass over one file; `at` is the offset of the next character."""

    text: str
    path: str
    found: dict[str, str]
    read: Callable[[str], str] | None
    depth: int
    at: int = 0

    def run(self) -> None:
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in _WORD_END or char == "\r":
                self.at += 1
            elif char == "#":
                self._skip_comment()
            else:
                self._statement()

    def _statement(self) -> None:
        start = self.at
        word = self._name()
        if word == "export" and self._peek() in {" ", "\t"}:
            self._skip_blanks()
            start = self.at
            word = self._name()
        if word and self._peek() == "=":
            self.at += 1
            self.found[word] = self._word()
            self._end_of_statement()
        elif word == "source" and self._peek() in {" ", "\t"}:
            self._include(start)
        elif not word and self.text.startswith((". ", ".\t"), start):
            self.at += 1
            self._include(start)
        else:
            raise self._error("only NAME=value and `. FILE` are understood here", start)

    def _include(self, start: int) -> None:
        self._skip_blanks()
        name = self._word()
        self._end_of_statement()
        if not name:
            raise self._error("names no file", start)
        if self.read is None or self.depth >= MAX_INCLUDES:
            raise self._error("files include each other too deeply", start)
        path = os.path.join(os.path.dirname(self.path), name)
        _Reader(self.read(path), path, self.found, self.read, self.depth + 1).run()

    def _end_of_statement(self) -> None:
        """Nothing but blanks and a comment may follow a value on its line."""
        self._skip_blanks()
        char = self._peek()
        if char == "#":
            self._skip_comment()
        elif char not in {"", "\n", ";", "\r"}:
            raise self._error("a command follows the value; quote values with blanks", self.at)

    def _name(self) -> str:
        start = self.at
        if self._peek() in _NAME_START:
            while self._peek() in _NAME:
                self.at += 1
        return self.text[start : self.at]

    def _word(self) -> str:
        """Everything up to a blank or the end of the line, with quotes taken off."""
        pieces: list[str] = []
        while (char := self._peek()) and char not in _WORD_END and char != "\r":
            pieces.append(self._piece(char))
        return "".join(pieces)

    def _piece(self, char: str) -> str:
        if char == "'":
            return self._single_quoted()
        if char == '"':
            return self._double_quoted()
        if char == "$":
            return self._variable()
        if char == "\\":
            return self._escaped()
        if char in _REFUSED:
            raise self._error(f"{char!r} needs a shell; put it in single quotes", self.at)
        self.at += 1
        return char

    def _escaped(self) -> str:
        char = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        return "" if char == "\n" else char

    def _single_quoted(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise self._error("the quotation mark is never closed", self.at)
        value = self.text[self.at + 1 : end]
        self.at = end + 1
        return value

    def _double_quoted(self) -> str:
        opening = self.at
        self.at += 1
        pieces: list[str] = []
        while (char := self._peek()) != '"':
            if not char:
                raise self._error("the quotation mark is never closed", opening)
            pieces.append(self._quoted_piece(char))
        self.at += 1
        return "".join(pieces)

    def _quoted_piece(self, char: str) -> str:
        if char == "$":
            return self._variable()
        if char == "`":
            raise self._error("command substitution is not run here", self.at)
        if char == "\\":
            following = self.text[self.at + 1 : self.at + 2]
            self.at += 2
            if following == "\n":
                return ""
            return following if following in {"$", '"', "\\", "`"} else f"\\{following}"
        self.at += 1
        return char

    def _variable(self) -> str:
        start = self.at
        self.at += 1
        if self._peek() == "{":
            self.at += 1
            name = self._name()
            if not name or self._peek() != "}":
                raise self._error("only $NAME and ${NAME} are understood here", start)
            self.at += 1
            return self.found.get(name, "")
        name = self._name()
        if name:
            return self.found.get(name, "")
        if self._peek() == "(":
            raise self._error("command substitution is not run here", start)
        return "$"

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _skip_blanks(self) -> None:
        while self._peek() in {" ", "\t"}:
            self.at += 1

    def _skip_comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _error(self, message: str, at: int) -> MtaConfigError:
        line = self.text.count("\n", 0, at) + 1
        column = at - self.text.rfind("\n", 0, at)
        return MtaConfigError(message, path=self.path, line=line, column=column)
