"""What runs on a state directory: the lock, the status file, and how to stop what holds them.

The lock (`run/NAME.lock`, flock) is the truth: the supervisor and the processes that it forked
hold it together, so it is free only when the last of them has ended.  `run/NAME.json` is a report
for people and commands.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import time

import attrs

from couriermail.core import write_atomically
from couriermail.core.durable import storage_error
from couriermail.mta.errors import MtaError
from couriermail.mta.statedir import StateDir

__all__ = ["AlreadyRunningError", "RunState", "Status"]

ORPHAN_SECONDS = 20.0  # for the processes of a supervisor that was killed: they end by themselves


class AlreadyRunningError(MtaError):
    """The mail system of this directory runs already."""

    is_temporary = True
    exit_code = 75


@attrs.frozen(kw_only=True)
class Status:
    """What runs.

    Attributes:
        pid: the supervisor, or 0 when nothing runs.
        services: pid of each service by name.
        listening: addresses of the SMTP server, `HOST:PORT`.
        since: epoch of the start.
    """

    pid: int = 0
    services: dict[str, int] = attrs.field(factory=dict)
    listening: tuple[str, ...] = ()
    since: float = 0.0

    @property
    def is_running(self) -> bool:
        """True while a supervisor runs."""
        return self.pid != 0


@attrs.frozen
class RunState:
    """Lock and status of one kind of supervisor: `courier`, or `esmtpd` alone."""

    state: StateDir
    name: str = "courier"

    def take_lock(self) -> int:
        """Hold the lock until the descriptor is closed, here and in every forked child.

        Raises:
            AlreadyRunningError: a supervisor holds it.
            StorageError: the file cannot be made.
        """
        descriptor = self._open_lock()
        end = time.monotonic() + ORPHAN_SECONDS
        while not _try_lock(descriptor):
            if self._holder_lives() or time.monotonic() > end:
                os.close(descriptor)
                raise AlreadyRunningError(f"the mail system of {self.state.path} runs already")
            time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return descriptor

    def read(self) -> Status:
        """What runs now."""
        if not self._holder_lives():
            return Status()
        try:
            with open(self._status_file, "rb") as file:
                found = json.loads(file.read())
        except (OSError, ValueError):
            return Status(pid=self._holder())  # it has just begun
        found["listening"] = tuple(found["listening"])
        return Status(**found)

    def write(self, status: Status) -> None:
        """Publish a status.

        Raises:
            StorageError: it cannot be written.
        """
        text = json.dumps(attrs.asdict(status)).encode()
        write_atomically(self._status_file, [text], mode=0o644)

    def remove(self) -> None:
        """Take the status back."""
        if os.path.exists(self._status_file):
            os.unlink(self._status_file)

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop the supervisor and wait until it has ended; False when none runs.

        Raises:
            MtaError: it did not end in time, or may not be stopped by us.
        """
        pid = self.read().pid
        if not pid:
            return False
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            _signal(pid, signal.SIGTERM)
            if not select.select([pidfd], [], [], timeout)[0]:
                raise MtaError(f"process {pid} did not stop within {timeout:.0f} seconds")
        finally:
            os.close(pidfd)
        return True

    def restart(self) -> bool:
        """Have the supervisor start its services anew; False when none runs."""
        pid = self.read().pid
        if pid:
            _signal(pid, signal.SIGHUP)
        return bool(pid)

    @property
    def _lock_file(self) -> str:
        return f"{self.state.run}/{self.name}.lock"

    @property
    def _status_file(self) -> str:
        return f"{self.state.run}/{self.name}.json"

    def _open_lock(self) -> int:
        try:
            return os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise storage_error(error, "cannot open", self._lock_file) from error

    def _holder(self) -> int:
        """The pid in the lock file, 0 when there is none."""
        try:
            with open(self._lock_file, "rb") as file:
                return int(file.read() or 0)
        except (OSError, ValueError):
            return 0

    def _holder_lives(self) -> bool:
        """True while the lock is held and the process that took it lives."""
        pid = self._holder()
        return bool(pid) and self._is_locked() and _lives(pid)

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self._lock_file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(pid: int) -> bool:
    """False also for a zombie, which still answers to `kill`."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        return not select.select([pidfd], [], [], 0)[0]
    finally:
        os.close(pidfd)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except PermissionError as error:
        raise MtaError(f"process {pid} belongs to somebody else") from error
