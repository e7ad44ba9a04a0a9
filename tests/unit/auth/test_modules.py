"""Modules by name: the table, entry points, and what is not loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from couriermail.auth import CramResponse, DirectoryError
from couriermail.auth.backends.authcustom import RefusingModule
from couriermail.auth.backends.authpam import PAM_SECONDS
from couriermail.auth.backends.pipechild import PipeTimeouts
from couriermail.auth.daemon_chain import REQUEST_SECONDS
from couriermail.auth.modules import GROUP, MODULE_NAMES, ModuleSettings, load_module, load_modules

MODULES_WITH_SETTINGS = {"authldap", "authmysql", "authpgsql", "authsqlite", "authuserdb"}

CUSTOM = """
from couriermail.auth.backends.authcustom import RefusingModule

class Mine(RefusingModule):
    def lookup(self, name, service):
        return None if name == "x" else service

class Half:
    def lookup(self, name, service): ...

def make(settings):
    module = Mine()
    module.name = settings.config_dir
    return module

number = 5
"""


@pytest.fixture
def settings(tmp_path: Path) -> ModuleSettings:
    return ModuleSettings(config_dir=str(tmp_path))


@pytest.fixture
def custom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An importable module of the administrator, and a distribution that names it."""
    (tmp_path / "my_auth_module.py").write_text(CUSTOM)
    info = tmp_path / "mine-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nauthmine = my_auth_module:make\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_auth_module", raising=False)
    return "my_auth_module"


@pytest.mark.parametrize("name", MODULE_NAMES)
def test_every_module_has_its_name_and_says_trouble_or_nobody(
    name: str, settings: ModuleSettings
) -> None:
    module = load_module(name, settings)
    if module is None:
        pytest.skip(f"{name}: its library is not installed")
    assert module.name == name
    if name in MODULES_WITH_SETTINGS:
        with pytest.raises(DirectoryError, match=r"No such file|not found"):
            module.lookup("no-such-user", "imap")
    else:
        assert module.lookup("no-such-user", "imap") is None
    module.idle()
    module.close()


def test_an_unknown_module_is_skipped_with_one_line(
    settings: ModuleSettings, caplog: pytest.LogCaptureFixture
) -> None:
    modules = load_modules(["authnone", "authcustom", "authnone2"], settings)
    assert [module.name for module in modules] == ["authcustom"]
    assert len(caplog.records) == 2
    assert "authnone: there is no such module; skipped" in caplog.text


@pytest.mark.parametrize(
    ("name", "library"), [("authldap", "ldap"), ("authmysql", "pymysql"), ("authpgsql", "psycopg")]
)
def test_a_missing_library_is_one_line_that_names_the_extra(
    name: str,
    library: str,
    settings: ModuleSettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    assert load_module(name, settings) is None
    assert len(caplog.records) == 1
    extra = name.removeprefix("auth")
    assert f"pip install 'couriermail-auth[{extra}]'" in caplog.text


def test_an_entry_point_adds_a_module(custom: str, settings: ModuleSettings) -> None:
    module = load_module("authmine", settings)
    assert module is not None
    assert module.name == settings.config_dir


def test_a_custom_class_is_a_module(custom: str) -> None:
    settings = ModuleSettings(config_dir="", custom_class=f"{custom}:Mine")
    module = load_module("authcustom", settings)
    assert module is not None
    assert module.lookup("x", "imap") is None
    assert module.lookup("y", "imap")


@pytest.mark.parametrize(
    ("place", "words"),
    [("Missing", "is no class"), ("number", "is no class"), ("Half", "lacks login, cram, idle")],
)
def test_a_class_that_is_no_module_is_an_error(custom: str, place: str, words: str) -> None:
    with pytest.raises(DirectoryError, match=words):
        load_module("authcustom", ModuleSettings(config_dir="", custom_class=f"{custom}:{place}"))


@pytest.mark.parametrize("place", ["no_such_package:Class", ":Class", "my_auth_module:"])
def test_a_class_that_cannot_be_had_is_trouble_and_not_nobody(custom: str, place: str) -> None:
    with pytest.raises(DirectoryError, match="authcustom"):
        load_module("authcustom", ModuleSettings(config_dir="", custom_class=place))


@pytest.mark.parametrize("name", ["authmine", "authcustom"])
def test_a_strange_module_that_raises_is_trouble(
    custom: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_something(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(f"{custom}.make", raise_something)
    settings = ModuleSettings(config_dir="", custom_class=f"{custom}:make")
    with pytest.raises(DirectoryError, match=f"{name}: ZeroDivisionError: oops"):
        load_module(name, settings)


def test_a_program_that_hangs_is_ended_before_its_worker_is() -> None:
    """A worker that is killed cannot end the program of authpipe any more."""
    timeouts = PipeTimeouts(answer=ModuleSettings(config_dir="").pipe_seconds)
    assert timeouts.answer + timeouts.leave + timeouts.terminate < REQUEST_SECONDS
    assert PAM_SECONDS < REQUEST_SECONDS


def test_without_a_class_authcustom_refuses_everybody() -> None:
    module = RefusingModule()
    response = CramResponse(algorithm="md5", challenge=b"", name="a", digest="")
    assert module.lookup("a", "imap") is None
    assert module.login("a", "b", "imap") is None
    assert module.cram(response, "imap") is None


def test_nothing_is_imported_before_its_module_is_named() -> None:
    program = (
        "import sys; from couriermail.auth.modules import *\n"
        "load_module('authcustom', ModuleSettings(config_dir='/'))\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"ldap", "pymysql", "psycopg", "sqlite3", "ctypes", "subprocess"}


def test_a_userdb_that_is_looked_at_each_time_shows_a_change_at_once(tmp_path: Path) -> None:
    """Password changes of one worker of authdaemond count in all others."""
    userdb = tmp_path / "userdb"

    def write(home: str) -> None:
        written = tmp_path / "new"
        written.write_text(f"john\tuid=1|gid=1|home={home}\n")
        written.chmod(0o600)
        written.replace(userdb)

    write("/first")
    settings = ModuleSettings(config_dir=str(tmp_path), userdb_revalidate=0.0)
    module = load_module("authuserdb", settings)
    assert module is not None
    homes = []
    for home in ("/first", "/second"):
        write(home)
        account = module.lookup("john", "login")
        homes.append(account and account.home)
    assert homes == ["/first", "/second"]
