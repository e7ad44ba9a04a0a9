"""Flowed text: pinned cases 114 to 118 of spec rfc822 6.8."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import FlowedLine, parse_flowed, parse_quoted, rewrap, write_flowed

CASE_114 = "Fixed\nFlowed 1 \nFlowed 2  \n> Q1\n> Q1F \n> Q1X\n>> Q2 \n>>Q2b \n Stuffed\n"


@pytest.mark.parametrize(
    ("text", "delsp", "lines"),
    [
        pytest.param(
            CASE_114,
            False,
            [
                (0, ("Fixed",)),
                (0, ("Flowed 1 ", "Flowed 2  ")),
                (1, ("Q1",)),
                (1, ("Q1F ", "Q1X")),
                (2, ("Q2 ", "Q2b ")),
                (0, ("Stuffed",)),
            ],
            id="114",
        ),
        pytest.param("a  \n b\n", True, [(0, ("a ", "b"))], id="115-delsp"),
        pytest.param(
            "text \n\nnext\n", False, [(0, ("text ",)), (0, ("",)), (0, ("next",))], id="116"
        ),
        pytest.param(
            "line \n-- \nsig\n", False, [(0, ("line ",)), (0, ("-- ",)), (0, ("sig",))], id="117"
        ),
        pytest.param("a \n", False, [(0, ("a ",))], id="end-of-input"),
        pytest.param("a \r\nb", False, [(0, ("a ", "b"))], id="crlf"),
        pytest.param("> > a\n", False, [(1, ("> a",))], id="only-adjacent-marks-count"),
        pytest.param("", False, [], id="empty"),
    ],
)
def test_lines_become_paragraphs(
    text: str, delsp: bool, lines: list[tuple[int, tuple[str, ...]]]
) -> None:
    assert list(parse_flowed(text, delsp=delsp)) == [FlowedLine(*line) for line in lines]


def test_fixed_text_has_no_quotes_and_no_soft_breaks() -> None:
    assert [line.text for line in parse_flowed("> a \nb\n c\n", flowed=False)] == [
        "> a ",
        "b",
        " c",
    ]


@pytest.mark.parametrize("delsp", [False, True])
@pytest.mark.parametrize(
    "lines",
    [
        [FlowedLine(0, ("Flowed 1 ", "Flowed 2")), FlowedLine(2, ("quoted ", "twice"))],
        [FlowedLine(0, (" leading",)), FlowedLine(0, (">mark",)), FlowedLine(0, ("From x",))],
        [FlowedLine(0, ("-- ",)), FlowedLine(0, ("",)), FlowedLine(1, ("",))],
    ],
)
def test_what_is_written_is_read_again(lines: list[FlowedLine], delsp: bool) -> None:
    assert list(parse_flowed(write_flowed(lines, delsp=delsp), delsp=delsp)) == lines


def test_blanks_at_the_end_of_a_line_are_trimmed() -> None:
    assert write_flowed([FlowedLine(0, ("a  ",)), FlowedLine(1, ("-- ",))]) == "a\n> --\n"


def test_case_118_a_long_fixed_line_is_cut_into_pieces_that_flow() -> None:
    lines = list(rewrap(parse_flowed("1234567890 " * 12, flowed=False)))
    assert lines == [FlowedLine(0, ("1234567890 " * 6, "1234567890 " * 6))]


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        pytest.param(FlowedLine(0, ("x" * 104,)), 1, id="30-more-are-left-alone"),
        pytest.param(FlowedLine(0, ("x" * 105,)), 2, id="31-more-are-cut"),
        pytest.param(FlowedLine(60, ("x" * 50,)), 1, id="20-cells-are-left"),
        pytest.param(FlowedLine(60, ("x" * 51,)), 3, id="deep-quotes"),
        pytest.param(FlowedLine(0, ("\u65e5" * 53,)), 2, id="wide-characters"),
        pytest.param(FlowedLine(0, ("short ", "lines")), 1 + 1, id="flowed-stays"),
    ],
)
def test_only_what_is_much_too_long_is_wrapped(line: FlowedLine, pieces: int) -> None:
    (wrapped,) = rewrap([line])
    assert len(wrapped.pieces) == pieces
    assert (wrapped.text, wrapped.depth) == (line.text, line.depth)


def test_quote_marks_of_people_are_depth() -> None:
    assert list(parse_quoted("a\n> b\n>c\n>> d\r\n>\n e\n")) == [
        FlowedLine(0, ("a",)),
        FlowedLine(1, ("b",)),
        FlowedLine(1, ("c",)),
        FlowedLine(2, ("d",)),
        FlowedLine(1, ("",)),
        FlowedLine(0, (" e",)),
    ]
