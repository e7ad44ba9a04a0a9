"""Settings of authdaemond, its places, and the time-outs of clients (spec auth 3.3, 3.5)."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from couriermail.auth import (
    AuthError,
    ClientTimeouts,
    DirectoryError,
    PidFile,
    activated_socket,
    listen_on,
    make_directory,
    parse_authdaemonrc,
    read_authdaemonrc,
)
from couriermail.auth.authdaemonrc import DEFAULT_MODULES


def test_the_file_is_read_line_by_line() -> None:
    settings = parse_authdaemonrc(
        "# comment\n\n"
        'authmodulelist="authuserdb  authpipe"\n'
        "daemons=7 # seven\n"
        " DEBUG_LOGIN = 1\n"
        'DEFAULTOPTIONS="disablewebmail=1,foo" junk\n'
        "UNKNOWN=x=y\n"
    )
    assert settings.modules == ("authuserdb", "authpipe")
    assert settings.workers == 7
    assert settings.debug_level == 1
    assert settings.default_options.text == "disablewebmail=1,foo"
    assert settings.values["UNKNOWN"] == "x=y"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("X=a b ", "a b"),
        ('X="a b', "a b"),
        ('X="a#b"', "a"),  # a comment begins inside quotes too
        ("X=", ""),
        ('X=a"b"', 'a"b"'),
        ("X=1\nX=2", "2"),
        ("X=1\r", "1"),
    ],
)
def test_values_and_quotes(line: str, value: str) -> None:
    assert parse_authdaemonrc(f"daemons=1\n{line}").values["X"] == value


@pytest.mark.parametrize("line", ["authmodulelist", "=x", "export X", "X=a\0b"])
def test_a_bad_line_is_named_with_file_and_line(line: str) -> None:
    with pytest.raises(AuthError, match=r"^some/rc:2: bad line"):
        parse_authdaemonrc(f"daemons=1\n{line}\n", path="some/rc")


@pytest.mark.parametrize("text", ["", "daemons=0", "daemons=x"])
def test_missing_daemons_is_one_and_an_error_in_the_log(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = parse_authdaemonrc(text)
    assert settings.workers == 1
    assert "Configuration error - missing 'daemons' setting, using 1" in caplog.text
    assert settings.modules == DEFAULT_MODULES
    assert DEFAULT_MODULES.index("authpam") < DEFAULT_MODULES.index("authpwd")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match="No such file"):
        read_authdaemonrc(tmp_path / "authdaemonrc")
    (tmp_path / "authdaemonrc").write_bytes(b"daemons=2\nX=\xff\n")
    assert read_authdaemonrc(tmp_path / "authdaemonrc").values["X"] == "\udcff"


def test_time_outs_count_above_zero() -> None:
    assert ClientTimeouts.from_settings({}) == ClientTimeouts(connect=10, write=10, read=30)
    found = ClientTimeouts.from_settings(
        {"TIMEOUT_SOCK": "0", "TIMEOUT_WRITE": "5", "TIMEOUT_READ": "7s", "TIMEOUT": "1"}
    )
    assert found == ClientTimeouts(connect=10, write=5, read=7)


def test_the_socket_is_open_to_all_and_its_directory_is_not(tmp_path: Path) -> None:
    directory = tmp_path / "authdaemon"
    make_directory(str(directory))
    make_directory(str(directory))
    path = directory / "socket"
    with listen_on(str(path)), listen_on(str(path)):  # the second takes the place
        assert os.listdir(directory) == ["socket"]
        assert stat.S_IMODE(path.stat().st_mode) == 0o777
        assert stat.S_IMODE(directory.stat().st_mode) == 0o750


def test_places_that_cannot_be_made_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="No such file"):
        make_directory(str(tmp_path / "no" / "directory"))
    with pytest.raises(DirectoryError, match="No such file"):
        listen_on(str(tmp_path / "no" / "socket"))
    with pytest.raises(DirectoryError):
        PidFile(str(tmp_path / "no" / "pid")).acquire()


def test_the_pid_file_is_held_by_one(tmp_path: Path) -> None:
    path = str(tmp_path / "pid")
    first, second = PidFile(path), PidFile(path)
    assert second.running() is None
    assert first.acquire()
    assert not second.acquire()
    assert second.running() == os.getpid()
    first.release()
    assert not os.path.exists(path)
    assert second.acquire()
    second.release()
    second.release()


def test_a_pid_that_nobody_locks_is_of_no_daemon(tmp_path: Path) -> None:
    (tmp_path / "pid").write_text("1\n")
    assert PidFile(str(tmp_path / "pid")).running() is None


@pytest.mark.parametrize(
    "environment",
    [{}, {"LISTEN_FDS": "1"}, {"LISTEN_PID": "4", "LISTEN_FDS": "1"}, {"LISTEN_PID": "5"}],
)
def test_without_activation_there_is_no_socket(environment: dict[str, str]) -> None:
    assert activated_socket(environment, 5) is None


def test_two_activated_sockets_are_refused() -> None:
    with pytest.raises(DirectoryError, match="one socket"):
        activated_socket({"LISTEN_PID": "5", "LISTEN_FDS": "2"}, 5)


@pytest.mark.parametrize(("kind", "code"), [("listening", 0), ("pair", 1), ("closed", 1)])
def test_the_activated_socket_is_descriptor_three(tmp_path: Path, kind: str, code: int) -> None:
    pid = os.fork()
    if pid == 0:  # descriptor 3 of the test runner is not ours to take
        result = 2
        try:
            os.closerange(3, 4)
            if kind == "listening":
                os.dup2(listen_on(str(tmp_path / "socket")).detach(), 3)
            elif kind == "pair":
                os.dup2(socket.socketpair()[0].detach(), 3)
            found = activated_socket({"LISTEN_PID": "5", "LISTEN_FDS": "1"}, 5)
            result = 0 if found is not None and not found.get_inheritable() else 3
        except DirectoryError:
            result = 1
        finally:
            os._exit(result)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == code


@pytest.mark.parametrize(
    ("text", "facility"),
    [
        ("", "mail"),
        ("LOGGEROPTS=-facility=local3", "local3"),
        ('LOGGEROPTS="-name=x -facility=Daemon"', "daemon"),
        ('LOGGEROPTS="-facility"', "mail"),
    ],
)
def test_the_facility_of_syslog_is_an_option_of_the_logger(text: str, facility: str) -> None:
    assert parse_authdaemonrc(f"daemons=1\n{text}").facility == facility


def test_the_class_behind_authcustom() -> None:
    assert parse_authdaemonrc("daemons=1").custom_class == ""
    assert parse_authdaemonrc("daemons=1\nauthcustomclass=a.b:C").custom_class == "a.b:C"
