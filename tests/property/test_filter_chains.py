"""Patterns answered without the engine: law and examples (spec filter 4.8)."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from couriermail.filter.pcre import translate
from couriermail.filter.search import CompiledPattern, Found, Subject

LETTERS = "aAb @é"
LITERALS = st.text("aAb @", max_size=2)


@st.composite
def chains(draw: st.DrawFn) -> str:
    """Literals, gaps, runs before gaps, groups around any of them, anchors at the sides."""
    pieces = [draw(LITERALS)]
    for _ in range(draw(st.integers(0, 3))):
        run = draw(st.sampled_from(["", "", "a*", " *", "a+", " +"]))
        pieces += [run, draw(st.sampled_from([".*", ".*", ".+"])), draw(LITERALS)]
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(pieces)))
        end = draw(st.integers(start, len(pieces)))
        between = "".join(pieces[start:end])
        if between.count("(") == between.count(")") and not _opens_late(between):
            pieces[start:end] = ["(", *pieces[start:end], ")"]
    edges = st.sampled_from(["", "^"]), st.sampled_from(["", "$"])
    return draw(edges[0]) + "".join(pieces) + draw(edges[1])


def _opens_late(text: str) -> bool:
    """Does a group end before it begins?"""
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return True
    return False


def by_engine(pattern: CompiledPattern, lines: list[str]) -> list[Found]:
    """What the engine finds first in every line."""
    found = [next(pattern.all_in(line.encode()), None) for line in lines]
    return [each for each in found if each is not None]


@given(
    source=chains(),
    lines=st.lists(st.text(LETTERS, max_size=9), min_size=1, max_size=4),
    case_sensitive=st.booleans(),
)
@example(source=" *(.*) b", lines=["   b", "  b b "], case_sensitive=True)
@example(source="^(a+)(.*)a$", lines=["aaa", "aa", "a"], case_sensitive=False)
@example(source="(.*)(.*)", lines=["", "ab"], case_sensitive=True)
def test_a_chain_finds_what_the_engine_finds(
    source: str, lines: list[str], case_sensitive: bool
) -> None:
    """Law: the match and the groups of every line are those of the engine."""
    pattern = CompiledPattern(source.encode(), case_sensitive=case_sensitive, seconds=5)
    subject = Subject(b"\n" + "".join(f"{line}\n" for line in lines).encode())
    assert [*pattern.lines(subject)] == by_engine(pattern, lines)


@pytest.mark.parametrize(
    "source",
    ["^Subject: *(.*)", "(.*)@host", r"^From: (.+)@(.*)\.com$", "((a)b)", "a (b) .* c", " +(.*)"],
)
def test_common_captures_are_chains(source: str) -> None:
    assert translate(source, in_block=True, is_ascii=True).chain is not None


@pytest.mark.parametrize(
    "source",
    ["(a)*.*", "(a|b)", "(?:a)", "a *b", "a *", "(.*?)b", ".*+", "a?.*", "é*.*", ".*.+", "(^a)",
     "a**", "a *(b)", "a{2}(.*)", "(?i)a", "(?<n>a)", "[ab](.*)"],
)  # fmt: skip
def test_what_may_have_to_step_back_goes_to_the_engine(source: str) -> None:
    assert translate(source, in_block=True, is_ascii=True).chain is None


@pytest.mark.parametrize("source", ["^", "$", "^.*c", "^.*", ".*$", "", "()"])
def test_every_line_is_found_once_and_the_search_ends(source: str) -> None:
    pattern = CompiledPattern(source.encode(), case_sensitive=True, seconds=5)
    lines = ["abc", "c", "", "abc"]
    subject = Subject.of_lines("".join(f"{line}\n" for line in lines).encode())
    assert [*pattern.lines(subject)] == by_engine(pattern, lines)


@pytest.mark.parametrize("source", [r"b[\8]", r"b[7-\9]"])
def test_a_class_takes_an_escaped_eight_or_nine_as_itself(source: str) -> None:
    pattern = CompiledPattern(source.encode(), case_sensitive=True, seconds=5)
    assert pattern.first_in(b"ab8") == (b"b8",)
