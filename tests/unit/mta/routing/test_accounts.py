"""The local account search (spec mta 4.5, 19.3)."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from couriermail.core import ManualClock, Reply
from couriermail.mta.accounts import AccountSearch, LocalTarget, MailIdentity, mail_identity
from couriermail.mta.config import load_config
from couriermail.mta.errors import MtaConfigError

if TYPE_CHECKING:
    from tests.unit.mta.routing.conftest import FakeDirectory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def search(directory: FakeDirectory, tmp_path: Path, home: Path) -> AccountSearch:
    aliasdir = tmp_path / "aliasdir"
    aliasdir.mkdir()
    for name in ("bob", "a-b", "user@hosted.test", "u@.wild.test"):
        directory.add(name, str(home))
    directory.add("root", str(home), uid=0)
    return AccountSearch(directory, MailIdentity(103, 106), str(aliasdir), clock=ManualClock())


def shown(answer: LocalTarget | Reply) -> str:
    if isinstance(answer, Reply):
        return f"{answer.code} {answer.text}"
    return f"{answer.account} {answer.name} {answer.extension}".rstrip()


@pytest.mark.parametrize(
    ("local", "hosted", "expected"),
    [
        pytest.param("bob", None, "bob bob", id="exact"),
        pytest.param("bob-ext", None, "bob bob ext", id="extension with a dot file"),
        pytest.param("bob+ext", None, "bob bob ext", id="another separator"),
        pytest.param("bob-nofile", None, "550 User <bob-nofile> unknown", id="no dot file"),
        pytest.param("bob-", None, "bob bob", id="an empty extension is none"),
        pytest.param("a-b", None, "a-b a-b", id="a separator in the name"),
        pytest.param("a-b-ext", None, "a-b a-b ext", id="and an extension"),
        pytest.param("bob-ext-1+2-3-4-5", None, "bob bob ext-1-2-3-4-5", id="many separators"),
        pytest.param("root", None, "550 User <root> unknown", id="root never gets mail"),
        pytest.param("nobody", None, "550 User <nobody> unknown", id="no account"),
        pytest.param("", None, "550 User <> unknown", id="nothing"),
        pytest.param("a!b", None, "550 User <a!b> unknown", id="bang"),
        pytest.param(".bob", None, "550 User <.bob> unknown", id="leading dot"),
        pytest.param("../bob", None, "550 User <../bob> unknown", id="a path"),
        pytest.param("bob-x/y", None, "550 User <bob-x/y> unknown", id="a path as extension"),
        pytest.param("bob", "hosted.test", "550 User <bob@hosted.test> unknown", id="not hosted"),
        pytest.param("user", "hosted.test", "user@hosted.test user", id="hosted"),
        pytest.param("user-ext", "hosted.test", "user@hosted.test user ext", id="hosted ext"),
        pytest.param("u", ".wild.test", "u@.wild.test u", id="wildcard domain"),
        pytest.param("x", "испытание.test", "550 User <x@xn--80akhbyknj4f.test> unknown", id="ACE"),
    ],
)
def test_accounts_are_found_by_local_part(
    search: AccountSearch, home: Path, local: str, hosted: str | None, expected: str
) -> None:
    (home / ".courier-ext").touch()
    (home / ".courier-ext-default").touch()
    assert shown(search.find(local, hosted)) == expected


def test_names_are_tried_from_the_fourth_separator_down(
    search: AccountSearch, directory: FakeDirectory
) -> None:
    search.find("a-b-c-d-e-f")
    assert directory.lookups == ["a-b-c-d", "a-b-c", "a-b"]


def test_the_log_sees_everything_about_a_target(search: AccountSearch, home: Path) -> None:
    target = search.find("bob")
    assert isinstance(target, LocalTarget)
    assert target.host == f"bob!!2001!2001!{home}!!"


def test_an_account_named_alias_catches_what_a_hosted_domain_has_no_account_for(
    search: AccountSearch, directory: FakeDirectory, home: Path
) -> None:
    directory.add("alias@hosted.test", str(home))
    assert shown(search.find("nosuch", "hosted.test")) == "550 User <nosuch@hosted.test> unknown"
    search.forget()
    (home / ".courier-default").touch()
    assert shown(search.find("nosuch", "hosted.test")) == "alias@hosted.test alias nosuch"


def test_the_catch_all_also_takes_the_newer_spelling(
    search: AccountSearch, directory: FakeDirectory, home: Path
) -> None:
    directory.add("alias@hosted.test", str(home))
    (home / ".courier-new@hosted:test").touch()
    assert shown(search.find("new", "hosted.test")) == ("alias@hosted.test alias new@hosted.test")


@pytest.mark.parametrize(
    ("local", "hosted", "file", "expected"),
    [
        ("glob-a-b", None, ".courier-glob-default", "alias alias glob-a-b"),
        ("glob", None, ".courier-glob-default", "550 User <glob> unknown"),
        ("x", "hosted.test", ".courier-x@hosted:test", "alias alias x@hosted.test"),
        (".xalias/p@e+2ec", None, ".courier-:xalias/p@e+2ec", "alias alias .xalias/p@e+2ec"),
        (".xalias/../p", None, ".courier-:xalias/p", "550 User <.xalias/../p> unknown"),
    ],
)
def test_aliasdir_is_the_last_resort(
    search: AccountSearch,
    tmp_path: Path,
    *,
    local: str,
    hosted: str | None,
    file: str,
    expected: str,
) -> None:
    path = tmp_path / "aliasdir" / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    answer = search.find(local, hosted)
    assert shown(answer) == expected
    if isinstance(answer, LocalTarget):
        assert (answer.uid, answer.gid, answer.home) == (103, 106, str(tmp_path / "aliasdir"))


def test_aliasdir_is_not_served_by_root(search: AccountSearch, tmp_path: Path) -> None:
    (tmp_path / "aliasdir/.courier-default").touch()
    as_root = attrs.evolve(search, identity=MailIdentity(0, 0))
    assert shown(as_root.find("x")) == "550 User <x> unknown"


def test_a_directory_that_is_down_is_temporary_and_not_remembered(
    search: AccountSearch, directory: FakeDirectory
) -> None:
    directory.is_down = True
    assert shown(search.find("bob")) == "450 Service temporarily unavailable."
    directory.is_down = False
    assert shown(search.find("bob")) == "bob bob"


def test_a_dot_file_nobody_may_look_for_is_assumed_to_exist(search: AccountSearch) -> None:
    def refuse(path: str) -> object:
        raise PermissionError(errno.EACCES, "no", path)

    assert shown(attrs.evolve(search, lstat=refuse).find("bob-x")) == "bob bob x"
    assert shown(attrs.evolve(search, lstat=refuse).find("nobody")) == "550 User <nobody> unknown"


@pytest.mark.parametrize("bad", ["", "relative", "/home/a!b", "/home/a\nb"])
def test_a_home_that_would_break_the_log_is_temporary(
    search: AccountSearch, directory: FakeDirectory, bad: str
) -> None:
    directory.add("odd", bad)
    assert shown(search.find("odd")) == "450 Service temporarily unavailable."


def test_answers_are_remembered_for_a_second(
    search: AccountSearch, directory: FakeDirectory
) -> None:
    clock = search.clock
    assert isinstance(clock, ManualClock)
    assert shown(search.find("new")) == "550 User <new> unknown"
    directory.add("new")
    clock.advance(0.9)
    assert shown(search.find("new")) == "550 User <new> unknown"
    clock.advance(0.2)
    assert shown(search.find("new")) == "new new"
    assert directory.lookups == ["new", "new"]


def test_names_are_folded_where_locallowercase_is_set(search: AccountSearch) -> None:
    assert shown(search.find("BOB")) == "550 User <BOB> unknown"
    assert shown(attrs.evolve(search, fold=True).find("BOB")) == "bob bob"


def test_extensions_can_be_turned_off(search: AccountSearch, home: Path) -> None:
    (home / ".courier-ext").touch()
    exact = attrs.evolve(search, has_extensions=False)
    assert shown(exact.find("bob-ext")) == "550 User <bob-ext> unknown"
    assert shown(exact.find("a-b")) == "a-b a-b"


def test_only_a_hyphen_separates_where_defaultsep_is_empty(
    search: AccountSearch, home: Path
) -> None:
    (home / ".courier-ext").touch()
    assert shown(attrs.evolve(search, separators="-").find("bob+ext")) == (
        "550 User <bob+ext> unknown"
    )


def test_a_mailuser_that_does_not_exist_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "couriermail.toml").write_text('[mta]\nmailuser = "no-such-user-here"\n')
    with pytest.raises(MtaConfigError, match="mailuser"):
        mail_identity(load_config(tmp_path))
