"""What patterns see and say: the pinned cases of spec filter 6.4, by their numbers."""

from __future__ import annotations

import pytest

from couriermail.filter import (
    DecisionHost,
    FilterOutcome,
    RecipeRuntimeError,
    RecipeSyntaxError,
    RunLimits,
    compile_recipe,
)

MESSAGE = b"""From: Alice <alice@example.com>
To: Bob <bob@example.com>, carol@example.net
Cc: dave@example.org
Subject: Hello World
 second line
Message-ID: <1@x>
X-Num: 5

body line one
body line two
From me
"""

MULTIPART = b"""Subject: mixed
Mime-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

preamble
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable
X-Part: =?iso-8859-1?q?t=E9st?=

b=F6dy soft=
wrap
last
--b
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64

TESTBINARYTESTBINARY
--b--
epilogue
"""


def run(recipe: str, message: bytes = MESSAGE, host: DecisionHost | None = None) -> FilterOutcome:
    compiled = compile_recipe(recipe + "\nexit\n", name="r")
    return compiled.run(message, host=host or DecisionHost())


def value(pattern: str, message: bytes = MESSAGE) -> str:
    return run(f"R=({pattern})", message).variable("R")


CASES = [
    ("98", "/^subject: *(.*)/", "1"),
    ("99a", "/^ second/", "0"),
    ("99b", r"/World\s+second/", "1"),
    ("100a", "/body/", "0"),
    ("100b", "/body/:b", "1"),
    ("100c", "/body/:hb", "1"),
    ("100d", "/body/:h", "0"),
    ("101a", "/body/:b,1", "2"),
    ("101b", "/body/:b,10,0.5", "15"),
    ("101c", "/o/:b,1,1", "3"),
    ("102a", "/./:b,1", "3"),
    ("102b", "/./:h,1", "6"),
    ("102c", "/./:hb,1", "9"),
    ("102d", "/./:w,1", "9"),
    ("103", "/^$/", "1"),
    ("104", "/^From/:h,1", "1"),
    ("105a", "/x-NUM/:D", "0"),
    ("105b", "/Hello/:D", "1"),
    ("105c", "/(?i)HELLO/:D", "1"),
    ("106", "/(zzz)?From/", "1"),
    ("110b", r'"a/b" =~ /a[\/]b/', "1"),
    ("111a", "//", "1"),
    ("111b", "/[ ]second/", "1"),
    ("112", "/^From/", "1"),
    ("113", "/^(to|cc):/:h,5 + /body/:b,2", "14"),
    ("114a", "/^From/:h+1", "1"),
    ("114b", "/^From/:h + 1", "2"),
    ("116a", '"É" =~ /^é$/', "1"),
    ("116b", r'"É" =~ /^\w$/', "0"),
    ("116c", '"É" =~ /^.$/', "1"),
    ("128a", '"' + "a" * 40 + '!" =~ /^(a+)+$/', "0"),
    ("no-class-1", '"a]" =~ /[[:]a|a[]]/', "1"),
    ("no-class-2", '":b:]" =~ /[[:a]b:]/', "1"),
    ("sharp-s", '"STRASSE" =~ /straße/', "0"),
    ("long-s", '"ſ" =~ /^s$/', "1"),
    ("chain-in-order", "/^from:.*alice.*com>$/", "1"),
    ("chain-out-of-order", "/^from:.*com.*alice/", "0"),
    ("chain-within-one-line", "/^from:.*hello/", "0"),
    ("negated-class-stays-in-its-line", "/^to:[^x]*dave/", "0"),
    ("blank-class-stays-in-its-line", r"/com>\s+To/", "0"),
    ("empty-matches-end", '"abc" =~ /x*/:1,1', "4"),
]


@pytest.mark.parametrize(
    ("pattern", "result"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_pattern_has_its_pinned_value(pattern: str, result: str) -> None:
    assert value(pattern) == result


def test_98_groups_are_in_match_variables() -> None:
    outcome = run("/^subject: *(.*)/")
    assert outcome.variable("MATCH1") == "Hello World second line"
    assert outcome.variable("MATCH") == "Subject: Hello World second line"


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        ("/^subject:.*l/", "Subject: Hello World second l"),
        ("/hello.*world/", "Hello World"),
        ("/^x-num: 5$/", "X-Num: 5"),
        ("/num.*/", "Num: 5"),
        ("/.*num/", "X-Num"),
        ("/^cc/", "Cc"),
        ("/(?:)^x-num: 5$/", "X-Num: 5"),
    ],
)
def test_literal_patterns_match_what_the_engine_would(pattern: str, match: str) -> None:
    assert run(pattern).variable("MATCH") == match
    grouped = pattern.replace("/", "/(?:", 1)[:-1] + ")/"  # the same pattern, for the engine
    assert run(grouped).variable("MATCH") == match


def test_106_108_an_unset_group_is_empty_and_a_failure_keeps_variables() -> None:
    outcome = run("/^From: (.*)/\n/^zzz(.*)/\n/^To:/")
    assert outcome.variable("MATCH") == "To:"
    assert outcome.variable("MATCH1") == "Alice <alice@example.com>"
    assert run("/(zzz)?From/").variable("MATCH1") == ""


def test_104_a_score_leaves_match_alone() -> None:
    assert run("MATCH=keep\nR=(/^From/:h,1)").variable("MATCH") == "keep"


@pytest.mark.parametrize(
    "pattern",
    ["(", "a(b", "*a", r"\9", "[[:nope:]]", "[[:)^digit:]]", "[[:^^digit:]]", "[[:9:]]", "[[::]]"],
)
def test_107_a_wrong_pattern_is_reported_and_matches_nothing(pattern: str) -> None:
    host = DecisionHost()
    assert run(f"R=(/{pattern}/)", host=host).variable("R") == "0"
    assert host.traced[0].startswith(b"Invalid regular expression, offset ")
    assert host.traced[1:] == [b"r(1): Syntax error in /pattern/.", b""]


def test_107_the_offset_and_words_are_those_of_pcre() -> None:
    host = DecisionHost()
    run("R=(/(/)", host=host)
    assert host.traced[0] == (
        b"Invalid regular expression, offset 1 of: (: missing closing parenthesis"
    )


@pytest.mark.parametrize("pattern", [r"(*UCP)a", r"a\Gb", "(?x)a b", r"(a)\10"])
def test_what_the_engine_cannot_do_is_refused_with_its_place(pattern: str) -> None:
    with pytest.raises(RecipeRuntimeError, match=r"not supported.*\(r:2:4\)"):
        run(f"\nR=(/{pattern}/)")


@pytest.mark.parametrize("pattern", ["a/b", "[/]"])
def test_110_a_slash_ends_a_pattern_even_in_a_class(pattern: str) -> None:
    with pytest.raises(RecipeSyntaxError):
        compile_recipe(f'if ("a/b" =~ /{pattern}/)\nX=1\n', name="r")


def test_115_a_string_with_line_ends_is_one_subject() -> None:
    outcome = run('Y=getaddr("a@b,c@d")\nA=($Y =~ /^c@d$/)\nB=($Y =~ /b\\nc/)\nC=($Y =~ /a.*c/)')
    assert [outcome.variable(name) for name in "ABC"] == ["0", "1", "0"]


@pytest.mark.parametrize(
    ("recipe", "value"),
    [
        ('X="hello"\nR=(/^Subject: ${X} World/)', "1"),
        ('X="a/b"\nR=("xa/bx" =~ /$X/)', "1"),
        ("1=Hello\nR=(/^Subject: $1 W/)", "1"),
        ('X="Hello)"\nR=(/^Subject: $X/)', "0"),
    ],
    ids=["109a", "110a", "109b", "substituted-text-is-a-pattern"],
)
def test_109_110_variables_are_part_of_a_pattern(recipe: str, value: str) -> None:
    assert run(recipe).variable("R") == value


def test_117_a_pattern_that_is_no_utf_8_is_reported() -> None:
    host = DecisionHost()
    recipe = compile_recipe(b"R=(/a\xe9/)\nexit\n", name="r")
    assert recipe.run(MESSAGE, host=host).variable("R") == "0"
    assert host.traced[0].startswith(b"Invalid regular expression, offset 1 of: a\xe9: UTF-8 error")


def test_117_a_string_that_is_no_utf_8_matches_nothing() -> None:
    recipe = compile_recipe(b'R=("h\xe9l" =~ /(l)/)\nexit\n', name="r")
    assert recipe.run(MESSAGE, host=DecisionHost()).variable("R") == "0"


def test_121_getaddr_lists_every_address() -> None:
    outcome = run(
        'X=getaddr(\'To: joe@domain.com (Joe Brown), "Alex Smith" <alex@domain.com>, '
        "tom@domain.com, grp: a@b, c@d;, x')"
    )
    assert outcome.variable("X").split() == [
        "joe@domain.com", "alex@domain.com", "tom@domain.com", "a@b", "c@d", "x"]  # fmt: skip


def test_124_addresses_are_printed_canonically_and_in_unicode() -> None:
    message = 'TO: "Doe, John" <j@x>, =?utf-8?q?=C3=89ric?= <e@xn--bcher-kva.example>\n\n'
    assert run("/^to.*/", message.encode()).variable("MATCH") == (
        'TO: "Doe, John" <j@x>, Éric <e@bücher.example>'
    )


def test_118_119_lookup_reads_one_pattern_per_line() -> None:
    lines = b"  foo@bar\n# no\n\nabc\ntrail $\n^$Y\n(.)@(.)\n"
    host = DecisionHost(files={b"list": lines})
    recipe = "\n".join(
        f'{name}=lookup("{text}","list"{options})'
        for name, text, options in [
            ("A", "foo@bar", ""),
            ("B", "ABC", ""),
            ("C", "ABC", ',"D"'),
            ("E", "trail", ""),
            ("F", "trail ", ""),
            ("G", "abd", ""),
            ("H", "a@b.c", ""),
        ]
    )
    outcome = run(f"Y=abd\n{recipe}", host=host)
    assert "".join(outcome.variable(name) for name in "ABCEFGH") == "1100101"
    assert (outcome.variable("MATCH"), outcome.variable("MATCH1")) == ("a@b", "a")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none", "Unable to open none."), ("bad", "Bad pattern in bad: (a")],
    ids=["120a", "120b"],
)
def test_120_lookup_fails_on_a_bad_list(name: str, reason: str) -> None:
    host = DecisionHost(files={b"bad": b"(a\n"})
    with pytest.raises(RecipeRuntimeError) as caught:
        run(f'X=lookup("a","{name}")', host=host)
    assert caught.value.reason == reason


def test_122_hasaddr_looks_at_recipients_only() -> None:
    message = b"Resent-To: a@b,\n Z <z@Z.org>\nBcc: h@x\nFrom: f@x\n\n"
    recipe = "\n".join(f'{name}=hasaddr("{text}")' for name, text in
                       [("A", "z@z.org"), ("B", "h@x"), ("C", "f@x"), ("D", "A@B")])  # fmt: skip
    outcome = run(recipe, message)
    assert "".join(outcome.variable(name) for name in "ABCD") == "1001"


def test_123_header_values_are_decoded() -> None:
    message = b"Subject: =?UTF-8?B?SMOzbGEh?= =?utf-8?q?_x?= tail\n\n"
    assert run("/^Subject.*/", message).variable("MATCH") == "Subject: Hóla! x tail"


@pytest.mark.parametrize(
    ("pattern", "result"),
    [
        ("/tést/:h", "1"),
        ("/tést/:H", "0"),
        ("/^bödy softwrap$/:b", "1"),
        ("/preamble|epilogue/:hb", "0"),
        ("/TESTBIN/:b", "0"),
        ("/^Content-Type: application/", "1"),
        ("/^last$/:b", "1"),
        ("/./:H,1", "3"),
        ("/body|b/:Hb", "1"),
    ],
    ids=["125a", "125b", "126", "127", "text-only", "part-headers", "last-line", "main", "main+b"],
)
def test_parts_are_searched_decoded(pattern: str, result: str) -> None:
    assert value(pattern, MULTIPART) == result


def test_octets_that_are_no_utf_8_leave_the_line_searchable() -> None:
    message = b"Subject: caf\xe9 time\nX: 1\n\nbody \xff end\n"
    assert value("/^Subject: caf.* time$/", message) == "1"
    assert value("/^body . end$/:b", message) == "1"


def test_carriage_returns_do_not_hide_line_ends() -> None:
    message = b"Subject: one\r\nX: 2\r\n\r\nbody\r\n"
    assert value("/^Subject: one$/", message) == "1"


def test_a_search_that_takes_too_long_is_no_match() -> None:
    recipe = compile_recipe('R=("' + "a" * 60 + '!" =~ /^(a|a|aa|aaa)+$/)\nexit\n', name="r")
    outcome = recipe.run(b"x", host=DecisionHost(), limits=RunLimits(match_seconds=0.05))
    assert outcome.variable("R") == "0"
