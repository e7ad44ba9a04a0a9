"""The whole mail system of one configuration directory.

`MailSystem.run` is what `courier start` does in the foreground: take the lock, make the state
directory, open the sockets while still privileged, and supervise `courierlocal`, `courierd`,
`esmtpd` and, where recipients have filters of their own, `filterd`.  Who runs where is in
`couriermail.mta.runstate`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable

import attrs

from couriermail.core import StorageError
from couriermail.core.durable import storage_error
from couriermail.mta.accounts import mail_identity
from couriermail.mta.config import Config, EsmtpdSettings, load_config
from couriermail.mta.listen import ListenAddress, listen, parse_ports
from couriermail.mta.rcptfilter.service import Filterd, is_helper_wanted
from couriermail.mta.runstate import RunState, Status
from couriermail.mta.services import Courierd, Courierlocal, Environment, Esmtpd
from couriermail.mta.statedir import StateDir
from couriermail.mta.supervisor import LifeLine, Service, Supervisor

__all__ = ["MailSystem", "read_status", "run_state"]

log = logging.getLogger("couriermail.mta.system")

UNPRIVILEGED_PORT = "2525"


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
        run = RunState(state, "courier" if self.with_scheduler else "esmtpd")
        lock = run.take_lock()
        try:
            services = self._services(config, state)
            supervisor = Supervisor(
                services,
                on_change=lambda pids: self._changed(run, pids),
                on_ready=lambda: on_ready(self._status),
            )
            self._status = Status(pid=os.getpid(), listening=self._listening(), since=time.time())
            return supervisor.run()
        finally:
            for listener in self._sockets:
                listener.close()
            self._remove_traces(run)
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
                self._service(
                    "courierlocal",
                    Courierlocal(environment=environment, listener=local).run,
                    [local],
                ),
                self._service(
                    "courierd", Courierd(environment=environment, listener=submit).run, [submit]
                ),
                *self._filterd(config, state, environment),
            ]
        if self._wants_smtp(config.esmtpd):
            addresses = (
                parse_ports(self.smtp_ports, config.esmtpd.address or "127.0.0.1")
                if self.smtp_ports
                else smtp_addresses(config.esmtpd)
            )
            sockets = [self._tcp(address) for address in addresses]
            services.append(
                self._service(
                    "esmtpd", Esmtpd(environment=environment, sockets=sockets).run, sockets
                )
            )
        return services

    def _filterd(self, config: Config, state: StateDir, environment: Environment) -> list[Service]:
        """The helper for recipients' filters, where there are any."""
        if not is_helper_wanted(config):
            with contextlib.suppress(OSError):  # of a start that had filters
                os.unlink(state.filter_socket)
            return []
        identity = mail_identity(config)
        listener = self._unix(state.filter_socket, 0o660, identity.uid, identity.gid)
        service = Filterd(environment=environment, listener=listener)
        return [self._service("filterd", service.run, [listener])]

    def _wants_smtp(self, settings: EsmtpdSettings) -> bool:
        """SMTP is served unless the file says ESMTPDSTART=NO."""
        if self.with_smtp is not None:
            return self.with_smtp
        return not settings.environment.get("ESMTPDSTART", "YES").upper().startswith("N")

    def _service(
        self, name: str, run: Callable[[LifeLine], None], own: Iterable[socket.socket]
    ) -> Service:
        """A service that closes the others' sockets: one that ends must not look alive."""
        mine = {listener.fileno() for listener in own}

        def run_alone(line: LifeLine) -> None:
            for listener in self._sockets:
                if listener.fileno() not in mine:
                    listener.close()
            run(line)

        return Service(name, run_alone)

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

    def _changed(self, run: RunState, pids: dict[str, int]) -> None:
        self._status = attrs.evolve(self._status, services=pids)
        try:
            run.write(self._status)
        except StorageError as error:
            log.error("cannot write the status file: %s", error)

    def _remove_traces(self, run: RunState) -> None:
        run.remove()
        if self.with_scheduler:
            state = run.state
            for path in (state.submit_socket, state.local_socket, state.filter_socket):
                if os.path.lexists(path):
                    os.unlink(path)


def smtp_addresses(settings: EsmtpdSettings) -> list[ListenAddress]:
    """Where the SMTP server listens; without root and without PORT, not on port 25."""
    ports = settings.ports
    if "PORT" not in settings.environment and os.geteuid() != 0:
        ports = UNPRIVILEGED_PORT
    return parse_ports(ports, settings.address)


def run_state(directory: str, name: str = "courier") -> RunState:
    """Lock and status of a configuration directory's mail system."""
    return RunState(StateDir(load_config(directory).state), name)


def read_status(directory: str, name: str = "courier") -> Status:
    """What runs for a configuration directory."""
    return run_state(directory, name).read()


def _build_missing_aliases(config: Config) -> None:
    """Aliases that were never built are built at the start (spec mta.md 16, start order)."""
    from couriermail.mta.aliasbuild import build_aliases

    source = os.path.join(config.directory, "aliases")
    if os.path.exists(source) and not os.path.exists(os.path.join(config.directory, "aliases.dat")):
        for warning in build_aliases(config).warnings:
            log.warning("aliases: %s", warning)
