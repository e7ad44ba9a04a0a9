"""What the benchmark asks of a mail system, ours or a peer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

import attrs

__all__ = [
    "DOMAIN",
    "RECIPIENTS",
    "Endpoint",
    "MailSystem",
    "PeerError",
    "free_port",
    "is_open",
    "run",
    "wait_until",
]

DOMAIN = "bench.test"
ACCOUNT = "cmbench"
# perftest1's five: one account, one extension, one maildir (`.courier-test-default`).
RECIPIENTS = tuple(f"{ACCOUNT}-test-{number}@{DOMAIN}" for number in range(1, 6))


class PeerError(Exception):
    """A peer cannot be set up or started; the text says why and what to do."""


@attrs.frozen(kw_only=True)
class Endpoint:
    """A running mail system, from outside.

    Attributes:
        smtp_port: on 127.0.0.1.
        sendmail: the submission command and its options; empty when it has none.
        maildir: where mail for `RECIPIENTS` arrives.
        scheduler: pid of the process that has queued mail delivered; 0 when it cannot be paused.
    """

    smtp_port: int
    sendmail: tuple[str, ...]
    maildir: Path
    scheduler: int = 0


class MailSystem(Protocol):
    """A mail system that can be started and stopped."""

    @property
    def name(self) -> str:
        """Its name in the report."""

    def why_absent(self) -> str:
        """Why it cannot be used here; empty when it can."""

    def start(self) -> Endpoint:
        """Start it; returns when it answers."""

    def stop(self) -> None:
        """Stop what `start` started."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_open(port: int) -> bool:
    """True when somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(port: int, *, opened: bool, seconds: float = 15.0) -> None:
    """Wait until somebody listens, or nobody does any more.

    Raises:
        PeerError: it took too long.
    """
    end = time.monotonic() + seconds
    while is_open(port) != opened:
        if time.monotonic() > end:
            state = "answers" if opened else "is free"
            raise PeerError(f"port {port} still not {state} after {seconds:.0f} s")
        time.sleep(0.05)


def run(*argv: str | Path, check: bool = True) -> str:
    """Run a command of the system and answer what it printed.

    Raises:
        PeerError: it failed or is missing, with its last line.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0]) is None:
        raise PeerError(f"{words[0]} is not installed")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # Output goes to a file: with a pipe, a daemon that keeps it open would hold us up.
    with tempfile.TemporaryFile("w+") as output:
        code = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            env=environment,
        ).returncode
        output.seek(0)
        text = output.read()
    if check and code:
        lines = text.strip().splitlines() or ["no message"]
        raise PeerError(f"{words[0]} failed ({code}): {lines[-1]}")
    return text
