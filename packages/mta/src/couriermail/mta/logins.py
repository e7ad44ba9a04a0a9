"""Who may log in to the SMTP server (spec smtp 8): authdaemond's accounts, else the userdb's."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from couriermail.auth import (
    AuthDaemonClient,
    ClientTimeouts,
    DirectoryError,
    UserdbModule,
    daemon_directory,
    read_authdaemonrc,
)
from couriermail.smtp.aio import module_authenticator

if TYPE_CHECKING:
    from couriermail.auth import AuthdaemonSettings
    from couriermail.mta.config import Config, EsmtpdSettings
    from couriermail.smtp import Authenticator

__all__ = ["login_authenticator"]

log = logging.getLogger("couriermail.mta.services")

# Logins that wait for the daemon at a time; it has workers of its own (`daemons`).
DAEMON_THREADS = 8


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
    rcfile = os.path.join(config.directory, "authdaemonrc")
    if os.path.exists(rcfile):
        client = _daemon_client(config, rcfile)
        return module_authenticator([client], threads=DAEMON_THREADS, domain=domain)
    userdb = os.path.join(config.directory, "userdb")
    if os.path.exists(userdb) or os.path.exists(f"{userdb}.dat"):
        return module_authenticator([UserdbModule.open(userdb)], domain=domain)
    log.warning("logins are configured, but there is neither an authdaemonrc nor a userdb: no AUTH")
    return None


def _daemon_client(config: Config, rcfile: str) -> AuthDaemonClient:
    settings: AuthdaemonSettings | None = None
    try:
        settings = read_authdaemonrc(rcfile)
    except DirectoryError as error:
        log.warning("the socket's default place is taken: %s", error)
    directory = daemon_directory(os.path.abspath(config.directory), settings)
    timeouts = ClientTimeouts.from_settings(os.environ)
    return AuthDaemonClient(path=f"{directory}/socket", timeouts=timeouts)
