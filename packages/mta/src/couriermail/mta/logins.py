"""Who may log in to the SMTP server (spec smtp 8): authdaemond's accounts, else the userdb's."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

from couriermail.auth import (
    AuthDaemonClient,
    ClientTimeouts,
    DirectoryError,
    LoginThrottle,
    UserdbModule,
    daemon_directory,
    read_authdaemonrc,
)
from couriermail.core.durable import create_exclusive
from couriermail.smtp.aio import module_authenticator
from couriermail.smtp.authenticator import DECOY_KEY_BYTES

if TYPE_CHECKING:
    from couriermail.auth import AuthdaemonSettings, AuthModule
    from couriermail.mta.config import Config, EsmtpdSettings
    from couriermail.smtp import Authenticator

__all__ = ["decoy_key", "login_authenticator"]

log = logging.getLogger("couriermail.mta.services")

# Logins that wait for the daemon at a time; it has workers of its own (`daemons`).
DAEMON_THREADS = 8
SCRAM = "SCRAM-SHA-256"


def login_authenticator(config: Config, settings: EsmtpdSettings) -> Authenticator | None:
    """What checks the logins of an SMTP server; None where it shall not offer AUTH.

    A configuration with an `authdaemonrc` asks that daemon, any other its userdb.  Nothing is
    opened before the first login.

    Args:
        config: the mail system's configuration.
        settings: those of the server: ESMTPAUTH, ESMTPAUTH_TLS, TLS_EXTERNAL, DEFDOMAIN.
    """
    if not (settings.auth_mechanisms or settings.auth_mechanisms_tls or settings.tls_external):
        return None
    domain = settings.environment.get("DEFDOMAIN", "")
    has_scram = SCRAM in (*settings.auth_mechanisms, *settings.auth_mechanisms_tls)
    key = decoy_key(os.path.join(config.state, "scram.key")) if has_scram else None
    module, threads = _module(config)
    if module is not None:
        return module_authenticator(
            [module], threads=threads, domain=domain, decoy_key=key, throttle=_throttle(config)
        )
    log.warning("logins are configured, but there is neither an authdaemonrc nor a userdb: no AUTH")
    return None


def _module(config: Config) -> tuple[AuthModule | None, int]:
    """Who is asked, and how many logins at a time."""
    rcfile = os.path.join(config.directory, "authdaemonrc")
    if os.path.exists(rcfile):
        return _daemon_client(config, rcfile), DAEMON_THREADS
    userdb = os.path.join(config.directory, "userdb")
    if os.path.exists(userdb) or os.path.exists(f"{userdb}.dat"):
        return UserdbModule.open(userdb), 1
    return None, 1


def _throttle(config: Config) -> LoginThrottle | None:
    mta = config.settings.mta
    if not mta.login_failures:
        return None
    return LoginThrottle(failures=mta.login_failures, seconds=mta.login_failure_seconds)


def decoy_key(path: str) -> bytes:
    """The key of SCRAM's salts for names without a stored secret, made at the first start.

    It outlives restarts: else the salts of unknown names would change with them, and those of
    accounts would not.  Trouble with the file costs that, and no login.

    Args:
        path: the file; read or made while we may still be root.
    """
    try:
        if not os.path.lexists(path):
            _make_key(path)
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            key = file.read(DECOY_KEY_BYTES)
    except OSError as error:
        log.warning("%s: cannot be used: %s", path, error.strerror)
        return os.urandom(DECOY_KEY_BYTES)
    if len(key) < DECOY_KEY_BYTES:
        log.warning("%s: too short; remove it", path)
        return os.urandom(DECOY_KEY_BYTES)
    return key


def _make_key(path: str) -> None:
    """Give the file its name when it is whole; the key of another process that does so stays."""
    temporary = f"{path}.{os.getpid()}"
    descriptor = create_exclusive(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(DECOY_KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _daemon_client(config: Config, rcfile: str) -> AuthDaemonClient:
    settings: AuthdaemonSettings | None = None
    try:
        settings = read_authdaemonrc(rcfile)
    except DirectoryError as error:
        log.warning("the socket's default place is taken: %s", error)
    directory = daemon_directory(os.path.abspath(config.directory), settings)
    timeouts = ClientTimeouts.from_settings(os.environ)
    return AuthDaemonClient(path=f"{directory}/socket", timeouts=timeouts)
