"""A running authdaemond for tests, and Debian's programs made to talk to it.

Debian's programs know one place for the daemon's socket and one for its settings.  They run in
a mount namespace of their own in which directories of the test lie over those places: the
machine itself never changes.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
from tests.support.guards import bound_words, end_group, end_with, exit_code_of

from couriermail.auth import (
    AuthDaemon,
    AuthDaemonClient,
    AuthdaemonSettings,
    AuthModule,
    DaemonLimits,
    listen_on,
)

DEADLINE_SECONDS = 10.0
SYSTEM_CONFIG = "/etc/courier"
SYSTEM_RUN = "/run/courier/authdaemon"


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    """Poll until something is true; a test that waits longer than the deadline fails."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.005)


def exchange(path: Path | str, request: bytes) -> bytes:
    """Everything a daemon says to these bytes until it closes the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(DEADLINE_SECONDS)
        connection.connect(str(path))
        reply = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(65536):
                reply += data
        except (ConnectionResetError, BrokenPipeError):
            pass  # it closed before it had read everything
        return reply


def children_of(pid: int) -> list[int]:
    """The process ids of a process's children."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@attrs.frozen
class RunningDaemon:
    """A daemon in a process of its own.

    Attributes:
        pid: its process id.
        path: its socket.
        log: its log file.
    """

    pid: int
    path: Path
    log: Path

    def client(self) -> AuthDaemonClient:
        """A client of it."""
        return AuthDaemonClient(path=self.path)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = exit_code_of(self.pid, DEADLINE_SECONDS)
        assert code is not None, "the daemon did not end in time"
        return code


@contextmanager
def running_daemon(
    directory: Path,
    load: Callable[[str, AuthdaemonSettings], AuthModule | None],
    configure: Callable[[], AuthdaemonSettings],
    *,
    limits: DaemonLimits | None = None,
) -> Iterator[RunningDaemon]:
    """A daemon with modules of the test, ended afterwards unless the test has ended it."""
    path, log = directory / "socket", directory / "log"
    log.touch()
    listener = listen_on(str(path))
    ready, tell = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            end_with(parent)
            os.setpgid(0, 0)
            _log_to(log)
            daemon = AuthDaemon(
                configure=configure,
                load=load,
                limits=limits or DaemonLimits(),
                on_ready=lambda: _say(tell),
            )
            daemon.run(listener)
            code = 0
        finally:
            os._exit(code)
    try:
        listener.close()
        os.close(tell)
        assert select.select([ready], [], [], DEADLINE_SECONDS)[0], "not ready in time"
        yield RunningDaemon(pid, path, log)
    finally:
        os.close(ready)
        end_group(pid, DEADLINE_SECONDS)


def _log_to(log: Path) -> None:
    logger = logging.getLogger("couriermail")
    logger.handlers = [logging.FileHandler(log)]
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def _say(descriptor: int) -> None:
    os.write(descriptor, b"r")  # closing it would not be seen: workers have it as well


def run_with_binds(
    binds: Mapping[Path, str],
    words: Sequence[str],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command in a mount namespace in which directories lie over others."""
    return subprocess.run(
        [*namespace_words(binds), *words],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def namespace_words(binds: Mapping[Path, str]) -> list[str]:
    """The words before a command that runs in such a namespace."""
    mounts = "".join(f"mount --bind '{source}' '{target}' && " for source, target in binds.items())
    # A process namespace as well: what a program leaves in the background ends with it.
    words = ["unshare", "-m", "-p", "-f", "--kill-child", "sh", "-c", f'{mounts}exec "$@"', "sh"]
    return bound_words(words)
