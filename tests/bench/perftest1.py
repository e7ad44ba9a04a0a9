"""perftest1: many messages of five local recipients each, every delivery counted.

Through `sendmail` one process is started per message, one after the other, with an empty
environment and the message on standard input; through SMTP ten sessions send the same messages.
A run ends with the last delivery.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import attrs
from tests.bench.deliveries import await_deliveries, empty
from tests.bench.machine import busy_seconds
from tests.bench.smtpload import SmtpLoad, run_load

__all__ = ["Perftest1", "perftest1_message", "through_sendmail", "through_smtp"]

MESSAGE = """\
From: perftest1@bench.test
To: perftest1@bench.test
Subject: test
Mime-Version: 1.0
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

test
"""
SESSIONS = 10


@attrs.frozen(kw_only=True)
class Perftest1:
    """What a run came to.

    Attributes:
        submit_seconds: until the last message was taken.
        total_seconds: until the last delivery.
        delivered: messages in the maildir at the end.
        wanted: how many there should be.
        failures: submissions that did not succeed.
        cpu_ms: what one message cost the machine in CPU, everything that ran included.
    """

    submit_seconds: float
    total_seconds: float
    delivered: int
    wanted: int
    failures: int
    cpu_ms: float

    @property
    def deliveries_per_second(self) -> float:
        """Deliveries a second from the first submission to the last delivery."""
        return self.delivered / self.total_seconds if self.total_seconds > 0 else 0.0


def perftest1_message() -> bytes:
    """The message, with the line ends of the wire."""
    return MESSAGE.replace("\n", "\r\n").encode()


def through_sendmail(
    argv: tuple[str, ...], recipients: tuple[str, ...], maildir: Path, messages: int
) -> Perftest1:
    """One `sendmail` process after the other."""
    empty(maildir)
    cpu, started, clock = busy_seconds(), time.time(), time.perf_counter()
    with tempfile.TemporaryFile() as file:
        file.write(MESSAGE.encode())
        failures = sum(not _submit([*argv, *recipients], file.fileno()) for _ in range(messages))
    submitted = time.perf_counter() - clock
    return _finish(started, submitted, cpu, maildir, (messages, len(recipients), failures))


def through_smtp(port: int, recipients: tuple[str, ...], maildir: Path, messages: int) -> Perftest1:
    """The same messages in ten SMTP sessions."""
    empty(maildir)
    cpu = busy_seconds()
    result = run_load(
        SmtpLoad(
            port=port,
            sessions=SESSIONS,
            messages=messages,
            recipients=recipients,
            body=perftest1_message(),
        )
    )
    failures = sum(result.failures.values())
    counts = (messages, len(recipients), failures)
    return _finish(result.started, result.seconds, cpu, maildir, counts)


def _submit(argv: list[str], message: int) -> bool:
    os.lseek(message, 0, os.SEEK_SET)
    redirect = [(os.POSIX_SPAWN_DUP2, message, 0)]
    pid = os.posix_spawn(argv[0], argv, {}, file_actions=redirect)
    return os.waitpid(pid, 0)[1] == 0


def _finish(
    started: float, submitted: float, cpu: float, maildir: Path, counts: tuple[int, int, int]
) -> Perftest1:
    messages, recipients, failures = counts
    arrivals = await_deliveries(maildir, messages * recipients)
    return Perftest1(
        submit_seconds=submitted,
        total_seconds=arrivals.last - started,
        delivered=arrivals.count,
        wanted=messages * recipients,
        failures=failures,
        cpu_ms=1e3 * (busy_seconds() - cpu) / messages,
    )
