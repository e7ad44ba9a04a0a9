"""The LMTP delivery agent as processes: one that speaks LMTP, one that forks delivery agents.

The first holds the messages and never runs anything that belongs to a user; as root it becomes
the mail system's user.  The second stays what it was started as, so that its agents can become
the recipients; it reads nothing that comes from the network.  They meet on a socket in the
abstract name space (unix(7)), which asks every caller who it is: no directory is needed, and
several daemons do not get in each other's way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Callable, Iterable, Sequence

import attrs

from couriermail.mta.accounts import MailIdentity, mail_identity
from couriermail.mta.config import Config, load_config
from couriermail.mta.errors import MtaConfigError
from couriermail.mta.listen import ListenAddress, listen, listen_unix
from couriermail.mta.lmtp.handler import LmtpHandler
from couriermail.mta.lmtp.lanes import DeliveryLanes
from couriermail.mta.lmtp.recipients import RecipientSearch
from couriermail.mta.local.server import serve_agents
from couriermail.mta.local.values import AgentSettings
from couriermail.mta.logs import configure_logging
from couriermail.mta.services import (
    STOP_GRACE,
    account_directory,
    agent_pool,
    agent_settings,
    drop_privileges,
    home_maker,
    run_loop,
)
from couriermail.mta.supervisor import LifeLine, Service, Supervisor
from couriermail.rfc822 import domain_to_ascii
from couriermail.smtp import Limits, ServerConfig
from couriermail.smtp.aio import serve

__all__ = ["PROGRAM", "LmtpDaemon", "LmtpSettings"]

log = logging.getLogger("couriermail.mta.lmtp")

PROGRAM = "couriermail-lmtpd"
AGENT_IDLE = 30.0  # seconds after which an agent without mail ends
UNLIMITED = 1_000_000  # the client is an MTA of ours: what it may do wrong is not rationed


@attrs.frozen(kw_only=True)
class LmtpSettings:
    """How one daemon behaves.

    Attributes:
        unix: path of the unix socket; empty: none.
        unix_mode: its permissions; who may connect may send mail to the users of this machine.
        addresses: TCP addresses to listen on.
        inherited: listening sockets that exist already (socket activation).
        user: who speaks LMTP when we are root; empty: `mailuser` of the configuration.
        delimiters: characters between account and extension.
        create_maildir: create a missing maildir of the default delivery; None: what the
            configuration says.
        size_limit: octets of a message; None: `sizelimit` of the configuration, 0: no limit.
        max_connections: open at one time; more wait.
        max_agents: delivery agents that work at one time.
        max_agents_per_user: of these for one user.
    """

    unix: str = ""
    unix_mode: int = 0o666
    addresses: tuple[ListenAddress, ...] = ()
    inherited: tuple[socket.socket, ...] = ()
    user: str = ""
    delimiters: str = "+"
    create_maildir: bool | None = None
    size_limit: int | None = None
    max_connections: int = 200
    max_agents: int = 20
    max_agents_per_user: int = 4


@attrs.define(eq=False)
class LmtpDaemon:
    """Serves LMTP for the accounts of one configuration directory.

    Attributes:
        directory: the configuration directory; it need not exist.
        settings: what the command line says.
        log: where log lines go (`couriermail.mta.logs`).
    """

    directory: str
    settings: LmtpSettings
    log: str = "-"
    _sockets: list[socket.socket] = attrs.field(factory=list, init=False)

    def run(self, on_ready: Callable[[Sequence[str]], None] = lambda addresses: None) -> int:
        """Run in the foreground until SIGTERM or SIGINT; SIGHUP reads the configuration anew.

        Args:
            on_ready: called once when mail can come, with the addresses that are listened on.

        Raises:
            ConfigError: nothing to listen on, an address that cannot be had, or a configuration
                that cannot be used.
        """
        identity = self._identity(load_config(self.directory))
        path = f"\0{PROGRAM}-{secrets.token_hex(8)}"
        with contextlib.ExitStack() as stack:
            agents = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            agents.bind(path)
            agents.listen(self.settings.max_agents * 2)
            self._listen(stack)
            names = [_name(item) for item in self._sockets]
            self._warn(identity)
            front = LmtpFront(
                load=self._load, settings=self.settings, sockets=self._sockets, agents=path
            )
            return Supervisor(
                [
                    self._service("agents", self._sockets, lambda line: self._fork(agents, line)),
                    self._service(PROGRAM, [agents], front.run),
                ],
                on_ready=lambda: on_ready(names),
            ).run()

    def _load(self) -> tuple[Config, MailIdentity]:
        config = load_config(self.directory)
        return config, self._identity(config)

    def _identity(self, config: Config) -> MailIdentity:
        user = self.settings.user
        if not user:
            return mail_identity(config)
        import pwd

        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise MtaConfigError(f"there is no user {user}") from None
        return MailIdentity(entry.pw_uid, entry.pw_gid)

    def _listen(self, stack: contextlib.ExitStack) -> None:
        settings = self.settings
        for inherited in settings.inherited:
            self._sockets.append(stack.enter_context(inherited))
        for address in settings.addresses:
            if address.port == 25:
                raise MtaConfigError("LMTP must not be served on port 25")  # RFC 2033 5
            self._sockets.append(stack.enter_context(listen(address)))
        if settings.unix:
            listener = stack.enter_context(listen_unix(settings.unix, settings.unix_mode))
            stack.callback(_unlink_quietly, settings.unix)
            self._sockets.append(listener)
        if not self._sockets:
            raise MtaConfigError("nothing to listen on: a unix socket or a TCP address is needed")

    def _warn(self, identity: MailIdentity) -> None:
        if os.geteuid() == 0 and identity.uid == 0:
            log.warning("LMTP is spoken as root: name a user, or set mailuser")

    def _service(
        self, name: str, foreign: Iterable[socket.socket], run: Callable[[LifeLine], None]
    ) -> Service:
        """A service that closes the other one's sockets."""

        def run_alone(line: LifeLine) -> None:
            configure_logging(self.log, PROGRAM)
            for item in foreign:
                item.close()
            run(line)

        return Service(name, run_alone)

    def _fork(self, listener: socket.socket, line: LifeLine) -> None:
        config, identity = self._load()
        line.say_ready()
        settings = self._agent_settings(config, identity)
        serve_agents(listener, settings, stop=line.stop, homes=home_maker(config))

    def _agent_settings(self, config: Config, identity: MailIdentity) -> AgentSettings:
        settings = agent_settings(config)
        create = self.settings.create_maildir
        return attrs.evolve(
            settings,
            create_maildir=settings.create_maildir if create is None else create,
            trusted_uids=frozenset({identity.uid}),
            idle_timeout=AGENT_IDLE,
            stop_grace=STOP_GRACE / 2,  # their clients are gone already
        )


@attrs.frozen(kw_only=True)
class LmtpFront:
    """The process that speaks LMTP.

    Attributes:
        load: gives the configuration and the user to become.
        settings: what the command line says.
        sockets: listening sockets.
        agents: the socket on which delivery agents are to be had.
    """

    load: Callable[[], tuple[Config, MailIdentity]]
    settings: LmtpSettings
    sockets: Sequence[socket.socket]
    agents: str

    def run(self, line: LifeLine) -> None:
        """Take mail until the life line ends, then let messages in flight be delivered."""
        only_uid = None if os.geteuid() == 0 else os.geteuid()
        config, identity = self.load()
        drop_privileges(identity)
        lanes = DeliveryLanes(
            agent_pool(config, self.agents),
            max_agents=self.settings.max_agents,
            max_per_user=self.settings.max_agents_per_user,
        )
        handler = LmtpHandler(
            RecipientSearch.of(
                config,
                account_directory(config),
                delimiters=self.settings.delimiters,
                only_uid=only_uid,
            ),
            lanes,
            me=domain_to_ascii(config.me),
        )
        try:
            run_loop(self._serve(handler, self._server_config(config), line))
        finally:
            lanes.close()

    async def _serve(self, handler: LmtpHandler, config: ServerConfig, line: LifeLine) -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        loop.add_reader(line.stop, stopped.set)
        async with contextlib.AsyncExitStack() as servers:
            for listener in self.sockets:
                server = serve(handler, sock=listener.dup(), config=config, grace=STOP_GRACE)
                await servers.enter_async_context(server)
            line.say_ready()
            await stopped.wait()
            loop.remove_reader(line.stop)

    def _server_config(self, config: Config) -> ServerConfig:
        """How the engine behaves.

        The message was accepted by an MTA: odd octets in it are no reason to bounce it now, and
        the engine's end of a message is CR LF dot CR LF whatever stands in it.
        """
        size = self.settings.size_limit
        return ServerConfig(
            hostname=domain_to_ascii(config.me),
            mode="lmtp",
            line_ends="lf",
            bare="keep",
            dsn=False,  # nobody here could send a report
            limits=Limits(
                recipients=max(config.bofh.max_recipients, 100),
                message_size=config.sizelimit if size is None else size,
                connections=self.settings.max_connections,
                connections_per_ip=0,
                errors=UNLIMITED,
                idle_commands=UNLIMITED,
                transactions=UNLIMITED,
            ),
        )


def _name(listener: socket.socket) -> str:
    address = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{address}"
    return f"inet:{address[0]}:{address[1]}"


def _unlink_quietly(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
