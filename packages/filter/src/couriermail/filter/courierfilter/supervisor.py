"""courierfilter: starts the filters that are switched on, keeps them alive, stops them (2.6).

While a filter that is switched on does not answer, no mail of the filtered sources is taken.
Courier: a filter that died stays dead; here it is started again after a pause that doubles from
one second to a minute, until it lived for that long.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable, Mapping

import attrs

from couriermail.core import StorageError
from couriermail.filter.courierfilter.filterprocess import FilterProcess
from couriermail.filter.courierfilter.places import FilterPlaces

__all__ = ["FilterSupervisor"]

log = logging.getLogger("couriermail.filter.courierfilter")

SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
SLOW_START_SECONDS = 60.0


@attrs.define(eq=False)
class _Entry:
    """A filter that is switched on, running or waiting for its next start."""

    name: str
    process: FilterProcess | None = None
    pause: float = 0.0
    start_at: float = 0.0
    warned: bool = False


@attrs.define(eq=False)
class FilterSupervisor:
    """Runs the filters of one mail system.

    `request_reload` and `request_stop` may be called from a signal handler or another thread.

    Attributes:
        places: what is switched on, and where the sockets lie.
        environment: what the filters get, with `sysconfdir` and `localstatedir` added.
        on_ready: called once when all filters that were on at the start are ready or have ended.
        on_change: called with the pids by name whenever a filter started or ended.
    """

    places: FilterPlaces
    environment: Mapping[str, str]
    on_ready: Callable[[], None] = lambda: None
    on_change: Callable[[dict[str, int]], None] = lambda pids: None
    _entries: dict[str, _Entry] = attrs.field(factory=dict, init=False)
    _wake: tuple[int, int] = attrs.field(
        factory=lambda: os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC), init=False
    )
    _said_ready: bool = attrs.field(default=False, init=False)
    _is_stopping: bool = attrs.field(default=False, init=False)

    def request_reload(self) -> None:
        """Have it start filters that were switched on and stop those that were switched off."""
        os.write(self._wake[1], b"h")

    def request_stop(self) -> None:
        """Have `run` stop all filters and return."""
        self._is_stopping = True
        os.write(self._wake[1], b"t")

    def run(self) -> None:
        """Supervise until `request_stop`.

        Raises:
            FilterConfigError: the directory of active filters cannot be read at the start.
        """
        try:
            self._reload()
            while not self._is_stopping:
                self._start_due()
                self._say_ready()
                self._handle(self._wait())
        finally:
            for name in list(self._entries):
                self._switch_off(name)
            for descriptor in self._wake:
                os.close(descriptor)

    def _wait(self) -> list[int]:
        poll = select.poll()
        poll.register(self._wake[0], select.POLLIN)
        for process in self._processes():
            for descriptor in (process.pidfd, process.output, process.startup):
                if descriptor >= 0:
                    poll.register(descriptor, select.POLLIN)
        return [descriptor for descriptor, _ in poll.poll(self._timeout())]

    def _timeout(self) -> int | None:
        """Milliseconds until something is due without an event."""
        moments = []
        for entry in self._entries.values():
            if entry.process is None:
                moments.append(entry.start_at)
            elif entry.process.startup >= 0 and not entry.warned:
                moments.append(entry.process.started + SLOW_START_SECONDS)
        return max(0, int((min(moments) - time.monotonic()) * 1000) + 1) if moments else None

    def _handle(self, ready: list[int]) -> None:
        if self._wake[0] in ready and b"h" in os.read(self._wake[0], 4096):
            self._reload()
        for entry in self._entries.values():
            process = entry.process
            if process is None:
                continue
            if process.output in ready:
                process.log_output()
            if process.startup in ready:
                process.take_ready()
            if process.pidfd in ready:
                self._bury(entry, process)
            elif process.startup >= 0:
                self._warn_when_slow(entry, process)

    def _reload(self) -> None:
        """Do what the links say; sockets of filters that are off would only refuse mail."""
        names = self.places.active_names()
        for name in [name for name in self._entries if name not in names]:
            self._switch_off(name)
        for path in self.places.socket_paths(everybody=True):
            if os.path.basename(path) not in names:
                _remove(path)
        for name in names:
            self._entries.setdefault(name, _Entry(name))
        for entry in self._entries.values():
            entry.pause = entry.start_at = 0.0

    def _switch_off(self, name: str) -> None:
        entry = self._entries.pop(name)
        log.info("Stopping %s", name)
        if entry.process is not None:
            code = entry.process.stop()
            log.info("%s: exit status %d", name, code)
            self._changed()
        for path in (self.places.sockets, self.places.all_sockets):
            _remove(f"{path}/{name}")

    def _start_due(self) -> None:
        for entry in self._entries.values():
            if entry.process is None and time.monotonic() >= entry.start_at:
                self._start(entry)

    def _start(self, entry: _Entry) -> None:
        log.info("Starting %s", entry.name)
        entry.warned = False
        environment = {
            **self.environment,
            "sysconfdir": self.places.config,
            "localstatedir": self.places.state,
        }
        program = f"{self.places.active}/{entry.name}"
        try:
            entry.process = FilterProcess.start(entry.name, program, environment)
        except StorageError as error:
            log.error("%s", error)
            self._pause(entry)
        self._changed()

    def _bury(self, entry: _Entry, process: FilterProcess) -> None:
        code = process.bury()
        entry.process = None
        self._changed()
        if time.monotonic() - process.started >= LONGEST_PAUSE:
            entry.pause = 0.0
        self._pause(entry)
        log.error("%s: exit status %d, starting it again in %.0f s", entry.name, code, entry.pause)

    def _pause(self, entry: _Entry) -> None:
        entry.pause = min(LONGEST_PAUSE, entry.pause * 2 or SHORTEST_PAUSE)
        entry.start_at = time.monotonic() + entry.pause

    def _warn_when_slow(self, entry: _Entry, process: FilterProcess) -> None:
        if not entry.warned and time.monotonic() - process.started >= SLOW_START_SECONDS:
            entry.warned = True
            log.warning("%s did not say that it is ready; it has to close descriptor 3", entry.name)

    def _say_ready(self) -> None:
        if not self._said_ready and all(process.startup < 0 for process in self._processes()):
            self._said_ready = True
            self.on_ready()

    def _changed(self) -> None:
        self.on_change({process.name: process.pid for process in self._processes()})

    def _processes(self) -> list[FilterProcess]:
        return [entry.process for entry in self._entries.values() if entry.process is not None]


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.error("cannot remove %s: %s", path, error.strerror)
