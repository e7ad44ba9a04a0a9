"""The text grammar, the directory checks, ranges and lookup orders (spec maildir 4.16)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.table import (
    Match,
    Table,
    TableSourceError,
    address_keys,
    compile_table,
    domain_keys,
    expand_range,
    find_first,
    hosted_domain_keys,
    read_source,
    source_files,
)


def pairs_of(path: Path, *, cidr: bool = False) -> list[tuple[bytes, bytes]]:
    return [(record.key, record.value) for record in read_source(path, cidr=cidr)]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        pytest.param(b"example.com\n", [(b"example.com", b"1")], id="no value is 1"),
        pytest.param(b"last.com\t\n", [(b"last.com", b"1")], id="an empty value is 1"),
        pytest.param(b"domain.com\tok\n", [(b"domain.com", b"ok")], id="key TAB value"),
        pytest.param(b"f.d\tbad\tx\n", [(b"f.d", b"bad\tx")], id="a second TAB is data"),
        pytest.param(b"# c\n\n#d\ta\nk\n", [(b"k", b"1")], id="comments and empty lines"),
        pytest.param(b"\tvalue\n", [], id="an empty key is ignored"),
        pytest.param(b"a\n.\nb\n", [(b"a", b"1")], id="a dot ends the input"),
        pytest.param(b"a\tb", [(b"a", b"b")], id="no final newline"),
        pytest.param(b"a b\tc \n", [(b"a b", b"c ")], id="blanks are data"),
        pytest.param(b"\xff\t\xfe\n", [(b"\xff", b"\xfe")], id="octets are kept"),
    ],
)
def test_a_line_becomes_a_record(
    tmp_path: Path, text: bytes, pairs: list[tuple[bytes, bytes]]
) -> None:
    source = tmp_path / "source"
    source.write_bytes(text)
    assert pairs_of(source) == pairs


def test_records_know_their_place(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n\ny\n")
    records = list(read_source(tmp_path))
    assert [(record.path, record.line) for record in records] == [
        (str(tmp_path / "a"), 1),
        (str(tmp_path / "a"), 3),
    ]


def test_a_directory_is_its_plain_files_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "b~"):
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "c").write_text("c\n")
    (tmp_path / "link").symlink_to(tmp_path / "below" / "c")
    assert pairs_of(tmp_path) == [(b"a", b"1"), (b"b", b"1"), (b"c", b"1")]


@pytest.mark.parametrize("suffix", ["rpmsave", "rpmnew", "dpkg-old", "dpkg-dist"])
def test_leftovers_of_package_managers_stop_everything(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "a").write_text("a\n")
    (tmp_path / f"a.{suffix}").write_text("b\n")
    with pytest.raises(TableSourceError, match="inspect") as caught:
        source_files(tmp_path)
    assert caught.value.path == str(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("name", ["a.dpkg-1", "a.rpmsaved", "dpkg-old"])
def test_names_that_only_look_like_leftovers_are_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("b\n")
    assert pairs_of(tmp_path) == [(b"b", b"1")]


def test_an_older_dist_file_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a\n")
    (tmp_path / "a.dist").write_text("d\n")
    os.utime(tmp_path / "a.dist", (1_000, 1_000))
    assert pairs_of(tmp_path) == [(b"a", b"1")]


@pytest.mark.parametrize("has_original", [True, False])
def test_a_newer_or_lone_dist_file_stops_everything(tmp_path: Path, has_original: bool) -> None:
    (tmp_path / "a.dist").write_text("d\n")
    if has_original:
        (tmp_path / "a").write_text("a\n")
        os.utime(tmp_path / "a", (1_000, 1_000))
    with pytest.raises(TableSourceError, match="newer than"):
        source_files(tmp_path)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableSourceError, match="nothing here") as caught:
        list(read_source(tmp_path / "nothing here"))
    assert caught.value.exit_code == 65


@pytest.mark.parametrize(
    ("word", "keys"),
    [
        (b"1.2.3.0/30", [b"1.2.3.0", b"1.2.3.1", b"1.2.3.2", b"1.2.3.3"]),
        (b"10.0.0.5-10.0.0.6", [b"10.0.0.5", b"10.0.0.6"]),
        (b"2001:db8::/31", [b":2001:0db8", b":2001:0db9"]),
        (b"10.0.0.0/8", [b"10"]),
        (b"192.168.0.0/16", [b"192.168"]),
        (b"192.168.0.0/23", [b"192.168.0", b"192.168.1"]),
        (b"1.2.3.4/32", [b"1.2.3.4"]),
        (b"1.2.3.254-1.2.4.255", [b"1.2.3.254", b"1.2.3.255", b"1.2.4"]),
        (b"::1/128", [b":0000" * 7 + b":0001"]),
        (b"1.2.3.4", None),
        (b"foo-bar", None),
        (b"-", None),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) else "",
)
def test_a_range_becomes_the_fewest_keys(word: bytes, keys: list[bytes] | None) -> None:
    assert expand_range(word) == keys


@pytest.mark.parametrize(
    "word", [b"1.2.3/24", b"1.2.3.4-1.2.3.3", b"1.2.3.4/33", b"1.2.3.4-::1", b"::1-8000::"]
)
def test_a_wrong_or_enormous_range_is_refused(word: bytes) -> None:
    with pytest.raises(TableSourceError):
        expand_range(word)


def test_ranges_in_a_source_carry_the_rest_of_the_line(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("10.0.0.0/31\tallow,X\n10.9.0.0/16 deny\n11.0.0.0/8\nplain\tv\n")
    assert pairs_of(source, cidr=True) == [
        (b"10.0.0.0", b"allow,X"),
        (b"10.0.0.1", b"allow,X"),
        (b"10.9", b"deny"),
        (b"11", b"1"),
        (b"plain", b"v"),
    ]


def test_a_wrong_range_is_reported_with_its_line(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("a\n1.2.3.4/99\n")
    with pytest.raises(TableSourceError) as caught:
        list(read_source(source, cidr=True))
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        (b"u@a.b.c", [b"u@a.b.c", b"u@", b"a.b.c", b"b.c", b"c"]),
        (b"a.b.c", [b"a.b.c", b"b.c", b"c"]),
        (b"word", [b"word"]),
        (b"", [b""]),
    ],
    ids=repr,
)
def test_domain_lookups_strip_leading_labels(key: bytes, keys: list[bytes]) -> None:
    assert list(domain_keys(key)) == keys


@pytest.mark.parametrize(
    ("key", "keys"),
    [
        (b"1.2.3.4", [b"1.2.3.4", b"1.2.3", b"1.2", b"1"]),
        (b":2001:0db8:0001", [b":2001:0db8:0001", b":2001:0db8", b":2001"]),
    ],
    ids=repr,
)
def test_address_lookups_strip_trailing_parts(key: bytes, keys: list[bytes]) -> None:
    assert list(address_keys(key)) == keys


def test_hosted_domains_keep_the_dot_and_stop_after_five_steps() -> None:
    keys = list(hosted_domain_keys(b"a.b.c.d.e.f.g.h"))
    assert keys[:3] == [b"a.b.c.d.e.f.g.h", b".b.c.d.e.f.g.h", b".c.d.e.f.g.h"]
    assert len(keys) == 6


def test_the_number_of_lookups_is_bounded() -> None:
    assert len(list(domain_keys(b"x." * 5000))) == 32
    assert len(list(address_keys(b"1." * 5000 + b"1"))) == 32


def test_the_most_specific_key_wins(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("example.com\tdomain\nmail.example.com\thost\n")
    compile_table(source, tmp_path / "x.dat")
    table = Table.open(tmp_path / "x.dat")
    match = find_first(table, domain_keys(b"u@mail.example.com"))
    assert match == Match(b"mail.example.com", b"host")
    assert find_first(table, domain_keys(b"example.org")) is None
