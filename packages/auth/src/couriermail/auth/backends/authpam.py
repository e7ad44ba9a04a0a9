"""authpam: users of the system, with logins decided by PAM.

Only `login` is answered.  Each one is a short-lived process (`backends.pam`), because PAM
modules may do to their process what they like.

Standard: spec auth 4.5 (authpam).
"""

from __future__ import annotations

import logging
import subprocess
import sys

import attrs

from couriermail.auth.account import is_safe_name
from couriermail.auth.backends.pam import ACCEPTED, REFUSED
from couriermail.auth.backends.systemusers import PasswdBackEnd
from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account

__all__ = ["PamModule"]

PAM_SECONDS = 20.0  # below the 25 s after which authdaemond kills a worker, and not its child

_log = logging.getLogger("couriermail.auth")


@attrs.define(eq=False, kw_only=True)
class PamModule(PasswdBackEnd):
    """An `AuthModule` that asks PAM; changes passwords and lists accounts.

    PAM wants to see the password, so CRAM is refused.
    """

    name: str = "authpam"

    def lookup(self, name: str, service: str) -> Account | None:
        """Find a user, with the hash from shadow where this process can read it.

        Raises:
            DirectoryError: the system's files cannot be read.
        """
        from couriermail.auth.backends.shadow import find_shadow_entry

        account = self._users.lookup(name, service)
        if account is None:
            return None
        try:
            entry = find_shadow_entry(name)
        except DirectoryError:
            return account
        return attrs.evolve(account, password=entry.password or None) if entry else account

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password with the PAM configuration named like the service.

        Raises:
            DirectoryError: PAM cannot tell now.
        """
        if not password or "\0" in password or not is_safe_name(name):
            return None
        if not _is_service_name(service) or "\0" in (remote or ""):
            return None
        if not _ask_pam(service, name, password, remote or ""):
            return None
        account = self.lookup(name, service)
        return None if account is None else attrs.evolve(account, clear_password=password)


def _is_service_name(service: str) -> bool:
    """PAM opens a file of that name: letters, digits, `-` and `_` name no other file."""
    return service.isascii() and service.replace("-", "").replace("_", "").isalnum()


def _ask_pam(service: str, name: str, password: str, remote: str) -> bool:
    words = "\0".join((service, name, password, remote))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "couriermail.auth.backends.pam"],
            input=words.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
            timeout=PAM_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DirectoryError(f"authpam: {type(error).__name__}") from error
    if done.stderr:
        _log.debug("authpam: %s", done.stderr.decode("utf-8", "backslashreplace").strip())
    if done.returncode in (ACCEPTED, REFUSED):
        return done.returncode == ACCEPTED
    raise DirectoryError(f"authpam: PAM cannot tell (exit code {done.returncode})")
