"""Laws of the checker and of its proofs about patterns."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.recipegrammar import RecipeWriter

from couriermail.filter import (
    DecisionHost,
    Delivery,
    FilterError,
    PatternSearch,
    RecipeRuntimeError,
    RunLimits,
    Severity,
    check_recipe,
    compile_recipe,
)
from couriermail.filter.patternproofs import header_contradiction, never_matches
from couriermail.filter.patternshape import UnreadableShape, read_shape
from couriermail.filter.search import CompiledPattern, PatternError, Subject
from couriermail.filter.syntax import (
    Action,
    Expression,
    If,
    Locked,
    Pattern,
    Statement,
    Trap,
    While,
)
from couriermail.filter.view import header_lines

MESSAGE = b"From: Alice <alice@example.com>\nTo: b@c\nSubject: Hello World\n\nabc one\nFrom me\n"
PLACES = st.lists(
    st.sampled_from(["^", "$", "a", "b", "x*", "a+", "(a|^b)", "(?=a)", "(?!ab)", "(?<=a)", ".", "\\n", "[^a]", "(b$|a)?", "|", "(?!a)*", "\\b", "(?i)", "\\Qa^\\E", "{2}", "\\A", "\\z", ":", " "]),
    max_size=6,
).map("".join)  # fmt: skip
TEXTS = st.text("ab^:A \n", max_size=6).map(str.encode)


class Reached:
    """An observer that keeps the places which were evaluated."""

    def __init__(self) -> None:
        self.places: set[tuple[int, int]] = set()

    def statement(self, name: str, node: Statement) -> None: ...

    def performing(self, name: str, node: Action | Locked, argument: bytes) -> None: ...

    def deciding(self, name: str, node: If | While) -> None: ...

    def decided(self, name: str, node: If | While, value: bytes) -> None: ...

    def trapped(self, name: str, node: Trap, error: RecipeRuntimeError | None) -> None: ...

    def value(self, name: str, node: Expression, value: bytes, operands: tuple[bytes, ...]) -> None:
        self.places.add((node.line, node.column))

    def search(self, name: str, node: Pattern, search: PatternSearch) -> None:
        self.places.add((node.line, node.column))

    def delivered(self, delivery: Delivery) -> None: ...


@given(st.integers(0, 2**40).map(lambda seed: RecipeWriter(seed).recipe()))
@settings(max_examples=300, deadline=None)
def test_what_runs_without_a_complaint_has_no_error_found_in_it(recipe: str) -> None:
    """A recipe that is read, runs and complains of nothing has no error where it came along."""
    host, reached = DecisionHost(files={b"list": b"abc\n"}), Reached()
    try:
        compiled = compile_recipe(recipe, name="r")
    except FilterError:
        assert [one.code for one in check_recipe(recipe, name="r")] == ["syntax"]
        return
    try:
        limits = RunLimits(statements=3000)
        compiled.run(MESSAGE, host=host, env={"DEFAULT": "d"}, limits=limits, observer=reached)
    except FilterError:
        return
    if host.traced:
        return
    errors = [one for one in check_recipe(recipe, name="r") if one.severity is Severity.ERROR]
    lines = {line for line, _ in reached.places}
    assert [one for one in errors if one.line in lines] == []


@given(PLACES, TEXTS, st.booleans())
@example("(a|^)*^", b"a", True)
@example("a$\n", b"a\n", False)
@settings(max_examples=1500, deadline=None)
def test_a_pattern_that_is_said_to_match_nothing_matches_nothing(
    pattern: str, text: bytes, in_lines: bool
) -> None:
    """`never_matches` is a proof: no text matches a pattern that it gives a reason for."""
    try:
        compiled = CompiledPattern(pattern.encode(), case_sensitive=False, seconds=1)
        found = next(compiled.all_in(text), None)
        lines = next(compiled.lines(Subject.of_lines(text + b"\n")), None)
        reason = never_matches(read_shape(pattern), in_lines=in_lines)
    except (PatternError, UnreadableShape):
        return
    if reason:
        assert (lines if in_lines else found) is None


@given(
    st.lists(st.sampled_from(["S", "u", ":", " ", " *", "x", "$", "+", "\\t", "|^S"]), max_size=6),
    st.text("SuX: x\t\n", max_size=12).map(str.encode),
)
@settings(max_examples=1500, deadline=None)
def test_no_header_line_matches_what_is_said_to_match_none(pieces: list[str], block: bytes) -> None:
    """`header_contradiction` is a proof about every header that patterns can see."""
    pattern = "^" + "".join(pieces)
    try:
        compiled = CompiledPattern(pattern.encode(), case_sensitive=False, seconds=1)
        found = compiled.first_line(Subject.of_lines(header_lines(block)))
        reason = header_contradiction(read_shape(pattern))
    except (PatternError, UnreadableShape):
        return
    if reason:
        assert found is None


@pytest.mark.parametrize("pattern", ["a^b", "a$(b)", "(?=a)b"])
def test_the_proofs_do_find_something(pattern: str) -> None:
    assert never_matches(read_shape(pattern), in_lines=True)


@given(st.binary(max_size=120))
@settings(max_examples=300, deadline=None)
def test_any_bytes_can_be_checked(text: bytes) -> None:
    """`check_recipe` raises nothing, and all that it shows can be shown on a terminal."""
    for one in check_recipe(text, name="r"):
        assert all(char.isprintable() or char == "\n" for char in one.render())
