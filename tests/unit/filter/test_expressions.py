"""The pinned cases of spec filter 6.1 and 6.2, by their numbers."""

from __future__ import annotations

import pytest

from couriermail.filter import DecisionHost, RecipeSyntaxError, compile_recipe

MESSAGE = b"From: Alice <alice@example.com>\n\nbody\n"


def evaluate(expression: str) -> str:
    host = DecisionHost()
    recipe = compile_recipe(f"R=({expression})\nexit\n", name="r")
    outcome = recipe.run(MESSAGE, host=host)
    assert host.traced == []
    return outcome.variable("R")


def variable(recipe: str, *, name: str = "X") -> str:
    outcome = compile_recipe(recipe + "\nexit\n", name="r").run(MESSAGE, host=DecisionHost())
    return outcome.variable(name)


def refusal(recipe: str) -> str:
    with pytest.raises(RecipeSyntaxError) as caught:
        compile_recipe(recipe, name="r")
    return caught.value.classic


S = '"abcdef"'
EXPRESSIONS = [
    ("1", "1+2*3", "7"),
    ("2", "10 / 4", "2.5"),
    ("3", "1 / 3", "0.3333333333333333148296"),
    ("4", "0.1 + 0.2", "0.3000000000000000444089"),
    ("5", "1e22*10", "9.999999999999999161139e+22"),
    ("6a", "1 / 0", "inf"),
    ("6b", "0 - 1 / 0", "-inf"),
    ("7a", '"abc"+1', "1"),
    ("7b", '" 12abc"+1', "13"),
    ("8a", '"0x10"+0', "16"),
    ("8b", '"1e"+1', "2"),
    ("8c", '"+5"+0', "5"),
    ("8d", '"--5"+0', "0"),
    ("9a", "3-2", "3-2"),
    ("9b", "3 -2", "3-2"),
    ("9c", "3 - 2", "1"),
    ("10a", "10/2", "10/2"),
    ("10b", "10/ 2", "10/2"),
    ("10c", "10 / 2", "5"),
    ("11a", "-5+2", "-3"),
    ("11b", "5+-2", "3"),
    ("11c", "2 - -3", "5"),
    ("15a", "~0", "-1"),
    ("15b", "~5", "-6"),
    ("15c", '~"abc"', "-1"),
    ("15d", "~3.7", "-4"),
    ("16", "~99999999999999999999", "-9223372036854775808"),
    ("17a", "6&3", "2"),
    ("17b", "6|9", "15"),
    ("17c", "-1&255", "255"),
    ("17d", "1.9|0", "1"),
    ("18a", "-1|0", "18446744073709551616"),
    ("18b", "1e20|0", "0"),
    ("19a", "1|2 == 2", "0"),
    ("19b", "1&3 == 3", "0"),
    ("20a", "1==1.0", "1"),
    ("20b", '"1" eq "1.0"', "0"),
    ("20c", '2 == "2x"', "1"),
    ("20d", '"" == 0', "1"),
    ("21a", '"B" lt "a"', "1"),
    ("21b", '"é" gt "z"', "1"),
    ("22a", "5 || 0", "5"),
    ("22b", '0 || "x"', "x"),
    ("22c", '"" || 0', "0"),
    ("23a", "5 && 7", "7"),
    ("23b", "0 && 7", "0"),
    ("23c", '"x" && ""', ""),
    ("24a", "1 || 1 && 0", "1"),
    ("24b", "0 && 1 || 1", "1"),
    ("25a", "!5==0", "1"),
    ("25b", "!(5==0)", "1"),
    ("26a", '!"a" =~ /b/', "0"),
    ("26b", '!("a" =~ /b/)', "1"),
    ("27a", '!"00"', "0"),
    ("27b", '!"-0"', "0"),
    ("27c", '!"0e5"', "0"),
    ("27d", '!"0 x"', "0"),
    ("28a", '!" 0 "', "1"),
    ("28b", '!".0"', "1"),
    ("28c", '!"0\t"', "1"),
    ("28d", '!" "', "1"),
    ("29a", '!"0.0"', "1"),
    ("29b", '!"0.5"', "0"),
    ("30a", '!"0.00"', "1"),
    ("30b", '!"0.50"', "0"),
    ("30c", '!"."', "0"),
    ("32a", '"6" =~ /6/ * 2', "2"),
    ("32b", '1 + "6" =~ /6/', "2"),
    ("33a", 'length "abc"+1', "4"),
    ("33b", 'length("é")', "2"),
    ("34a", '"a" "b" c', "abc"),
    ("34b", '1 + 2 "3"', "24"),
    ("35a", f"substr({S},2)", "cdef"),
    ("35b", f"substr({S},2,2)", "cd"),
    ("35c", f"substr({S},0,0)", ""),
    ("36a", f"substr({S},-1)", ""),
    ("36b", f"substr({S},99)", ""),
    ("36c", f"substr({S},6)", ""),
    ("37", f"substr({S},1,-1)", "bcdef"),
    ("38a", f'substr({S},"x",2)', "ab"),
    ("38b", f"substr({S},1.9,2.9)", "bc"),
    ("39", 'substr("é",1)', "\udca9"),
    ("40", 'tolower("ABC É")', "abc É"),
    ("43a", '"a"=~/A/', "1"),
    ("43b", '"a"=~/A/:D', "0"),
    ("44a", '"aXbXc"=~/X/:1,2', "3"),
    ("44b", '"aXbXcX"=~/X/:5,0.5', "8.75"),
    ("45a", '"aXbXc"=~/X/:D,1,1', "2"),
    ("45b", '"aXbXc"=~/X/:-1', "-2"),
    ("45d", '"aXbXc"=~/X/:-1,', "-2"),
    ("45f", '"aXbXc"=~/X/:2,lookup', "4"),
    ("45e", '"aXbxc"=~/X/:3,1D', "3"),
    ("45c", '"aXbXc"=~/X/:D,+2.5', "5"),
    ("46a", '"aXbXc"=~/X/:,3', "6"),
    ("46b", '"aXbXc"=~/X/:.5,-1', "0"),
    ("47", '"abc" =~ /a/ =~ /1/', "1"),
    ("48a", 'escape("a.b*c")', r"a\.b\*c"),
    ("48b", """escape('"/= #,:@%_')""", r"\"/= #,:@%_"),
    ("49a", "1 <= 1", "1"),
    ("49b", '"a" le "A"', "0"),
    ("50a", "3 & 2 | 4", "6"),
    ("50b", "2 - 3 - 4", "-5"),
    ("50c", "100 / 10 / 5", "2"),
]

REFUSED_EXPRESSIONS = [
    ("12", "- 5", "r(1): Syntax error."),
    ("13", "10 /2", "r(1): Missing )"),
    ("14", "1 < 2 < 3", "r(1): Missing )"),
    ("31", '2 * "6" =~ /6/', "r(1): Missing )"),
    ("41a", "a=b=3", "r(1): Syntax error before ="),
    ("41b", "X=1 && Y=2", "r(1): Syntax error before ="),
]


@pytest.mark.parametrize(
    ("expression", "value"), [case[1:] for case in EXPRESSIONS], ids=[c[0] for c in EXPRESSIONS]
)
def test_an_expression_has_its_pinned_value(expression: str, value: str) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    ("expression", "text"),
    [case[1:] for case in REFUSED_EXPRESSIONS],
    ids=[c[0] for c in REFUSED_EXPRESSIONS],
)
def test_a_wrong_expression_is_refused_in_the_classic_words(expression: str, text: str) -> None:
    assert refusal(f"R=({expression})\n") == text


@pytest.mark.parametrize("expression", ['("a") "b"', '"a" tolower("B")'], ids=["42a", "42b"])
def test_values_of_parentheses_and_functions_do_not_join(expression: str) -> None:
    assert refusal(f"R={expression}\n") == "r(1): Syntax error."


STRINGS = [
    ("51a", r'X="a\"b"', 'a"b'),
    ("51b", r"X='a\'b'", "a'b"),
    ("51c", r"""X='a\"b'""", r"a\"b"),
    ("51d", r'X="a\\b"', r"a\b"),
    ("51e", r'X="a\nb"', r"a\nb"),
    ("52a", 'Y=1\nX="a\\$Y"', r"a\$Y"),
    ("52b", 'Y=1\nX="a\\\\$Y"', r"a\$Y"),
    ("52c", 'Y=1\nX="a\\\\\\$Y"', r"a\\1"),
    ("52d", "Y=1\nX='a$Y'", "a$Y"),
    ("53a", "Y=1\nX=a${Y}b", "a1b"),
    ("53b", 'Y=1\nX="a$Yb"', "a"),
    ("53c", 'X="a$-b"', "a$-b"),
    ("53d", 'X="$$"', "$$"),
    ("53e", 'X="${}"', ""),
    ("55a", 'X="one \\\n    two"', "one two"),
    ("55b", 'X="one \\  # c\n  two"', "one two"),
    ("55c", r'X="one \  x"', r"one \  x"),
    ("57a", 'X="a" \\ # c\n"b"', "ab"),
    ("58a", "X=/var/mail", "/var/mail"),
    ("58b", "X=/", "/"),
    ("58c", "X=$Y/foo", "/foo"),
    ("58d", "X=a#c", "a"),
    ("60a", '"time"=9\nX="$time"', "9"),
    ("60b", 'X="lt"', "lt"),
    ("63a", "A=5\nX=$A-1", "5-1"),
    ("63b", "A=5\nX=$A - 1", "4"),
    ("63c", "A=5\nX=$A -1", "5-1"),
    ("63d", "A=5\nX=$A- 1", "5-1"),
    ("63e", "A=5\nX=$A*2", "10"),
    ("64", 'A=B\n$A=3\nX="[$B][$A]"', "[][B]"),
    ("68a", "X=a@b.c", "a@b.c"),
    ("68b", "Y=1\nX=${Y}y{z}", "1y{z}"),
    ("68c", '9a=3\nX="$9a"', "3"),
    ("69a", 'X="a"\r\nY="b"\r\n', "a"),
]

REFUSED_STRINGS = [
    ("56", 'X="one\ntwo"\n', "r(1): Syntax error."),
    ("57b", 'X="a" \\x\n"b"\n', "r(1): Syntax error."),
    ("59a", "X=\n", "r(2): Syntax error."),
    ("59b", "X=()\n", "r(1): Syntax error."),
    ("59c", "length=5\n", "r(1): Syntax error."),
    ("59d", "time=5\n", "r(1): Syntax error before ="),
    ("65a", "'X'=3\n", "r(1): Syntax error before ="),
    ("65b", "echo 5%3\n", "r(1): Syntax error."),
    ("65c", "echo a,b\n", "r(1): Syntax error."),
    ("65d", "echo a?b\n", "r(1): Syntax error."),
    ("66a", "logfile /var/x\n", "r(1): Syntax error."),
    ("66c", "xfilter /bin/cat\n", "r(1): Syntax error."),
]


@pytest.mark.parametrize(
    ("recipe", "value"), [case[1:] for case in STRINGS], ids=[c[0] for c in STRINGS]
)
def test_a_string_is_read_as_pinned(recipe: str, value: str) -> None:
    assert variable(recipe) == value


@pytest.mark.parametrize(
    ("recipe", "text"),
    [case[1:] for case in REFUSED_STRINGS],
    ids=[c[0] for c in REFUSED_STRINGS],
)
def test_a_wrong_string_is_refused_in_the_classic_words(recipe: str, text: str) -> None:
    assert refusal(recipe) == text


def test_54_a_brace_that_is_never_closed_is_reported_and_kept() -> None:
    host = DecisionHost()
    recipe = compile_recipe('X="${Y"\necho "$X"\n"Y Z"=7\nX="${Y Z}"\nexit\n', name="r")
    recipe.run(MESSAGE, host=host)
    assert host.echoed == b"${Y\n"
    assert host.traced[:2] == [b"r(1): Terminating } is missing.", b""]


def test_an_unclosed_brace_is_reported_with_the_line_where_its_string_ends() -> None:
    host = DecisionHost()
    compile_recipe('X="${a" "${b \\\n  c" \\\n"d${"\nexit\n', name="r").run(MESSAGE, host=host)
    assert [line[:4] for line in host.traced if line] == [b"r(1)", b"r(2)", b"r(3)"]


def test_each_brace_that_is_never_closed_is_reported_whenever_it_is_evaluated() -> None:
    host = DecisionHost()
    recipe = compile_recipe('X="${a ${b"\nif (/^zz${/ || "a" =~ /a${ /)\n{\n}\nexit\n', name="r")
    recipe.run(MESSAGE, host=host)
    assert [line for line in host.traced if line] == [
        b"r(1): Terminating } is missing.",
        b"r(1): Terminating } is missing.",
        b"r(2): Terminating } is missing.",
        b"r(2): Terminating } is missing.",
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (r'"a\tb\101\q\\z\c"', b"a\tbAqz"),
        (r'"x\cy"', b"xcy\n"),
        (r'"end\\c"', b"end"),
        ('"one"', b"one\n"),
    ],
    ids=["67a", "67b", "67c", "plain"],
)
def test_echo_reads_backslashes(text: str, written: bytes) -> None:
    host = DecisionHost()
    compile_recipe(f"echo {text}\nexit\n", name="r").run(MESSAGE, host=host)
    assert host.echoed == written


def test_a_syntax_error_names_line_column_and_the_words_around_it() -> None:
    with pytest.raises(RecipeSyntaxError) as caught:
        compile_recipe("A=1\nif (0)\n{\n  B=2\n}\n\nelse\n{\n}\n", name="home/.mailfilter")
    error = caught.value
    assert (error.name, error.line, error.column) == ("home/.mailfilter", 7, 1)
    assert error.near == "else"
    assert "blank" in error.hint
    assert error.is_temporary
    assert error.exit_code == 75


def test_nesting_is_bounded_without_exhausting_the_stack() -> None:
    assert refusal("X=" + "(" * 5000 + "1" + ")" * 5000 + "\n") == "r(1): Syntax error."
    assert refusal("{\n" * 5000) == "r(51): Syntax error."
    assert refusal("X=" + "!" * 5000 + "1\n") == "r(1): Syntax error."


def test_a_long_chain_of_elsif_is_no_nesting() -> None:
    chain = "if (0)\nX=0\n" + "".join(f"elsif (N == {n})\nX={n}\n" for n in range(2000))
    assert variable(f"N=1999\n{chain}".replace("(N ==", '("$N" ==')) == "1999"


def test_a_long_sum_is_no_nesting() -> None:
    assert evaluate("1" + " + 1" * 5000) == "5001"
    assert evaluate("0" + " || 0" * 5000 + " || x") == "x"
