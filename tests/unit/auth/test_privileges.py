"""Becoming the user of an account (spec auth 4.8)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from couriermail.auth import (
    Account,
    AccountOptions,
    AuthError,
    DirectoryError,
    account_environment,
    become_account,
    drop_privileges,
)

OTHER = 1001


def account(home: Path | str, uid: int = OTHER) -> Account:
    return Account(name="j", address="j", uid=uid, gid=OTHER, home=str(home))


def in_child(work: Callable[[], object]) -> str:
    """The text of what a forked child finds out: identity cannot be taken back."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            text = str(work())
        except AuthError as error:
            text = f"{type(error).__name__}: {error}"
        finally:
            os.write(write, text.encode())
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as answer:
        return answer.read()


@pytest.mark.root
def test_a_process_becomes_the_account_for_good() -> None:
    def work() -> object:
        become_account(account("/"))
        return os.getresuid(), os.getresgid(), os.getgroups(), os.getcwd()

    assert in_child(work) == "((1001, 1001, 1001), (1001, 1001, 1001), [1001], '/')"


@pytest.mark.root
def test_a_system_user_gets_all_its_groups() -> None:
    def work() -> object:
        drop_privileges(attrs.evolve(account("/"), system_user="daemon", gid=1))
        return os.getuid(), os.getgroups()

    assert in_child(work) == "(1, [1])"


@pytest.mark.root
def test_there_is_no_way_into_a_home_that_root_alone_may_enter(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)

    def work() -> object:
        become_account(account(tmp_path))
        return "entered"

    assert "Permission denied" in in_child(work)


@pytest.mark.root
def test_an_unknown_system_user_is_an_error() -> None:
    def work() -> object:
        drop_privileges(attrs.evolve(account("/"), system_user="no-such-user"))
        return "dropped"

    assert "this system lacks" in in_child(work)


def test_an_account_without_address_changes_nothing() -> None:
    with pytest.raises(AuthError, match="without address"):
        become_account(attrs.evolve(account("/"), address=""))


@pytest.mark.root
def test_only_root_becomes_somebody_else() -> None:
    def work() -> object:
        drop_privileges(account("/"))
        drop_privileges(account("/"))  # it is that user already
        drop_privileges(account("/", uid=1002))
        return "dropped"

    assert in_child(work) == f"{DirectoryError.__name__}: only root can become another user"


def test_a_home_that_cannot_be_made_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = tmp_path / "no" / "home"
    mine = attrs.evolve(account(home, uid=os.geteuid()), gid=os.getegid())
    assert "DirectoryError" in in_child(lambda: become_account(mine, skeleton=str(tmp_path)))
    with pytest.raises(DirectoryError, match="no/home"):
        become_account(mine, skeleton=str(tmp_path / "none"))
    assert "cannot be made from" not in caplog.text  # no skeleton, no attempt


def test_the_environment_names_the_account() -> None:
    found = attrs.evolve(account("/h"), quota="10S", full_name="J", options=AccountOptions("a=1"))
    assert account_environment(found) == {
        "AUTHENTICATED": "j",
        "OPTIONS": "a=1",
        "MAILDIRQUOTA": "10S",
        "AUTHADDR": "j",
        "AUTHFULLNAME": "J",
    }
    assert "MAILDIRQUOTA" not in account_environment(account("/h"))
