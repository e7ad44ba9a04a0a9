"""mailq's numbers (spec mta.md 16); its tables are tested on a running system."""

from __future__ import annotations

import pytest

from couriermail.cli.mailq import as_batch, as_table, size_text


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0K"),
        (1024 + 102, "1.0K"),
        (1024 + 103, "1.1K"),
        (1048575, "1023.9K"),
        (1048576, "1.00M"),
        (1310720, "1.25M"),
        (1048576 * 12 + 10486, "12.01M"),
    ],
)
def test_sizes_are_cut_off_not_rounded(octets: int, text: str) -> None:
    assert size_text(octets) == text


def test_an_empty_queue() -> None:
    assert list(as_table([])) == [
        "Size             Queue ID                                                    Date",
        "User             From",
        "Status           Recipient",
        "---------------- ---------------------------------------------------------",
        "   0 messages.",
    ]
    assert list(as_batch([])) == ["messages: 0"]
