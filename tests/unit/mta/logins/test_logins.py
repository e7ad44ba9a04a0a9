"""Which accounts an SMTP server asks about logins."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from couriermail.auth import AuthDaemonClient, LoginThrottle, UserdbModule
from couriermail.mta import load_config, logins
from couriermail.smtp import Authenticator

MECHANISMS = 'ESMTPAUTH="CRAM-MD5"\n'
ASKED = Authenticator(password=lambda session, credentials: None)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[object], dict[str, object]]]:
    """The modules that would be asked, and how."""
    seen: list[tuple[list[object], dict[str, object]]] = []

    def note(modules: list[object], **options: object) -> Authenticator:
        seen.append((modules, options))
        return ASKED

    monkeypatch.setattr(logins, "module_authenticator", note)
    return seen


def authenticator(directory: Path, **files: str) -> Authenticator | None:
    directory.joinpath("me").write_text("mx.example.test\n")
    for name, text in files.items():
        directory.joinpath(name).write_text(text)
    config = load_config(str(directory))
    return logins.login_authenticator(config, config.esmtpd)


def test_no_mechanism_no_auth(tmp_path: Path) -> None:
    assert authenticator(tmp_path, esmtpd="", userdb="") is None


@pytest.mark.parametrize("key", ["ESMTPAUTH", "ESMTPAUTH_TLS"])
def test_the_userdb_is_asked(
    tmp_path: Path, asked: list[tuple[list[object], dict[str, object]]], key: str
) -> None:
    settings = f"{key}=PLAIN\nDEFDOMAIN=@example.test\n"
    assert authenticator(tmp_path, esmtpd=settings, userdb="") is ASKED
    (((module,), options),) = asked
    assert isinstance(module, UserdbModule)
    assert module.path == str(tmp_path / "userdb")
    held = options.pop("throttle")
    assert isinstance(held, LoginThrottle)
    assert (held.failures, held.seconds) == (20, 300)
    assert options == {"threads": 1, "domain": "@example.test", "decoy_key": None}


def test_the_key_of_unknown_names_outlives_a_restart(
    tmp_path: Path, asked: list[tuple[list[object], dict[str, object]]]
) -> None:
    (tmp_path / "state").mkdir()
    for _ in range(2):
        authenticator(tmp_path, esmtpd="ESMTPAUTH_TLS=SCRAM-SHA-256\n", userdb="")
    first, second = (options["decoy_key"] for _, options in asked)
    assert isinstance(first, bytes)
    assert len(first) == 32
    assert first == second
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["scram.key"]
    assert (tmp_path / "state" / "scram.key").stat().st_mode & 0o777 == 0o600


def test_failed_logins_may_be_any_number(
    tmp_path: Path, asked: list[tuple[list[object], dict[str, object]]]
) -> None:
    (tmp_path / "couriermail.toml").write_text("[mta]\nlogin_failures = 0\n")
    authenticator(tmp_path, esmtpd=MECHANISMS, userdb="")
    ((_, options),) = asked
    assert options["throttle"] is None


@pytest.mark.parametrize("trouble", ["no directory", "too short", "link"])
def test_a_key_file_that_cannot_be_used_costs_no_login(
    tmp_path: Path, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "state" / "scram.key"
    if trouble != "no directory":
        path.parent.mkdir()
    if trouble == "too short":
        path.write_bytes(b"x")
    elif trouble == "link":
        path.symlink_to("/dev/zero")
    assert len({logins.decoy_key(str(path)) for _ in range(2)}) == 2
    assert "scram.key" in caplog.text


@pytest.mark.parametrize(
    ("settings", "socket"),
    [
        ("daemons=1\n", "{config}/authdaemon/socket"),
        ("daemons=1\nauthdaemonvar=/run/elsewhere\n", "/run/elsewhere/socket"),
        ("what is this?\n", "{config}/authdaemon/socket"),
    ],
    ids=["default place", "authdaemonvar", "settings that cannot be read"],
)
def test_a_configured_daemon_is_asked_instead(
    tmp_path: Path,
    asked: list[tuple[list[object], dict[str, object]]],
    settings: str,
    socket: str,
) -> None:
    made = authenticator(tmp_path, esmtpd=MECHANISMS, authdaemonrc=settings, userdb="")
    assert made is ASKED
    (((client,), options),) = asked
    assert isinstance(client, AuthDaemonClient)
    assert client.path == socket.format(config=tmp_path)
    assert options["threads"] == logins.DAEMON_THREADS


def test_mechanisms_without_accounts_are_said_and_not_offered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert authenticator(tmp_path, esmtpd=MECHANISMS) is None
    assert "neither an authdaemonrc nor a userdb" in caplog.text
