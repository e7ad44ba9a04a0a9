r"""Mail filter rules that a person fills into a form (spec maildir 4.13).

    FilterRule(name="lists", kind=RuleKind.CONTAINS, header="List-Id", value="example",
               plain=True, folder="INBOX.Lists")

A rule is a condition on a message and what to do with one that meets it.  `check` refuses
whatever could mean something else in the maildrop recipe that `filterrecipe` makes of it.
"""

from __future__ import annotations

import re
import warnings
from enum import Enum, IntEnum

import attrs

from couriermail.maildir.autoresponses import check_autoresponse_name
from couriermail.maildir.errors import InvalidNameError, MaildirError
from couriermail.maildir.folders import INBOX, short_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FilterRule", "RuleError", "RuleKind", "RuleProblem", "check_rules"]

_TEXT_MAX = 200  # octets of a name, header, value or destination
_NOT_IN_NAMES = frozenset("'\"`")
_NOT_IN_HEADERS = frozenset(":'\"\\/`")
_NOT_IN_PATTERNS = frozenset("/$!'\"`")
_NOT_IN_CLASSES = frozenset("'\"`")
_NOT_IN_DESTINATIONS = frozenset("'\"$\\;(){}#&<>~`")
_NOT_IN_COMMANDS = frozenset('"$\\`')
_NOT_IN_RECIPIENTS = frozenset("()[\\")
_POSIX_CLASS = re.compile(r"\[:\^?[a-z]+:\]")


class RuleProblem(IntEnum):
    """What is wrong with a rule; the numbers are those that Courier's web server shows."""

    NAME = 1
    KIND = 2
    HEADER = 3
    VALUE = 4
    DESTINATION = 5
    SENDER = 6
    DUPLICATE = 7


class RuleError(MaildirError):
    """A rule that must not become part of a recipe.

    Attributes:
        problem: which part is wrong.
    """

    is_temporary = False
    reply_code = 550
    enhanced_code = "5.2.0"
    exit_code = 65  # EX_DATAERR

    def __init__(self, message: str, problem: RuleProblem) -> None:
        super().__init__(message)
        self.problem = problem

    @property
    def code(self) -> int:
        """The problem's number, 1 to 7."""
        return int(self.problem)


class RuleKind(Enum):
    """What a rule looks at; the values are the words in the rule file."""

    STARTS_WITH = "startswith"
    ENDS_WITH = "endswith"
    CONTAINS = "contains"
    HAS_RECIPIENT = "hasrecipient"
    MIME_MULTIPART = "mimemultipart"
    TEXT_PLAIN = "textplain"
    LARGER_THAN = "islargerthan"
    ANY_MESSAGE = "anymessage"

    @classmethod
    def from_word(cls, word: str) -> RuleKind:
        """The kind that a form or a rule file names, in any case.

        Raises:
            RuleError: there is no such kind.
        """
        try:
            return cls(word.strip().lower())
        except ValueError:
            raise RuleError(f"not a kind of rule: {word!r}", RuleProblem.KIND) from None


TEXT_KINDS = frozenset({RuleKind.STARTS_WITH, RuleKind.ENDS_WITH, RuleKind.CONTAINS})
_VALUELESS = frozenset({RuleKind.MIME_MULTIPART, RuleKind.TEXT_PLAIN, RuleKind.ANY_MESSAGE})


@attrs.frozen(kw_only=True)
class FilterRule:
    """One rule.  Nothing is checked until `check` is called.

    Attributes:
        name: what the person calls it.
        folder: where a matching message goes: `INBOX.x`, `!ADDRESS...` to forward it, `*TEXT`
            to refuse it, `+NAME [dsn=1] [noquote] [days=N]` to send an autoresponse, `exit` to
            drop it.
        kind: what the rule looks at.
        header: name of the header field, for the three kinds that look for text.
        value: a pattern, an address or a number of octets.
        sender: the `From:` header of an autoresponse; empty for the recipient's address.
        plain: the value is a text, not a pattern.
        negated: the rule applies to messages that do not match.
        body: look at the body instead of the header.
        proceed: go on with the next rule after delivering.
    """

    name: str
    folder: str
    kind: RuleKind = RuleKind.CONTAINS
    header: str = ""
    value: str = ""
    sender: str = ""
    plain: bool = False
    negated: bool = False
    body: bool = False
    proceed: bool = False

    def check(self) -> None:
        """Accept a rule that may become part of a recipe.

        Raises:
            RuleError: the first problem, in the order in which Courier looks for them.
        """
        if not self.name or not _is_text(self.name, _NOT_IN_NAMES):
            raise RuleError(f"not the name of a rule: {self.name!r}", RuleProblem.NAME)
        if not _is_header(self):
            raise RuleError(f"not the name of a header: {self.header!r}", RuleProblem.HEADER)
        if not _is_value(self):
            raise RuleError(f"not a value to look for: {self.value!r}", RuleProblem.VALUE)
        if not _is_text(self.sender.lstrip(" \t"), limit=None):
            raise RuleError(f"not a From: header: {self.sender!r}", RuleProblem.SENDER)
        if not _is_destination(self.folder):
            raise RuleError(f"not a destination: {self.folder!r}", RuleProblem.DESTINATION)


def check_rules(rules: Iterable[FilterRule]) -> None:
    """Accept rules that may stand together in one recipe.

    Raises:
        RuleError: a rule has a problem, or the name of an earlier one.
    """
    names: set[str] = set()
    for rule in rules:
        if rule.name in names:
            raise RuleError(f"two rules are called {rule.name!r}", RuleProblem.DUPLICATE)
        names.add(rule.name)
        rule.check()


def _is_text(
    text: str, forbidden: frozenset[str] = frozenset(), *, limit: int | None = _TEXT_MAX
) -> bool:
    if any(char < " " or char == "\x7f" or char in forbidden for char in text):
        return False
    try:
        return limit is None or len(text.encode()) <= limit
    except UnicodeEncodeError:
        return False


def _is_header(rule: FilterRule) -> bool:
    if not _is_text(rule.header, _NOT_IN_HEADERS) or " " in rule.header:
        return False
    needs_one = rule.kind in TEXT_KINDS and not rule.body
    return _compiles(rule.header) if rule.header else not needs_one


def _is_value(rule: FilterRule) -> bool:
    value = rule.value
    if not _is_text(value):
        return False
    if rule.kind in _VALUELESS:
        return True
    if rule.kind is RuleKind.LARGER_THAN:
        return value.isascii() and value.isdecimal()
    if rule.kind is RuleKind.HAS_RECIPIENT:
        return bool(value) and not _NOT_IN_RECIPIENTS.intersection(value) and _is_pattern(value)
    return bool(value) and (rule.plain or (_is_pattern(value) and _compiles(value)))


def _is_pattern(value: str) -> bool:
    """True when nothing in a pattern ends it early or means something to maildrop.

    Courier: takes an empty group for a mistake, as most of them are.
    """
    at = 0
    while at < len(value):
        char = value[at]
        if char == "\\":
            at += 1
        elif char == "[":
            at = _end_of_class(value, at)
            if at < 0:
                return False
        elif char in _NOT_IN_PATTERNS or value.startswith("()", at):
            return False
        at += 1
    return True


def _end_of_class(value: str, start: int) -> int:
    """Where the `]` of a character class is; -1 when it does not close as it should."""
    at = start + 1
    if value[at : at + 1] == "^":
        at += 1
    first = at
    while at < len(value):
        char = value[at]
        if char == "]" and at > first:
            return at
        if char in _NOT_IN_CLASSES:
            return -1
        if posix := _POSIX_CLASS.match(value, at):
            at = posix.end()
        else:
            at += 2 if char == "\\" else 1
    return -1


def _compiles(pattern: str) -> bool:
    """True when a pattern is a regular expression.

    Python's syntax is close to PCRE's; classes such as `[:alpha:]` are PCRE's alone.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `[[` and its like mean themselves, also in PCRE
            re.compile(_POSIX_CLASS.sub(r"\\w", pattern))
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _is_destination(folder: str) -> bool:
    if not folder or not _is_text(folder):
        return False
    if folder[0] in "!*":
        return bool(folder[1:].strip()) and not _NOT_IN_DESTINATIONS.intersection(folder)
    try:
        if folder[0] == "+":
            check_autoresponse_name((folder[1:].split() or [""])[0])
            return not _NOT_IN_COMMANDS.intersection(folder)
        short_name(folder)
        return folder == "exit" or folder.partition(".")[0] == INBOX
    except InvalidNameError:
        return False
