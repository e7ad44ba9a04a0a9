"""Anything at all as a recipe, a pattern or a message: only errors of the room come out."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from couriermail.filter import (
    BytesMessage,
    DecisionHost,
    FilterError,
    RunLimits,
    compile_recipe,
    walk,
)

LIMITS = RunLimits(statements=2000, match_seconds=0.05)
PIECES = st.sampled_from(
    [
        "if",
        "while",
        "else",
        "elsif",
        "foreach",
        "exception",
        "{",
        "}",
        "(",
        ")",
        ";",
        "\n",
        "\n",
        "X=1",
        "$X",
        "=",
        "=~",
        "/a/",
        "/^(a|b)*$/:b,1",
        "echo",
        "to",
        "cc",
        "log",
        "include",
        "import",
        "unset",
        "exit",
        '"q$X"',
        "'q'",
        "+",
        "-",
        "*",
        "/",
        "|",
        "&",
        "!",
        "~",
        "<",
        "==",
        "eq",
        "length",
        "substr",
        "(",
        ",",
        ")",
        "lookup",
        "getaddr",
        "escape",
        "time",
        "dotlock",
        "flock",
        "#",
        "\\",
        "`c`",
        "gdbmopen",
        "xfilter",
        "system",
        "${",
        "7",
        "md",
    ]
)


def attempt(recipe: bytes, message: bytes = b"Subject: x\n\nbody\n") -> None:
    try:
        compiled = compile_recipe(recipe, name="fuzz")
        assert all(node.line >= 1 and node.column >= 1 for node in walk(compiled.tree))
        compiled.run(message, host=DecisionHost(), env={"DEFAULT": "d"}, limits=LIMITS)
    except FilterError as error:
        assert (error.exit_code, error.is_temporary) == (75, True)  # noqa: PT017


@given(st.binary(max_size=200))
@example(b"(" * 3000)
@example(b"{" * 3000)
@example(b"a" + b"=~/a/" * 3000)
@example(b"\\")
@example(b"/[/")
@example(b'"\\')
@settings(max_examples=400, deadline=None)
def test_any_bytes_as_a_recipe_raise_only_filter_errors(recipe: bytes) -> None:
    attempt(recipe)


@given(st.lists(PIECES, max_size=40))
@settings(max_examples=400, deadline=None)
def test_any_words_of_the_language_raise_only_filter_errors(pieces: list[str]) -> None:
    attempt(" ".join(pieces).encode())


@given(st.text("\\[]()?*+{}|^$.abk09:<>=!-PQERXxpLn#&~ ", max_size=20), st.binary(max_size=40))
@settings(max_examples=600, deadline=None)
def test_any_pattern_raises_only_filter_errors(pattern: str, subject: bytes) -> None:
    body = pattern.replace("/", "")
    attempt(b"X=`c`\n/" + body.encode() + b"/:hb\n", subject)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_any_bytes_as_a_message_are_searched_without_an_error(message: bytes) -> None:
    recipe = compile_recipe(
        'A=(/^(.*)x\\b/:hb)\nB=(/./:H,1)\nC=hasaddr("a@b")\nD=getaddr("$MATCH")\nto d', name="r"
    )
    outcome = recipe.run(message, host=DecisionHost())
    assert len(outcome.deliveries) == (1 if message else 0)


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_header_and_body_are_the_whole_message(message: bytes) -> None:
    """Header block, at most one empty line, body: nothing is lost between them."""
    view = BytesMessage(message)
    header, body = view.header_block(), bytes(view.body())
    assert message in (header + body, header + b"\n" + body)
    assert b"".join(view.chunks()) == message
