"""authpwd and authshadow: users of the system, with hashes from passwd or from shadow.

Only `login` is answered: a hash cannot check a CRAM response.  User 0 is no account here.

Standard: spec auth 4.5 (authpwd / authshadow).
"""

from __future__ import annotations

import attrs

from couriermail.auth.backends.credentials import LoginCheck, is_clean_text
from couriermail.auth.backends.passwdcommand import run_passwd
from couriermail.auth.errors import DirectoryError
from couriermail.auth.passwd import PasswdDirectory
from couriermail.core.clock import SystemClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from couriermail.auth.account import Account
    from couriermail.auth.backends.shadow import ShadowEntry
    from couriermail.auth.module import CramResponse
    from couriermail.core.clock import Clock

    FindShadow = Callable[[str], ShadowEntry | None]

__all__ = ["MIN_LISTED_UID", "PasswdBackEnd", "SystemUsersModule"]

MIN_LISTED_UID = 100  # below are users that nobody logs in as


@attrs.define(eq=False, kw_only=True)
class PasswdBackEnd:
    """What modules over the system's users have in common.

    Attributes:
        name: the module's name in a chain.
        passwd_command: the words of passwd(1).
    """

    name: str
    passwd_command: Sequence[str] = ("passwd",)
    _users: PasswdDirectory = attrs.field(
        factory=lambda: PasswdDirectory(revalidate=0.0), init=False
    )

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Refuse: no clear password is known here."""
        return None

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Change the password of a user with passwd(1).

        Raises:
            DirectoryError: passwd(1) did not do it.
        """
        account = self._users.lookup(name, service)
        return _change_password(account, old, new, self.passwd_command)

    def accounts(self) -> Iterator[Account]:
        """The users that are no system's own, sorted by name.

        Raises:
            DirectoryError: the system's files cannot be read.
        """
        yield from _listed_users(self._users)

    def idle(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""


@attrs.define(eq=False, kw_only=True)
class SystemUsersModule(PasswdBackEnd):
    """An `AuthModule` over the system's users; changes passwords and lists accounts.

    Attributes:
        find_shadow: finds a line of the shadow file; None: hashes are in passwd itself.
        clock: tells the day, for what expires.
    """

    find_shadow: FindShadow | None = None
    clock: Clock = attrs.field(factory=SystemClock)
    _check: LoginCheck = attrs.field(factory=LoginCheck, init=False)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find a user that is not expired; see `Directory.lookup`.

        Raises:
            DirectoryError: the system's files cannot be read.
        """
        account = self._users.lookup(name, service)
        if account is None or self.find_shadow is None:
            return account
        entry = self.find_shadow(name)
        if entry is None or entry.is_expired(self.clock.now()):
            return None
        return attrs.evolve(account, password=entry.password or None)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password; see `AuthModule.login`.

        Raises:
            DirectoryError: the question cannot be answered now.
        """
        return self._check.accept(self.lookup(name, service), password)


def _change_password(account: Account | None, old: str, new: str, command: Sequence[str]) -> bool:
    """Let passwd(1) change a user's password; False for no user, or texts that are no password.

    Raises:
        DirectoryError: passwd(1) did not do it; a wrong old password is one of its reasons.
    """
    if account is None or "@" in account.name:
        return False
    if not is_clean_text(old) or not is_clean_text(new):
        return False
    run_passwd(command, account.uid, old, new)
    return True


def _listed_users(users: PasswdDirectory) -> Iterator[Account]:
    """The users from `MIN_LISTED_UID` on, sorted by name.

    Raises:
        DirectoryError: the system's files cannot be read.
    """
    import pwd

    try:
        names = sorted(
            {entry.pw_name for entry in pwd.getpwall() if entry.pw_uid >= MIN_LISTED_UID}
        )
    except OSError as error:
        raise DirectoryError(f"password database: {error}") from error
    for name in names:
        account = users.lookup(name, "")
        if account is not None:
            yield account
