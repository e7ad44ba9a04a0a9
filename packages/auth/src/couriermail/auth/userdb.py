"""Accounts from a userdb: compiled tables where they exist, else the text itself.

Theory of operation.  An account that was asked for before is one dict lookup.  Once per
`revalidate` seconds the next lookup asks the source whether its records changed; if so, the
cache starts anew.  When the records cannot be read any more, those that were read before
stay in use and the trouble is logged: a slip while editing does not stop the mail.

Standard: spec auth 3.1, 3.2, 4.5 (authuserdb).
"""

from __future__ import annotations

import logging
import os

import attrs

from couriermail.auth.account import is_safe_name
from couriermail.auth.errors import DirectoryError
from couriermail.auth.userdb_tables import UserdbTables
from couriermail.auth.userdb_text import UserdbText
from couriermail.core.clock import SystemClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account
    from couriermail.auth.records import UserdbSource
    from couriermail.core.clock import Clock

__all__ = ["UserdbDirectory"]

MAX_CACHED_ACCOUNTS = 10_000  # about 5 MB; more distinct recipients per second are unlikely

_log = logging.getLogger("couriermail.auth")


@attrs.define(eq=False)
class UserdbDirectory:
    """A `Directory` over a userdb.  Safe to share between threads.

    Lookup is by exact name, without regard to domains.  Records with uid 0 are found: who
    must not deliver as root checks that itself, as the mail system does.

    Attributes:
        source: where records come from.
        revalidate: seconds between two checks whether the records changed; 0 checks always.
    """

    source: UserdbSource
    revalidate: float = attrs.field(default=1.0, kw_only=True)
    _clock: Clock = attrs.field(factory=SystemClock, kw_only=True)
    _cache: dict[tuple[str, str], Account] = attrs.field(factory=dict, init=False, repr=False)
    _check_at: float = attrs.field(default=float("-inf"), init=False)
    _is_loaded: bool = attrs.field(default=False, init=False)

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        revalidate: float = 1.0,
        clock: Clock | None = None,
    ) -> UserdbDirectory:
        """The userdb at `path`; nothing is read before the first lookup.

        When `path`.dat exists, the compiled tables are used and edits of the text count
        after the next makeuserdb, as in Courier; else the text is read directly.
        """
        clock = clock or SystemClock()
        name = os.fspath(path)
        is_compiled = os.path.exists(f"{name}.dat")
        source = UserdbTables(name) if is_compiled else UserdbText(name)
        return cls(source, revalidate=revalidate, clock=clock)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account by its exact name; see `Directory.lookup`.

        Raises:
            UserdbError: the records cannot be read and never were.
        """
        if self._clock.monotonic() >= self._check_at:
            self.refresh()
        cache = self._cache  # a refresh in another thread starts a new dict
        account = cache.get((name, service))
        if account is None and is_safe_name(name):
            account = self._find(name, service)
            if account is not None:
                if len(cache) >= MAX_CACHED_ACCOUNTS:
                    cache.clear()
                cache[name, service] = account
        return account

    def lookup_uid(self, uid: int, service: str) -> Account | None:
        """Find the account that the reverse entry of a uid names (`1001=`).

        An entry that names an account of another uid leads nowhere.

        Raises:
            DirectoryError: the records cannot be read and never were.
        """
        if self._clock.monotonic() >= self._check_at:
            self.refresh()
        entry = self.source.find(b"%d=" % uid)
        if entry is None:
            return None
        # Spec auth 6: makeuserdb appends a field here too; Courier takes it for the name's end.
        name = entry.fields.partition(b"|")[0].decode("utf-8", "surrogateescape")
        account = self.lookup(name, service)
        return account if account is not None and account.uid == uid else None

    def refresh(self) -> None:
        """Look now whether the records changed.

        Raises:
            DirectoryError: they cannot be read and never were.
        """
        try:
            if self.source.refresh():
                self._cache = {}
        except DirectoryError as error:
            if not self._is_loaded:
                raise
            _log.error("keeping the userdb that was read before: %s", error)
        self._is_loaded = True
        self._check_at = self._clock.monotonic() + self.revalidate

    def _find(self, name: str, service: str) -> Account | None:
        record = self.source.find(name.encode())
        return None if record is None else record.account(name, service)
