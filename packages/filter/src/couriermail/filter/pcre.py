r"""PCRE2 patterns rewritten for the `regex` engine (spec filter 4.8).

The language's patterns are PCRE2 with UTF on: classes such as `\w` and `[[:alpha:]]` are
ASCII only while letters fold case as Unicode does.  `regex` differs in small ways, so every
construct is either rewritten to mean the same or refused with its place:

* two alphabets: `ASCII` sources are compiled for byte subjects, others for text subjects;
* two shapes: a pattern for one line, or a pattern that searches all lines at once.  The second
  one is an order of magnitude faster; in it nothing but `^` and `$` may touch a line end, and
  the rewriting sees to that or says that it cannot (`is_block_safe`).

What the rewriting learns on its way is used to avoid the engine: the literals that every match
must contain, and whether the pattern is nothing but literals joined by `.*`.
"""

from __future__ import annotations

from couriermail.filter.charsets import FOREIGN, POSIX, SETS, WITH_LINE_END, WORD, has_letters
from couriermail.filter.literals import Literals
from couriermail.filter.patterncodes import (
    GroupReferences,
    PatternError,
    character_code,
    is_name,
    posix_end,
)
from couriermail.filter.translation import Translation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import ClassVar

__all__ = ["CONTROLS", "PatternError", "quantifier_end", "translate"]

CONTROLS = {"a": "\a", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NEVER = "(?!)"
_BOUNDARY = f"(?-i:(?<![{WORD}])(?=[{WORD}])|(?<=[{WORD}])(?![{WORD}]))"
_NO_BOUNDARY = f"(?-i:(?<![{WORD}])(?![{WORD}])|(?<=[{WORD}])(?=[{WORD}]))"
_GROUP_STARTS = ("(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?|")
_FLAGS = frozenset("imsx-^")
_OUTSIDE = "POSIX named classes are supported only within a class"
_COLLATING = "POSIX collating elements are not supported"
_OCTAL = frozenset("01234567")


def translate(pattern: str, *, in_block: bool, is_ascii: bool) -> Translation:
    """Rewrite a PCRE2 pattern.

    Args:
        pattern: the pattern, after substitution.
        in_block: True to search many lines at once, False for one subject.
        is_ascii: True when only ASCII subjects are searched with the result.

    Raises:
        PatternError: the pattern is wrong or not supported.
    """
    return _Translator(pattern, in_block=in_block, is_ascii=is_ascii).run()


class _Translator:
    def __init__(self, pattern: str, *, in_block: bool, is_ascii: bool) -> None:
        self.text = pattern
        self.at = 0
        self.in_block = in_block
        self.is_ascii = is_ascii
        self.is_block_safe = True
        self.needs_text = not pattern.isascii()
        self.depth = 0
        self.out: list[str] = []
        self.asserted = 0  # pieces of `out` up to the last assertion without parentheses
        self.literals = Literals()
        self.groups = GroupReferences()

    def run(self) -> Translation:
        text = self.text
        while self.at < len(text):
            char = text[self.at]
            step = self._STEPS.get(char)
            if step is not None:
                step(self)
            else:
                self.at += 1
                self.literal(char)
        if self.depth:
            raise self.error("missing closing parenthesis")
        self.groups.check()
        return Translation(
            "".join(self.out),
            is_block_safe=self.is_block_safe,
            needs_text=self.needs_text,
            required=self.literals.required(),
            chain=self.literals.chain(),
        )

    def error(self, reason: str, *, is_unsupported: bool = False) -> PatternError:
        return PatternError(reason, self.at, is_unsupported=is_unsupported)

    def literal(self, char: str) -> None:
        if char == "\n" and self.in_block:
            self.other(_NEVER)
            return
        self.out.append(_quoted(char))
        self.literals.add(char, in_group=self.depth > 0)

    def assertion(self, source: str) -> None:
        """Emit an assertion that is no group: nothing may be repeated behind it."""
        self.other(source)
        self.asserted = len(self.out)

    def other(self, source: str) -> None:
        """Emit something that is not a literal."""
        self.out.append(source)
        self.literals.interrupt()

    # -- single signs ------------------------------------------------------------------

    def _dot(self) -> None:
        text = self.text
        gap, following = text[self.at : self.at + 2], text[self.at + 2 : self.at + 3]
        if gap in (".*", ".+") and following not in ("?", "+"):
            self.at += 2
            self.out.append(gap)
            self.literals.gap(least=int(gap == ".+"))
            return
        self.at += 1
        self.other(".")

    def _anchor(self) -> None:
        char = self.text[self.at]
        is_edge = self.at == (0 if char == "^" else len(self.text) - 1)
        self.at += 1
        self.out.append(char)
        self.asserted = len(self.out)
        if is_edge and self.depth == 0:
            self.literals.anchor()
        else:
            self.literals.interrupt()

    def _bar(self) -> None:
        self.at += 1
        self.out.append("|")
        if self.depth == 0:
            self.literals.give_up()
        else:
            self.literals.not_a_chain()

    def _close(self) -> None:
        if not self.depth:
            raise self.error("unmatched closing parenthesis")
        self.at += 1
        self.depth -= 1
        self.out.append(")")
        self.literals.close()

    def _quantifier(self) -> None:
        text = self.text
        sign = text[self.at]
        if sign == "{":
            end = quantifier_end(text, self.at)
            if end is None:
                self.at += 1
                self.literal("{")
                return
            body = text[self.at : end]
        else:
            end = self.at + 1
            body = sign
        before = self.out[-1] if self.out else "|"
        is_open = before == "|" or (before[0] == "(" and before[-1] != ")")
        if is_open or self.asserted == len(self.out):
            raise self.error("quantifier does not follow a repeatable item")
        if text[end : end + 1] in ("?", "+") and text[end : end + 1]:
            body += text[end]
            end += 1
        self.at = end
        self.literals.repeat(body)
        self.out.append(body)

    # -- escapes -----------------------------------------------------------------------

    def _escape(self) -> None:
        char = self.text[self.at + 1 : self.at + 2]
        if not char:
            raise self.error("\\ at end of pattern")
        if char in "QE":
            self._quote(char)
        elif char.lower() in SETS and char != "V":
            self.at += 2
            self.other(self._unfolded(self._set(char)))
        elif (special := self._SPECIAL.get(char)) is not None:
            special(self, char)
        elif char.isdigit() and char != "0":
            self._back_reference()
        else:
            self.literal(self._character())

    def _quote(self, char: str) -> None:
        self.at += 2
        if char == "E":
            return
        end = self.text.find("\\E", self.at)
        end = len(self.text) if end < 0 else end
        for quoted in self.text[self.at : end]:
            self.literal(quoted)
        self.at = min(end + 2, len(self.text))

    def _set(self, char: str) -> str:
        body = SETS[char.lower()]
        if self.is_ascii:
            body = body.partition(r"\xa0")[0].partition(r"\x85")[0]
        if char.isupper():
            return f"[^{body}]" if not self.in_block or r"\n" in body else f"[^{body}\\n]"
        return f"[{body.replace(chr(92) + 'n', '') if self.in_block else body}]"

    def _unfolded(self, source: str) -> str:
        """A set of ASCII letters: U+017F and U+212A are no `s` and `k` to it."""
        if self.is_ascii or not has_letters(source):
            return source
        return f"(?:{FOREIGN}|{source})" if source[:2] == "[^" else f"(?:(?!{FOREIGN}){source})"

    def _character(self) -> str:
        """One character written as an escape, in or outside a class."""
        char = self.text[self.at + 1 : self.at + 2]
        if char in CONTROLS:
            self.at += 2
            return CONTROLS[char]
        if char in ("x", "o", "0"):
            return self._coded()
        if char == "c" and self.text[self.at + 2 : self.at + 3].isascii():
            letter = self.text[self.at + 2 : self.at + 3]
            self.at += 3
            return chr(ord(letter.upper()) ^ 64) if letter else "c"
        if char.isascii() and char.isalnum():
            raise self.error("unrecognized character follows \\")
        self.at += 2
        return char

    def _coded(self) -> str:
        code, self.at = character_code(self.text, self.at)
        return self._made(code)

    def _made(self, code: int) -> str:
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self.error("character code point value in \\x{} or \\o{} is too large")
        self.needs_text = self.needs_text or code > 127
        return chr(code)

    def _boundary(self, char: str) -> None:
        self.at += 2
        if self.is_ascii:
            self.assertion(f"\\{char}")
        else:
            self.assertion(_BOUNDARY if char == "b" else _NO_BOUNDARY)

    def _edge(self, char: str) -> None:
        self.at += 2
        if self.in_block:
            self.assertion("^" if char == "A" else "$")
        else:
            self.assertion({"A": r"\A", "Z": r"(?=\n?\Z)", "z": r"\Z"}[char])

    def _keep(self, char: str) -> None:
        self.at += 2
        self.assertion(r"\K")

    def _no_line_end(self, char: str) -> None:
        self.at += 2
        self.other(r"[^\n]")

    def _line_break(self, char: str) -> None:
        self.at += 2
        self.is_block_safe = False
        self.other(r"(?>\r\n|[\n\x0b\f\r])" if self.is_ascii else _ANY_BREAK)

    def _cluster(self, char: str) -> None:
        self.at += 2
        self.is_block_safe = False
        self.needs_text = True
        self.other(r"\X")

    def _not_vertical(self, char: str) -> None:
        self.at += 2
        self.other(self._unfolded(self._set("V")))

    def _property(self, char: str) -> None:
        self.needs_text = True
        self.is_block_safe = self.is_block_safe and char == "p"
        self.other(self._property_source())

    def _property_source(self) -> str:
        start = self.at
        if self.text[start + 2 : start + 3] == "{":
            end = self.text.find("}", start)
            if end < 0:
                raise self.error("malformed \\P or \\p sequence")
            self.at = end + 1
        else:
            self.at = start + 3
        return self.text[start : self.at]

    def _back_reference(self) -> None:
        end = self.at + 1
        while end < len(self.text) and self.text[end].isdigit():
            end += 1
        number = self.text[self.at + 1 : end]
        if len(number) > 1:
            raise self.error(
                "references above \\9 are not supported; use \\g{n}", is_unsupported=True
            )
        self.groups.refer(number, self.at)
        self.at = end
        self.other(f"(?:\\{number})")

    def _named(self, char: str) -> None:
        opening = self.text[self.at + 2 : self.at + 3]
        closing = {"{": "}", "<": ">", "'": "'"}.get(opening)
        end = self.text.find(closing, self.at + 3) if closing else -1
        name = self.text[self.at + 3 : end] if end > 0 else ""
        if not name.replace("_", "a").isalnum() or (char == "g" and opening != "{"):
            raise self.error(f"this form of \\{char} is not supported", is_unsupported=True)
        self.groups.refer(name, self.at)
        self.at = end + 1
        self.other(f"(?:\\{name})" if name.isdigit() else f"(?P={name})")

    def _refused(self, char: str) -> None:
        raise self.error(f"\\{char} is not supported", is_unsupported=True)

    # -- groups ------------------------------------------------------------------------

    def _open(self) -> None:
        text, at = self.text, self.at
        word = text[at + 2 : at + 3]
        if text.startswith("(*", at) and (word.isalpha() or word == ":"):
            raise self.error("(*VERBS) are not supported", is_unsupported=True)
        if not text.startswith("(?", at):
            self._group("(", 1)
            return
        for start in _GROUP_STARTS:
            if text.startswith(start, at):
                self._group(start, len(start))
                return
        if text.startswith("(?#", at):
            end = text.find(")", at)
            if end < 0:
                raise self.error("missing ) after (?# comment")
            self.at = end + 1
            return
        self._special_group()

    def _group(self, source: str, length: int) -> None:
        self.at += length
        self.depth += 1
        if self.depth > 200:
            raise self.error("parentheses are too deeply nested")
        self.out.append(source)
        self.groups.open(source)
        if source == "(":
            self.literals.open()
        else:
            self.literals.interrupt()

    def _special_group(self) -> None:
        text, at = self.text, self.at
        for opening, closing in (("(?P<", ">"), ("(?<", ">"), ("(?'", "'")):
            if text.startswith(opening, at):
                start = at + len(opening)
                end = text.find(closing, start)
                name = text[start:end] if end > 0 else ""
                if not is_name(name):
                    raise self.error("subpattern name expected")
                self._group(f"(?P<{name}>", end + 1 - at)
                return
        if text.startswith("(?(", at):
            self._condition()
            return
        self._flags_or_call()

    def _condition(self) -> None:
        end = self.text.find(")", self.at)
        name = self.text[self.at + 3 : end] if end > 0 else ""
        name = name.strip("<>'")
        if name[:1] in tuple("?*+-") or name in ("R", "DEFINE"):
            raise self.error("this condition is not supported", is_unsupported=True)
        if not (name.isdigit() or (name and is_name(name))):
            raise self.error("malformed number or name after (?(")
        self.groups.refer(name, self.at)
        self._group(f"(?({name})", end + 1 - self.at)

    def _flags_or_call(self) -> None:
        text, start = self.text, self.at + 2
        end = start
        while end < len(text) and text[end] not in ":)":
            end += 1
        body, closing = text[start:end], text[end : end + 1]
        is_call = body.startswith(("&", "P>", "P="))
        if is_call and not is_name(body.lstrip("&P>=")):
            self.at = start + 1
            raise self.error("subpattern name expected")
        if closing == ")" and (is_call or body == "R" or body.isdigit()):
            if body != "R":
                self.groups.refer(body.lstrip("&P>="), start)
            self.at = end + 1
            self.other(f"(?{body})")
        elif closing and body and set(body) <= _FLAGS:
            self._flags(body, closing, end)
        else:
            self.at = start
            raise self.error("unrecognized character after (? or (?-")

    def _flags(self, body: str, closing: str, end: int) -> None:
        if "^" in body or "x" in body:
            raise self.error("the options ^ and x are not supported", is_unsupported=True)
        self.is_block_safe = self.is_block_safe and not set(body) & {"s", "m"}
        self.literals.give_up()  # (?i) changes what a literal means
        if closing == ":":
            self._group(f"(?{body}:", end + 1 - self.at)
        else:
            self.at = end + 1
            self.other(f"(?{body})")

    # -- classes -----------------------------------------------------------------------

    def _class(self) -> None:
        text = self.text
        if posix_end(text, self.at):
            raise self.error(_OUTSIDE if text[self.at + 1] == ":" else _COLLATING)
        self.at += 1
        is_negated = text[self.at : self.at + 1] == "^"
        self.at += is_negated
        items: list[str] = []
        sets: list[str] = []
        is_first = True
        while True:
            char = text[self.at : self.at + 1]
            if not char:
                raise self.error("missing terminating ] for character class")
            if char == "]" and not is_first:
                break
            item = self._class_set(char)
            if item is None:
                items.append(self._range(self._class_character(char)))
            else:
                sets.append(item)
            is_first = False
        self.at += 1
        self.other(self._class_source("".join(items), sets, is_negated=is_negated))

    def _class_source(self, items: str, sets: list[str], *, is_negated: bool) -> str:
        """A class of characters, which fold, and of sets, which do not fold to U+017F, U+212A."""
        body = items + "".join(sets)
        end_of_line = r"\n" if is_negated and self.in_block else ""
        if self.is_ascii or not has_letters(body.removeprefix(items)):
            body += end_of_line
            return f"[{'^' if is_negated else ''}{body}]" if body else _NEVER
        if any(source.startswith("[^") for source in sets):
            source = f"(?:{FOREIGN}|[{body}])"
        else:
            alone = f"(?!{FOREIGN})[{''.join(sets)}]"
            source = f"(?:[{items}]|{alone})" if items else f"(?:{alone})"
        return (
            f"(?:(?!{source}){'[^' + end_of_line + ']' if end_of_line else '(?s:.)'})"
            if is_negated
            else source
        )

    def _class_set(self, char: str) -> str | None:
        """A set in a class; None when a character comes next."""
        text = self.text
        if char == "[" and (end := posix_end(text, self.at)):
            if text[self.at + 1] != ":":
                raise self.error(_COLLATING)
            return self._posix(text[self.at + 2 : end - 2], end)
        if char == "\\":
            kind = text[self.at + 1 : self.at + 2]
            if kind and kind.lower() in SETS:
                self.at += 2
                return self._set(kind)
            if kind in ("p", "P"):
                self.needs_text = True
                self.is_block_safe = self.is_block_safe and kind == "p"
                return self._property_source()
            if kind in ("Q", "E"):
                raise self.error("\\Q in a class is not supported", is_unsupported=True)
        return None

    def _posix(self, name: str, end: int) -> str:
        body = POSIX.get(name.removeprefix("^"))
        if body is None:
            raise self.error("unknown POSIX class name")
        self.at = end
        self.is_block_safe = self.is_block_safe and name not in WITH_LINE_END
        if name.startswith("^"):
            return f"[^{body}{chr(92) + 'n' if self.in_block else ''}]"
        return body

    def _class_character(self, char: str) -> str:
        if char != "\\":
            self.at += 1
            return char
        kind = self.text[self.at + 1 : self.at + 2]
        if kind == "b":
            self.at += 2
            return "\b"
        if kind in _OCTAL:
            return self._coded()
        if kind in ("8", "9"):  # no octal digits: themselves, as in PCRE2
            self.at += 2
            return kind
        return self._character()

    def _range(self, low: str) -> str:
        text = self.text
        following = text[self.at + 1 : self.at + 2]
        is_range = text[self.at : self.at + 1] == "-" and following not in ("]", "")
        if not is_range or text.startswith(("\\d", "\\w", "\\s", "[:"), self.at + 1):
            return "" if low == "\n" and self.in_block else _quoted(low)
        self.at += 1
        high = self._class_character(text[self.at])
        if high < low:
            raise self.error("range out of order in character class")
        self.is_block_safe = self.is_block_safe and not low <= "\n" <= high
        return f"{_quoted(low)}-{_quoted(high)}"

    _STEPS: ClassVar[dict[str, Callable[[_Translator], None]]] = {
        "\\": _escape,
        "[": _class,
        "(": _open,
        ")": _close,
        "|": _bar,
        ".": _dot,
        "^": _anchor,
        "$": _anchor,
        "*": _quantifier,
        "+": _quantifier,
        "?": _quantifier,
        "{": _quantifier,
    }
    _SPECIAL: ClassVar[dict[str, Callable[[_Translator, str], None]]] = {
        "b": _boundary,
        "B": _boundary,
        "A": _edge,
        "Z": _edge,
        "z": _edge,
        "K": _keep,
        "N": _no_line_end,
        "R": _line_break,
        "V": _not_vertical,
        "X": _cluster,
        "p": _property,
        "P": _property,
        "g": _named,
        "k": _named,
        "C": _refused,
        "G": _refused,
    }


_ANY_BREAK = r"(?>\r\n|[\n\x0b\f\r\x85\u2028\u2029])"


def quantifier_end(text: str, at: int) -> int | None:
    """The end of a `{n}`, `{n,}` or `{n,m}` at `at`; any other brace is a literal."""
    end = text.find("}", at)
    low, comma, high = text[at + 1 : end].partition(",") if end > 0 else ("", "", "")
    is_count = low.isdecimal() and (not high or high.isdecimal()) and (bool(comma) or not high)
    return end + 1 if is_count else None


def _quoted(char: str) -> str:
    if char.isalnum() or not char.isascii() or char == "_":
        return char
    return f"\\x{ord(char):02x}"
