"""What every tier of tests shares: peers are skipped by name, root tests by reason."""

from __future__ import annotations

import os
import shutil

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose Debian peer is absent, naming it, and root tests elsewhere."""
    for item in items:
        for mark in item.iter_markers("peer"):
            for name in mark.args:
                if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
                    item.add_marker(pytest.mark.skip(reason=f"peer absent: {name}"))
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="runs only as root"))
