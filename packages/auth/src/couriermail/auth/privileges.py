"""Become the user of an account: what a server does between a login and the mailbox.

The identity and the working directory of a process are global.  Nothing in this library calls
these functions on its own: a program does, in a process that serves one account from then on.

Standard: spec auth 4.8.
"""

from __future__ import annotations

import logging
import os

from couriermail.auth.errors import AuthError, DirectoryError
from couriermail.auth.homes import create_home
from couriermail.auth.passwd import system_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from couriermail.auth.account import Account

__all__ = ["account_environment", "become_account", "drop_privileges"]

_log = logging.getLogger("couriermail.auth")


def become_account(account: Account, *, skeleton: str | None = None) -> None:
    """Give up root for an account and go to its home.

    Args:
        account: who this process is from now on.
        skeleton: a directory of which a missing home is made (`AUTH_MKHOMEDIR_SKEL`), or None.

    Raises:
        AuthError: the account has no address; nothing has changed.
        DirectoryError: the identity cannot be taken on, or there is no way into the home
            after that; the process must end.
    """
    if not account.address:
        raise AuthError("an account without address")
    if skeleton and os.path.isdir(skeleton):
        try:
            create_home(account, skeleton)
        except DirectoryError as error:  # spec auth 4.8: a warning; the way in then fails
            _log.warning("%s", error)
    drop_privileges(account)
    try:
        os.chdir(account.home)
    except OSError as error:
        # After the drop: what the account may not enter must not be entered for it.
        raise DirectoryError(f"{account.home}: {error.strerror}") from error


def drop_privileges(account: Account) -> None:
    """Take on the account's user and groups, all of them, for good.

    A process without root keeps its identity; then that must be the account's already.

    Raises:
        DirectoryError: the system refuses, or does not know the user.
    """
    if os.geteuid() != 0:
        if os.geteuid() != account.uid:
            raise DirectoryError("only root can become another user")
        return
    name, uid = _system_identity(account)
    try:
        if name is None:
            os.setgroups([account.gid])
        else:
            os.initgroups(name, account.gid)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(uid, uid, uid)
    except OSError as error:
        raise DirectoryError(f"cannot become the account's user: {error.strerror}") from error


def account_environment(account: Account) -> Mapping[str, str]:
    """The environment that a server gets for an account after the login (spec auth 4.8)."""
    environment = {"AUTHENTICATED": account.address, "OPTIONS": account.options.text}
    if account.quota is not None:
        environment["MAILDIRQUOTA"] = account.quota
    environment["AUTHADDR"] = account.address
    if account.full_name is not None:
        environment["AUTHFULLNAME"] = account.full_name
    return environment


def _system_identity(account: Account) -> tuple[str | None, int]:
    """The system's name of the user, if it has one to follow, and the uid."""
    if account.system_user is None:
        return None, account.uid
    return account.system_user, system_uid(account.system_user)
