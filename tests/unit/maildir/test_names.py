"""Names of message files, spec maildir 3.2 and the pinned cases of section 6."""

from __future__ import annotations

import pytest

from couriermail.maildir.errors import InvalidNameError
from couriermail.maildir.names import (
    counts_for_quota,
    current_name,
    escape_host,
    flags_of,
    key_of,
    new_name,
    size_of,
    tmp_name,
    with_size,
)


def test_the_pinned_name_is_made_from_its_parts() -> None:
    name = new_name(1795334130.992265, 2029, "1", "vm", device=0xFE00, inode=0x2320D5, size=18)
    assert name == "1795334130.M992265P2029V000000000000FE00I00000000002320D5_1.vm,S=18"


def test_an_empty_message_states_no_size() -> None:
    assert new_name(1.5, 2, "3", "h", device=1, inode=1, size=0).endswith("_3.h")


def test_the_temporary_name_has_no_device_and_no_size() -> None:
    assert tmp_name(1.5, 2, "3", "h") == "1.M500000P2_3.h"


@pytest.mark.parametrize(
    ("name", "size"),
    [
        pytest.param("1,S=100:2,S", 100, id="pinned-stated"),
        pytest.param("1:2,S,S=100", None, id="pinned-behind-the-colon"),
        pytest.param("1,S=abc", 0, id="pinned-no-digits"),
        pytest.param("1,S=50,S=70", 70, id="pinned-last-one"),
        pytest.param("1,S=5,W=9:2,", 5, id="with-W"),
        pytest.param("1", None, id="none"),
    ],
)
def test_the_size_is_read_from_the_name(name: str, size: int | None) -> None:
    assert size_of(name) == size


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        pytest.param("1:2,ST", False, id="pinned-trashed"),
        pytest.param("1:2,SaT", True, id="pinned-small-letter-ends-the-scan"),
        pytest.param("1:1,T", True, id="pinned-other-info"),
        pytest.param("1", True, id="no-info"),
        pytest.param("1:2,T", False, id="only-T"),
    ],
)
def test_trashed_messages_do_not_count(name: str, counts: bool) -> None:
    assert counts_for_quota(name) is counts


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("1:2,S", "1,S=7:2,S", id="added-before-flags"),
        pytest.param("1", "1,S=7", id="appended"),
        pytest.param("1,S=55,W=3:2,S", "1,S=7,W=3:2,S", id="replaced"),
    ],
)
def test_the_stated_size_can_be_replaced(before: str, after: str) -> None:
    assert with_size(before, 7) == after


def test_flags_are_sorted_unique_and_unknown_ones_stay() -> None:
    name = current_name("k", "TSaS")
    assert name == "k:2,STa"
    assert (key_of(name), flags_of(name)) == ("k", "STa")


@pytest.mark.parametrize("flags", ["/", "S:", "a b", "é", "\n"])
def test_flags_that_would_break_the_name_are_refused(flags: str) -> None:
    with pytest.raises(InvalidNameError):
        current_name("k", flags)


def test_a_strange_host_name_is_escaped() -> None:
    assert escape_host("a/b:c") == r"a\057b\072c"
    assert escape_host("") == "localhost"
