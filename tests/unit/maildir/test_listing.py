"""A folder as columns."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from couriermail.maildir import Listing, Maildir, MaildirMissingError, list_messages
from couriermail.maildir.listing import CHUNK
from couriermail.maildir.names import flags_of, key_of, size_of

ODD_NAMES = [
    "1", "1:2,S", "1:1,T", "1:2,S,S=100", "1,S=abc", "1,S=50,S=70", "1,S=5,W=7:2,FS", "1,S=:2,",
    "1,S=+5", "1,S=1_0", "1,S= 7", "1,S=٣", "1,S=00012", "a:b:2,RS", "1:2,FSab", "1:2,S,x", ":2,S",
    "1,S=5,W=x:2,S", "1,W=7,S=5:2,", "1,S=,W=7", "1,S=5,S=,W=7", "1,S=1_0,W=9", "-1,S=2", "Ünder,S=9:2,S", "1,S=9223372036854775808",
]  # fmt: skip


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def rest(box: Maildir) -> None:
    """Make it look as if nothing had changed for long."""
    for sub in ("new", "cur"):
        os.utime(f"{box.path}/{sub}", (1, 1))


def test_rows_are_key_flags_and_size_with_new_mail_first(box: Maildir) -> None:
    seen = box.deliver(b"seen\n", flags="RS")
    new = box.deliver(b"new mail\n")
    listing = box.listing()
    assert list(listing) == [(new, "", 9), (seen, "RS", 5)]
    assert (list(listing.keys), listing.flags, listing.sizes) == ([new, seen], ["", "RS"], [9, 5])
    assert (len(listing), listing.new_count) == (2, 1)
    assert repr(listing) == f"Listing({box.path!r}, 2 messages)"


def test_a_position_gives_the_entry(box: Maildir) -> None:
    seen = box.deliver(b"seen\n", flags="S")
    new = box.deliver(b"new\n")
    rest(box)
    listing = box.listing()
    assert [listing[n].key for n in (0, 1, -1, -2)] == [new, seen, seen, new]
    with listing[0].open() as first, listing[-1].open() as last:
        assert (first.read(), last.read()) == (b"new\n", b"seen\n")
    with pytest.raises(IndexError):
        listing[2]
    with pytest.raises(IndexError):
        Maildir.create(f"{box.path}2").listing()[0]


def test_columns_say_what_the_name_functions_say(box: Maildir) -> None:
    for name in ODD_NAMES:
        Path(box.path, "cur", name).touch()
    for name in (".hidden,S=5:2,S", ".x"):
        Path(box.path, "cur", name).touch()
    rest(box)
    listing = box.listing()
    assert sorted(listing.names) == sorted(ODD_NAMES)
    assert list(listing) == [(key_of(n), flags_of(n), size_of(n)) for n in listing.names]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_one_odd_name_among_ordinary_ones_is_read_right(box: Maildir, name: str) -> None:
    names = {name, "1.M1P1.host,S=12:2,S"}
    for each in names:
        Path(box.path, "cur", each).touch()
    assert set(box.listing()) == {(key_of(n), flags_of(n), size_of(n)) for n in names}


@pytest.mark.parametrize("count", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
def test_columns_are_whole_whatever_the_number_of_messages(count: int) -> None:
    names = [f"{number}.host,S={number}:2,{'FS'[number % 2]}" for number in range(count)]
    if count > CHUNK:
        names[-1] = "12345:2,T"  # states no size, and all of its key are digits
    listing = Listing("box", names[:3], names[3:])
    assert list(listing) == [(key_of(n), flags_of(n), size_of(n)) for n in names]


def test_flags_alone_are_those_that_come_with_the_sizes() -> None:
    names = ["1.host,S=1:2,FS", "2.host,S=2", "3.host,S=3:2,"]
    alone, together = (Listing("box", [], names) for _ in range(2))
    assert list(together.sizes) == [1, 2, 3]
    assert list(alone.flags) == list(together.flags) == ["FS", "", ""]


def test_two_files_with_one_key_are_both_listed_in_a_folder_at_rest(box: Maildir) -> None:
    for name in ("1.a,S=1:2,", "1.a,S=1:2,S"):
        Path(box.path, "cur", name).touch()
    rest(box)
    assert sorted(box.listing()) == [("1.a,S=1", "", 1), ("1.a,S=1", "S", 1)]
    assert len(box.scan()) == 1


def test_a_message_that_is_renamed_while_we_look_is_listed_once(
    box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    future = time.time() + 1000
    os.utime(f"{box.path}/cur", (future, future))
    shown = iter([["a,S=1:2,", "a,S=1:2,S", ".b:2,"], ["a,S=1:2,S"]])
    monkeypatch.setattr(os, "listdir", lambda path: next(shown) if path.endswith("cur") else [])
    assert list(box.listing()) == [("a,S=1", "S", 1)]


def test_listing_no_maildir_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MaildirMissingError):
        list_messages(tmp_path / "none")
