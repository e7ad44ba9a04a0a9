"""The whole mail system of one configuration directory: start, status, stop.

`MailSystem.run` is what `courier start` does in the foreground: take the lock, make the state
directory, open the sockets while still privileged, and supervise `courierlocal`, `courierd` and
`esmtpd`.  `run/courier.json` says who runs where; it is a report, the lock is the truth.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable

import attrs

from couriermail.core import StorageError, write_atomically
from couriermail.core.durable import storage_error
from couriermail.mta.accounts import mail_identity
from couriermail.mta.config import Config, EsmtpdSettings, load_config
from couriermail.mta.errors import MtaError
from couriermail.mta.listen import ListenAddress, listen, parse_ports
from couriermail.mta.services import Courierd, Courierlocal, Environment, Esmtpd
from couriermail.mta.statedir import StateDir
from couriermail.mta.supervisor import Service, Supervisor

__all__ = ["AlreadyRunningError", "MailSystem", "Status", "read_status", "restart", "stop"]

log = logging.getLogger("couriermail.mta.system")

UNPRIVILEGED_PORT = "2525"


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
        """True while a supervisor holds the lock."""
        return self.pid != 0


@attrs.define(eq=False)
class MailSystem:
    """One configuration directory's mail system.

    Attributes:
        directory: the configuration directory.
        log: where log lines go (`couriermail.mta.logs`).
        with_scheduler: False runs the SMTP server alone.
        with_smtp: False leaves the SMTP server out; None lets ESMTPDSTART decide.
        smtp_ports: listen here and not where the `esmtpd` file says.
    """

    directory: str
    log: str = "-"
    with_scheduler: bool = attrs.field(default=True, kw_only=True)
    with_smtp: bool | None = attrs.field(default=None, kw_only=True)
    smtp_ports: str | None = attrs.field(default=None, kw_only=True)
    _status: Status = attrs.field(factory=Status, init=False)
    _sockets: list[socket.socket] = attrs.field(factory=list, init=False)

    def run(self, on_ready: Callable[[Status], None] = lambda status: None) -> int:
        """Run in the foreground until SIGTERM or SIGINT.

        Args:
            on_ready: called once when every service answers.

        Raises:
            AlreadyRunningError: somebody else holds the lock.
            ConfigError: the configuration cannot be used.
            StorageError: the state directory cannot be made.
        """
        config = load_config(self.directory)
        state = StateDir(config.state)
        identity = mail_identity(config)
        state.prepare(identity.uid, identity.gid)
        lock = _take_lock(state, self._name)
        try:
            services = self._services(config, state)
            supervisor = Supervisor(
                services,
                on_change=lambda pids: self._changed(state, pids),
                on_ready=lambda: on_ready(self._status),
            )
            self._status = Status(pid=os.getpid(), listening=self._listening(), since=time.time())
            return supervisor.run()
        finally:
            for listener in self._sockets:
                listener.close()
            self._remove_traces(state)
            os.close(lock)

    def _services(self, config: Config, state: StateDir) -> list[Service]:
        environment = Environment(load=lambda: load_config(self.directory), log=self.log)
        identity = mail_identity(config)
        services = []
        if self.with_scheduler:
            _build_missing_aliases(config)
            local = self._unix(state.local_socket, 0o600, identity.uid, identity.gid)
            submit = self._unix(state.submit_socket, 0o666, identity.uid, identity.gid)
            services = [
                Service("courierlocal", Courierlocal(environment=environment, listener=local).run),
                Service("courierd", Courierd(environment=environment, listener=submit).run),
            ]
        if self._wants_smtp(config.esmtpd):
            addresses = (
                parse_ports(self.smtp_ports, config.esmtpd.address or "127.0.0.1")
                if self.smtp_ports
                else smtp_addresses(config.esmtpd)
            )
            sockets = [self._tcp(address) for address in addresses]
            services.append(Service("esmtpd", Esmtpd(environment=environment, sockets=sockets).run))
        return services

    def _wants_smtp(self, settings: EsmtpdSettings) -> bool:
        """SMTP is served unless the file says ESMTPDSTART=NO."""
        if self.with_smtp is not None:
            return self.with_smtp
        return not settings.environment.get("ESMTPDSTART", "YES").upper().startswith("N")

    def _tcp(self, address: ListenAddress) -> socket.socket:
        listener = listen(address)
        self._sockets.append(listener)
        return listener

    def _unix(self, path: str, mode: int, uid: int, gid: int) -> socket.socket:
        """A listening unix socket; a stale one is replaced, which is safe under the lock."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sockets.append(listener)
        try:
            if os.path.lexists(path):
                os.unlink(path)
            listener.bind(path)
            os.chmod(path, mode)
            if os.geteuid() == 0:
                os.chown(path, uid, gid)
            listener.listen(512)
        except OSError as error:
            raise storage_error(error, "cannot listen on", path) from error
        return listener

    def _listening(self) -> tuple[str, ...]:
        names = [item.getsockname() for item in self._sockets if item.family != socket.AF_UNIX]
        return tuple(f"{name[0]}:{name[1]}" for name in names)

    def _changed(self, state: StateDir, pids: dict[str, int]) -> None:
        self._status = attrs.evolve(self._status, services=pids)
        text = json.dumps(attrs.asdict(self._status)).encode()
        try:
            write_atomically(_status_file(state, self._name), [text], mode=0o644)
        except StorageError as error:
            log.error("cannot write the status file: %s", error)

    @property
    def _name(self) -> str:
        return "courier" if self.with_scheduler else "esmtpd"

    def _remove_traces(self, state: StateDir) -> None:
        paths = [_status_file(state, self._name)]
        if self.with_scheduler:
            paths += [state.submit_socket, state.local_socket]
        for path in paths:
            if os.path.lexists(path):
                os.unlink(path)


def smtp_addresses(settings: EsmtpdSettings) -> list[ListenAddress]:
    """Where the SMTP server listens; without root and without PORT, not on port 25."""
    ports = settings.ports
    if "PORT" not in settings.environment and os.geteuid() != 0:
        ports = UNPRIVILEGED_PORT
    return parse_ports(ports, settings.address)


def read_status(directory: str, name: str = "courier") -> Status:
    """What runs for a configuration directory."""
    state = StateDir(load_config(directory).state)
    if not _is_locked(state, name):
        return Status()
    try:
        with open(_status_file(state, name), "rb") as file:
            found = json.loads(file.read())
    except (OSError, ValueError):
        return Status(pid=_lock_holder(state, name))
    found["listening"] = tuple(found["listening"])
    return Status(**found)


def stop(directory: str, *, timeout: float = 30.0) -> bool:
    """Stop a running system and wait until it has ended; False when none runs.

    Raises:
        MtaError: it did not end in time.
    """
    return _signal_and_wait(directory, signal.SIGTERM, timeout)


def restart(directory: str) -> bool:
    """Have a running system read its configuration anew; False when none runs."""
    status = read_status(directory)
    if status.is_running:
        os.kill(status.pid, signal.SIGHUP)
    return status.is_running


def _signal_and_wait(directory: str, number: signal.Signals, timeout: float) -> bool:
    status = read_status(directory)
    if not status.is_running:
        return False
    try:
        pidfd = os.pidfd_open(status.pid)
    except ProcessLookupError:
        return True
    try:
        os.kill(status.pid, number)
        import select

        if not select.select([pidfd], [], [], timeout)[0]:
            raise MtaError(f"process {status.pid} did not stop within {timeout:.0f} seconds")
    finally:
        os.close(pidfd)
    return True


def _status_file(state: StateDir, name: str) -> str:
    return f"{state.run}/{name}.json"


def _lock_file(state: StateDir, name: str) -> str:
    return f"{state.run}/{name}.lock"


def _take_lock(state: StateDir, name: str) -> int:
    path = _lock_file(state, name)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise storage_error(error, "cannot open", path) from error
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyRunningError(f"the mail system of {state.path} runs already") from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def _is_locked(state: StateDir, name: str) -> bool:
    try:
        descriptor = os.open(_lock_file(state, name), os.O_RDWR | os.O_CLOEXEC)
    except PermissionError:
        return bool(_lock_holder(state, name)) and os.path.exists(_status_file(state, name))
    except OSError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _lock_holder(state: StateDir, name: str) -> int:
    try:
        with open(_lock_file(state, name), "rb") as file:
            return int(file.read() or 0)
    except (OSError, ValueError):
        return 0


def _build_missing_aliases(config: Config) -> None:
    """Aliases that were never built are built at the start (spec mta.md 16, start order)."""
    from couriermail.mta.aliasbuild import build_aliases

    source = os.path.join(config.directory, "aliases")
    if os.path.exists(source) and not os.path.exists(os.path.join(config.directory, "aliases.dat")):
        for warning in build_aliases(config).warnings:
            log.warning("aliases: %s", warning)
