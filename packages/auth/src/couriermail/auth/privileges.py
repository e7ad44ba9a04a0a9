"""Become the user of an account: what a server does between a login and the mailbox.

The identity and the working directory of a process are global.  Nothing in this library calls
these functions on its own: a program does, in a process that serves one account from then on.

Standard: spec auth 4.8.
"""

from __future__ import annotations

import logging
import os
import stat

from couriermail.auth.errors import AuthError, DirectoryError
from couriermail.auth.passwd import system_uid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from couriermail.auth.account import Account

__all__ = ["account_environment", "become_account", "create_home", "drop_privileges"]

_COPY_BYTES = 1 << 16

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
        create_home(account, skeleton)
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


def create_home(account: Account, skeleton: str) -> None:
    """Make a missing home as a copy of a directory; one that exists stays as it is.

    Directories and files get the modes of the copied ones and belong to the account, links
    stay links, anything else is left out.  What cannot be copied is logged.

    Args:
        account: whose home it is; its directory above must exist.
        skeleton: what is copied.
    """
    if os.path.lexists(account.home):
        return
    try:
        _copy(skeleton, account.home, account)
    except OSError as error:
        _log.warning("%s: cannot be made from %s: %s", account.home, skeleton, error.strerror)


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


def _copy(source: str, target: str, account: Account) -> None:
    found = os.lstat(source)
    if stat.S_ISDIR(found.st_mode):
        _copy_directory(source, target, account)
    elif stat.S_ISREG(found.st_mode):
        _copy_file(source, target)
    elif stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(source), target)
    else:
        return
    os.chown(target, account.uid, account.gid, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(target, stat.S_IMODE(found.st_mode))  # last: chown clears set-id bits


def _copy_directory(source: str, target: str, account: Account) -> None:
    os.mkdir(target, 0)  # nobody but root enters before it is whole
    for name in sorted(os.listdir(source)):
        try:
            _copy(f"{source}/{name}", f"{target}/{name}", account)
        except OSError as error:
            _log.warning("%s/%s: cannot be copied: %s", source, name, error.strerror)


def _copy_file(source: str, target: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(source, "rb") as file:
        descriptor = os.open(target, flags, 0)
        with os.fdopen(descriptor, "wb") as copy:
            while data := file.read(_COPY_BYTES):
                copy.write(data)
