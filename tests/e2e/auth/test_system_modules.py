"""authpam, authpwd and authshadow: PAM with a configuration of its own, and passwd(1)."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from couriermail.auth import CramResponse, DirectoryError
from couriermail.auth.backends.authpam import PamModule
from couriermail.auth.backends.passwdcommand import run_passwd
from couriermail.auth.backends.shadow import ShadowEntry, find_shadow_entry
from couriermail.auth.backends.systemusers import SystemUsersModule
from couriermail.auth.passwords import hash_password
from couriermail.core import ManualClock

DAY = 86_400
TODAY = 20_000
USER = "daemon"
CRAM = CramResponse(algorithm="md5", challenge=b"", name=USER, digest="")


@pytest.fixture
def make_service() -> Iterator[Callable[[str], str]]:
    """Makes a PAM configuration under a name of this process; gone afterwards."""
    made: list[Path] = []

    def make(text: str) -> str:
        path = Path(f"/etc/pam.d/couriermail-test-{os.getpid()}-{len(made)}")
        made.append(path)
        path.write_text(text)
        return path.name

    yield make
    for path in made:
        path.unlink()


def pwdfile_service(make_service: Callable[[str], str], folder: Path) -> str:
    """A service whose passwords are in a file; `USER` has `secret`."""
    passwords = folder / "passwords"
    passwords.write_text(f"{USER}:{hash_password('secret', 'sha512-crypt')}\n")
    return make_service(
        f"auth required pam_pwdfile.so nodelay pwdfile={passwords}\naccount required pam_permit.so\n"
    )


@pytest.mark.root
@pytest.mark.skipif(
    not list(Path("/usr/lib").glob("*/security/pam_pwdfile.so"))
    and not list(Path("/lib").glob("*/security/pam_pwdfile.so")),
    reason="peer absent: pam_pwdfile",
)
def test_pam_decides_about_the_password(make_service: Callable[[str], str], tmp_path: Path) -> None:
    service = pwdfile_service(make_service, tmp_path)
    module = PamModule()
    account = module.login(USER, "secret", service)
    assert account is not None
    assert (account.system_user, account.uid) == (USER, pwd.getpwnam(USER).pw_uid)
    assert account.clear_password == "secret"
    for wrong in ("", "Secret", "secret\0", "secret\n"):
        assert module.login(USER, wrong, service) is None, wrong
    assert module.login("nobody", "secret", service) is None


@pytest.mark.root
def test_pam_is_told_where_the_client_is_and_who_it_is(
    make_service: Callable[[str], str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    script = tmp_path / "tell"
    script.write_text(f'#!/bin/sh\nprintf "%s %s %s " "$PAM_USER" "$PAM_RHOST" "$PAM_SERVICE" >{told}\n'
                      f"cat >>{told}\n")  # fmt: skip
    script.chmod(0o755)
    service = make_service(
        f"auth required pam_exec.so expose_authtok quiet {script}\naccount required pam_permit.so\n"
    )
    assert PamModule().login(USER, "sekrit", service, remote="192.0.2.7")
    assert told.read_bytes().rstrip(b"\0") == f"{USER} 192.0.2.7 {service} sekrit".encode()


@pytest.mark.root
@pytest.mark.parametrize(
    ("lines", "is_in"),
    [
        ("auth required pam_permit.so\naccount required pam_permit.so\n", True),
        ("auth required pam_permit.so\naccount required pam_deny.so\n", False),
        ("auth required pam_deny.so\naccount required pam_permit.so\n", False),
    ],
    ids=["both permit", "the account is denied", "the login is denied"],
)
def test_login_and_account_must_both_be_permitted(
    make_service: Callable[[str], str], lines: str, *, is_in: bool
) -> None:
    assert (PamModule().login(USER, "any", make_service(lines)) is not None) == is_in


@pytest.mark.root
def test_a_user_that_pam_permits_but_the_system_lacks_is_refused(
    make_service: Callable[[str], str],
) -> None:
    service = make_service("auth required pam_permit.so\naccount required pam_permit.so\n")
    assert PamModule().login("no-such-user", "any", service) is None
    assert PamModule().login("root", "any", service) is None


@pytest.mark.root
def test_a_broken_pam_module_is_trouble(make_service: Callable[[str], str]) -> None:
    service = make_service("auth required pam_no_such_module.so\naccount required pam_permit.so\n")
    with pytest.raises(DirectoryError, match="cannot tell"):
        PamModule().login(USER, "any", service)


@pytest.mark.parametrize("service", ["", "../shadow", "imap\0", "a/b", "imap x"])
def test_a_service_is_no_path(service: str) -> None:
    assert PamModule().login(USER, "any", service) is None


@pytest.mark.parametrize("name", ["", "daemon\0x", "dae/mon", "daemon\n", "a|b"])
def test_a_hostile_name_is_nobody(name: str) -> None:
    for module in (PamModule(), SystemUsersModule(name="authpwd")):
        assert module.lookup(name, "imap") is None
        assert module.login(name, "secret", "imap") is None
        assert module.change_password(name, "secret", "new", "imap") is False


def shadow_module(entry: ShadowEntry | None) -> SystemUsersModule:
    clock = ManualClock()
    clock.advance(TODAY * DAY + 5 - clock.now())
    return SystemUsersModule(name="authshadow", find_shadow=lambda name: entry, clock=clock)


@pytest.mark.parametrize(
    ("days", "is_in"),
    [
        ({}, True),
        ({"expires": TODAY}, True),
        ({"expires": TODAY - 1}, False),
        ({"expires": 0}, True),
        ({"last_change": TODAY - 90, "max_days": 90}, True),
        ({"last_change": TODAY - 91, "max_days": 90}, False),
        ({"last_change": 5}, True),
        ({"max_days": 5}, True),
    ],
    ids=str,
)
def test_expired_accounts_and_passwords_do_not_log_in(days: dict[str, int], *, is_in: bool) -> None:
    entry = ShadowEntry(password=hash_password("secret", "sha512-crypt"), **days)
    module = shadow_module(entry)
    assert (module.login(USER, "secret", "imap") is not None) == is_in
    assert module.login(USER, "wrong", "imap") is None
    assert module.cram(CRAM, "imap") is None


@pytest.mark.parametrize("stored", ["", "*", "!", "!$6$x$y", "x"])
def test_a_locked_password_does_not_log_in(stored: str) -> None:
    module = shadow_module(ShadowEntry(password=stored))
    for password in ("", "*", "!", "x"):
        assert module.login(USER, password, "imap") is None


def test_a_user_without_a_shadow_line_is_nobody() -> None:
    assert shadow_module(None).login(USER, "secret", "imap") is None


@pytest.mark.root
def test_the_systems_own_shadow_file_is_read() -> None:
    entry = find_shadow_entry(USER)
    assert entry is not None
    line = next(
        line for line in Path("/etc/shadow").read_text().split("\n") if line.startswith(f"{USER}:")
    )
    _, password, changed, _, max_days, *_ = line.split(":")
    assert (entry.password, entry.last_change, entry.max_days) == (
        password, int(changed), int(max_days),
    )  # fmt: skip
    assert find_shadow_entry("no-such-user") is None


def test_users_from_100_on_are_listed() -> None:
    listed = [account.name for account in PamModule().accounts()]
    assert listed == sorted({e.pw_name for e in pwd.getpwall() if e.pw_uid >= 100})
    assert listed == [account.name for account in SystemUsersModule(name="authpwd").accounts()]
    assert "root" not in listed


ASKING = """#!/bin/sh
exec </dev/tty >/dev/tty
stty -echo
printf 'Changing password for somebody.\\nCurrent password: '; read -r old
printf '\\nNew password: '; read -r new
printf '\\nRetype new password: '; read -r again
[ "$old" = "old word" ] && [ "$new" = "$again" ] || exit 10
printf '%s %s' "$(id -u)" "$new" > {told}
"""


@pytest.fixture
def fake_passwd(tmp_path: Path) -> tuple[str, Path]:
    """A program that asks as passwd(1) does, and the file that it writes."""
    script, told = tmp_path / "passwd", tmp_path / "told"
    script.write_text(ASKING.format(told=told))
    script.chmod(0o755)
    return str(script), told


def test_passwd_is_answered_on_a_terminal(fake_passwd: tuple[str, Path]) -> None:
    command, told = fake_passwd
    run_passwd([command], os.geteuid(), "old word", "new word", seconds=10)
    assert told.read_text() == f"{os.geteuid()} new word"


def test_passwd_that_refuses_is_trouble(fake_passwd: tuple[str, Path]) -> None:
    command, told = fake_passwd
    with pytest.raises(DirectoryError, match="exit code 10"):
        run_passwd([command], os.geteuid(), "wrong", "new", seconds=10)
    assert not told.exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("exec sleep 30", "does not ask"),
        ("printf 'a: '; read x; printf 'b: '; read x; printf 'c: '; read x; printf 'd: '; read x",
         "refuses the new password"),
        ("exit 3", "exit code 3"),
        ("head -c 100000 /dev/zero | tr '\\\\0' x; sleep 30", "does not ask"),
    ],
    ids=["silent", "asks again", "fails at once", "talks without end"],
)  # fmt: skip
def test_passwd_that_behaves_oddly_is_ended(tmp_path: Path, text: str, words: str) -> None:
    script = tmp_path / "passwd"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    with pytest.raises(DirectoryError, match=words):
        run_passwd([str(script)], os.geteuid(), "old", "new", seconds=0.5)


def test_passwd_that_is_missing_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="cannot be run"):
        run_passwd([str(tmp_path / "none")], os.geteuid(), "old", "new")


def test_a_change_is_refused_before_passwd_is_asked(fake_passwd: tuple[str, Path]) -> None:
    command, told = fake_passwd
    for module in (
        SystemUsersModule(name="authpwd", passwd_command=(command,)),
        PamModule(passwd_command=(command,)),
    ):
        for name, old, new in (
            ("no-such-user", "old word", "new"),
            (f"{USER}@example.com", "old word", "new"),
            (USER, "", "new"),
            (USER, "old word", ""),
            (USER, "old word", "a\nb"),
        ):
            assert module.change_password(name, old, new, "imap") is False
    assert not told.exists()
