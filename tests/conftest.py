"""What every tier of tests shares: peers are skipped by name, root tests by reason."""

from __future__ import annotations

import os
import shutil

import pytest

MIN_DIFFERENTIAL = "COURIERMAIL_MIN_DIFFERENTIAL"

_differential_passed: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the differential tests that really ran."""
    if report.when == "call" and report.passed and "tests/differential/" in report.nodeid:
        _differential_passed.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a run in which the peers were missing is a failure."""
    wanted = int(os.environ.get(MIN_DIFFERENTIAL, "0"))
    whole_run = not session.config.args or session.config.args == ["tests"]
    if wanted and whole_run and len(_differential_passed) < wanted:
        print(f"\nonly {len(_differential_passed)} differential tests ran; {wanted} are expected")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests whose Debian peer is absent, naming it, and root tests elsewhere."""
    for item in items:
        for mark in item.iter_markers("peer"):
            for name in mark.args:
                if shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
                    item.add_marker(pytest.mark.skip(reason=f"peer absent: {name}"))
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="runs only as root"))
