"""`verifysmtp` (spec filter 2.5), with a network of the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.cli import verifysmtp
from couriermail.filter.courierfilter import Finding

BAD = Finding(
    is_good=False,
    is_hard=True,
    server="mx.x [192.0.2.1]",
    command="RCPT TO:<bad@x>",
    lines=("First.", "Unknown user."),
)


class Network:
    """Knows one bad address."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, address: str) -> Finding:
        self.asked.append(address)
        if address.startswith("quiet@"):
            return Finding(is_good=True)
        return BAD if address.startswith("bad") else Finding(is_good=True, lines=("2.1.5 Ok.",))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Network:
    made = Network()
    monkeypatch.setattr(verifysmtp, "_probe", lambda config: made)
    monkeypatch.delenv("SENDER", raising=False)
    return made


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["verifysmtp", *words])
    with pytest.raises(SystemExit) as ended:
        verifysmtp.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_each_address_gets_its_answer(
    network: Network, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "ann@x", "bad@x", "quiet@x", "noone") == 1
    assert capsys.readouterr().out == (
        "<ann@x>: 2.1.5 Ok.\n"
        "\n"
        "<bad@x>: verification failed\n"
        " >>> mx.x [192.0.2.1]:\n"
        "    >>> RCPT TO:<bad@x>\n"
        "    First.\n"
        "    Unknown user.\n"
        "\n"
        "<quiet@x>: Ok\n"
        "\n"
        "<noone>: verification failed\n"
        "    Invalid email address\n"
    )


def test_good_addresses_end_with_0(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "ann@x") == 0
    assert run(monkeypatch) == 0


def test_a_recipe_verifies_the_sender_and_remembers(
    network: Network,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("SENDER", "bad-list@x")
    assert run(monkeypatch, "-t", str(tmp_path)) == 1
    assert capsys.readouterr().out == (
        "530-mx.x [192.0.2.1]:\n"
        "530->>> RCPT TO:<bad@x>\n"
        "530-First.\n"
        "530-Unknown user.\n"
        "530 <bad-list@x> verification failed.\n"
    )
    assert run(monkeypatch, "-t", str(tmp_path), ".") == 1
    assert network.asked == ["bad-list@x"]
    assert run(monkeypatch, "-m", "full", "-t", str(tmp_path)) == 1
    assert network.asked == ["bad-list@x"] * 2


@pytest.mark.parametrize("sender", [None, ""])
def test_without_a_sender_there_is_nothing_to_verify(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sender: str | None
) -> None:
    if sender is not None:
        monkeypatch.setenv("SENDER", sender)
    assert run(monkeypatch, "-t", str(tmp_path)) == 0
    assert network.asked == []


def test_a_directory_that_is_not_there_remembers_nothing(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENDER", "ann@x")
    for _ in range(2):
        assert run(monkeypatch, "-t", str(tmp_path / "none")) == 0
    assert len(network.asked) == 2


def test_wrong_arguments_end_with_2(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "-m", "most", "ann@x") == 2


def test_the_command_is_quiet_where_it_is_told_to(tmp_path: Path) -> None:
    pytest.importorskip("dns", reason="dnspython, the extra verify, is absent")
    done = run_ours("verifysmtp", "-C", str(tmp_path), "-n", "noone")
    assert done == (1, b"<noone>: verification failed\n    Invalid email address\n", b"")
