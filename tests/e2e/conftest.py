"""Fixtures of the end-to-end tests: a directory that other uids reach, and sites in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import MailSite, reachable_directory


@pytest.fixture(scope="module")
def shared_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`root` for sites that all tests of a module share."""
    if os.geteuid() != 0:
        yield tmp_path_factory.mktemp("site")
        return
    with reachable_directory() as directory:
        yield directory


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """As root a directory that other uids reach, which pytest's own is not."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with reachable_directory() as directory:
        yield directory


@pytest.fixture
def make_site(root: Path) -> Iterator[Callable[..., MailSite]]:
    """Makes sites; those still running are stopped at the end."""
    sites: list[MailSite] = []

    def make(*, accounts: tuple[str, ...] = ("alice", "bob"), **files: str) -> MailSite:
        name = f"site{len(sites)}"
        site = MailSite.make(root / name, accounts=accounts, files=files)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.stop()
