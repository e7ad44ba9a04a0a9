"""The account that the tests of the local agent deliver to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.localaccount import Account

from couriermail.core import clear_faults
from couriermail.maildir import Maildir


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    umask = os.umask(0o077)  # as the agent has it
    home = tmp_path / "home"
    home.mkdir()
    Maildir.create(home / "Maildir")
    yield Account(home)
    clear_faults()
    os.umask(umask)
