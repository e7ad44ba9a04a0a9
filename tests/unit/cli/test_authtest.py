"""The words of authtest and authenumerate, and authdaemond start to stop."""

from __future__ import annotations

import grp
import json
import os
import pwd
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.support.commands import run_ours
from typer.main import get_command

from couriermail.auth import DirectoryError, listen_on
from couriermail.cli import authdaemond, authtest
from couriermail.cli.authdaemon_places import mail_owner
from couriermail.cli.authtest_app import app


def test_both_readers_know_the_same_options() -> None:
    declared = {
        name
        for parameter in get_command(app).params
        for name in parameter.opts
        if name.startswith("-")
    }
    known = {*authtest.OPTIONS_WITH_VALUE, *authtest.LONG_OPTIONS, *authtest.SWITCHES}
    assert declared - {"--help"} == known


@pytest.mark.parametrize("command", ["authtest", "authenumerate", "authdaemond"])
def test_help_has_examples_and_exit_codes(command: str) -> None:
    done = run_ours(command, "--help")
    assert done.code == 0
    assert b"Examples:" in done.out
    assert b"Exit codes:" in done.out


def ask(directory: Path, reply: bytes, command: str, *words: str) -> tuple[bytes, int, str, str]:
    """What a command asks a daemon that gives this reply, and what it makes of it."""
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            asked.append(client.recv(9999))
            client.sendall(reply)

    listener = listen_on(str(directory / "socket"))
    listener.settimeout(10)
    server = threading.Thread(target=serve, args=(listener,))
    server.start()
    done = run_ours(command, "--socket", str(directory / "socket"), *words)
    server.join()
    listener.close()
    return asked[0], done.code, done.out.decode(), done.err.decode()


def test_the_pinned_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TCPREMOTEIP", raising=False)
    for words, question in {
        ("u",): b"TCPREMOTEIP=::1\nPRE . login u\n",
        ("u", "p"): b"TCPREMOTEIP=::1\nAUTH 16\nlogin\nlogin\nu\np\n",
        ("u", "o", "n"): b"PASSWD login\tu\to\tn\n",
    }.items():
        asked, code, out, err = ask(tmp_path, b"", "authtest", *words)
        assert asked == question
        assert (code, out, err) == (1, "", "Authentication FAILED: Input/output error\n")
    assert ask(tmp_path, b".\n", "authenumerate")[:2] == (b"ENUMERATE\n", 0)


def test_odd_accounts_are_shown_as_they_are(tmp_path: Path) -> None:
    odd = ask(tmp_path, b"GID=6\nHOME=/h\nADDRESS=a\n.\n", "authtest", "u")
    assert odd[1] == 0
    assert "Authenticated: a  (*** UID/GID initialization error***)\n" in odd[2]
    odd = ask(tmp_path, b"UID=5\nFOO=1\nnoeq\n.\n", "authtest", "u")
    assert "Authenticated: (none)  (uid 5, gid 0)\n    Home Directory: \n" in odd[2]
    odd = ask(tmp_path, b"USERNAME=bin\nUID=5\nGID=6\n.\n", "authtest", "u")
    assert "(system username: bin)" in odd[2]


def test_json_has_every_field(tmp_path: Path) -> None:
    _, code, out, _ = ask(tmp_path, b"UID=5\nGID=6\nHOME=/h\n.\n", "authtest", "--json", "u")
    assert code == 0
    assert json.loads(out)["home"] == "/h"
    assert json.loads(out)["maildir"] is None


def test_a_changed_password_is_said_on_standard_error(tmp_path: Path) -> None:
    done = ask(tmp_path, b"OK\n", "authtest", "u", "o", "n")
    assert done[1:] == (0, "", "Password change succeeded.\n")
    done = ask(tmp_path, b"FAIL\n", "authtest", "u", "o", "n")
    assert done[1:] == (1, "", "Authentication FAILED: Operation not permitted\n")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["john", "--help"], b"AUTH 24\nlogin\nlogin\njohn\n--help\n"),
        (["-s", "imap", "john", "--help"], b"AUTH 23\nimap\nlogin\njohn\n--help\n"),
        (["john", "pw", "--help"], b"PASSWD login\tjohn\tpw\t--help\n"),
        (["john", "-s", "imap"], b"PASSWD login\tjohn\t-s\timap\n"),
    ],
)
def test_words_behind_the_userid_are_no_options(
    tmp_path: Path, words: list[str], asked: bytes
) -> None:
    """Debian's authtest sends the same requests."""
    sent = ask(tmp_path, b"FAIL\n", "authtest", *words)[0]
    assert sent.removeprefix(b"TCPREMOTEIP=::1\n") == asked


@pytest.mark.parametrize("words", [["--help"], ["-s", "imap", "--help", "john"]])
def test_help_is_an_option_before_the_userid(words: list[str]) -> None:
    done = run_ours("authtest", *words)
    assert (done.code, done.err) == (0, b"")
    assert b"Look an account up" in done.out


LIST = b"a\t5\t6\t/h\tM\to=1\tz\n# c\nb\t0\t6\t/h\n\nc\t5\t6\t/h\nd\t5\t6\t/h\t\tdisableshared=1\n"


def test_a_list_is_complete_with_its_end_marker_only(tmp_path: Path) -> None:
    whole = ask(tmp_path, LIST + b".\n", "authenumerate", "-s", "-o")
    assert whole[1:3] == (0, "a\t5\t6\t/h\tM\to=1\nc\t5\t6\t/h\t\t\n")
    pinned = LIST[: LIST.index(b"d\t")]
    shown = "a\t5\t6\t/h\tM\to=1\nc\t5\t6\t/h\t\t\n"
    assert ask(tmp_path, pinned + b".\n", "authenumerate", "-o")[1:3] == (0, shown)
    assert ask(tmp_path, pinned, "authenumerate", "-o")[1:3] == (1, shown)
    cut = ask(tmp_path, LIST, "authenumerate")
    assert cut[3] == "authenumerate: authdaemond's list broke off\n"
    assert cut[1:3] == (1, "a\t5\t6\t/h\tM\nc\t5\t6\t/h\t\nd\t5\t6\t/h\t\n")


def test_without_a_daemon_the_reason_is_said(tmp_path: Path) -> None:
    listen_on(str(tmp_path / "socket")).close()
    done = run_ours("authtest", "--socket", str(tmp_path / "socket"), "u")
    reason = b"ERR: authdaemon: s_connect() failed: Connection refused\n"
    assert done == (1, b"", reason + b"Authentication FAILED: Connection refused\n")
    done = run_ours("authenumerate", "--socket", str(tmp_path / "socket"))
    assert done == (1, b"", reason)


def site(directory: Path, rc: str) -> list[str]:
    """A configuration directory with a userdb; gives the options that name it."""
    (directory / "authdaemonrc").write_text(rc)
    userdb = directory / "userdb"
    userdb.write_text(
        "john\tuid=1001|gid=1001|home=/h|systempw={SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"
    )
    userdb.chmod(0o600)
    return ["--config", str(directory)]


def test_start_restart_and_stop(tmp_path: Path) -> None:
    options = site(tmp_path, "authmodulelist=authuserdb\ndaemons=1\n")
    log = tmp_path / "log"
    assert run_ours("authdaemond", "restart", *options).code == 1
    assert run_ours("authdaemond", "start", "--log", str(log), *options).code == 0
    try:
        assert run_ours("authdaemond", "start", *options).code == 0  # it runs already
        assert run_ours("authtest", *options, "john", "secret").code == 0
        assert run_ours("authdaemond", "restart", *options).code == 0
        assert run_ours("authtest", *options, "john", "secret").code == 0
    finally:
        assert run_ours("authdaemond", "stop", *options).code == 0
    assert not (tmp_path / "authdaemon" / "socket").exists()
    assert run_ours("authdaemond", "stop", *options).code == 0
    assert "Installation complete: authuserdb" in log.read_text()


NEEDS_LDAP = (
    b"authdaemond: authldap: needs ldap, which is not installed: "
    b"pip install 'couriermail-auth[ldap]'; skipped\n"
)


def test_a_start_says_what_a_listed_back_end_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    options = site(tmp_path, "authmodulelist=authldap authuserdb\ndaemons=1\n")
    log = tmp_path / "log"
    done = run_ours("authdaemond", "start", "--log", str(log), *options)
    try:
        assert done == (0, b"", NEEDS_LDAP)  # spec auth 1: a missing module is skipped
        assert run_ours("authtest", *options, "john", "secret").code == 0
        assert "pip install 'couriermail-auth[ldap]'; skipped" in log.read_text()
    finally:
        assert run_ours("authdaemond", "stop", *options).code == 0
    checked = run_ours("authdaemond", "--check", *options)
    assert (checked.code, checked.out) == (75, b"authuserdb: ready\n")
    assert checked.err == NEEDS_LDAP.removeprefix(b"authdaemond: ")


def test_a_daemon_without_any_listed_back_end_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    options = site(tmp_path, "authmodulelist=authldap\ndaemons=1\n")
    done = run_ours("authdaemond", "start", "--log", str(tmp_path / "log"), *options)
    reason = f"authdaemond: {tmp_path}/authdaemonrc: no module of authmodulelist can be used\n"
    assert done == (75, b"", NEEDS_LDAP + reason.encode())


def test_back_ends_that_nobody_listed_are_skipped_silently(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ldap", None)
    options = site(tmp_path, "daemons=1\n")
    assert run_ours("authdaemond", "start", "--log", str(tmp_path / "log"), *options) == (
        0, b"", b"",
    )  # fmt: skip
    assert run_ours("authdaemond", "stop", *options).code == 0


def test_settings_that_cannot_be_used_are_named_with_file_and_line(tmp_path: Path) -> None:
    options = site(tmp_path, "daemons=1\nauthmodulelist\n")
    for action in ("start", "--check"):
        done = run_ours("authdaemond", action, *options)
        assert done.code == 75
        assert (
            done.err
            == f"authdaemond: {tmp_path}/authdaemonrc:2: bad line, expected NAME=VALUE\n".encode()
        )


def test_check_tries_every_back_end(tmp_path: Path) -> None:
    options = site(tmp_path, 'authmodulelist="authuserdb nomod"\ndaemons=1\n')
    done = run_ours("authdaemond", "--check", *options)
    assert (done.code, done.err) == (0, b"")
    assert done.out == b"authuserdb: ready\nnomod: there is no such module; skipped\n"
    (tmp_path / "userdb").chmod(0o644)
    done = run_ours("authdaemond", "--check", *options)
    assert done.code == 75
    assert b"MAY NOT HAVE GROUP OR WORLD PERMISSIONS" in done.err


def test_a_wrong_command_line_is_refused(tmp_path: Path) -> None:
    assert run_ours("authdaemond", *site(tmp_path, "daemons=1\n")).code == 2
    assert run_ours("authdaemond", "jump").code == 2


CUSTOM = """
from couriermail.auth import Account
from couriermail.auth.backends.authcustom import RefusingModule

class Mine(RefusingModule):
    def lookup(self, name, service):
        return Account(name=name, address=name, uid=7, gid=8, home="/mine") if name == "me" else None
"""


def test_the_class_behind_authcustom_is_named_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "the_auth_of_mine.py").write_text(CUSTOM)
    monkeypatch.syspath_prepend(tmp_path)
    rc = "authmodulelist=authcustom\ndaemons=1\nauthcustomclass=the_auth_of_mine:Mine\n"
    options = site(tmp_path, rc)
    assert run_ours("authdaemond", "start", *options).code == 0
    try:
        found = run_ours("authtest", *options, "me")
        assert b"Authenticated: me  (uid 7, gid 8)" in found.out
        assert run_ours("authtest", *options, "you").code == 1
    finally:
        assert run_ours("authdaemond", "stop", *options).code == 0
    (tmp_path / "authdaemonrc").write_text(rc.replace(":Mine", ":Yours"))
    done = run_ours("authdaemond", "--check", *options)
    assert done == (75, b"", b"authcustom: the_auth_of_mine:Yours is no class\n")


START = "from couriermail.cli.authdaemond import main; main()"


def test_who_reads_the_output_of_start_does_not_wait_for_the_daemon(tmp_path: Path) -> None:
    options = site(tmp_path, "authmodulelist=authuserdb\ndaemons=1\n")
    try:
        done = subprocess.run(
            [sys.executable, "-c", START, "start", *options],
            capture_output=True,
            timeout=20,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    finally:
        assert run_ours("authdaemond", "stop", *options).code == 0


def test_relative_places_are_those_of_whoever_starts_it(tmp_path: Path) -> None:
    options = [*site(tmp_path, "daemons=1\nauthmodulelist=\n"), "--socket", "./s"]
    started = run_ours("authdaemond", "start", "--log", "./log", *options, cwd=tmp_path)
    try:
        assert started == (0, b"", b"")
        assert (tmp_path / "s").is_socket()
        assert "modules=" in (tmp_path / "log").read_text()
    finally:
        assert run_ours("authdaemond", "stop", *options, cwd=tmp_path).code == 0


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    options = site(tmp_path, "daemons=1\n")
    log = tmp_path / "missing" / "log"
    for words in (["start"], ["--foreground"]):
        done = run_ours("authdaemond", *words, "--log", str(log), *options)
        assert done == (75, b"", f"authdaemond: {log}: No such file or directory\n".encode())


def test_a_daemon_that_does_not_see_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authdaemond, "STOP_SECONDS", 0.05)
    options = site(tmp_path, "daemons=1\nauthmodulelist=\n")
    assert run_ours("authdaemond", "start", *options).code == 0
    pid = int((tmp_path / "authdaemon" / "pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    assert run_ours("authdaemond", "stop", *options) == (0, b"", b"")
    assert run_ours("authdaemond", "restart", *options).code == 1


def test_the_directory_belongs_to_the_user_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "couriermail.toml").write_text('[mta]\nmailuser = "daemon"\nmailgroup = "bin"\n')
    entry = pwd.getpwnam("daemon")
    assert mail_owner(str(tmp_path)) == (entry.pw_uid, grp.getgrnam("bin").gr_gid)
    (tmp_path / "couriermail.toml").write_text('[mta]\nmailuser = "no-such-user"\n')
    with pytest.raises(DirectoryError, match="mailuser"):
        mail_owner(str(tmp_path))


@pytest.mark.root
def test_root_gives_the_directory_away(tmp_path: Path) -> None:
    (tmp_path / "couriermail.toml").write_text('[mta]\nmailuser = "daemon"\n')
    options = site(tmp_path, "daemons=1\nauthmodulelist=\n")
    assert run_ours("authdaemond", "start", *options).code == 0
    assert run_ours("authdaemond", "stop", *options).code == 0
    status = (tmp_path / "authdaemon").stat()
    entry = pwd.getpwnam("daemon")
    assert (status.st_uid, status.st_gid) == (entry.pw_uid, entry.pw_gid)
    assert stat.S_IMODE(status.st_mode) == 0o750
