"""How filterd behaves, from a configuration directory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from couriermail.mta import load_config
from couriermail.mta.rcptfilter import FilterProgram, filter_runner
from couriermail.mta.rcptfilter.maildrop import OwnMaildrop
from couriermail.mta.rcptfilter.service import helper_settings, is_helper_wanted


def test_the_program_and_the_least_id_are_the_configurations(tmp_path: Path) -> None:
    (tmp_path / "maildropfilter").write_text("/usr/lib/judge\n")
    (tmp_path / "couriermail.toml").write_text("[mta]\nfilter_min_id = 1000\n")
    settings = helper_settings(load_config(tmp_path))
    assert settings.program == FilterProgram("/usr/lib/judge")
    assert settings.minimum_id == 1000
    assert settings.trusted_uids == {os.geteuid()}


def test_our_own_maildrop_is_not_started(tmp_path: Path) -> None:
    script = tmp_path / "maildrop"
    script.write_text(f"#!{sys.executable}\nfrom couriermail.cli.maildrop import main\nmain()\n")
    (tmp_path / "maildropfilter").write_text(f"{script}\n")
    settings = helper_settings(load_config(tmp_path))
    assert settings.program == OwnMaildrop(str(tmp_path))
    assert settings.minimum_id == 100


@pytest.mark.parametrize("text", [None, "", "maildrop", "bin/maildrop"])
def test_without_an_absolute_path_nothing_is_run(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "maildropfilter").write_text(text)
    config = load_config(tmp_path)
    assert filter_runner(config) is None
    assert not is_helper_wanted(config)
