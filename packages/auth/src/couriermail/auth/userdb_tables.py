"""The userdb as makeuserdb compiles it: `<file>.dat` and `<file>shadow.dat`.

The main table holds everything but passwords and is readable by all; the shadow table holds
the passwords and may be unreadable for a process that has no business with them: accounts
then have none.

Standard: spec auth 3.2.
"""

from __future__ import annotations

import logging
import os

import attrs

from couriermail.auth.errors import UserdbError
from couriermail.auth.records import UserdbRecord
from couriermail.core.clock import SystemClock
from couriermail.table.errors import TableError
from couriermail.table.reader import Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock

__all__ = ["UserdbTables"]

_log = logging.getLogger("couriermail.auth")


@attrs.define(eq=False)
class UserdbTables:
    """A compiled userdb.  Nothing is opened before the first `refresh` or `find`.

    Attributes:
        path: the userdb's own path, without `.dat`.
    """

    path: str = attrs.field(converter=os.fspath)
    _clock: Clock = attrs.field(factory=SystemClock)
    _main: Table | None = attrs.field(default=None, init=False)
    _shadow: Table | None = attrs.field(default=None, init=False)

    def refresh(self) -> bool:
        """Open the tables, or their new versions.

        Raises:
            UserdbError: the main table is missing or is no table.
        """
        try:
            if self._main is None:
                self._main = self._open(f"{self.path}.dat")
                changed = True
            else:
                changed = self._main.refresh()
        except TableError as error:
            raise UserdbError(str(error), path=f"{self.path}.dat") from error
        return self._refresh_shadow() or changed

    def find(self, name: bytes) -> UserdbRecord | None:
        """The record of exactly that name.

        Raises:
            UserdbError: a table cannot be read.
        """
        if self._main is None:
            self.refresh()
        try:
            fields = self._main.get(name) if self._main is not None else None
            if fields is None:
                return None
            shadow = self._shadow.get(name) if self._shadow is not None else None
        except TableError as error:
            raise UserdbError(str(error), path=self.path) from error
        return UserdbRecord(fields, shadow or b"")

    def _refresh_shadow(self) -> bool:
        try:
            if self._shadow is not None:
                return self._shadow.refresh()
            self._shadow = self._open(f"{self.path}shadow.dat")
        except TableError as error:
            _log.debug("no shadow userdb, accounts have no passwords: %s", error)
            return False
        return True

    def _open(self, path: str) -> Table:
        # The directory above asks for a refresh in its own rhythm.
        return Table.open(path, revalidate=float("inf"), clock=self._clock)
