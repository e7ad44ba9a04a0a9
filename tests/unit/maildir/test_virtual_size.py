"""Dovecot's `W=`: the size with CRLF line ends, read from names and written when asked."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from couriermail.maildir import Maildir
from couriermail.maildir.names import size_of, virtual_size_of

MESSAGE = b"Subject: x\n\nabc\r\nde\n"  # 20 octets; three bare line ends


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("1.a,S=5,W=7:2,S", 7),
        ("1.a,W=7", 7),
        ("1.a,W=9,S=5:2,", 9),
        ("1.a,S=5,X=1,W=7,Y=2:2,S", 7),
        ("1.a,S=5,W=7,W=8", 7),
        ("1.a,S=5,W=07", 7),
        ("1.a,S=5,W=0", 0),
        ("1.a,S=5", None),
        ("1.a,S=5,W=", None),
        ("1.a,S=5,W=7x", None),
        ("1.a,S=5,W=+7", None),
        ("1.a,S=5,W= 7", None),
        ("1.a,S=5,W=7_0", None),
        ("1.a,S=5,W=٣", None),
        ("1.a,S=5,W=18446744073709551615", 2**64 - 1),
        ("1.a,S=5,W=18446744073709551616", None),
        ("1.a,S=5,W=" + "9" * 5000, None),
        ("1.a:2,S,W=9", None),
        ("1.a,SW=1,S=5", None),
    ],
)
def test_the_first_w_before_the_flags_counts(name: str, size: int | None) -> None:
    assert virtual_size_of(name) == size


@pytest.mark.parametrize(
    "chunks",
    [
        MESSAGE,
        memoryview(MESSAGE),
        [MESSAGE[:15], memoryview(MESSAGE)[15:]],  # between CR and LF
        iter([MESSAGE[:15], MESSAGE[15:]]),
        io.BytesIO(MESSAGE),
    ],
    ids=["bytes", "view", "parts", "iterator", "file"],
)
def test_a_delivery_states_both_sizes_when_asked(tmp_path: Path, chunks: object) -> None:
    box = Maildir.create(tmp_path / "md", quota="100S")
    asked = Maildir(box.path, with_virtual_size=True)
    key = asked.deliver(chunks)  # type: ignore[arg-type]
    assert key.endswith(",S=20,W=23")
    assert (box.entry(key).size, box.entry(key).virtual_size) == (20, 23)
    assert box.usage is not None
    assert box.usage.size == 20  # the quota goes by S=


def test_it_is_off_by_default_and_folders_follow_their_maildir(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    assert ",W=" not in box.deliver(MESSAGE)
    asked = Maildir.open(box.path, with_virtual_size=True)
    for folder in (asked.create_folder("A"), asked.folder("A")):
        assert ",S=20,W=23" in folder.deliver(MESSAGE)
    assert ",W=" not in asked.deliver(b"")  # as there is no S=


def test_a_message_whose_name_does_not_say_is_read(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    assert box.entry(box.deliver(MESSAGE)).virtual_size == 23
    Path(box.path, "cur", "1,S=5,W=7:2,").write_bytes(MESSAGE)
    assert box.entry("1,S=5,W=7").virtual_size == 7  # the name is believed, as for S=


def test_changes_of_flags_keep_it_and_expunging_credits_the_real_size(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md", quota="1000S")
    key = Maildir(box.path, with_virtual_size=True).deliver(MESSAGE, flags="S")
    assert box.set_flags(key, "RS").name == f"{key}:2,RS"
    box.set_flags(key, "T")
    assert box.usage is not None
    assert box.usage.size == 0
    entry = box.set_flags(key, "F")
    assert (size_of(entry.name), virtual_size_of(entry.name)) == (20, 23)
    box.expunge(key)
    assert box.usage.size == 0
    assert os.listdir(f"{box.path}/cur") == []


def test_a_listing_reads_sizes_beside_it(tmp_path: Path) -> None:
    box = Maildir.create(tmp_path / "md")
    box.deliver(MESSAGE)
    Maildir(box.path, with_virtual_size=True).deliver(MESSAGE)
    assert list(box.listing().sizes) == [20, 20]
