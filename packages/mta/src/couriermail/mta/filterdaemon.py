"""courierfilter: the daemon that keeps the global filters of one configuration running.

It runs as the mail system's user, has a lock and a status of its own (`couriermail.mta.runstate`)
and starts before the mail system: a filter that is switched on and missing stops the mail.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping

import attrs

from couriermail.core import StorageError, write_atomically
from couriermail.filter.courierfilter import FilterSupervisor
from couriermail.mta.accounts import mail_identity
from couriermail.mta.config import load_config
from couriermail.mta.globalfilters import filter_places
from couriermail.mta.runstate import RunState, Status
from couriermail.mta.services import drop_privileges
from couriermail.mta.statedir import StateDir

__all__ = ["FilterDaemon", "filter_run_state"]

log = logging.getLogger("couriermail.mta.filterdaemon")

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV")  # what our own programs may need to be found


def filter_run_state(directory: str) -> RunState:
    """Lock and status of a configuration's courierfilter."""
    return RunState(StateDir(load_config(directory).state), "courierfilter")


@attrs.define(eq=False)
class FilterDaemon:
    """The filters of one configuration directory.

    Attributes:
        directory: the configuration directory.
    """

    directory: str

    def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Run in the foreground until SIGTERM or SIGINT; SIGHUP reads the links again.

        Args:
            on_ready: called once when all filters answer.

        Raises:
            AlreadyRunningError: another one holds the lock.
            ConfigError: the configuration cannot be used.
            StorageError: the state directory cannot be made.
        """
        config = load_config(self.directory)
        state = StateDir(config.state)
        identity = mail_identity(config)
        state.prepare(identity.uid, identity.gid)
        drop_privileges(identity)
        run = RunState(state, "courierfilter")
        lock = run.take_lock()
        _keep_descriptors()
        try:
            environment = _environment(config.environment)
            since = time.time()
            supervisor = FilterSupervisor(
                filter_places(config),
                environment,
                on_ready=on_ready,
                on_change=lambda pids: _publish(run, pids, since),
            )
            _publish(run, {}, since)
            pid_file = f"{state.run}/courierfilter.pid"
            write_atomically(pid_file, [f"{os.getpid()}\n".encode()], mode=0o644)
            try:
                _run_until_signal(supervisor)
            finally:
                os.unlink(pid_file)
                run.remove()
        finally:
            os.close(lock)


def _environment(configured: Mapping[str, str]) -> dict[str, str]:
    """What filters get: what `courierd` sets, on top of what finds our programs."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {"PATH": DEFAULT_PATH, **kept, **configured}


def _keep_descriptors() -> None:
    """What whoever started us left open is not the filters' (spec filter 2.6)."""
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the directory that we read
            if int(name) > 2:
                fcntl.fcntl(int(name), fcntl.F_SETFD, fcntl.FD_CLOEXEC)


def _publish(run: RunState, pids: dict[str, int], since: float) -> None:
    try:
        run.write(Status(pid=os.getpid(), services=pids, since=since))
    except StorageError as error:
        log.error("cannot write the status file: %s", error)


def _run_until_signal(supervisor: FilterSupervisor) -> None:
    actions = {
        signal.SIGTERM: supervisor.request_stop,
        signal.SIGINT: supervisor.request_stop,
        signal.SIGHUP: supervisor.request_reload,
    }
    before = {
        number: signal.signal(number, lambda *_, act=act: act()) for number, act in actions.items()
    }
    try:
        supervisor.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
