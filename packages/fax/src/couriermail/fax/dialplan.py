"""The dial plan `faxrc`: rewrite numbers, and say who may dial which (spec fax 4).

    line     = "rw" flags pattern [ replacement ]
             / ( "accept" / "reject" ) flags pattern source
    flags    = *( "^" / "*" )       ; "^" the pattern matches a prefix; "*" repeat (rw only)
    source   = "local" / "esmtp" / "uucp" / "dsn"

From the first `#` on a line is comment; fields are separated by blanks.  In a pattern `n` is
a digit, `.` anything, `~` the `#` key, `-` a pause, `+` waiting for silence; `( )` makes group
1, 2, ...  With `^`, what follows the pattern is group 9.  `$1` in a replacement is a group.

Matching is by fixed length, so it cannot be slow whatever the pattern.
"""

from __future__ import annotations

import logging

import attrs

from couriermail.fax.address import MAX_DIAL_CHARACTERS
from couriermail.fax.errors import DialPlanError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DialPlan", "DialRule", "parse_dial_plan"]

MAX_REPEATS = 91  # spec fax 4.3
_MAX_GROUPS = 8
_REST = "9"
_KEYWORDS = ("rw", "accept", "reject")
_PATTERN_SIGNS = str.maketrans({"-": ",", "+": "@"})  # Courier: documented, but never matched

_log = logging.getLogger("couriermail.fax")


@attrs.frozen(kw_only=True)
class DialRule:
    """One line of the dial plan.

    Attributes:
        keyword: `rw`, `accept` or `reject`.
        pattern: what the number must look like.
        argument: the replacement, or the source; "" where it is missing.
        is_prefix: the pattern need not cover the whole number.
        repeats: a `rw` is applied as long as it matches.
    """

    keyword: str
    pattern: str
    argument: str = ""
    is_prefix: bool = False
    repeats: bool = False

    def match(self, number: str) -> dict[str, str] | None:
        """The groups `1` to `9` of a match, or None when the pattern does not match."""
        groups: dict[str, str] = {}
        position, opened, start = 0, 0, -1
        for sign in self.pattern.translate(_PATTERN_SIGNS):
            if sign == "(":
                if start >= 0:
                    return None  # a nested group never matches
                opened, start = opened + 1, position
            elif sign == ")" and start >= 0:
                if opened <= _MAX_GROUPS:
                    groups[str(opened)] = number[start:position]
                start = -1
            elif position < len(number) and _sign_matches(sign, number[position]):
                position += 1
            else:
                return None
        if not self.is_prefix:
            return groups if position == len(number) else None
        groups[_REST] = number[position:]
        return groups

    def rewrite(self, number: str) -> str:
        """The number after this `rw` rule."""
        for _ in range(MAX_REPEATS if self.repeats else 1):
            groups = self.match(number)
            if groups is None:
                break
            number = _checked(_replaced(self.argument, groups))
        return number


@attrs.frozen
class DialPlan:
    """The rules of a dial plan; an empty one accepts nothing.

    Attributes:
        rules: the lines, in order.
    """

    rules: tuple[DialRule, ...] = ()

    def dial(self, number: str, source: str | None) -> str:
        """Rewrite a number and ask whether `source` may dial it.

        Args:
            number: the dial string of a `FaxAddress`.
            source: the submission module, or None where nothing is submitted (an address
                check): rewriting applies, permission is not asked for.

        Returns:
            The string to dial.

        Raises:
            DialPlanError: refused, empty, or longer than 80 characters at any step.
        """
        number = _checked(number).replace("#", "~")
        is_accepted = source is None
        for rule in self.rules:
            if rule.keyword == "rw":
                number = rule.rewrite(number)
            elif source is not None and rule.argument == source and rule.match(number) is not None:
                if rule.keyword == "reject":
                    raise DialPlanError("the dial plan rejects this number")
                is_accepted = True  # later rewriting does not undo it
        if not is_accepted or not number:
            raise DialPlanError("the dial plan does not accept this number")
        return number.replace("~", "#")


def parse_dial_plan(text: str) -> DialPlan:
    """Read a `faxrc`; lines that say nothing usable are left out, unknown keywords logged."""
    return DialPlan(tuple(_rules(text.split("\n"))))


def _rules(lines: Iterable[str]) -> Iterable[DialRule]:
    unknown: set[str] = set()
    for line in lines:
        fields = line.partition("#")[0].split()
        if not fields or fields[0].startswith("webadmin-"):  # settings of the web interface
            continue
        keyword = fields[0].rstrip("^*")
        if keyword not in _KEYWORDS:
            unknown.add(keyword)
        elif len(fields) > 2 or (len(fields) == 2 and keyword == "rw"):
            flags = fields[0][len(keyword) :]
            yield DialRule(
                keyword=keyword,
                pattern=fields[1],
                argument=fields[2] if len(fields) > 2 else "",
                is_prefix="^" in flags,
                repeats="*" in flags,
            )
    if unknown:
        _log.warning("dial plan: unknown keywords are ignored: %s", ", ".join(sorted(unknown)))


def _sign_matches(sign: str, character: str) -> bool:
    if sign in "nN":
        return character in "0123456789"
    return sign in (".", character) or sign.lower() == character.lower()


def _replaced(replacement: str, groups: dict[str, str]) -> str:
    first, *others = replacement.split("$")
    # `$` takes the character after it along, whether it names a group or not.
    return first + "".join(groups.get(part[:1], "") + part[1:] for part in others)


def _checked(number: str) -> str:
    if len(number) > MAX_DIAL_CHARACTERS:
        raise DialPlanError(f"number grows beyond {MAX_DIAL_CHARACTERS} characters")
    return number
