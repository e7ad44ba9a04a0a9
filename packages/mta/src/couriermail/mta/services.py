"""The bodies of the mail system's processes: what each opens, runs and closes.

`esmtpd` accepts mail by SMTP, `courierd` takes local submissions and runs the scheduler,
`courierlocal` forks the delivery agents.  The first two give up root for the mail system's
user; all of them run until their life line ends (`couriermail.mta.supervisor`).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence

import attrs

from couriermail.auth import ChainDirectory, Directory, PasswdDirectory, UserdbDirectory
from couriermail.core import ConfigError, CouriermailError, Reply
from couriermail.mta.accounts import LocalTarget, MailIdentity, mail_identity
from couriermail.mta.admission import RouterAdmission
from couriermail.mta.agentpool import AgentPool
from couriermail.mta.config import Config, EsmtpdSettings
from couriermail.mta.dropbox import DropBox
from couriermail.mta.globalfilters import GlobalFilters
from couriermail.mta.local.homes import HomeMaker
from couriermail.mta.local.server import serve_agents
from couriermail.mta.local.values import AgentSettings
from couriermail.mta.localtransport import LocalTransport
from couriermail.mta.logins import login_authenticator
from couriermail.mta.logs import configure_logging
from couriermail.mta.missinghomes import MissingHomes
from couriermail.mta.planner import Lane, Planner, PlannerLimits
from couriermail.mta.queueaccess import open_queue, retry_schedule
from couriermail.mta.queuecontrol import QueueControl
from couriermail.mta.queuelog import QueueLog
from couriermail.mta.rcptfilter import filter_runner
from couriermail.mta.recipientfilters import RecipientFilters
from couriermail.mta.reporter import QueueReporter
from couriermail.mta.router import Router
from couriermail.mta.scheduler import Delivery, Routed, Scheduler, SchedulerSettings
from couriermail.mta.smtphandler import SmtpHandler
from couriermail.mta.statedir import StateDir
from couriermail.mta.submission import SubmissionSettings, Submitter
from couriermail.mta.submitserver import SubmissionProtocol
from couriermail.mta.supervisor import LifeLine
from couriermail.mta.tlscontext import server_tls_context, subject_field
from couriermail.mta.transport import Route
from couriermail.queue import Queue
from couriermail.rfc822 import domain_to_ascii
from couriermail.smtp import Limits, ServerConfig, Timeouts
from couriermail.smtp.aio import serve

__all__ = ["Courierd", "Courierlocal", "Esmtpd", "account_directory"]

log = logging.getLogger("couriermail.mta.services")

# Under load the deliveries of one user gather this long (seconds); a lone one never waits.
DELIVERY_LINGER = 0.2
COLLECT_AFTER = 10_000  # containers more than before: some megabytes at most
STOP_GRACE = 10.0  # seconds for messages in flight, less than the supervisor waits
DROP_SECONDS = 30.0  # how often drop files are looked for; they are rare while we run


def account_directory(config: Config) -> Directory:
    """Who has mailboxes: the userdb beside the configuration, then the system's users."""
    directories: list[Directory] = []
    userdb = os.path.join(config.directory, "userdb")
    if os.path.exists(userdb) or os.path.exists(f"{userdb}.dat"):
        directories.append(UserdbDirectory.open(userdb))
    directories.append(PasswdDirectory())
    return ChainDirectory(tuple(directories))


def submission_settings(config: Config) -> SubmissionSettings:
    """What submission needs of a configuration."""
    return SubmissionSettings(
        me=domain_to_ascii(config.me),
        default_domain=domain_to_ascii(config.defaultdomain),
        message_id_host=domain_to_ascii(config.msgidhost),
        size_limit=config.sizelimit,
        batch_size=config.queue.batch,
        max_recipients=config.bofh.max_recipients,
        queue_time=config.queue.expire,
        warn_time=config.queue.warn,
    )


def log_oddities(config: Config) -> None:
    """Say once per start what is odd but stops nothing."""
    for warning in config.warnings:
        log.warning("configuration: %s", warning)
    if os.geteuid() == 0:  # still, after privileges were given up
        log.warning("running as root: set mailuser; the files in aliasdir are not used")


def drop_privileges(identity: MailIdentity) -> None:
    """Become the mail system's user for good; does nothing unless root."""
    if os.geteuid() != 0 or identity.uid == 0:
        return
    os.setgroups([identity.gid])
    os.setresgid(identity.gid, identity.gid, identity.gid)
    os.setresuid(identity.uid, identity.uid, identity.uid)


@attrs.frozen(kw_only=True)
class Environment:
    """What every service is told.

    Attributes:
        load: reads the configuration; called after the fork, so that a restart sees changes.
        log: where log lines go (`couriermail.mta.logs`).
    """

    load: Callable[[], Config]
    log: str = "-"

    def enter(self, program: str, *, as_mail_user: bool) -> Config:
        """Begin a service: its log, its configuration, its user."""
        configure_logging(self.log, program)
        config = self.load()
        if as_mail_user:
            drop_privileges(mail_identity(config))
        return config


@attrs.frozen(kw_only=True)
class Esmtpd:
    """The SMTP server's process.

    Attributes:
        environment: configuration and log.
        sockets: listening sockets, opened while we were root.
        submission: True for the submission server (`esmtpd-msa` settings).
    """

    environment: Environment
    sockets: Sequence[socket.socket]
    submission: bool = False

    def run(self, line: LifeLine) -> None:
        """Accept mail until the life line ends, then let messages in flight arrive."""
        config = self.environment.enter("esmtpd", as_mail_user=False)
        settings = config.msa if self.submission else config.esmtpd
        tls = server_tls_context(settings)  # the key may be readable to root only
        authenticator = login_authenticator(config, settings)
        drop_privileges(mail_identity(config))
        with open_queue(config) as queue:
            submitter, _ = _submitter(config, queue)
            handler = SmtpHandler(
                submitter,
                add_message_id=settings.add_message_id,
                add_date=settings.add_date,
            )

            async def main() -> None:
                async with contextlib.AsyncExitStack() as servers:
                    for listener in self.sockets:
                        server = serve(
                            handler,
                            sock=listener.dup(),
                            tls=tls,
                            authenticate=authenticator,
                            config=_server_config(config, settings),
                            timeouts=_timeouts(config),
                            grace=STOP_GRACE,
                        )
                        await servers.enter_async_context(server)
                    line.say_ready()
                    await _readable(line.stop)

            run_loop(main())
            submitter.close()


@attrs.frozen(kw_only=True)
class Courierd:
    """The process of scheduler and submission socket.

    Attributes:
        environment: configuration and log.
        listener: the submission socket.
    """

    environment: Environment
    listener: socket.socket

    def run(self, line: LifeLine) -> None:
        """Take submissions and deliver until the life line ends."""
        config = self.environment.enter("courierd", as_mail_user=True)
        log_oddities(config)
        with open_queue(config) as queue:
            for finding in queue.become_scheduler():
                log.warning("queue: %s", finding)
            submitter, router = _submitter(config, queue)
            transport = _local_transport(config)
            scheduler = _scheduler(config, queue, router, submitter, transport)
            try:
                run_loop(self._main(line, scheduler, submitter, StateDir(config.state)))
            finally:
                transport.close()
                submitter.close()

    async def _main(
        self, line: LifeLine, scheduler: Scheduler, submitter: Submitter, state: StateDir
    ) -> None:
        loop = asyncio.get_running_loop()
        queue = submitter.queue
        trigger = queue.trigger_fd()
        control = QueueControl(queue, frozenset({0, os.geteuid()}))
        box = DropBox(state.drop, submitter)
        box.recover(time.time())

        def on_trigger() -> None:
            queue.read_trigger()
            scheduler.wake()

        loop.add_reader(trigger, on_trigger)
        server = await loop.create_unix_server(
            lambda: SubmissionProtocol(submitter, control), sock=self.listener.dup(), backlog=512
        )
        async with server, _every(DROP_SECONDS, lambda: _import_drops(box)):
            line.say_ready()
            await scheduler.run(_readable(line.stop))
        loop.remove_reader(trigger)


@attrs.frozen(kw_only=True)
class Courierlocal:
    """The process that forks delivery agents; the only one that keeps root.

    Attributes:
        environment: configuration and log.
        listener: the socket on which the scheduler asks for agents.
    """

    environment: Environment
    listener: socket.socket

    def run(self, line: LifeLine) -> None:
        """Fork agents until the life line ends."""
        config = self.environment.enter("courierlocal", as_mail_user=False)
        os.nice(config.settings.mta.delivery_nice)
        line.say_ready()
        homes = home_maker(config)
        serve_agents(self.listener, agent_settings(config), stop=line.stop, homes=homes)


def agent_settings(config: Config) -> AgentSettings:
    """How delivery agents behave, from the configuration."""
    mta = config.settings.mta
    return AgentSettings(
        localtimeout=float(config.localtimeout),
        shell=mta.shell,
        dot_extension=config.dotextension,
        maildrop_command=_maildrop_command(config),
        maildroprc=os.path.join(config.directory, "maildroprc"),
        dynamic=config.environment.get("DYNAMICDELIVERIES", "1") != "0",
        create_maildir=mta.create_maildir,
        strict_home=mta.strict_home,
        environment=config.environment,
        trusted_uids=frozenset({mail_identity(config).uid}),
    )


def home_maker(config: Config) -> HomeMaker | None:
    """What makes missing homes (AUTH_MKHOMEDIR_SKEL); None where nobody shall."""
    skeleton = config.environment.get("AUTH_MKHOMEDIR_SKEL", "")
    return HomeMaker(skeleton, lambda: account_directory(config)) if skeleton else None


def agent_pool(config: Config, path: str) -> AgentPool:
    """Connections to the agents of a courierlocal process that listens at `path`."""
    homes = MissingHomes(path) if config.environment.get("AUTH_MKHOMEDIR_SKEL") else None
    return AgentPool(path, timeout=config.localtimeout + 60.0, homes=homes)


def _maildrop_command(config: Config) -> str:
    """The command that the filter runs in process; a path that does not exist is not meant."""
    is_ours = not config.maildrop or not os.path.exists(config.maildrop)
    return "maildrop" if is_ours else config.maildrop


def run_loop(main: Coroutine[object, object, None]) -> None:
    """Run a service's main coroutine, on uvloop where it is installed."""
    _collect_rarely()
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _collect_rarely() -> None:
    """What was loaded at the start lives as long as we do; a message leaves few cycles behind.

    With the defaults of Python a message costs a collection, and now and then one of them looks at
    every object of every module.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _submitter(config: Config, queue: Queue) -> tuple[Submitter, Router]:
    router = Router.of(config, account_directory(config))
    admission = RouterAdmission.of(config, router)
    submitter = Submitter(
        queue,
        admission,
        submission_settings(config),
        filters=GlobalFilters.of(config, queue),
        recipient_filters=RecipientFilters.of(config, filter_runner(config)),
    )
    return submitter, router


def _local_transport(config: Config) -> LocalTransport:
    limits = config.modules.get("local")
    return LocalTransport(
        agent_pool(config, StateDir(config.state).local_socket),
        max_deliveries=limits.max_deliveries if limits else 10,
        default_delivery=config.environment.get("DEFAULTDELIVERY", "./Maildir"),
    )


def _scheduler(
    config: Config, queue: Queue, router: Router, submitter: Submitter, transport: LocalTransport
) -> Scheduler:
    limits = config.modules.get("local")
    planner: Planner[Delivery] = Planner(
        {
            "local": PlannerLimits(
                max_deliveries=limits.max_deliveries if limits else 10,
                max_per_host=limits.max_per_host if limits else 4,
                linger=DELIVERY_LINGER,
            )
        }
    )

    def route(address: str) -> Routed | Reply:
        found = router.route(address)
        if not isinstance(found, Route):
            return found
        target = found.target
        if not isinstance(target, LocalTarget):
            raise ConfigError(f"no transport named {found.module}")
        lane = Lane("local", f"{target.uid}:{target.gid}")
        return Routed(lane, found.host, found.address, target)

    return Scheduler(
        queue=queue,
        route=route,
        transports={"local": transport},
        reporter=QueueReporter.of(config, submitter),
        planner=planner,
        settings=SchedulerSettings(
            schedule=retry_schedule(config),
            queue_high=max(config.queue.high, 1),
            report_early=config.settings.mta.dsn_early,
        ),
        mail_log=QueueLog(),
    )


def _server_config(config: Config, settings: EsmtpdSettings) -> ServerConfig:
    """How the SMTP engine behaves.  Mail has LF line ends inside the system."""
    limits = Limits(
        recipients=config.bofh.max_recipients,
        message_size=config.sizelimit,
        connections=settings.max_connections,
        connections_per_ip=settings.max_per_ip,
    )
    external = ("EXTERNAL",) if settings.tls_external else ()  # also where it is the only one
    return ServerConfig(
        hostname=domain_to_ascii(config.me),
        banner=config.esmtp.greeting,
        limits=limits,
        line_ends="lf",
        require_tls=settings.tls_required,
        auth_mechanisms=(*settings.auth_mechanisms, *external),
        auth_mechanisms_tls=settings.auth_mechanisms_tls,
        auth_in_clear=config.settings.mta.auth_in_clear,
        tls_identity=subject_field(settings.tls_external),
        require_auth=settings.auth_required,
        courier=True,
        exdata=True,
    )


def _timeouts(config: Config) -> Timeouts:
    return Timeouts(command=config.esmtp.timeout, data_idle=config.esmtp.timeout_data)


async def _readable(descriptor: int) -> None:
    """Return when a descriptor becomes readable."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()

    def readable() -> None:
        if not future.done():
            future.set_result(None)

    loop.add_reader(descriptor, readable)
    try:
        await future
    finally:
        loop.remove_reader(descriptor)


@contextlib.asynccontextmanager
async def _every(seconds: float, action: Callable[[], None]) -> AsyncIterator[None]:
    """Do something now and then while the context lasts."""

    async def repeat() -> None:
        while True:
            action()
            await asyncio.sleep(seconds)

    task = asyncio.ensure_future(repeat())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _import_drops(box: DropBox) -> None:
    try:
        count = box.import_all()
    except CouriermailError as error:
        log.error("cannot import drop files: %s", error)
        return
    if count:
        log.info("importing %d messages that were left while the system was down", count)
