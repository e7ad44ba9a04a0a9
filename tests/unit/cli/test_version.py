"""The version that the commands name is that of the distributions."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.cli.version import VERSION

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("folder", ["cli", "."])
def test_the_version_is_that_of_the_distribution(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_the_version_is_that_which_is_installed() -> None:
    assert metadata.version("couriermail-cli") == VERSION


def test_reformime_names_it_where_it_changed_an_encoding() -> None:
    out = run_ours("reformime", "-r7", data="Mime-Version: 1.0\n\nhé\n".encode()).out
    assert f" by reformime (couriermail {VERSION})\n".encode() in out
