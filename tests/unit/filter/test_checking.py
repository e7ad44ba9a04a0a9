"""Checking recipes: every finding has a recipe that gives it, and one like it that must not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from couriermail.filter import Finding, Severity, check_recipe
from couriermail.filter.findings import CODES
from couriermail.maildir import Maildir

WRONG = [
    ("syntax", 'to "x', 1, 4),
    ("syntax", 'if ($X)\n{\necho "a"\n', 4, 1),
    ("bad-pattern", "/ab(c/\n", 1, 6),
    ("bad-pattern", "/[[:nope:]]/\n", 1, 3),
    ("bad-pattern", '/(*VERB)x/\nto "x"', 1, 2),
    ("unclosed-variable", 'echo "a ${HOME"\n', 1, 6),
    ("unclosed-variable", "if (/^x${/)\n  exit\n", 1, 5),
    ("unknown-variable", 'echo "it is $NOPE"\n', 1, 13),
    ("unknown-variable", "if (/^From: ${WRITER}/)\n  to x\n", 1, 13),
    ("unknown-group", '/^(a)(b)/\necho "$MATCH3"\n', 2, 7),
    ("literal-name", "$X=3\n", 1, 1),
    ("unreachable", 'to "x"\n\necho "y"\n', 3, 1),
    ("unreachable", "if ($SIZE > 1)\n{\nexit\necho x\n}\n", 4, 1),
    ("unreachable", "if ($SIZE)\n  exit\nelse\n{\n  to x\n}\necho y\n", 7, 1),
    ("unreachable", "while (1)\n{\n  if ($SIZE)\n    exit\n}\necho y\n", 6, 1),
    ("unreachable", 'flock "l" {\n  to x\n}\necho y\n', 4, 1),
    ("constant-condition", "if (1 + 1 == 3)\n  to x\n", 1, 11),
    ("constant-condition", 'if (X="a")\n  to x\n', 1, 5),
    ("constant-condition", "if ($SIZE)\n  to a\nelsif (0 && $SIZE)\n  to b\n", 3, 10),
    ("endless-loop", "while (1)\n  echo x\n", 1, 1),
    ("empty-body", "if (/^From:/)\n\n  to x\n", 1, 1),
    ("empty-body", "foreach /a/\n# comment\n  cc x\n", 1, 1),
    ("empty-body", "if ($SIZE)\n  cc x\nelse\n\n  cc y\n", 4, 1),
    ("no-effect", 'delvier "x"\n', 1, 1),
    ("no-effect", "$SIZE > 5\n", 1, 1),
    ("no-effect", "/a/:5\n", 1, 1),
    ("numeric-comparison", 'if ("$FROM" == "bob")\n  to x\n', 1, 16),
    ("numeric-comparison", 'if (spam != "$FROM")\n  to x\n', 1, 5),
    ("word-arithmetic", "if ($SIZE-10 > 5)\n  to x\n", 1, 5),
    ("word-arithmetic", "N=3\nN=$N-1\n", 2, 3),
    ("cannot-match", "/abc^def/\n", 1, 1),
    ("cannot-match", "/a$(b)/\n", 1, 1),
    ("cannot-match", "/a+^|b$./\n", 1, 1),
    ("cannot-match", "/(?!foo)foobar/\n", 1, 1),
    ("cannot-match", "/(?=x)yz/\n", 1, 1),
    ("cannot-match", r"/From: a\nTo: b/" + "\n", 1, 1),
    ("cannot-match", "/^(?<=a)b/\n", 1, 1),
    ("header-cannot-match", "/^Subject:urgent/\n", 1, 1),
    ("header-cannot-match", "/^Subject:$/\n", 1, 1),
    ("header-cannot-match", r"/^Subject:\t+x/" + "\n", 1, 1),
    ("header-cannot-match", "/^Subject : x/\n", 1, 1),
    ("unknown-option", "/a/:i\n", 1, 1),
    ("unknown-option", "/a/:h,\n", 1, 1),
]  # fmt: skip


def found(recipe: str) -> list[Finding]:
    return check_recipe(recipe, name="r", home="/nowhere")


@pytest.mark.parametrize(("code", "recipe", "line", "column"), WRONG)
def test_a_mistake_is_found_where_it_is(code: str, recipe: str, line: int, column: int) -> None:
    assert (code, line, column) in [(one.code, one.line, one.column) for one in found(recipe)]


RIGHT = [
    'if (/^From: *.*bob@/)\n{\n  to "x"\n}\nto "y"\n',
    "/^(a)(b)/\necho \"$MATCH2 $MATCH\"\n",
    '/^$PAT(a)/\necho "$MATCH4"\nPAT=x\n',
    'X=lookup("a","f")\necho "$MATCH2"\n',
    "import SENDER\nif ($SENDER eq \"a\")\n  exit\n",
    'import "$HOME"\necho "$NAME"\n',
    "include \"$HOME/other\"\n",
    'exception {\n  to "x"\n}\nto "y"\n',
    'exception {\n  include "none"\n}\n',
    "if ($SIZE)\n  exit\necho y\n",
    "if ($SIZE)\n  exit\nelsif ($LINES)\n  exit\necho y\n",
    "if (X=lookup(\"a\",\"f\"))\n  exit\n",
    "while (1)\n{\n  if ($SIZE)\n    exit\n}\n",
    "if ($SIZE)\n{\n}\nelse\n{\n}\n",
    "if ($SIZE)\n;\necho y\n",
    "`run this`\n",
    'if ("$SIZE" == "0")\n  exit\nif ("$X" eq "bob")\n  exit\nX=1\n',
    'to "$HOME/mail-2024"\n',
    "X=$HOME-1\n",
    "N=\"$N-1\"\n",
    "/x*^a/\n", "/(^|,)a$/\n", "/a(b|$)/\n", "/^a|b$|c/\n", "/(a|^)*^/\n", "/a$(?<=a)/\n", "/(?=fo)foo/\n",
    "/(?!foo)fox/\n", "/(?i)(?!Foo)foo/\n", r"/\Qa^b\E/" + "\n", r"/a\^b/" + "\n", "/[a^]b[$]c/\n",
    'if ("$FROM" =~ /a\\nb/)\n  exit\n', 'if ("$FROM" =~ /a$\\n/)\n  exit\n', "/a(?#^)b/\n", "/(?<n>a)$/\n",
    "/^Subject: x/\n", "/^Subject:/\n", "/^Subject: *x/\n", "/^Subject:.*x/\n", "/^Subject:( |x)/\n",
    "/^Subject:x/:b\n", "/^Subject:x/:hb\n", "/^(Subject:x|y)/\n", "X=(/a^b/:hb,5)\nMAILDROP_OLD_REGEXP=1\n",
    "X=(/a/:Dhb,5,0.5)\n", "X=(/a/:h,5)\n", "/a/:w\n", "X=(/a/:-1.5)\n",
    'gdbmopen("f")\n', 'X=1\necho "${X}"\n', "echo '${NOPE $NO'\n", "echo $1 $12\n",
]  # fmt: skip


@pytest.mark.parametrize("recipe", RIGHT)
def test_what_is_right_gives_no_findings(recipe: str) -> None:
    allowed = {"missing-include"} if '"$HOME' in recipe else set()
    assert {one.code for one in found(recipe)} <= allowed


def test_every_code_has_a_mistake_in_the_table_or_a_test_of_its_own() -> None:
    tested_below = {"missing-include", "missing-mailbox"}
    assert {code for code, *_ in WRONG} | tested_below == set(CODES)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("echo $DEFUALT\n", "$DEFAULT"), ("echo $from\n", "$FROM"), ('ehco "x"\n', '"echo"')],
)
def test_words_that_are_nearly_right_are_suggested(text: str, hint: str) -> None:
    (only,) = found(text)
    assert f"did you mean {hint}?" in only.message


def test_a_finding_shows_its_line_with_a_caret_below_the_place() -> None:
    (only,) = found('X=1\n\tif ("$X" =~ /a^b/)   # ü\n\texit\n')
    assert only.render().splitlines() == [
        "r:2:14: warning: this never matches: something stands before ^, which is the start "
        "[cannot-match]",
        '    if ("$X" =~ /a^b/)   # ü',
        "                ^",
    ]
    assert only.severity is Severity.WARNING


def test_nothing_of_a_recipe_can_steer_the_terminal() -> None:
    shown = "".join(
        one.render() for one in check_recipe(b'echo "\x1b[2J\xff\xe2\x80\xae$NOPE"\n', name="r\x1b")
    )
    assert "\\x1b[2J\\xff\\u202e$NOPE" in shown
    assert all(char.isprintable() or char == "\n" for char in shown)


def test_json_has_stable_keys() -> None:
    (only,) = found("/a/:q\n")
    assert only.as_json() == {
        "file": "r",
        "line": 1,
        "column": 1,
        "severity": "warning",
        "code": "unknown-option",
        "message": '"q" means nothing behind a pattern; options are h, H, b, w and D',
        "excerpt": "/a/:q",
    }


def test_included_files_are_checked_and_their_variables_known(tmp_path: Path) -> None:
    (tmp_path / "one").write_text('ONE=1\ninclude "two"\n/a^b/\n')
    (tmp_path / "two").write_text('include "one"\necho "$MAIN $TOW"\nTWO=2\n')
    found = check_recipe('MAIN=1\ninclude "one"\necho "$ONE$TWO"\n', name="r", home=tmp_path)
    assert [(one.name, one.line, one.code) for one in found] == [
        ("one", 3, "cannot-match"),
        ("two", 2, "unknown-variable"),
    ]


def test_an_included_file_that_is_missing_is_an_error_outside_of_exception(tmp_path: Path) -> None:
    text = 'include "none"\nexception {\n  include "none2"\n}\necho "$FROM_THERE"\n'
    (only,) = check_recipe(text, name="r", home=tmp_path)
    assert (only.code, only.severity, only.line) == ("missing-include", Severity.ERROR, 1)


def test_without_a_home_nothing_is_read() -> None:
    assert check_recipe('include "/etc/passwd"\necho "$X"\n', name="r") == []


@pytest.mark.parametrize(
    ("place", "is_missing"),
    [
        ("box", False), ("./box/", False), ("box/.Sub", True), ("Maildir", True), ("mbox", False),
        ("none/mbox", True), ("none/", True), ("plain", True), ("|cat", False), ("! a@b", False), ("$HOME/box", False),
    ],
)  # fmt: skip
def test_missing_mailboxes_are_reported_on_request(
    tmp_path: Path, place: str, *, is_missing: bool
) -> None:
    Maildir.create(tmp_path / "box")
    (tmp_path / "plain").mkdir()
    text = f'to "{place}"\n'
    variables = {"HOME": str(tmp_path)}
    asked = check_recipe(text, name="r", home=tmp_path, variables=variables, checks_mailboxes=True)
    assert [one.code for one in asked] == ["missing-mailbox"] * is_missing
    assert check_recipe(text, name="r", home=tmp_path) == []


def test_an_embedded_recipe_may_not_deliver() -> None:
    (only,) = check_recipe('to "x"\n', name="r", embedded=True)
    assert only.code == "syntax"
    assert "embedded" in only.message


@pytest.mark.parametrize(
    "text",
    [
        b"(" * 5000,
        b"{\n" * 5000,
        b"\0\xff\xfe" * 1000,
        b"/" + b"(" * 150 + b")" * 150 + b"/\n",
        b"X=1" + b"+1" * 20000 + b"\n",
        b"if ($A)\n exit\n" + b"elsif ($A)\n exit\n" * 3000,
        b"X=$A && " + b"$A && " * 3000 + b"1\n",
    ],
    ids=["parentheses", "braces", "binary", "groups", "sum", "elsif", "logical"],
)
def test_hostile_recipes_are_checked_without_an_exception(text: bytes) -> None:
    started = time.process_time()
    check_recipe(text, name="r")
    assert time.process_time() - started < 5


@pytest.mark.slow
def test_a_recipe_of_a_megabyte_is_checked_in_seconds() -> None:
    lines = b"".join(b'if (/^(X%d|a+b): *(c|d)/)\n{\n  cc "box"\n}\n' % n for n in range(22000))
    assert len(lines) > 1_000_000 * 0.8
    started = time.process_time()
    assert check_recipe(lines, name="r") == []
    assert time.process_time() - started < 20
