"""Reading rules of control files (spec mta 3.1, 3.6, 3.9)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.mta.controlfiles import (
    ControlFiles,
    Problems,
    list_entries,
    parse_count,
    parse_time,
)


@pytest.mark.parametrize(
    ("text", "seconds", "rest"),
    [
        pytest.param("90", 90, "", id="no unit is seconds"),
        pytest.param("1w2d", 777_600, "", id="items add up"),
        pytest.param(" 1 h 30 M ", 5400, "", id="blanks and case do not matter"),
        pytest.param("5m10", 310, "", id="last item without unit"),
        pytest.param("1h3x9d", 3603, "x9d", id="an unknown letter keeps the sum so far"),
        pytest.param("h", 0, "h", id="a unit without number"),
        pytest.param("", 0, "", id="nothing"),
        pytest.param("١h", 0, "١h", id="digits of other scripts are no digits"),
    ],
)
def test_a_time_is_a_sum_of_numbers_with_units(text: str, seconds: int, rest: str) -> None:
    assert parse_time(text) == (seconds, rest)


@pytest.mark.parametrize(
    ("text", "number", "rest"),
    [("12", 12, ""), (" 7 files", 7, "files"), ("x", 0, "x"), ("-5", 0, "-5"), ("", 0, "")],
)
def test_a_count_is_the_leading_integer(text: str, number: int, rest: str) -> None:
    assert parse_count(text) == (number, rest)


def test_a_number_of_any_length_is_bounded() -> None:
    number, rest = parse_count("9" * 6000)
    assert number == int("9" * 18)
    assert rest
    assert parse_time("9" * 6000)[1]


def test_list_entries_end_at_cr_or_lf_and_comments_start_anywhere() -> None:
    text = "a.example # first\r\n#all comment\n\nb.example\rc.example\n"
    assert list(list_entries(text)) == [(1, "a.example"), (4, "b.example"), (4, "c.example")]


@pytest.fixture
def files(tmp_path: Path) -> ControlFiles:
    return ControlFiles(str(tmp_path), problems=Problems())


def test_a_one_line_file_is_its_first_line_cut_at_255_bytes(
    files: ControlFiles, tmp_path: Path
) -> None:
    (tmp_path / "me").write_text("ü" * 200 + "\nsecond\n")
    line = files.line("me")
    assert line == "ü" * 127


def test_an_empty_file_is_the_empty_string_and_a_missing_one_is_none(
    files: ControlFiles, tmp_path: Path
) -> None:
    (tmp_path / "defaultsep").write_text("")
    assert files.line("defaultsep") == ""
    assert files.line("nothing") is None


def test_a_flag_file_counts_by_existing(files: ControlFiles, tmp_path: Path) -> None:
    assert not files.exists("locallowercase")
    (tmp_path / "locallowercase").touch()
    assert files.exists("locallowercase")


def test_a_bad_time_is_used_as_far_as_it_goes_and_warned_about(
    files: ControlFiles, tmp_path: Path
) -> None:
    (tmp_path / "queuetime").write_text("2h oops\n")
    assert files.seconds("queuetime", 1) == 7200
    assert [str(warning) for warning in files.problems.warnings] == [
        f"{tmp_path}/queuetime:1: 'oops' is not part of a time; 7200 seconds are used"
    ]


def test_a_file_that_is_not_utf_8_is_an_error_with_its_line(
    files: ControlFiles, tmp_path: Path
) -> None:
    (tmp_path / "locals").write_bytes(b"good\nbad\xff\n")
    assert files.entries("locals") is None
    assert [(error.path, error.line) for error in files.problems.errors] == [
        (f"{tmp_path}/locals", 2)
    ]


def test_a_directory_in_the_place_of_a_file_is_an_error(
    files: ControlFiles, tmp_path: Path
) -> None:
    (tmp_path / "me").mkdir()
    assert files.line("me") is None
    assert len(files.problems.errors) == 1


def test_a_virtual_host_prefers_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "me").write_text("plain.example\n")
    (tmp_path / "me.192.0.2.1").write_text("special.example\n")
    (tmp_path / "sizelimit").write_text("10\n")
    files = ControlFiles(str(tmp_path), problems=Problems(), vhost="192.0.2.1")
    assert files.line("me") == "special.example"
    assert files.count("sizelimit", 1) == 10


def test_a_source_directory_gives_its_plain_files_in_name_order(
    files: ControlFiles, tmp_path: Path
) -> None:
    source = tmp_path / "hosteddomains"
    source.mkdir()
    for name in ("b", "a", "old~"):
        (source / name).touch()
    (source / "sub").mkdir()
    assert files.source_files("hosteddomains") == (f"{source}/a", f"{source}/b")


@pytest.mark.parametrize("name", ["x.rpmsave", "x.rpmnew", "x.dpkg-dist"])
def test_what_a_package_manager_left_is_an_error(
    files: ControlFiles, tmp_path: Path, name: str
) -> None:
    source = tmp_path / "hosteddomains"
    source.mkdir()
    (source / name).touch()
    files.source_files("hosteddomains")
    assert len(files.problems.errors) == 1


def test_a_newer_dist_file_is_an_error_and_an_older_one_is_ignored(
    files: ControlFiles, tmp_path: Path
) -> None:
    source = tmp_path / "hosteddomains"
    source.mkdir()
    (source / "x").touch()
    (source / "x.dist").touch()
    os.utime(source / "x.dist", (1, 1))
    assert files.source_files("hosteddomains") == (f"{source}/x",)
    os.utime(source / "x", (0, 0))
    files.source_files("hosteddomains")
    assert len(files.problems.errors) == 1
