r"""Mail filter rules as a maildrop recipe, and back (spec maildir 4.13).

The recipe holds each rule twice: as comments, from which it is read back, and as code.

    #MFMAILDROP=2
    FROM='bob@example.com'
    ##Op:contains
    ##Header:subject
    ##Value:offer
    ##Folder:.Junk
    ##From:
    ##Name:junk

    if ((/^subject:.*offer/))
    {
       to "./Maildir/.Junk/."
    }
"""

from __future__ import annotations

import re

import attrs

from couriermail.core.errors import ParseError
from couriermail.maildir.errors import InvalidNameError, MaildirError
from couriermail.maildir.filterrules import (
    TEXT_KINDS,
    FilterRule,
    RuleError,
    RuleKind,
    RuleProblem,
    check_rules,
)
from couriermail.maildir.folders import INBOX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["FilterRecipe", "ForeignRecipeError"]

_MAGIC = "#MFMAILDROP="
_VERSIONS = frozenset({f"{_MAGIC}1", f"{_MAGIC}2"})
_FLAGS = {"plainstring": "plain", "doesnot": "negated", "body": "body", "continue": "proceed"}
_FLAG_WORDS = {
    "plain": "PlainString",
    "negated": "DoesNot",
    "body": "Body",
    "proceed": "Continue",
}
_TEXTS = {"header": "header", "value": "value", "from": "sender"}
_ESCAPE = re.compile(r"\\(.)")
_DELIVERY = re.compile(r'to "([^|].*)/\."')
_AUTOREPLY = re.compile(r" *`(\S+) -A ")
_HEAD = f"""{_MAGIC}2
#
# Made from a form: what is changed by hand here is lost when the form is used again.

"""


class ForeignRecipeError(MaildirError, ParseError):
    """A recipe that was not made from rules, or whose rules cannot be read."""

    is_temporary = False
    exit_code = 65  # EX_DATAERR

    def __init__(self, message: str, *, path: str | None = None) -> None:
        ParseError.__init__(self, message)
        self.path = path
        self.errno = 0


@attrs.frozen(kw_only=True)
class FilterRecipe:
    """The rules of one mailbox.

    Attributes:
        maildir: the maildir as maildrop sees it, such as `./Maildir`.
        rules: the rules in the order in which they are tried.
        sender: the mailbox's own address.
        mailbot: the command that sends autoresponses.
    """

    maildir: str = "./Maildir"
    rules: tuple[FilterRule, ...] = ()
    sender: str = ""
    mailbot: str = "mailbot"

    @classmethod
    def parse(cls, text: str) -> FilterRecipe:
        """Read the rules of a recipe; they are not checked, as older programs allowed more.

        Raises:
            ForeignRecipeError: the first line is not that of a recipe made from rules, or a
                rule is of a kind that does not exist.
        """
        head, *lines = text.split("\n")
        if head.rstrip() not in _VERSIONS:
            raise ForeignRecipeError("not a recipe made from rules")
        return cls(
            maildir=_maildir_in(lines),
            rules=tuple(_rules_in(lines)),
            sender=_sender_in(lines),
            mailbot=_mailbot_in(lines),
        )

    def to_text(self) -> str:
        """The recipe.

        Raises:
            RuleError: a rule has a problem, or the mailbox's address.
            InvalidNameError: a maildir or mailbot that would end its place in the recipe.
        """
        check_rules(self.rules)
        if any(map(_is_control, self.sender)):
            raise RuleError(f"not an address: {self.sender!r}", RuleProblem.SENDER)
        for path in (self.maildir, self.mailbot):
            if not path or "`" in path or any(map(_is_control, path)):
                raise InvalidNameError(f"not a path for a recipe: {path!r}")
        parts = [_HEAD, f"FROM='{_quoted(self.sender)}'\n"]
        parts += (_rule_text(rule, self.maildir, self.mailbot) for rule in self.rules)
        return "".join((*parts, f'to "{_escaped(self.maildir)}/."\n'))

    def with_rules(self, rules: Sequence[FilterRule]) -> FilterRecipe:
        """The same recipe with other rules.

        Raises:
            RuleError: a rule has a problem.
        """
        check_rules(rules)
        return attrs.evolve(self, rules=tuple(rules))


def _is_control(char: str) -> bool:
    return char < " " or char == "\x7f"


def _condition(rule: FilterRule) -> str:
    """What stands between the outer parentheses of `if`."""
    test = f"({_test(rule)})"
    return f"!{test}" if rule.negated else test


def _test(rule: FilterRule) -> str:
    if rule.kind in TEXT_KINDS:
        return _text_test(rule)
    return {
        RuleKind.HAS_RECIPIENT: f'hasaddr("{rule.value}")',
        RuleKind.MIME_MULTIPART: r"/^Content-Type: *multipart\/mixed/",
        RuleKind.TEXT_PLAIN: r" (! /^Content-Type:/) || /^Content-Type: *text\/plain$/ "
        r"|| /^Content-Type: *text\/plain;/",
        RuleKind.LARGER_THAN: f"$SIZE > {rule.value}",
        RuleKind.ANY_MESSAGE: "1",
    }[rule.kind]


def _text_test(rule: FilterRule) -> str:
    pattern = _literal(rule.value) if rule.plain else rule.value
    if pattern.startswith(" "):
        pattern = f"\\{pattern}"
    start = rule.kind is RuleKind.STARTS_WITH
    end = "$" if rule.kind is RuleKind.ENDS_WITH else ""
    if rule.body:
        return f"/{'^' if start else ''}{pattern}{end}/:b"
    return f"/^{rule.header}:{' *' if start else '.*'}{pattern}{end}/"


def _literal(text: str) -> str:
    """A pattern that matches this text only."""
    return "".join(f"\\{char}" if char.isascii() and not char.isalnum() else char for char in text)


def _rule_text(rule: FilterRule, maildir: str, mailbot: str) -> str:
    lines = [
        f"##Op:{rule.kind.value}",
        f"##Header:{rule.header}",
        f"##Value:{rule.value}",
        f"##Folder:{_stored_folder(rule.folder)}",
        f"##From:{rule.sender.lstrip()}",
        *(f"##{word}" for field, word in _FLAG_WORDS.items() if getattr(rule, field)),
        f"##Name:{rule.name}",
        "",
        "",
        f"if ({_condition(rule)})",
        "{",
        *_actions(rule, maildir, mailbot),
        "}",
        "",
    ]
    return "\n".join(lines) + "\n"


def _actions(rule: FilterRule, maildir: str, mailbot: str) -> list[str]:
    deliver = "cc" if rule.proceed else "to"
    folder = rule.folder
    if folder == "exit":
        return ["    exit"]
    match folder[0]:
        case "!":
            return [f"""    {deliver} "| $SENDMAIL -f " '""' " {folder[1:].strip()}\""""]
        case "*":
            return [f'    echo "{folder[1:]}"', "    EXITCODE=77", "    exit"]
        case "+":
            return _autoreply(rule, maildir, mailbot)
        case _:
            return [f'   {deliver} "{_escaped(maildir + _below(folder))}/."']


def _autoreply(rule: FilterRule, maildir: str, mailbot: str) -> list[str]:
    name, *options = rule.folder[1:].split()
    store = _escaped(f"{maildir}/autoresponses/{name}")
    days = next((word[5:] for word in options if word.startswith("days=")), "")
    words = [mailbot, '-A "X-Sender: $FROM"', '-A "From: $AUTOREPLYFROM"']
    if "dsn=1" in options:
        words.append('-M "$FROM"')
    words.append(f'-m "{store}"')
    if "noquote" in options:
        words.append("-N")
    if days.isascii() and days.isdecimal() and int(days[:9]):
        words.append(f'-d "{store}.dat" -D {int(days[:9])}')
    words.append('$SENDMAIL -t -f ""')
    sender = rule.sender.lstrip()
    return [
        f"    AUTOREPLYFROM='{_quoted(sender)}'" if sender else '    AUTOREPLYFROM="$FROM"',
        f"   `{' '.join(words)}`",
        "    if ($RETURNCODE != 0)",
        "    {",
        "     EXITCODE=$RETURNCODE",
        "     exit",
        "    }",
    ]


def _below(folder: str) -> str:
    """`/.x.y` for `INBOX.x.y`, nothing for `INBOX`."""
    rest = folder[len(INBOX) :]
    return f"/{rest}" if rest else ""


def _stored_folder(folder: str) -> str:
    if folder.startswith(INBOX):
        return folder[len(INBOX) :] or "."
    return folder


def _shown_folder(stored: str) -> str:
    if stored == ".":
        return INBOX
    return f"{INBOX}{stored}" if stored.startswith(".") else stored


def _quoted(text: str) -> str:
    """Text between single quotes."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _escaped(text: str) -> str:
    """Text between double quotes that means only itself to maildrop."""
    return "".join(f"\\{char}" if char in '"$`\\' else char for char in text)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)


def _rules_in(lines: Sequence[str]) -> Iterator[FilterRule]:
    fields: dict[str, str] = {}
    flags: dict[str, bool] = {}
    for line in lines:
        if not line.startswith("##"):
            continue
        keyword, _, value = line[2:].partition(":")
        word, value = keyword.strip().lower(), value.lstrip(" \t").rstrip("\r")
        if word in _FLAGS:
            flags[_FLAGS[word]] = True
        elif word == "name":
            yield _finished_rule(value, fields, flags)
            fields, flags = {}, {}
        else:
            fields[word] = value


def _finished_rule(name: str, fields: dict[str, str], flags: dict[str, bool]) -> FilterRule:
    try:
        kind = RuleKind.from_word(fields.get("op", RuleKind.CONTAINS.value))
    except RuleError as error:
        raise ForeignRecipeError(f"rule {name!r}: {error}") from None
    return FilterRule(
        name=name,
        folder=_shown_folder(fields.get("folder", "")),
        kind=kind,
        header=fields.get("header", ""),
        value=fields.get("value", ""),
        sender=fields.get("from", ""),
        plain=flags.get("plain", False),
        negated=flags.get("negated", False),
        body=flags.get("body", False),
        proceed=flags.get("proceed", False),
    )


def _sender_in(lines: Sequence[str]) -> str:
    for line in lines:
        if line.startswith("FROM='"):
            return _unescaped(line[6:].rstrip().removesuffix("'"))
    return ""


def _mailbot_in(lines: Sequence[str]) -> str:
    found = next(filter(None, map(_AUTOREPLY.match, lines)), None)
    return found[1] if found else FilterRecipe().mailbot


def _maildir_in(lines: Sequence[str]) -> str:
    """The path in the last delivery, which is that of mail to which no rule applied."""
    for line in reversed(lines):
        found = _DELIVERY.fullmatch(line.strip())
        if found:
            return _unescaped(found[1])
    return FilterRecipe().maildir
