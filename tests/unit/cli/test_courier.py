"""`courier`, `esmtpd` and where commands find the mail system; the rest is tested end to end."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from couriermail.cli import courier, esmtpd, mailq
from couriermail.cli.layout import config_directory, state_directory


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COURIERMAIL_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "app", [courier.app, esmtpd.app, mailq.app], ids=["courier", "esmtpd", "mailq"]
)
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_has_examples(app: typer.Typer, option: str) -> None:
    done = CliRunner().invoke(app, [option])
    assert done.exit_code == 0
    assert "Examples:" in done.output
    assert "--fault" not in done.output


@pytest.mark.parametrize("words", [["no-such-verb"], []], ids=["unknown verb", "no verb"])
def test_what_courier_does_not_know_is_a_usage_error(words: list[str]) -> None:
    assert CliRunner().invoke(courier.app, words).exit_code == 2


@pytest.mark.parametrize("words", [["start"], ["start", "-f"]], ids=["background", "foreground"])
def test_a_directory_that_is_not_there_starts_nothing(tmp_path: Path, words: list[str]) -> None:
    missing = tmp_path / "none"

    done = CliRunner().invoke(courier.app, ["-C", str(missing), *words])

    assert done.exit_code == 78
    assert f"courier: {missing}: no such configuration directory" in done.output
    assert not missing.exists()


def test_no_smtp_server_starts_for_a_directory_that_is_not_there(tmp_path: Path) -> None:
    """With the defaults it would listen on port 25 for a system that nobody set up."""
    missing = tmp_path / "none"

    done = CliRunner().invoke(esmtpd.app, ["-C", str(missing), "--port", "0"])

    assert done.exit_code == 78
    assert f"esmtpd: {missing}: no such configuration directory" in done.output
    assert not missing.exists()


def test_nothing_runs_where_nothing_was_set_up(tmp_path: Path) -> None:
    done = CliRunner().invoke(courier.app, ["-C", str(tmp_path / "none"), "status"])
    assert (done.exit_code, done.output) == (3, "not running\n")


def test_the_configuration_directory_is_found_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_directory() == "/etc/courier"
    (tmp_path / ".couriermail").mkdir()
    assert config_directory() == str(tmp_path / ".couriermail")
    monkeypatch.setenv("COURIERMAIL_CONFIG", "other")
    assert config_directory() == str(tmp_path / "other")
    assert config_directory("chosen") == str(tmp_path / "chosen")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "{0}/state"),
        ("[paths]\n", "{0}/state"),
        ('[paths]\nstate = "/var/mailstate"\n', "/var/mailstate"),
        ('[paths]\nstate = "queue-here"\n', "{0}/queue-here"),
        ("[paths]\nstate = [broken", "{0}/state"),
        ("[paths]\nstate = 3\n", "{0}/state"),
    ],
    ids=["no file", "not set", "absolute", "relative", "no TOML", "no text"],
)
def test_the_state_directory(text: str | None, expected: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "couriermail.toml").write_text(text)
    assert state_directory(str(tmp_path)) == expected.format(tmp_path)


def test_the_systems_own_state_lies_where_it_belongs() -> None:
    assert state_directory("/etc/courier") == "/var/lib/courier"
