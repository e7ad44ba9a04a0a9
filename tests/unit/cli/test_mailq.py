"""mailq's numbers (spec mta.md 16); its tables are tested on a running system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.cli import cancelmsg, mailq
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


@pytest.mark.parametrize(
    ("main", "words"),
    [(mailq.main, ["mailq"]), (cancelmsg.main, ["cancelmsg", "ID"])],
    ids=["mailq", "cancelmsg"],
)
def test_a_missing_configuration_is_no_empty_queue(
    main: Callable[[], None],
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    missing = str(tmp_path / "ect")
    monkeypatch.setattr("sys.argv", [*words, "-C", missing])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"{words[0]}: {missing}: no such configuration directory")
    assert err.count("\n") == 1
