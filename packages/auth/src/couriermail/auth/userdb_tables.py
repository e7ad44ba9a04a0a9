"""The userdb as makeuserdb compiles it: `<file>.dat` and `<file>shadow.dat`.

The main table holds everything but passwords and is readable by all; the shadow table holds
the passwords and may be unreadable for a process that has no business with them: accounts
then have none.  Both carry the mark of the run that made them, so that a table is never read
together with one of another run.

Standard: spec auth 3.2.
"""

from __future__ import annotations

import logging
import os
import time

import attrs

from couriermail.auth.errors import UserdbError
from couriermail.auth.records import UserdbRecord, is_reverse_entry
from couriermail.table.errors import TableError
from couriermail.table.reader import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RUN_KEY", "UserdbTables"]

# A reverse entry without a uid: no account and no record can have this name.
RUN_KEY = b"="

_SWITCH_ATTEMPTS = 20  # two renames follow each other at once
_SWITCH_PAUSE_SECONDS = 0.002

_log = logging.getLogger("couriermail.auth")


@attrs.define(eq=False)
class UserdbTables:
    """A compiled userdb.  Nothing is opened before the first `refresh` or `find`.

    Attributes:
        path: the userdb's own path, without `.dat`.
    """

    path: str = attrs.field(converter=os.fspath)
    _identity: list[tuple[int, ...] | None] | None = attrs.field(default=None, init=False)
    _pair: tuple[Table, Table | None] | None = attrs.field(default=None, init=False)

    def refresh(self) -> bool:
        """Open the tables, or their new versions.

        Raises:
            UserdbError: the main table is missing or is no table, or the tables are not of
                one run of makeuserdb; those that were open before stay in use.
        """
        if self._identify() == self._identity:
            return False
        self._load()
        return True

    def find(self, name: bytes) -> UserdbRecord | None:
        """The record of exactly that name.

        Raises:
            UserdbError: a table cannot be read.
        """
        main, shadow_table = self._pair or self._load()
        try:
            fields = main.get(name)
            if fields is None or name == RUN_KEY:
                return None
            shadow = None if shadow_table is None else shadow_table.get(name)
        except TableError as error:
            raise UserdbError(str(error), path=self.path) from error
        return UserdbRecord(fields, shadow or b"")

    def records(self) -> Iterator[tuple[bytes, UserdbRecord]]:
        """Every record but the reverse entries, sorted by name.

        Raises:
            UserdbError: as for `find`.
        """
        main, shadow = self._pair or self._load()
        try:
            for name, fields in main.items():
                if not is_reverse_entry(name):
                    secrets = shadow.get(name) if shadow is not None else None
                    yield name, UserdbRecord(fields, secrets or b"")
        except TableError as error:
            raise UserdbError(str(error), path=self.path) from error

    def _load(self) -> tuple[Table, Table | None]:
        identity = self._identify()  # before opening: what changes meanwhile is seen next time
        self._pair = pair = self._open_pair()
        self._identity = identity
        return pair

    def _identify(self) -> list[tuple[int, ...] | None]:
        return [_identity_of(name) for name in self._names()]

    def _names(self) -> tuple[str, str]:
        return f"{self.path}.dat", f"{self.path}shadow.dat"

    def _open_pair(self) -> tuple[Table, Table | None]:
        for attempt in range(_SWITCH_ATTEMPTS):
            if attempt:
                time.sleep(_SWITCH_PAUSE_SECONDS)
            main, shadow = self._open_main(), self._open_shadow()
            if shadow is None or main.get(RUN_KEY) == shadow.get(RUN_KEY):
                return main, shadow
        raise UserdbError("the tables are not of one run: run makeuserdb again", path=self.path)

    def _open_main(self) -> Table:
        name, _ = self._names()
        try:
            # The directory above asks for a refresh in its own rhythm.
            return Table.open(name, revalidate=float("inf"))
        except TableError as error:
            raise UserdbError(str(error), path=name) from error

    def _open_shadow(self) -> Table | None:
        _, name = self._names()
        try:
            return Table.open(name, revalidate=float("inf"))
        except TableError as error:
            _log.debug("no shadow userdb, accounts have no passwords: %s", error)
            return None


def _identity_of(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
