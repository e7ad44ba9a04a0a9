"""The module authuserdb: logins, CRAM, listing, password changes (spec auth 4.5, 6)."""

from __future__ import annotations

import hmac
import logging
from pathlib import Path

import pytest

from couriermail.auth import (
    AccountLister,
    AuthModule,
    CramResponse,
    HmacContext,
    PasswordChanger,
    UserdbDirectory,
    UserdbError,
    UserdbModule,
    passwords,
    verify_password,
)
from couriermail.auth.userdb_compile import compile_userdb
from couriermail.auth.userdb_edit import UserdbDocument

SECRET = "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="


def context(algorithm: str, password: str) -> str:
    return HmacContext.from_password(algorithm, password).to_hex()


def userdb_text() -> str:
    john = [
        "uid=1001|gid=1001|home=/home/john|mail=./Mail|quota=1000S,10C|gecos=John Smith,Room 1",
        f"systempw={SECRET}|imappw={passwords.hash_password('imapsecret', 'md5-crypt')}",
        f"hmac-md5pw={context('md5', 'secret')}|imap-hmac-md5pw={context('md5', 'imapsecret')}",
        "options=disableimap=1,foo=7",
    ]
    return "\n".join(
        [
            "# people",
            "john\t" + "|".join(john),
            "1001=\tjohn",
            "5=\tjohn",
            "nopass\tuid=5|gid=5|home=/n",
            f"nouid\tgid=5|home=/n|systempw={SECRET}",
            f"root0\tuid=0|gid=0|home=/r|systempw={SECRET}",
            f"UPPER@Ex.com\tuid=6|gid=6|home=/u|systempw={SECRET}",
            "empty\tuid=7|gid=7|home=/e|systempw=",
            "",
        ]
    )


@pytest.fixture(params=["compiled", "text"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "userdb"
    path.write_text(userdb_text())
    path.chmod(0o600)
    if request.param == "compiled":
        compile_userdb(path)
    return path


@pytest.fixture
def module(path: Path) -> UserdbModule:
    return UserdbModule.open(path)


def fields(path: Path, name: str = "john") -> dict[str, str]:
    record = UserdbDocument.parse(path.read_bytes()).fields(name.encode()) or []
    return dict(field.decode().split("=", 1) for field in record)


def response(name: str, password: str, algorithm: str = "md5") -> CramResponse:
    digest = hmac.new(password.encode(), b"<1@x>", algorithm).hexdigest()
    return CramResponse(algorithm=algorithm, challenge=b"<1@x>", name=name, digest=digest)


def test_it_is_all_that_a_module_can_be(module: UserdbModule) -> None:
    as_module: AuthModule = module
    assert as_module.name == "authuserdb"
    assert isinstance(module, PasswordChanger)
    assert isinstance(module, AccountLister)
    module.idle()
    module.close()


@pytest.mark.parametrize(
    ("name", "password", "service", "is_right"),
    [
        ("john", "secret", "login", True),
        ("john", "secret", "imap", False),
        ("john", "imapsecret", "imap", True),
        ("john", "imapsecret", "pop3", False),
        ("root0", "secret", "login", True),
        ("UPPER@Ex.com", "secret", "login", True),
        ("upper@ex.com", "secret", "login", False),
        ("nopass", "secret", "login", False),
        ("nouid", "secret", "login", False),
        ("empty", "", "login", False),
        ("nobody", "secret", "login", False),
        ("john", "", "login", False),
        ("john", SECRET, "login", False),
        ("1001=", "secret", "login", False),
        ("=", "secret", "login", False),
        ("john\tx", "secret", "login", False),
        ("../john", "secret", "login", False),
    ],
)
def test_logins(
    module: UserdbModule, name: str, password: str, service: str, *, is_right: bool
) -> None:
    account = module.login(name, password, service, remote="192.0.2.1")
    assert (account is not None) == is_right
    if account is not None:
        assert (account.address, account.clear_password) == (name, password)


def test_a_context_is_no_password(module: UserdbModule) -> None:
    assert module.login("john", context("md5", "secret"), "hmac-md5") is None


def test_an_account_without_password_is_found(module: UserdbModule) -> None:
    account = module.lookup("nopass", "imap")
    assert account is not None
    assert account.password is None
    assert module.lookup("nouid", "imap") is None


def test_an_unknown_name_costs_a_check(
    module: UserdbModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    module.login("john", "secret", "login")
    checked: list[str] = []

    def record(stored: str, password: str) -> bool:
        checked.append(stored)
        return False

    monkeypatch.setattr(passwords, "verify_password", record)
    assert module.login("nobody", "secret", "login") is None
    assert module.login("nopass", "secret", "login") is None
    assert not module.change_password("nobody", "secret", "new", "login")
    assert checked == [SECRET] * 3


@pytest.mark.parametrize(
    ("answer", "service", "is_right"),
    [
        (response("john", "secret"), "login", True),
        (response("john", "secret"), "imap", False),
        (response("john", "imapsecret"), "imap", True),
        (response("john", "secret", "sha1"), "login", False),
        (response("nobody", "secret"), "login", False),
        (response("nobody", "decoy"), "login", False),
        (response("nopass", "decoy"), "login", False),
    ],
)
def test_cram(module: UserdbModule, answer: CramResponse, service: str, *, is_right: bool) -> None:
    account = module.cram(answer, service)
    assert (account is not None) == is_right
    if account is not None:
        assert (account.uid, account.gid, account.home, account.maildir) == (
            1001, 1001, "/home/john", "./Mail",
        )  # fmt: skip
        assert (account.password, account.clear_password) == (None, None)
        assert (account.quota, account.full_name) == (None, None)
        assert account.options.text == "disableimap=1,foo=7"


def test_accounts_are_listed_in_order_without_reverse_entries(module: UserdbModule) -> None:
    assert [account.name for account in module.accounts()] == [
        "UPPER@Ex.com", "empty", "john", "nopass", "root0",
    ]  # fmt: skip


def test_pinned_a_general_change_leaves_the_service_alone(path: Path, module: UserdbModule) -> None:
    before = fields(path)
    assert module.change_password("john", "secret", "newpass", "login")
    after = fields(path)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"systempw", "hmac-md5pw"}
    assert after["systempw"].startswith("{MD5}")
    assert verify_password(after["systempw"], "newpass")
    assert after["hmac-md5pw"] == context("md5", "newpass")
    assert list(before) == list(after)
    assert module.login("john", "newpass", "login") is not None
    assert module.login("john", "secret", "login") is None
    assert module.cram(response("john", "newpass"), "login") is not None
    assert module.login("john", "imapsecret", "imap") is not None
    assert path.read_text().startswith("# people\n")


def test_pinned_a_change_of_one_service(path: Path, module: UserdbModule) -> None:
    before = fields(path)
    assert module.change_password("john", "imapsecret", "newimap", "imap")
    after = fields(path)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"imappw", "imap-hmac-md5pw"}
    assert after["imappw"].startswith("$1$")
    assert UserdbModule.open(path).login("john", "newimap", "imap") is not None


@pytest.mark.parametrize(
    ("name", "old", "new", "service"),
    [
        ("john", "wrong", "newpass", "login"),
        ("john", "secret", "new|pass", "login"),
        ("john", "secret", "new=pass", "login"),
        ("john", "secret", "new'pass", "login"),
        ("john", "secret", 'new"pass', "login"),
        ("john", "secret", "new\npass", "login"),
        ("john", "secret", "new\0pass", "login"),
        ("john", "secret", "", "login"),
        ("john", "secret", "newpass", "x|y"),
        ("nobody", "secret", "newpass", "login"),
        ("nopass", "secret", "newpass", "login"),
        ("nouid", "secret", "newpass", "login"),
        ("1001=", "secret", "newpass", "login"),
        ("jo'hn", "secret", "newpass", "login"),
        ("../john", "secret", "newpass", "login"),
        ("john\n", "secret", "newpass", "login"),
        ("john\0", "secret", "newpass", "login"),
        ("#", "secret", "newpass", "login"),
    ],
)
def test_refused_changes_change_nothing(
    path: Path, name: str, old: str, new: str, service: str
) -> None:
    module = UserdbModule.open(path)
    before = path.read_bytes()
    assert not module.change_password(name, old, new, service)
    assert path.read_bytes() == before


def test_a_change_that_cannot_be_made_is_temporary_trouble(
    path: Path, module: UserdbModule
) -> None:
    module.lookup("john", "login")
    path.write_bytes(path.read_bytes().replace(b"john\t", b"johnny\t"))
    path.chmod(0o644)
    with pytest.raises(UserdbError):
        module.change_password("john", "secret", "newpass", "login")


def test_nothing_private_is_shown_or_logged(
    module: UserdbModule, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "couriermail.auth")
    module.login("john", "secret", "login")
    module.change_password("john", "secret", "geheimnis", "login")
    assert "geheimnis" not in caplog.text
    assert "secret" not in f"{module!r}{caplog.text}"


def test_compiled_and_text_userdbs_answer_alike(tmp_path: Path) -> None:
    path = tmp_path / "userdb"
    path.write_text(userdb_text())
    path.chmod(0o600)
    as_text = UserdbDirectory.open(path)
    compile_userdb(path)
    as_tables = UserdbDirectory.open(path)
    for name in ("john", "nopass", "nouid", "root0", "1001=", "nobody"):
        for service in ("imap", "login"):
            assert as_text.lookup(name, service) == as_tables.lookup(name, service)


def test_a_uid_leads_to_the_account_of_its_reverse_entry(path: Path) -> None:
    directory = UserdbDirectory.open(path)
    found = directory.lookup_uid(1001, "imap")
    assert found == directory.lookup("john", "imap")
    assert found is not None
    assert directory.lookup_uid(5, "imap") is None  # the entry names somebody else
    assert directory.lookup_uid(6, "imap") is None
    assert directory.lookup_uid(-1, "imap") is None
