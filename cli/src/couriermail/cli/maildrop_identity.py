"""For whom `maildrop` runs: accounts, trust, and dropping every right (spec filter 4.12)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import pwd

    from couriermail.auth import Directory

__all__ = ["Identity", "Refused", "become"]

TEMPORARY = 75
NO_SUCH_USER = 67
TRUSTED_USERS = ("root", "mail", "daemon")
DEFAULT_SHELL = "/bin/sh"
NO_ID = (1 << 32) - 1  # setuid(2) reads it as "leave it as it is"
_ID_DIGITS = 10
SERVICE = "login"  # the service that maildrop asks accounts for


class Refused(Exception):  # noqa: N818 - not an error of the program: a message and an exit code
    """The delivery ends with a message to a person.

    Attributes:
        exit_code: the command's status.
    """

    def __init__(self, text: str, exit_code: int = TEMPORARY) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class Identity:
    """For whom the recipes run.

    Attributes:
        name: login name, or the empty string where the ids have none.
        uid: numeric user id.
        gid: numeric group id.
        home: home directory.
        interpreter: command interpreter.
        mailbox: the default mailbox that the account names, or the empty string.
        quota: the quota that the account names, or the empty string.
    """

    __slots__ = ("gid", "home", "interpreter", "mailbox", "name", "quota", "uid")

    def __init__(
        self,
        *,
        name: str,
        uid: int,
        gid: int,
        home: str,
        interpreter: str = DEFAULT_SHELL,
        mailbox: str = "",
        quota: str = "",
    ) -> None:
        self.name = name
        self.uid = uid
        self.gid = gid
        self.home = home
        self.interpreter = interpreter
        self.mailbox = mailbox
        self.quota = quota


def become(*, user: str | None, ids: str | None, config: str) -> Identity:
    """Find out for whom this is, and drop every right that they do not have.

    Args:
        user: the name of option `-d`, or None.
        ids: the text of option `-D`, or None.
        config: the configuration directory, which names the accounts.

    Raises:
        Refused: no such user, or the caller may not deliver to them.
        CouriermailError: the accounts cannot be asked now.
    """
    if ids is not None:
        identity = _identity_of_ids(ids)
    elif user is not None:
        identity = _identity_of_account(user, config) or _identity_of_user(user)
    else:
        identity = _identity_of_uid(os.getuid(), os.getgid())
    if identity.uid != os.getuid() and os.geteuid() != 0:
        raise Refused("You are not a trusted user.")
    if user is not None:
        _make_missing_home(identity)
    if os.geteuid() == 0 and (identity.uid, identity.gid) != (0, 0):
        try:
            os.setgroups([identity.gid])
            os.setresgid(identity.gid, identity.gid, identity.gid)
            os.setresuid(identity.uid, identity.uid, identity.uid)
        except OSError:
            raise Refused("Cannot set my user or group id.") from None
    return identity


def _make_missing_home(identity: Identity) -> None:
    """While we are root: a home of the skeleton that root's environment names (spec auth 4.8).

    Raises:
        CouriermailError: it cannot be made now.
    """
    skeleton = os.environ.get("AUTH_MKHOMEDIR_SKEL")
    if os.getuid() != 0 or not skeleton or os.path.lexists(identity.home):
        return
    from couriermail.auth import Account, create_home

    name, uid, gid = identity.name, identity.uid, identity.gid
    account = Account(name=name, address=name, uid=uid, gid=gid, home=identity.home)
    create_home(account, skeleton)


def _identity_of_account(name: str, config: str) -> Identity | None:
    """The account of a configured directory; None where there is none, or none is configured.

    The system's own users need no configuration, and no import of couriermail.auth.
    """
    directory = _directory(config)
    account = None if directory is None else directory.lookup(name, SERVICE)
    if account is None:
        return None
    if account.uid == 0:
        raise Refused("Invalid user specified.", NO_SUCH_USER)  # root is nobody's mail account
    return Identity(
        name=account.address,
        uid=account.uid,
        gid=account.gid,
        home=account.home,
        mailbox=account.maildir or "",
        quota=account.quota or "",
    )


def _directory(config: str) -> Directory | None:
    directories: list[Directory] = []
    if os.path.exists(f"{config}/authdaemonrc"):
        from couriermail.cli.authdaemon_places import daemon_client

        directories.append(daemon_client(config, None))
    userdb = f"{config}/userdb"
    if os.path.exists(userdb) or os.path.exists(f"{userdb}.dat"):
        from couriermail.auth import UserdbDirectory

        directories.append(UserdbDirectory.open(userdb))
    if not directories:
        return None
    from couriermail.auth import ChainDirectory

    return ChainDirectory(tuple(directories))


def _identity_of_user(name: str) -> Identity:
    import pwd

    try:
        entry = pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise Refused("Invalid user specified.", NO_SUCH_USER) from None
    return _identity(entry)


def _identity_of_uid(uid: int, gid: int) -> Identity:
    import pwd

    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        home = os.environ.get("HOME", "/")
        return Identity(name="", uid=uid, gid=gid, home=home)
    return _identity(entry)


def _identity(entry: pwd.struct_passwd) -> Identity:
    return Identity(
        name=entry.pw_name,
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        home=entry.pw_dir,
        interpreter=entry.pw_shell or DEFAULT_SHELL,
    )


def _identity_of_ids(text: str) -> Identity:
    """Whom option `-D` means.

    Courier: maildrop is setuid root, and trusted users alone may say `-D`.  Here whoever ran it
    for a recipient's filter has become that user already: your own ids are yours to name.
    """
    import pwd

    ids = _parse_ids(text)
    if ids != (os.getuid(), os.getgid()):
        caller = _identity_of_uid(os.getuid(), os.getgid())
        if caller.name not in TRUSTED_USERS:
            raise Refused("You are not authorized to use the -D option.")
        if ids is None:
            raise Refused("Invalid -D option.")
    uid, gid = ids
    try:
        identity = _identity(pwd.getpwuid(uid))
    except (KeyError, OverflowError):
        identity = _identity_of_uid(os.getuid(), os.getgid())
        identity.name = ""
    identity.uid, identity.gid = uid, gid
    identity.home = os.environ.get("HOME") or identity.home
    return identity


def _parse_ids(text: str) -> tuple[int, int] | None:
    """The numbers in `UID` or `UID/GID`, where no group is named the caller's; None for no ids."""
    uid, slash, gid = text.partition("/")
    words = (uid, gid) if slash else (uid,)
    if not all(word.isascii() and word.isdecimal() and len(word) <= _ID_DIGITS for word in words):
        return None
    ids = int(uid), int(gid) if slash else os.getgid()
    return ids if max(ids) < NO_ID else None
