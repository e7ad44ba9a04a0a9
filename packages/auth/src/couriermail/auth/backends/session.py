"""A connection to a server that is kept open between requests, and made again when it breaks.

Standard: spec auth 3.4 (changed settings close connections), 4.5 (reconnect, retry once).
"""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

import attrs

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.auth.rcfile import RcFile

__all__ = ["Closable", "ConnectionLostError", "Session"]


class ConnectionLostError(DirectoryError):
    """The server is not reached, or no longer: the same request may succeed on a new connection."""


class Closable(Protocol):
    """A connection."""

    def close(self) -> None:
        """Give the connection up; raises nothing."""
        ...


Connection = TypeVar("Connection", bound=Closable)
Settings = TypeVar("Settings")
Result = TypeVar("Result")


@attrs.define(eq=False)
class Session(Generic[Settings, Connection]):
    """One connection and the settings it was made with; threads take turns.

    Attributes:
        rc: the settings file; a change of it closes the connection.
        connect: makes a connection; raises `DirectoryError`.
    """

    rc: RcFile[Settings]
    connect: Callable[[Settings], Connection]
    _connection: Connection | None = attrs.field(default=None, init=False)
    _settings: Settings | None = attrs.field(default=None, init=False, repr=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def run(self, work: Callable[[Connection, Settings], Result]) -> Result:
        """Do a piece of work; once more, from its beginning, when a kept connection is dead.

        Args:
            work: gets a connection and the settings; may be called twice.

        Raises:
            DirectoryError: it cannot be done now.
        """
        with self._lock:
            settings = self._current_settings()
            was_open = self._connection is not None
            try:
                return self._attempt(work, settings)
            except ConnectionLostError:
                if not was_open:
                    raise
            return self._attempt(work, settings)

    def close(self) -> None:
        """Close the connection; the next piece of work makes a new one."""
        with self._lock:
            self._drop()

    def _current_settings(self) -> Settings:
        settings = self.rc.load()
        if settings is not self._settings:
            self._drop()
            self._settings = settings
        return settings

    def _attempt(
        self, work: Callable[[Connection, Settings], Result], settings: Settings
    ) -> Result:
        if self._connection is None:
            self._connection = self.connect(settings)
        try:
            return work(self._connection, settings)
        except ConnectionLostError:
            self._drop()
            raise

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
