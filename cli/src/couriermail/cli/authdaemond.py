"""`authdaemond`: start, stop and reload the authentication daemon (spec auth 2.1)."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.authdaemon_places import settings_file
from couriermail.cli.errors import reporting
from couriermail.cli.layout import config_directory

if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.auth import AuthdaemonSettings, AuthModule

__all__ = ["app", "main"]

EXAMPLES = """
Exit codes: 0 done, or running already; 1 not running, or it did not stop; 2 a wrong command
line; 75 it cannot start now; with --check also 75 for settings that cannot be used.

Examples:

  authdaemond start                        in the background, log to syslog

  authdaemond restart                      read the settings again (SIGHUP)

  authdaemond --foreground --socket ./s    until SIGTERM, log to standard error

  authdaemond --check                      try the settings and the back ends
"""
STOP_SECONDS = 8.0  # then SIGKILL
POLL_SECONDS = 0.05

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

        self.file = settings_file(config)
        self.settings = read_authdaemonrc(self.file)
        directory = daemon_directory(config_directory(config), self.settings)
        self.socket = socket or f"{directory}/socket"
        self.directory = os.path.dirname(os.path.abspath(self.socket))
        self.pid_file = PidFile(f"{self.directory}/pid")

    def configure(self) -> AuthdaemonSettings:
        """Read the settings, and export them: libraries of the back ends look there."""
        from couriermail.auth import read_authdaemonrc

        settings = read_authdaemonrc(self.file)
        os.environ.update(settings.values)
        level = logging.DEBUG if settings.debug_level else logging.INFO
        logging.getLogger("couriermail").setLevel(level)
        return settings

    def load(self, name: str, settings: AuthdaemonSettings) -> AuthModule | None:
        """A back end of this site."""
        from couriermail.auth.modules import ModuleSettings, load_module

        directory = os.path.dirname(settings.path)
        # No cache: a password that one worker changed counts in all others at once.
        return load_module(name, ModuleSettings(config_dir=directory, userdb_revalidate=0.0))


def _run(site: _Site, log: str, on_ready: Callable[[], None] = lambda: None) -> int:
    """Serve in this process until it is told to stop."""
    from couriermail.auth import AuthDaemon, activated_socket, listen_on, make_directory
    from couriermail.mta.logs import configure_logging

    configure_logging(log, "authdaemond")
    listener = activated_socket(os.environ, os.getpid())
    is_ours = listener is None
    make_directory(site.directory, owner=_mail_owner())
    if not site.pid_file.acquire():
        typer.echo("authdaemond is running already", err=True)
        return 0
    try:
        listener = listener or listen_on(site.socket)
        daemon = AuthDaemon(
            configure=site.configure,
            load=site.load,
            on_ready=on_ready,
            extra_descriptors=(site.pid_file.fileno(),),
        )
        daemon.run(listener)
    finally:
        if is_ours and listener is not None:
            os.unlink(site.socket)
        site.pid_file.release()
    return 0


def _start(site: _Site, log: str) -> int:
    """Serve in the background; returns when the daemon answers, or could not begin to."""
    if site.pid_file.running():
        return 0
    ready, tell = os.pipe()
    if os.fork() == 0:
        os.close(ready)
        os.setsid()
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)

        def say_ready() -> None:
            os.write(tell, b"r")
            os.close(tell)
            os.dup2(null, 2)

        return _run(site, log, say_ready)
    os.close(tell)
    return 0 if os.read(ready, 1) or site.pid_file.running() else 75


def _stop(site: _Site) -> int:
    pid = site.pid_file.running()
    if pid is None:
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while site.pid_file.running() == pid:
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
            break
        time.sleep(POLL_SECONDS)
    return 0


def _restart(site: _Site) -> int:
    pid = site.pid_file.running()
    if pid is None:
        typer.echo("authdaemond is not running", err=True)
        return 1
    os.kill(pid, signal.SIGHUP)
    return 0


def _check(site: _Site) -> int:
    """Load every back end and ask it for a name that nobody has."""
    from couriermail.auth import DirectoryError
    from couriermail.mta.logs import configure_logging

    configure_logging("-", "authdaemond", level=logging.ERROR)
    settings = site.configure()
    code = 0
    for name in settings.modules:
        try:
            module = site.load(name, settings)
            if module is not None:
                module.lookup("authdaemond-check@invalid", "login")
                module.close()
            typer.echo(f"{name}: {'not available, skipped' if module is None else 'ready'}")
        except DirectoryError as error:
            typer.echo(f"{name}: {error}", err=True)
            code = error.exit_code
    return code


def _mail_owner() -> tuple[int, int] | None:
    """The mail system's user, who owns the daemon's directory; root may lack that user."""
    import pwd

    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("courier")
    except KeyError:
        return None
    return entry.pw_uid, entry.pw_gid
