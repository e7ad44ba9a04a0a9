"""Accounts from the system's password database (getpwnam).

User 0 is never an account here: mail for root goes to whoever an alias names.  Answers, also
negative ones, are kept for `revalidate` seconds, because the system's own lookup reads a file
or asks a server.

Standard: spec auth 4.5 (authpwd).
"""

from __future__ import annotations

import pwd

import attrs

from couriermail.auth.account import Account, is_safe_name
from couriermail.auth.errors import DirectoryError
from couriermail.core.clock import SystemClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock

__all__ = ["PasswdDirectory", "system_uid"]

MAX_CACHED_NAMES = 10_000  # bounds what strangers can make us remember


@attrs.define(eq=False, kw_only=True)
class PasswdDirectory:
    """A `Directory` over the system's users; every service gets the same answer.

    Attributes:
        revalidate: seconds an answer is kept.
        min_uid: users below this id are no accounts; at least 1.
    """

    revalidate: float = 1.0
    min_uid: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    _clock: Clock = attrs.field(factory=SystemClock)
    _cache: dict[str, Account | None] = attrs.field(factory=dict, init=False, repr=False)
    _forget_at: float = attrs.field(default=float("-inf"), init=False)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find a system user; see `Directory.lookup`.

        Raises:
            DirectoryError: the system's database failed in a way that it tells us of.
        """
        now = self._clock.monotonic()
        if now >= self._forget_at or len(self._cache) >= MAX_CACHED_NAMES:
            self._cache = {}
            self._forget_at = now + self.revalidate
        cache = self._cache
        if name not in cache:
            cache[name] = self._find(name) if is_safe_name(name) else None
        return cache[name]

    def _find(self, name: str) -> Account | None:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            return None
        except (OSError, MemoryError) as error:
            raise DirectoryError(f"password database: {error}") from error
        # Some systems answer for another spelling of the name; that is another account.
        if entry.pw_name != name or entry.pw_uid < self.min_uid:
            return None
        return Account(
            name=name,
            address=name,
            uid=entry.pw_uid,
            gid=entry.pw_gid,
            home=entry.pw_dir,
            full_name=entry.pw_gecos.partition(",")[0],
            system_user=name,
            password=entry.pw_passwd if len(entry.pw_passwd) > 1 else None,  # "x": in shadow
        )


def system_uid(system_user: str) -> int:
    """The uid of a system user whom another directory names.

    Raises:
        DirectoryError: this system has no such user.
    """
    try:
        return pwd.getpwnam(system_user).pw_uid
    except (KeyError, ValueError) as error:
        raise DirectoryError("an account belongs to a user that this system lacks") from error
