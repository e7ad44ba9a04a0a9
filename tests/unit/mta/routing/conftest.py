"""A directory of accounts in memory."""

from __future__ import annotations

import attrs
import pytest

from couriermail.auth import Account, DirectoryError


@attrs.define
class FakeDirectory:
    """Accounts by name; counts its lookups, and fails on demand."""

    accounts: dict[str, Account] = attrs.field(factory=dict)
    lookups: list[str] = attrs.field(factory=list)
    is_down: bool = False

    def add(self, name: str, home: str = "/home/x", uid: int = 2001) -> None:
        self.accounts[name] = Account(name=name, address=name, uid=uid, gid=2001, home=home)

    def lookup(self, name: str, service: str) -> Account | None:
        assert service == "courier"
        self.lookups.append(name)
        if self.is_down:
            raise DirectoryError("down")
        return self.accounts.get(name)


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory()
