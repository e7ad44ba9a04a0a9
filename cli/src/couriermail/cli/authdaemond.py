"""`authdaemond`: start, stop and reload the authentication daemon (spec auth 2.1)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.authdaemon_places import mail_owner, settings_file
from couriermail.cli.errors import reporting
from couriermail.cli.layout import config_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.auth import AuthdaemonSettings, AuthModule

__all__ = ["app", "main"]

EXAMPLES = """
Exit codes: 0 done, or running already; 1 not running, or it did not stop; 2 a wrong command
line; 75 it cannot start now; with --check also 75 for settings that cannot be used.

\b
Examples:
  authdaemond start                        in the background, log to syslog
  authdaemond restart                      read the settings again (SIGHUP)
  authdaemond --foreground --socket ./s    until SIGTERM, log to standard error
  authdaemond --check                      try the settings and the back ends

Settings of ours in authdaemonrc: authcustomclass=PACKAGE.MODULE:CLASS, the class behind authcustom;
LOGGEROPTS=-facility=NAME, the facility of syslog; loginfailures=COUNT/SECONDS, failed logins that a
client address may have in that time.
"""
STOP_SECONDS = 8.0  # then SIGKILL
KILL_SECONDS = 2.0
POLL_SECONDS = 0.05
READY = b"\0"  # what a daemon in the background says first; else a text, why it ended

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Action(StrEnum):
    """What to do with the daemon."""

    start = "start"
    stop = "stop"
    restart = "restart"


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def authdaemond(
    action: Annotated[Action | None, typer.Argument(help="What to do with the daemon.")] = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Run here; a socket of systemd is taken.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Try the settings, then end.")] = False,
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    socket: Annotated[
        str | None, typer.Option("--socket", metavar="PATH", help="Listen there.")
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="WHERE", help="syslog, - or a file.")
    ] = None,
) -> None:
    """Run the daemon that other programs ask about accounts and logins."""
    with reporting("authdaemond"):
        site = _Site(config, socket)
        if check:
            raise typer.Exit(_check(site))
        if foreground and action in (None, Action.start):
            raise typer.Exit(_run(site, log or "-"))
        if action is Action.start:
            raise typer.Exit(_start(site, log or "syslog"))
        if action is Action.stop:
            raise typer.Exit(_stop(site))
        if action is Action.restart:
            raise typer.Exit(_restart(site))
        raise typer.BadParameter("start, stop, restart, --foreground or --check is wanted")


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="authdaemond"))


class _Site:
    """The settings and places of one daemon."""

    def __init__(self, config: str | None, socket: str | None) -> None:
        from couriermail.auth import PidFile, daemon_directory, read_authdaemonrc

        self.config = config_directory(config)
        self.file = settings_file(config)
        self.settings = read_authdaemonrc(self.file)
        directory = daemon_directory(self.config, self.settings)
        self.socket = os.path.abspath(socket or f"{directory}/socket")
        self.directory = os.path.dirname(self.socket)
        self.pid_file = PidFile(f"{self.directory}/pid")
        self.missing: dict[str, str] = {}  # listed back ends that cannot be had, and why

    def configure(self) -> AuthdaemonSettings:
        """Read the settings, and export them: libraries of the back ends look there."""
        from couriermail.auth import read_authdaemonrc

        settings = read_authdaemonrc(self.file)
        os.environ.update(settings.values)
        level = logging.DEBUG if settings.debug_level else logging.INFO
        logging.getLogger("couriermail").setLevel(level)
        return settings

    def load(self, name: str, settings: AuthdaemonSettings) -> AuthModule:
        """A back end of this site."""
        from couriermail.auth.errors import ModuleMissingError
        from couriermail.auth.modules import ModuleSettings, require_module

        where = ModuleSettings(
            config_dir=self.config,
            # No cache: a password that one worker changed counts in all others at once.
            userdb_revalidate=0.0,
            custom_class=settings.custom_class,
        )
        try:
            return require_module(name, where)
        except ModuleMissingError as error:
            if settings.are_listed:
                self.missing[name] = str(error)
            raise

    def complaints(self) -> str:
        """Lines about back ends that the settings list and that are skipped."""
        return "".join(f"authdaemond: {why}; skipped\n" for why in self.missing.values())

    def log_to(self, destination: str) -> None:
        """Send the log somewhere; as the settings say for syslog."""
        from couriermail.auth import DirectoryError
        from couriermail.mta.logs import configure_logging

        try:
            configure_logging(destination, "authdaemond", facility=self.settings.facility)
        except OSError as error:
            raise DirectoryError(f"{destination}: {error.strerror}") from error


def _run(
    site: _Site,
    log: str,
    on_ready: Callable[[], None] = lambda: None,
    held: tuple[int, ...] = (),
) -> int:
    """Serve in this process until it is told to stop; workers do not keep what is held."""
    from couriermail.auth import AuthDaemon, activated_socket, listen_on, make_directory

    site.log_to(log)
    listener = activated_socket(os.environ, os.getpid())
    is_ours = listener is None
    owner = mail_owner(site.config) if os.geteuid() == 0 else None
    make_directory(site.directory, owner=owner)
    if not site.pid_file.acquire():
        typer.echo("authdaemond is running already", err=True)
        return 0
    try:
        listener = listener or listen_on(site.socket)
        daemon = AuthDaemon(
            configure=site.configure,
            load=site.load,
            on_ready=on_ready,
            extra_descriptors=(site.pid_file.fileno(), *held),
        )
        daemon.run(listener)
    finally:
        if is_ours and listener is not None:
            with suppress(FileNotFoundError):
                os.unlink(site.socket)
        site.pid_file.release()
    return 0


def _start(site: _Site, log: str) -> int:
    """Serve in the background; returns when the daemon answers, or could not begin to."""
    if site.pid_file.running():
        return 0
    answer, tell = os.pipe()
    if os.fork() == 0:
        os.close(answer)
        return _run_detached(site, log, tell)
    os.close(tell)
    said = b""
    while not said.startswith(READY) and (more := os.read(answer, 4096)):
        said += more
    is_ready = said.startswith(READY) or site.pid_file.running() is not None
    complaints = said.removeprefix(READY).decode(errors="replace")
    sys.stderr.write(complaints if is_ready or said else "authdaemond: it ended; see its log\n")
    return 0 if is_ready else 75


def _run_detached(site: _Site, log: str, tell: int) -> int:
    """Serve as a process without a terminal; says through a descriptor how that began."""
    from couriermail.core import CouriermailError

    log = log if log in ("syslog", "-") else os.path.abspath(log)
    os.setsid()
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    # Before the first worker: who waits for the end of our output must not wait for them.
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    try:
        # One write of less than PIPE_BUF: our parent reads it whole.
        return _run(
            site, log, lambda: _say(tell, READY + _octets(site.complaints())[:2000]), held=(tell,)
        )
    except CouriermailError as error:
        _say(tell, _octets(f"{site.complaints()}authdaemond: {error}\n"))
        raise


def _octets(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _say(descriptor: int, text: bytes) -> None:
    with suppress(BrokenPipeError):  # whoever started us has ended
        os.write(descriptor, text)


def _stop(site: _Site) -> int:
    pid = site.pid_file.running()
    if pid is None:
        return 0
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
        _send(pid, number)
        deadline = time.monotonic() + seconds
        while site.pid_file.running() == pid:
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_SECONDS)
        else:
            return 0
    sys.stderr.write(f"authdaemond: process {pid} does not stop\n")
    return 1


def _send(pid: int, number: signal.Signals) -> None:
    from couriermail.auth import DirectoryError

    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it has just ended
    except PermissionError as error:
        raise DirectoryError(f"process {pid}: {error.strerror}") from error


def _restart(site: _Site) -> int:
    pid = site.pid_file.running()
    if pid is None:
        typer.echo("authdaemond is not running", err=True)
        return 1
    _send(pid, signal.SIGHUP)
    return 0


def _check(site: _Site) -> int:
    """Load every back end and ask it for a name that nobody has."""
    from couriermail.auth import DirectoryError
    from couriermail.auth.errors import ModuleMissingError
    from couriermail.mta.logs import configure_logging

    configure_logging("-", "authdaemond", level=logging.ERROR)
    settings = site.configure()
    code = 0
    for name in settings.modules:
        try:
            module = site.load(name, settings)
            module.lookup("authdaemond-check@invalid", "login")
            module.close()
            typer.echo(f"{name}: ready")
        except ModuleMissingError as error:
            is_wanted = settings.are_listed and error.is_known
            typer.echo(f"{error}; skipped", err=is_wanted)
            code = error.exit_code if is_wanted else code
        except DirectoryError as error:
            typer.echo(f"{name}: {str(error).removeprefix(f'{name}: ')}", err=True)
            code = error.exit_code
    return code
