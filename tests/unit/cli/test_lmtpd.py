"""`couriermail-lmtpd`: its options, its help and what it refuses; the rest is tested end to end."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from typer.core import TyperOption
from typer.main import get_command
from typer.testing import CliRunner

from couriermail.cli import lmtpd
from couriermail.mta.lmtp import LmtpSettings


def options() -> dict[str, TyperOption]:
    """The declared options by the name of the parameter that takes them."""
    found = get_command(lmtpd.app).params
    return {option.name or "": option for option in found if isinstance(option, TyperOption)}


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_option_with_its_text(option: str) -> None:
    done = CliRunner().invoke(lmtpd.app, [option], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for declared in options().values():
        for name in declared.opts:
            assert name in done.output
        assert declared.help
        assert declared.help.split(";")[0] in done.output


def test_help_has_examples_whose_options_exist() -> None:
    done = CliRunner().invoke(lmtpd.app, ["--help"], env={"COLUMNS": "200"})
    _, _, examples = done.output.partition("Examples:")
    used = {
        word
        for line in examples.splitlines()
        if line.strip().startswith("couriermail-lmtpd")
        for word in line.split()
        if word.startswith("-")
    }
    known = {name for declared in options().values() for name in declared.opts}
    assert used
    assert used <= known
    assert "Exit codes:" in examples


def test_every_parameter_is_an_option_and_no_two_share_a_name() -> None:
    names = [name for declared in options().values() for name in declared.opts]
    assert len(names) == len(set(names))
    assert set(inspect.signature(lmtpd.lmtpd).parameters) <= options().keys()


def test_the_numbers_in_the_help_are_those_of_the_settings() -> None:
    found, settings = options(), LmtpSettings()
    assert found["connections"].default == settings.max_connections
    assert found["agents"].default == settings.max_agents
    assert found["agents_per_user"].default == settings.max_agents_per_user
    assert found["delimiters"].default == settings.delimiters
    assert int(str(found["mode"].default), 8) == settings.unix_mode


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--mode", "8"], "8 is no octal mode"),
        (["--mode", "7777"], "7777 is no octal mode"),
        (["--listen", "localhost"], "localhost is not [HOST:]PORT"),
        (["--listen", "127.0.0.1:65536"], "127.0.0.1:65536 is not [HOST:]PORT"),
        (["--agents", "0"], "0 is not in the range"),
        (["--size", "-1"], "-1 is not in the range"),
        (["--no-such-option"], "No such option"),
    ],
    ids=["mode", "large mode", "no port", "large port", "no agents", "negative size", "unknown"],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, words: list[str], reason: str) -> None:
    done = CliRunner().invoke(lmtpd.app, ["-C", str(tmp_path), *words], env={"COLUMNS": "200"})
    assert done.exit_code == 2
    assert reason in done.output
