"""Recipes of maildrop 1.x rewritten for today's language: spec filter 4.10."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.filter import DecisionHost, FilterOutcome, compile_recipe, convert_old

MESSAGE = b"""Received: from a.example ([192.0.2.17]) by b
Subject: Hello World
X-Num: 5
X-Bang: a!b.c

first line
second line
"""


def new(recipe: str) -> str:
    conversion = convert_old(recipe.encode(), "old")
    assert not conversion.findings
    return conversion.text.decode()


def run(recipe: bytes, *, old: bool) -> FilterOutcome:
    env = {"MAILDROP_OLD_REGEXP": "1"} if old else {}
    return compile_recipe(recipe, name="r").run(MESSAGE, host=DecisionHost(), env=env)


def decided(recipe: bytes, *, old: bool) -> tuple[object, ...]:
    outcome = run(recipe, old=old)
    return (outcome.deliveries, outcome.exit_code, outcome.variable("R"), outcome.variable("S"))


@pytest.mark.parametrize(
    ("old", "converted"),
    [
        ("/(a|b)c/\n", "/(?:a|b)c/\n"),
        ("/[:alpha:]+/:D\n", "/[[:alpha:]]+/:D\n"),
        ("/^x: ![0-9]+/\nto $MATCH2\n", "/^x: ([0-9]+)/\nto $MATCH1\n"),
        ('/a|b!c!d/\nto "${MATCH3}/x$MATCH2"\n', '/(?:a|b)(c)(d)/\nto "${MATCH2}/x$MATCH1"\n'),
        ("/a!b/\nto $MATCH-$MATCH2\n", "/(a)(b)/\nto $MATCH1-$MATCH2\n"),
        ("/a!b/\n/c/\nto $MATCH\n", "/(a)(b)/\n/(c)/\nto $MATCH1\n"),
        ("/c/\nto $MATCH\n", "/c/\nto $MATCH\n"),
        ("/^second/:wb\n", "/^second/:b\n"),
        ("/^second/:w\n", "/^second/:hb\n"),
        ("/^second/:wD # w\n", "/^second/:hbD # w\n"),
        ("MAILDROP_OLD_REGEXP = 1\n\n/a/\n", "MAILDROP_OLD_REGEXP = 0\n\n/a/\n"),
        ("# /a!b/ $MATCH2\n\t echo 'x!y'  # (z)\n", "# /a!b/ $MATCH2\n\t echo 'x!y'  # (z)\n"),
        ('/a!b/\necho "\\\\$MATCH2 \\$HOME $MATCH3"\n', None),
    ],
)
def test_only_patterns_and_what_follows_from_them_change(old: str, converted: str | None) -> None:
    if converted is None:
        assert convert_old(old.encode(), "old").findings
    else:
        assert new(old) == converted


@pytest.mark.parametrize(
    ("recipe", "line", "column", "words"),
    [
        ("exit\n/a$HOME/\n", 2, 1, "a variable is put into the pattern"),
        ("/(a/\n", 1, 1, "the pattern is wrong"),
        ("/a(b!c)/\n", 1, 1, "the pattern is wrong"),
        (r"/a$\w/", 1, 1, "would contain a variable"),
        ("/World\\nX/:wh\n", 1, 1, "across lines"),
        ("/a[^b]c/:w\n", 1, 1, "across lines"),
        ("/a[:wbreak:]b/:w\n", 1, 1, "across lines"),
        ("/a[[:space:]]b/:w\n", 1, 1, "across lines"),
        ("/x*/:w\n", 1, 1, "the empty text"),
        ("/second/:w,3\n", 1, 1, "counted every match"),
        ("foreach /second/:w\n  exit\n", 1, 9, "no successor"),
        ('"x" =~ /x/:w\n', 1, 8, "no successor"),
        ("/a!b/\necho $MATCH1\n", 2, 6, "MATCH1 is not converted"),
        ("/a!b/\necho '$MATCH2'\n", 2, 6, "single quotes"),
        ("/a!b/\nMATCH2=1\n", 2, 1, "assignment"),
        ("/a!b/\nX=lookup($MATCH2, f)\n", 2, 3, "lookup"),
        ("/a!b/\nunset MATCH2\n", 2, 1, "unset"),
        ("include x\n", 1, 1, "included file"),
        ("MAILDROP_OLD_REGEXP=0\n", 1, 1, "today's"),
        ("MAILDROP_OLD_REGEXP=$X\n", 1, 1, "today's"),
        ("X=$MAILDROP_OLD_REGEXP\n", 1, 3, "depends on"),
        ("to\n", 1, 3, "Syntax error"),
    ],
)
def test_what_cannot_be_converted_is_told_with_its_place(
    recipe: str, line: int, column: int, words: str
) -> None:
    conversion = convert_old(recipe.encode(), "old")
    (finding,) = conversion.findings
    assert (finding.line, finding.column) == (line, column)
    assert words in finding.message
    assert finding.render() == f"old:{line}:{column}: {finding.message}"
    assert f"# {line}:{column}: {finding.message}\n".encode() in conversion.text


def test_the_comment_never_becomes_the_body_of_a_condition() -> None:
    recipe = b'exit\nif (/a/)\n  if (/b/)\n    to "$X/c"\n  else\n    /c$X/\n'
    conversion = convert_old(recipe, "old")
    assert conversion.text.startswith(b"exit\n# 6:5: not converted: ")
    assert conversion.text.endswith(recipe.removeprefix(b"exit\n"))
    inner = convert_old(b"if (/a/)\n{\n  exit\n  /c$X/\n}\n", "old")
    assert inner.text.startswith(b"if (/a/)\n{\n  exit\n# 4:3: ")


PATTERNS = [
    "/^Received:.*![0-9.]+/",
    r"/^Received:.*\[![0-9.]+/",
    "/^(sub|x)ject:/",
    "/^(sub|x)ject:! *!.*/",
    "/first|Hel!lo/",
    "/^second/:wb",
    "/^second/:w",
    "/line$/:wb",
    "/hello/:D",
    "/[:alpha:]+![:punct:]/:h,2",
    r"/a\!b\.!c/",
    r"/X-Num: \065/",
    "/Hello[:wbreak:]!World/",
    "/line/:b,1,2",
    '"aXbX" =~ /X!b/',
    '"a-b" =~ /a[:wbreak:]b/',
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("reads", ["$MATCH2:$MATCH3", "$MATCH:$MATCH2:$MATCH3"])
def test_the_new_recipe_decides_as_the_old_one(pattern: str, reads: str) -> None:
    recipe = f'R=({pattern})\nS="{reads}"\nif ($R)\n  to "x-$S"\nexit\n'.encode()
    conversion = convert_old(recipe, "old")
    assert not conversion.findings
    assert decided(conversion.text, old=False) == decided(recipe, old=True)


SIGNS = r"a l e .* . ! ( ) | [a-m] [^e] [:alpha:] [:wbreak:] + ? ^ $ \. \n \! \w Hello x [: ] { \12"
PIECES = st.sampled_from(SIGNS.split())
PATTERN = st.tuples(
    st.lists(PIECES, min_size=1, max_size=6).map("".join),
    st.sampled_from(["", ":D", ":b", ":hb", ":w", ":wb", ":wh", ":wD", ":b,1", ":1,2"]),
).map(lambda made: f"/{made[0]}/{made[1]}")


@settings(max_examples=300, deadline=None)
@given(st.lists(PATTERN, min_size=1, max_size=3), st.booleans())
def test_where_nothing_was_found_every_recipe_decides_as_before(
    patterns: list[str], reads_first: bool
) -> None:
    first = "$MATCH:" if reads_first else ""
    lines = [f'R=({one})\nS="$S;$R:{first}$MATCH2:$MATCH3"' for one in patterns]
    recipe = "\n".join([*lines, 'to "$S"', ""]).encode()
    conversion = convert_old(recipe, "old")
    if not conversion.findings:
        assert decided(conversion.text, old=False) == decided(recipe, old=True)
