"""Options, system users and chains (spec auth 3.6, 4.1, 4.2, 4.5)."""

from __future__ import annotations

import pwd
from collections.abc import Callable

import attrs
import pytest

from couriermail.auth import (
    Account,
    AccountOptions,
    ChainDirectory,
    DirectoryError,
    PasswdDirectory,
)
from couriermail.core import ManualClock


@attrs.define
class FakeDirectory:
    """Knows some names, counts its calls, or is out of order."""

    names: tuple[str, ...] = ()
    is_broken: bool = False
    options: str = ""
    calls: int = 0

    def lookup(self, name: str, service: str) -> Account | None:
        self.calls += 1
        if self.is_broken:
            raise DirectoryError("down")
        if name not in self.names:
            return None
        options = AccountOptions(self.options)
        return Account(name=name, address=name, uid=5, gid=5, home="/h", options=options)


@pytest.mark.parametrize(
    ("text", "name", "value", "number"),
    [
        ("disableimap=1,foo=7", "disableimap", "1", 1),
        ("disableimap=1,foo=7", "foo", "7", 7),
        ("a,b", "b", "", 0),
        ("a=1,a=2", "a", "1", 1),
        ("a=0", "A", None, 0),
        ("a=yes", "a", "yes", 1),
        ("a=True", "a", "True", 1),
        ("a=no", "a", "no", 0),
        ("a=12x", "a", "12x", 12),
        ("a=x=y", "a", "x=y", 0),
        ("", "a", None, 0),
        (",,a=3,", "a", "3", 3),
    ],
)
def test_options_are_read_by_name(text: str, name: str, value: str | None, number: int) -> None:
    options = AccountOptions(text)
    assert (options.get(name), options.number(name)) == (value, number)


def test_a_repeated_option_keeps_all_values() -> None:
    assert AccountOptions("group=a,x,group=b").all("group") == ["a", "b"]


@pytest.mark.parametrize(
    ("own", "defaults", "merged"),
    [
        (
            "disableimap=1,foo=7",
            "disablewebmail=1,foo,wbnodsn=1",
            "disableimap=1,foo=7,disablewebmail=1,wbnodsn=1",
        ),
        ("", "disablewebmail=1,foo,wbnodsn=1", "disablewebmail=1,foo,wbnodsn=1"),
        ("a=1", "", "a=1"),
        ("group=a", "group=b,group=c", "group=a"),
        ("food=1", "foo=2", "food=1,foo=2"),
    ],
)
def test_defaults_are_added_by_whole_name(own: str, defaults: str, merged: str) -> None:
    assert str(AccountOptions(own).with_defaults(AccountOptions(defaults))) == merged


def entry(name: str, uid: int, *, gecos: str = "", password: str = "x") -> pwd.struct_passwd:
    return pwd.struct_passwd((name, password, uid, 100, gecos, f"/home/{name}", "/bin/sh"))


Answers = Callable[[dict[str, pwd.struct_passwd]], list[str]]


@pytest.fixture
def system_users(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Replace the system's password database; the list collects the questions."""

    def install(users: dict[str, pwd.struct_passwd]) -> list[str]:
        asked: list[str] = []

        def getpwnam(name: str) -> pwd.struct_passwd:
            asked.append(name)
            return users[name]

        monkeypatch.setattr(pwd, "getpwnam", getpwnam)
        return asked

    return install


def test_a_system_user_is_an_account(system_users: Answers) -> None:
    system_users({"jane": entry("jane", 1000, gecos="Jane Doe,Room 7,555")})
    assert PasswdDirectory().lookup("jane", "imap") == Account(
        name="jane",
        address="jane",
        uid=1000,
        gid=100,
        home="/home/jane",
        full_name="Jane Doe",
        system_user="jane",
    )


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("root", entry("root", 0)),
        ("toor", entry("toor", 0)),
        ("JANE", entry("jane", 1000)),
        ("daemon", entry("daemon", 1)),
    ],
    ids=["root", "another uid 0", "another spelling", "below the smallest id"],
)
def test_some_system_users_are_no_accounts(
    system_users: Answers, name: str, user: pwd.struct_passwd
) -> None:
    system_users({name: user})
    assert PasswdDirectory(min_uid=2).lookup(name, "courier") is None


def test_root_cannot_be_allowed() -> None:
    with pytest.raises(ValueError, match="min_uid"):
        PasswdDirectory(min_uid=0)


@pytest.mark.parametrize("name", ["", "a\0b", "a/b", "a=b", "a|b", "a\n"], ids=repr)
def test_odd_names_are_not_asked_for(system_users: Answers, name: str) -> None:
    asked = system_users({})
    assert PasswdDirectory().lookup(name, "courier") is None
    assert asked == []


def test_answers_are_kept_for_a_while(system_users: Answers) -> None:
    asked = system_users({"jane": entry("jane", 1000)})
    clock = ManualClock()
    directory = PasswdDirectory(revalidate=3.0, clock=clock)
    for name in ("jane", "nobody1", "jane", "nobody1"):
        directory.lookup(name, "courier")
    assert asked == ["jane", "nobody1"]
    clock.advance(3.0)
    directory.lookup("nobody1", "courier")
    assert asked == ["jane", "nobody1", "nobody1"]


def test_trouble_in_the_system_database_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    def getpwnam(name: str) -> pwd.struct_passwd:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    with pytest.raises(DirectoryError):
        PasswdDirectory().lookup("jane", "courier")


def test_the_first_directory_that_knows_the_name_answers() -> None:
    first, second = FakeDirectory(("a",)), FakeDirectory(("a", "b"))
    chain = ChainDirectory([first, second])
    assert chain.lookup("a", "courier") is not None
    assert second.calls == 0
    assert chain.lookup("b", "courier") is not None
    assert chain.lookup("c", "courier") is None


def test_a_broken_directory_ends_the_search() -> None:
    second = FakeDirectory(("a",))
    with pytest.raises(DirectoryError):
        ChainDirectory([FakeDirectory(is_broken=True), second]).lookup("a", "courier")
    assert second.calls == 0


def test_a_chain_adds_default_options() -> None:
    chain = ChainDirectory(
        [FakeDirectory(("a",), options="x=1")], default_options=AccountOptions("x=2,y")
    )
    account = chain.lookup("a", "courier")
    assert account is not None
    assert str(account.options) == "x=1,y"
