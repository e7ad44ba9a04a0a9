"""Statements and where a recipe ends: the pinned cases of spec filter 6.3, by their numbers."""

from __future__ import annotations

import pytest

from couriermail.filter import (
    DecisionHost,
    Delivery,
    FilterOutcome,
    RecipeLimitError,
    RecipeRuntimeError,
    RecipeSyntaxError,
    RunLimits,
    compile_recipe,
)

MESSAGE = b"From: a@b\nSubject: x\n\nbody\n"


def echoed(recipe: str, host: DecisionHost | None = None) -> str:
    host = host or DecisionHost()
    compile_recipe(recipe + "\nexit\n", name="r").run(MESSAGE, host=host)
    return host.echoed.decode().replace("\n", " ").rstrip()


def decide(recipe: str, message: bytes = MESSAGE) -> FilterOutcome:
    return compile_recipe(recipe, name="r").run(
        message, host=DecisionHost(), env={"DEFAULT": "./Maildir"}
    )


REFUSED = [
    ("70a", "if (1) echo y\n", "r(1): Syntax error after )"),
    ("70b", "if (1) {\n", "r(1): Syntax error after )"),
    ("72a", "if (0)\n{\necho a\n}\n\nelse\n{\n}\n", "r(6): Syntax error."),
    ("72b", "if (0)\n{\necho a\n}\n# c\nelse\n{\n}\n", "r(6): Syntax error."),
    ("73a", "if (1)\n{\necho a\n} else\n{\n}\n", "r(4): Syntax error after }"),
    ("73b", "if (1)\necho a\nelse echo n\n", "r(3): Syntax error after else"),
    ("73c", "{ echo d }\n", "r(1): Syntax error."),
    ("76a", "if 1\n", "r(1): Syntax error after if"),
    ("76b", "if (1\n", "r(2): Missing )"),
    ("76c", "while 0\n", "r(1): Syntax error after while"),
    ("76d", "while (0) echo a\n", "r(1): Syntax error after else"),
    ("77a", "if (1)\n{\necho a\n", "r(4): Missing }"),
    ("77b", "echo a\n}", "r(2): Syntax error."),
    ("83a", 'foreach "abc"\n', "r(2): Syntax error."),
    ("83b", 'foreach "abc" =~ /./ {\n', "r(1): Syntax error."),
    ("86a", "exception\n{\n", "r(2): Syntax error."),
    ("86b", 'dotlock "l"\n{\n', "r(2): Syntax error."),
    ("93a", "exit 5\n", "r(1): Syntax error."),
    ("93b", "echo\n", "r(2): Syntax error."),
    ("93c", "import\n", "r(2): Syntax error."),
    ("93d", "to\n", "r(2): Syntax error."),
]


@pytest.mark.parametrize(
    ("recipe", "text"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_wrong_statement_is_refused_in_the_classic_words(recipe: str, text: str) -> None:
    with pytest.raises(RecipeSyntaxError) as caught:
        compile_recipe(recipe, name="r")
    assert caught.value.classic == text


ECHOED = [
    ("71a", "if (0)\n\necho y", "y"),
    ("71b", "if (0)\n# c\n{\necho y\n}", "y"),
    ("74", "if (1); { echo a; }; else; { echo b; };", "a"),
    ("75", "if (1)\n if (0)\n echo a\n else\n echo b\necho c", "b c"),
    ("78", 'if (X="q")\necho "$X"', "q"),
    ("81", 'foreach (getaddr("a@b, c@d")) =~ /.+/\necho "$MATCH"', "a@b c@d"),
    ("82", 'MATCH=keep\nforeach /zzz/\necho no\necho "$MATCH"', "keep"),
    ("84", 'foreach "aXbX" =~ /X/:1,2\necho i', "i i"),
    ("85", 'exception {\ninclude "/nonexistent"\necho never\n}\necho after', "after"),
    ("95", 'X=1\nunset X\necho "[$X]"', "[]"),
    ("96", "I=1\nwhile ($I <= 3)\n{\necho $I\nI=$I+1\n}", "1 2 3"),
    ("69b-crlf", 'if (1)\r\n{\r\necho "a"\r\n}\r\nelse\r\n{\r\necho b\r\n}\r', "a"),
    ("elsif", "if (0)\necho a\nelsif (1)\necho b\nelse\necho c", "b"),
]


@pytest.mark.parametrize(
    ("recipe", "text"), [case[1:] for case in ECHOED], ids=[case[0] for case in ECHOED]
)
def test_a_statement_does_what_is_pinned(recipe: str, text: str) -> None:
    assert echoed(recipe) == text


RELAXED = [
    "if (1)\n\n{\necho a\n}\n\n# c\nelse\n\n{\necho b\n}",
    "if (0)\n# c\necho b\n\nelsif (1)\n\necho a\n\nelse\necho c",
    "I=0\nwhile ($I < 1)\n\n{\nI=1\necho a\n}",
    'foreach "x" =~ /x/\n# c\n{\necho a\n}',
    "if (1)\r\n\r\n{\r\necho a\r\n}\r\n\r\nelse\r\necho b\r",
]


@pytest.mark.parametrize("recipe", RELAXED)
def test_blank_lines_stand_anywhere_under_the_pragma(recipe: str) -> None:
    assert echoed(f"#pragma couriermail-2\n{recipe}") == "a"
    assert echoed(f"#pragma couriermail-2\r\n{recipe}") == "a"


def test_an_unknown_pragma_of_ours_is_refused() -> None:
    with pytest.raises(RecipeSyntaxError, match="couriermail-2"):
        compile_recipe("#pragma couriermail-3\n", name="r")


def test_87_exit_is_never_trapped() -> None:
    outcome = decide("EXITCODE=5\nexception {\nexit\n}\nto never\n")
    assert (outcome.exit_code, outcome.deliveries) == (5, ())


def test_89_a_wrong_include_is_trapped_and_a_right_one_runs() -> None:
    host = DecisionHost(files={b"bad": b"if (\n", b"good": b"echo in\n"})
    recipe = 'include "good"\nexception {\ninclude "bad"\n}\necho after'
    assert echoed(recipe, host) == "in after"
    with pytest.raises(RecipeRuntimeError, match=r"bad:1:5: Syntax error\."):
        echoed('include "bad"', host)
    assert host.traced == [b"bad(2): Syntax error."] * 2


def test_79_80_foreach_runs_once_per_match_with_its_own_variables() -> None:
    host = DecisionHost()
    message = b"To: a@b\nCc: c@d\n\n"
    text = 'foreach /^(to|cc): *(.*)/\necho "$MATCH1"\nexit\n'
    compile_recipe(text, name="r").run(message, host=host)
    text = 'foreach "a1b22c" =~ /([0-9])([0-9])?/\necho "[$MATCH][$MATCH1][$MATCH2]"\nexit\n'
    compile_recipe(text, name="r").run(message, host=host)
    assert host.echoed == b"To\nCc\n[1][1][]\n[22][2][2]\n"


def test_90_recipes_that_include_each_other_are_stopped() -> None:
    host = DecisionHost(files={b"rec": b'echo in\ninclude "rec"\n'})
    with pytest.raises(RecipeRuntimeError, match="Too many included files"):
        echoed('include "rec"', host)
    assert host.echoed.count(b"in") == 20


@pytest.mark.parametrize(
    ("text", "code"),
    [("-1", 255), ("256", 0), ('"abc"', 0), ('" 3x"', 3)],
    ids=["a", "b", "c", "d"],
)
def test_92_the_exit_code_is_read_from_its_variable(text: str, code: int) -> None:
    assert decide(f"EXITCODE={text}\nexit\n").exit_code == code


def test_94_import_reads_what_the_caller_gives() -> None:
    recipe = compile_recipe('import FOO\nimport "NOPE"\nexit\n', name="r")
    outcome = recipe.run(MESSAGE, host=DecisionHost(), imports={"FOO": "bar"})
    assert (outcome.variable("FOO"), outcome.variable("NOPE")) == ("bar", "")


def test_mail_goes_to_default_unless_the_recipe_ends_first() -> None:
    assert decide("cc a\n").deliveries == (
        Delivery("mailbox", b"a", verb="cc"),
        Delivery("mailbox", b"./Maildir", verb="default"),
    )
    assert decide("cc a\n").is_default
    assert decide("to a\nto b\n").deliveries == (Delivery("mailbox", b"a", verb="to"),)
    assert decide("exit\n").deliveries == ()


def test_132_an_empty_message_is_delivered_nowhere() -> None:
    assert decide("to a\n", b"").deliveries == ()


def test_without_default_the_message_is_kept() -> None:
    with pytest.raises(RecipeRuntimeError, match=r"DEFAULT mailbox not defined\."):
        decide("unset DEFAULT\n")


def test_a_run_time_error_names_the_statement() -> None:
    with pytest.raises(RecipeRuntimeError) as caught:
        decide('X=1\nif ($X)\n{\n  include "gone"\n}\n')
    error = caught.value
    assert (error.reason, error.name, error.line, error.column) == (
        "Unable to open include file.", "r", 4, 3)  # fmt: skip
    assert error.exit_code == 75
    assert error.is_temporary


def test_loops_are_bounded_and_no_exception_block_hides_it() -> None:
    recipe = compile_recipe("exception {\nwhile (1)\nX=1\n}\nto a\n", name="r")
    host = DecisionHost()
    with pytest.raises(RecipeLimitError) as caught:
        recipe.run(MESSAGE, host=host, limits=RunLimits(statements=1000))
    assert caught.value.limit == "statements"


def test_a_variable_cannot_grow_without_end() -> None:
    with pytest.raises(RecipeLimitError, match="Variable larger"):
        compile_recipe('X=abcdefgh\nwhile (1)\nX="$X$X"\n', name="r").run(
            MESSAGE, host=DecisionHost(), limits=RunLimits(variable_size=1000)
        )


@pytest.mark.parametrize("statement", ['to "x"', 'cc "x"', "X=`c`", 'system "c"', 'flock "x" {\n}'])
def test_154_an_embedded_recipe_may_not_act(statement: str) -> None:
    with pytest.raises(RecipeSyntaxError, match="disabled in embedded mode") as caught:
        compile_recipe(f"{statement}\n", name="r", embedded=True)
    assert caught.value.detail.startswith("maildrop: '")


def test_155_an_embedded_recipe_judges_and_delivers_nothing() -> None:
    recipe = compile_recipe('if (/^Subject: x/)\nEXITCODE=99\necho "no"\n', name="r", embedded=True)
    host = DecisionHost()
    outcome = recipe.run(MESSAGE, host=host, env={"DEFAULT": "d"})
    assert (outcome.exit_code, outcome.deliveries, host.echoed) == (99, (), b"no\n")


def test_a_recipe_can_be_run_by_many_at_once() -> None:
    recipe = compile_recipe("/^Subject: (.*)/\nto $MATCH1\n", name="r")
    outcomes = [
        recipe.run(b"Subject: box%d\n\nx" % n, host=DecisionHost()).deliveries[0].target
        for n in range(3)
    ]
    assert outcomes == [b"box0", b"box1", b"box2"]
