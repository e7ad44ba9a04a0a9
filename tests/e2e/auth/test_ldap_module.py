"""authldap on a real slapd."""

from __future__ import annotations

import hmac
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from tests.support.servers import Directory
from tests.support.sqlsites import MARKER

from couriermail.auth import CramResponse, DirectoryError, ScramSecret
from couriermail.auth.backends.authldap import LdapModule
from couriermail.auth.backends.ldapconnection import LdapConnection
from couriermail.auth.modules import ModuleSettings, load_module
from couriermail.auth.passwords import hash_password, verify_password
from couriermail.auth.rcfile import RcFileError

pytest.importorskip("ldap")

TLS_LOGIN = """
import sys
from couriermail.auth import DirectoryError
from couriermail.auth.modules import ModuleSettings, load_module
module = load_module("authldap", ModuleSettings(config_dir=sys.argv[1]))
try:
    print(module.login("alice@example.com", "secret", "imap").uid)
except DirectoryError as error:
    print(str(error).split()[-1])
"""
HOSTILE = [
    "*", "a*", "alice)(uid=*", "*)(objectClass=*", "\\2a", "\\", "alice\0", "alice\n", "(", ")",
    "alice@example.com)(&", "", "al*ce@example.com", "\udcff", "|(mail=*)", "a" * 5000,
]  # fmt: skip


@attrs.define(eq=False, kw_only=True)
class LdapSite:
    """A slapd with one organisational unit that is empty before each test."""

    directory: Directory
    folder: Path
    base: str
    modules: list[LdapModule] = attrs.field(factory=list)

    def run(self, work: Callable[..., object]) -> None:
        """Do something as the directory's administrator."""
        import ldap

        handle = ldap.initialize(self.directory.uri)
        handle.simple_bind_s(self.directory.admin, self.directory.password)
        try:
            work(handle)
        finally:
            handle.unbind_s()

    def add(self, address: str, **changes: object) -> str:
        """Add an account; the name of its entry."""
        row: dict[str, object] = {
            "objectClass": ["account", "posixAccount", "CourierMailAccount"],
            "uid": address.partition("@")[0],
            "cn": "A Name",
            "mail": address,
            "uidNumber": "1001",
            "gidNumber": "1002",
            "homeDirectory": f"/home/{address}",
            "mailbox": "./Maildir",
            "quota": "1000S",
            "defaultDelivery": "|deliver",
            "disableimap": "0",
            "clearPassword": "secret",
            "userPassword": hash_password("secret", "sha"),
            **changes,
        }
        entry = [(name, _octets(value)) for name, value in row.items() if value is not None]
        escaped = address.replace("\\", "\\5c").replace('"', "\\22").replace("+", "\\2b")
        dn = f"uid={escaped.partition('@')[0]},{self.base}"
        self.run(lambda handle: handle.add_s(dn, entry))
        return dn

    def read(self, dn: str, attribute: str) -> str:
        """The value of an attribute, as the administrator sees it."""
        found: list[str] = []

        def search(handle: object) -> None:
            [(_, values)] = handle.search_s(dn, 0)  # type: ignore[attr-defined]  # no types
            found.append(values[attribute][0].decode())

        self.run(search)
        return found[0]

    def module(self, **changes: str) -> LdapModule:
        """The module with the settings of the template, and changes."""
        settings = {
            "LDAP_URI": self.directory.uri,
            "LDAP_BASEDN": self.base,
            "LDAP_INITBIND": "1",
            "LDAP_BINDDN": self.directory.admin,
            "LDAP_BINDPW": self.directory.password,
            "LDAP_TIMEOUT": "5",
            "LDAP_HOMEDIR": "homeDirectory",
            "LDAP_MAILDIR": "mailbox",
            "LDAP_FULLNAME": "cn",
            "LDAP_MAILDIRQUOTA": "quota",
            "LDAP_CLEARPW": "clearPassword",
            "LDAP_CRYPTPW": "userPassword",
            "LDAP_DEFAULTDELIVERY": "defaultDelivery",
            "LDAP_UID": "uidNumber",
            "LDAP_GID": "gidNumber",
            "LDAP_AUXOPTIONS": "disableimap,uid=group",
            **changes,
        }
        rc = self.folder / "authldaprc"
        rc.write_text(MARKER + "".join(f"{k} {v}\n" for k, v in settings.items() if v))
        rc.chmod(0o600)
        module = load_module("authldap", ModuleSettings(config_dir=str(self.folder)))
        assert isinstance(module, LdapModule)
        self.modules.append(module)
        return module


def _octets(value: object) -> list[bytes]:
    several = value if isinstance(value, list) else [value]
    return [str(one).encode() for one in several]


@pytest.fixture
def site(directory_server: Directory, tmp_path: Path) -> Iterator[LdapSite]:
    import ldap

    suffix = directory_server.suffix
    base = f"ou=mail,{suffix}"
    site = LdapSite(directory=directory_server, folder=tmp_path, base=base)

    def make(handle: object) -> None:
        for dn, entry in (
            (suffix, [("objectClass", [b"dcObject", b"organization"]), ("o", [b"e"]),
                      ("dc", [b"example"])]),
            (base, [("objectClass", [b"organizationalUnit"]), ("ou", [b"mail"])]),
        ):  # fmt: skip
            try:
                handle.add_s(dn, entry)  # type: ignore[attr-defined]  # no types
            except ldap.ALREADY_EXISTS:
                continue

    def empty(handle: object) -> None:
        for dn, _ in handle.search_s(base, ldap.SCOPE_ONELEVEL, attrlist=["1.1"]):  # type: ignore[attr-defined]  # no types
            handle.delete_s(dn)  # type: ignore[attr-defined]  # no types

    site.run(make)
    yield site
    for module in site.modules:
        module.close()
    directory_server.server.start()
    site.run(empty)


def cram(name: str, password: str) -> CramResponse:
    digest = hmac.new(password.encode(), b"<1@a>", "sha256").hexdigest()
    return CramResponse(algorithm="sha256", challenge=b"<1@a>", name=name, digest=digest)


def test_an_account_has_every_attribute_of_its_entry(site: LdapSite) -> None:
    site.add("alice@example.com")
    account = site.module().lookup("alice@example.com", "imap")
    assert account is not None
    assert (account.address, account.home) == ("alice@example.com", "/home/alice@example.com")
    assert (account.uid, account.gid) == (1001, 1002)
    assert (account.maildir, account.quota, account.full_name) == ("./Maildir", "1000S", "A Name")
    assert account.options.text == "disableimap=0,group=alice"
    assert account.clear_password == "secret"


def test_the_service_courier_gets_the_delivery_instruction(site: LdapSite) -> None:
    site.add("alice@example.com")
    account = site.module().lookup("alice@example.com", "courier")
    assert account is not None
    assert account.maildir == "|deliver"


def test_a_name_without_domain_gets_the_default_one(site: LdapSite) -> None:
    site.add("alice@example.com")
    module = site.module(LDAP_DOMAIN="example.com")
    assert module.login("alice", "secret", "imap")
    assert module.lookup("alice@other.example", "imap") is None


@pytest.mark.parametrize("form", ["clear", "hash", "bind"])
def test_only_the_password_logs_in(site: LdapSite, form: str) -> None:
    removed = {"clear": {"userPassword": None}}.get(form, {"clearPassword": None})
    site.add("alice@example.com", **removed)
    module = site.module(LDAP_AUTHBIND="1" if form == "bind" else "0")
    account = module.login("alice@example.com", "secret", "imap")
    assert account is not None
    assert account.clear_password == "secret"
    for wrong in ("", "Secret", "secret ", "secret\0"):
        assert module.login("alice@example.com", wrong, "imap") is None, wrong
    assert module.login("nobody@example.com", "secret", "imap") is None


def test_an_unknown_name_costs_a_bind_as_well(
    site: LdapSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal takes as long for an unknown name as for a wrong password."""
    site.add("alice@example.com")
    module = site.module(LDAP_AUTHBIND="1")
    tried: list[str] = []
    bind = LdapConnection.bind

    def record(self: LdapConnection, dn: str, password: str) -> bool:
        tried.append(dn)
        if "broken" in password:
            raise DirectoryError("no answer")
        return bind(self, dn, password)

    module.lookup("alice@example.com", "imap")
    monkeypatch.setattr(LdapConnection, "bind", record)
    assert module.login("nobody@example.com", "secret", "imap") is None
    assert tried == [site.base]
    assert module.login("nobody@example.com", "broken", "imap") is None  # still nobody
    with pytest.raises(DirectoryError):
        module.login("alice@example.com", "broken", "imap")


def test_the_clear_password_decides_where_both_are_stored(site: LdapSite) -> None:
    site.add("alice@example.com", clearPassword="other")
    module = site.module()
    assert module.login("alice@example.com", "other", "imap")
    assert module.login("alice@example.com", "secret", "imap") is None


def test_an_entry_without_password_cannot_log_in(site: LdapSite) -> None:
    site.add("alice@example.com", clearPassword=None, userPassword=None)
    for bind in "01":
        module = site.module(LDAP_AUTHBIND=bind)
        assert module.lookup("alice@example.com", "imap")
        assert module.login("alice@example.com", "", "imap") is None
        assert module.login("alice@example.com", "secret", "imap") is None


def test_a_scram_secret_is_read_and_changes_with_the_password(site: LdapSite) -> None:
    stored = ScramSecret.from_password("secret").to_text()
    dn = site.add("alice@example.com", description=stored)
    site.add("bob@example.com")
    module = site.module(LDAP_SCRAMPW="description")
    account = module.lookup("alice@example.com", "imap")
    assert account is not None
    assert account.scram == stored
    logged_in = module.login("alice@example.com", "secret", "imap")
    assert logged_in is not None
    assert logged_in.scram is None
    assert module.change_password("alice@example.com", "secret", "newsecret", "imap")
    changed = ScramSecret.from_text(site.read(dn, "description"))
    assert changed is not None
    assert changed.is_of("newsecret")
    # SCRAM cannot have every password (RFC 4013): then it must not go on with the old one.
    assert module.change_password("alice@example.com", "newsecret", "ab\ufffdc", "imap")
    assert site.read(dn, "description") == "-"
    assert getattr(module.lookup("bob@example.com", "imap"), "scram", "") is None


def test_cram_needs_the_clear_password(site: LdapSite) -> None:
    site.add("alice@example.com")
    site.add("bob@example.com", clearPassword=None)
    module = site.module()
    assert module.cram(cram("alice@example.com", "secret"), "imap")
    assert module.cram(cram("alice@example.com", "wrong"), "imap") is None
    assert module.cram(cram("bob@example.com", "secret"), "imap") is None


@pytest.mark.parametrize("emailmap", ["", "(&(uid=@user@)(mail=*@@realm@))"])
def test_hostile_names_reach_nothing(site: LdapSite, emailmap: str) -> None:
    site.add("alice@example.com", handle="h1")
    module = site.module(LDAP_EMAILMAP=emailmap)
    for name in [*HOSTILE, *(f"{name}@example.com" for name in ("*", "a*", "alice)(uid=*"))]:
        assert module.lookup(name, "imap") is None, name
        assert module.login(name, "secret", "imap") is None, name
        assert module.change_password(name, "secret", "new", "imap") is False, name
    assert module.login("alice@example.com", "secret", "imap") or emailmap


def test_a_strange_name_is_an_account_when_it_is_stored(site: LdapSite) -> None:
    for name in ("o'neil", "a(b)c", "st*r", "back\\slash"):
        site.add(f"{name}@example.com")
    module = site.module()
    for name in ("o'neil", "a(b)c", "st*r", "back\\slash"):
        assert module.login(f"{name}@example.com", "secret", "imap"), name


def test_a_handle_leads_from_an_address_to_the_account(site: LdapSite) -> None:
    site.add("alice@example.com", handle="h1")
    site.add("h1@internal")
    module = site.module(
        LDAP_EMAILMAP="(&(uid=@user@)(mail=*@realm@))",
        LDAP_EMAILMAP_ATTRIBUTE="handle",
        LDAP_EMAILMAP_MAIL="uid",
    )
    account = module.lookup("alice@example.com", "imap")
    assert account is not None
    assert (account.address, account.home) == ("alice@example.com", "/home/h1@internal")
    assert module.lookup("bob@example.com", "imap") is None


def test_several_entries_are_none(site: LdapSite) -> None:
    for number in range(4):
        site.add(f"a{number}@example.com", mail=[f"a{number}@example.com", "all@example.com"])
    assert site.module().lookup("all@example.com", "imap") is None


def test_the_filter_limits_who_is_an_account(site: LdapSite) -> None:
    site.add("alice@example.com")
    site.add("bob@example.com", disableimap="1")
    module = site.module(LDAP_FILTER="(disableimap=0)")
    assert module.lookup("alice@example.com", "imap")
    assert module.lookup("bob@example.com", "imap") is None
    assert [account.address for account in module.accounts()] == ["alice@example.com"]


def test_global_ids_are_for_entries_without_their_own(site: LdapSite) -> None:
    site.add(
        "alice@example.com",
        objectClass=["account", "CourierMailAccount"],
        uidNumber=None,
        gidNumber=None,
        cn=None,
    )
    site.add("bob@example.com")
    module = site.module(LDAP_GLOB_UID="mail", LDAP_GLOB_GID="5001")
    alice, bob = (module.lookup(f"{name}@example.com", "imap") for name in ("alice", "bob"))
    assert alice is not None
    assert alice.uid > 0
    assert alice.gid == 5001
    assert bob is not None
    assert (bob.uid, bob.gid) == (1001, 1002)
    assert site.module().lookup("alice@example.com", "imap") is None


@pytest.mark.parametrize("broken", [{"uidNumber": "0"}, {"gidNumber": "0"}], ids=str)
def test_root_is_no_account(
    site: LdapSite, broken: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    site.add("alice@example.com", **broken)
    module = site.module()
    assert module.login("alice@example.com", "secret", "imap") is None
    assert list(module.accounts()) == []
    assert "is no account" in caplog.text


def test_a_relative_home_lies_below_the_mail_root(site: LdapSite) -> None:
    site.add("alice@example.com", homeDirectory="alice")
    site.add("bob@example.com", homeDirectory="/home/bob")
    module = site.module(LDAP_MAILROOT="/var/mail/")
    homes = [account.home for account in module.accounts()]
    assert homes == ["/var/mail/alice", "/home/bob"]


@pytest.mark.parametrize("bind", ["0", "1"])
def test_a_new_password_keeps_the_scheme(site: LdapSite, bind: str) -> None:
    dn = site.add("alice@example.com")
    module = site.module(LDAP_AUTHBIND=bind)
    assert module.change_password("alice@example.com", "wrong", "new", "imap") is False
    assert module.change_password("alice@example.com", "secret", "", "imap") is False
    assert module.change_password("alice@example.com", "secret", "new", "imap")
    stored = site.read(dn, "userPassword")
    assert stored.startswith("{SHA}")
    assert verify_password(stored, "new")
    assert site.read(dn, "clearPassword") == "new"
    assert module.login("alice@example.com", "new", "imap")
    assert module.login("alice@example.com", "secret", "imap") is None


def test_only_attributes_that_exist_are_changed(site: LdapSite) -> None:
    dn = site.add("alice@example.com", clearPassword=None)
    assert site.module().change_password("alice@example.com", "secret", "new", "imap")
    with pytest.raises(KeyError):
        site.read(dn, "clearPassword")


def test_an_entry_without_readable_password_attributes_cannot_change_it(site: LdapSite) -> None:
    site.add("alice@example.com")
    module = site.module(LDAP_AUTHBIND="1", LDAP_CLEARPW="", LDAP_CRYPTPW="")
    assert module.login("alice@example.com", "secret", "imap")
    assert module.change_password("alice@example.com", "secret", "new", "imap") is False


def test_more_accounts_than_the_server_gives_at_once_are_listed(site: LdapSite) -> None:
    def fill(handle: object) -> None:
        numbers = []
        for number in range(900):
            entry = [
                ("objectClass", [b"account", b"CourierMailAccount"]),
                ("mail", [b"u%03d@example.com" % number]),
                ("homeDirectory", [b"/h/%d" % number]),
            ]
            numbers.append(handle.add(f"uid=u{number},{site.base}", entry))  # type: ignore[attr-defined]  # no types
        for number in numbers:
            handle.result(number)  # type: ignore[attr-defined]  # no types

    site.run(fill)
    module = site.module(LDAP_GLOB_UID="7", LDAP_GLOB_GID="8", LDAP_INITBIND="0")
    assert len(list(module.accounts())) == 900


def test_an_entry_with_several_addresses_is_listed_with_each(site: LdapSite) -> None:
    site.add("alice@example.com", mail=["alice@example.com", "al@example.com"])
    found = [account.address for account in site.module().accounts()]
    assert found == ["al@example.com", "alice@example.com"]
    module = site.module(LDAP_ENUMERATE_FILTER="(mail=bob*)")
    assert list(module.accounts()) == []


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
def test_starttls_checks_the_authority_that_the_environment_names(
    site: LdapSite, *, is_known: bool
) -> None:
    site.add("alice@example.com")
    site.module(LDAP_TLS="1")
    # The library reads its environment once, so it is a new process.
    done = subprocess.run(
        [sys.executable, "-c", TLS_LOGIN, str(site.folder)],
        env={"LDAPTLS_CACERT": str(site.directory.authority if is_known else os.devnull)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ("1001\n" if is_known else "CONNECT_ERROR\n"), done.stderr


def test_a_server_that_is_away_is_trouble_and_one_that_returns_is_used(site: LdapSite) -> None:
    site.add("alice@example.com")
    module = site.module()
    assert module.lookup("alice@example.com", "imap")
    site.directory.server.stop()
    with pytest.raises(DirectoryError):
        module.login("alice@example.com", "secret", "imap")
    site.directory.server.start()
    assert module.login("alice@example.com", "secret", "imap")
    site.directory.server.stop()
    site.directory.server.start()
    assert module.change_password("alice@example.com", "secret", "new", "imap")


def test_the_second_server_is_asked_when_the_first_is_away(site: LdapSite) -> None:
    site.add("alice@example.com")
    module = site.module(LDAP_URI=f"ldap://127.0.0.1:1, {site.directory.uri}")
    assert module.lookup("alice@example.com", "imap")


def test_an_administrator_with_a_wrong_password_is_trouble(site: LdapSite) -> None:
    module = site.module(LDAP_BINDPW="wrong")
    with pytest.raises(DirectoryError, match="LDAP_BINDPW"):
        module.lookup("alice@example.com", "imap")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"LDAP_URI": ""}, "LDAP_URI is not set"),
        ({"LDAP_BINDPW": ""}, "LDAP_BINDPW is not set"),
        ({"LDAP_DEREF": "sometimes"}, "LDAP_DEREF is none of"),
        ({"LDAP_TIMEOUT": "5s"}, "LDAP_TIMEOUT is not a number"),
        ({"LDAP_GLOB_UID": "no-such-user"}, "LDAP_GLOB_UID is no user"),
        ({"LDAP_GLOB_GID": "no-such-group"}, "LDAP_GLOB_GID is no group"),
    ],
)
def test_a_setting_without_meaning_is_named(
    site: LdapSite, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(RcFileError, match=words):
        site.module(**changes).lookup("alice@example.com", "imap")


def test_a_broken_filter_is_trouble(site: LdapSite) -> None:
    with pytest.raises(DirectoryError, match="FILTER_ERROR"):
        site.module(LDAP_FILTER="(((").lookup("alice@example.com", "imap")
