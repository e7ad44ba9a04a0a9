"""The delivery agent: one process, one connection, one uid and gid.

It drops to its user before it reads the first job, and for good: the real, effective and
saved ids change together and the supplementary groups of root go (spec mta.md 2, 18.12).
uid 0 is refused whoever asks: root never receives mail.  A connection that asks for a missing
home is answered before that, and carries no mail.

A batch is read whole, then handed to `deliver_batch`, and each result goes out as soon as it
is known.  SIGTERM ends the agent between batches; a second one makes it give up what it has
not begun and end the command that runs.  The same happens when the scheduler goes away:
deliveries that nobody records would only be done again.
"""

from __future__ import annotations

import array
import logging
import os
import signal
import socket

import attrs

from couriermail.mta.local.batch import deliver_batch
from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.local.recipes import RecipeCache
from couriermail.mta.local.wire import (
    MAX_BATCH,
    MAX_BATCH_BYTES,
    PROTOCOL,
    Record,
    RecordReader,
    encode_record,
    encode_result,
    job_from_record,
    needs_descriptor,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

    from couriermail.mta.local.homes import HomeMaker
    from couriermail.mta.local.values import AgentSettings, LocalJob, LocalResult

__all__ = ["run_agent"]

_log = logging.getLogger("couriermail.mta.local")
_READ_BYTES = 262144
_DESCRIPTORS_PER_READ = 8  # Linux gives at most one sendmsg's descriptors with one read
_UMASK = 0o077  # spec mta.md 11.4: mailboxes are 0600


def run_agent(
    connection: socket.socket, settings: AgentSettings, homes: HomeMaker | None = None
) -> None:
    """Serve one connection until it ends; the process belongs to its user afterwards.

    Changes the process (ids, umask, signals, directory): call it in a child only.

    Args:
        connection: to the scheduler.
        settings: how to deliver.
        homes: makes missing homes, for connections that ask for one; None: nobody does.

    Raises:
        AgentProtocolError: the scheduler sent no records of ours.
        OSError: the connection broke.
    """
    agent = _Agent(connection, settings, homes)
    signal.signal(signal.SIGTERM, agent.on_terminate)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the status of commands is lost
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # commands that stop reading, a lost scheduler
    try:
        if agent.greet():
            agent.serve()
    except (BrokenPipeError, ConnectionResetError):
        _log.info("the scheduler went away; the batch was given up")


def take_identity(uid: int, gid: int) -> str:
    """Become `uid` and `gid` for good.

    Returns:
        Why not, as text for the scheduler; empty when it is done.
    """
    if uid <= 0 or gid < 0:
        return "Mail is never delivered as root."
    if os.geteuid() != 0:
        if uid == os.geteuid() == os.getuid():
            return ""
        return "This system delivers for one user only."
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    return ""


@attrs.define
class _Agent:
    connection: socket.socket
    settings: AgentSettings
    homes: HomeMaker | None
    _reader: RecordReader = attrs.field(factory=RecordReader, init=False)
    _records: list[Record] = attrs.field(factory=list, init=False)
    _descriptors: list[int] = attrs.field(factory=list, init=False)
    _recipes: RecipeCache = attrs.field(factory=RecipeCache, init=False)
    _results: bytearray = attrs.field(factory=bytearray, init=False)
    _is_idle: bool = attrs.field(default=False, init=False)
    _is_ending: bool = attrs.field(default=False, init=False)

    def greet(self) -> bool:
        """Read who to be, become that, and say so."""
        self.connection.settimeout(self.settings.idle_timeout or None)
        hello = self._next_record()
        if hello is None:
            return False
        if hello.number("hello") != PROTOCOL:
            refusal = "Unknown protocol version."
        elif "home_of" in hello.head:
            self._answer_for_home(hello.text("home_of"))
            return False
        else:
            refusal = take_identity(hello.number("uid"), hello.number("gid"))
        if refusal:
            self.connection.sendall(encode_record({"refused": refusal}))
            return False
        os.umask(_UMASK)
        os.chdir("/")
        self.connection.sendall(encode_record({"ready": PROTOCOL}))
        return True

    def _answer_for_home(self, account: str) -> None:
        """Make a home while we are still what can; no mail comes over this connection."""
        refusal = "" if self.homes is None else self.homes.make(account)
        answer = {"refused": refusal} if refusal else {"ready": PROTOCOL}
        self.connection.sendall(encode_record(answer))

    def serve(self) -> None:
        """Batches until the scheduler closes, the agent was idle for long, or SIGTERM."""
        while (head := self._await_batch()) is not None:
            jobs = self._read_jobs(head.number("batch"))
            self.connection.settimeout(None)
            try:
                deliver_batch(
                    jobs,
                    self.settings,
                    self._keep_result,
                    flush=self._send_results,
                    lifeline=self.connection.fileno(),
                    recipes=self._recipes,
                )
            finally:
                _close_bodies(jobs)
            self.connection.settimeout(self.settings.idle_timeout or None)

    def on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        """SIGTERM: end at once when idle, else after the batch; the second time, give it up."""
        if self._is_idle:
            raise SystemExit(0)
        if self._is_ending:
            self.connection.shutdown(socket.SHUT_RD)  # the lifeline: results still go out
        self._is_ending = True

    def _await_batch(self) -> Record | None:
        self._is_idle = True
        if self._is_ending:
            return None
        try:
            return self._next_record()
        finally:
            self._is_idle = False

    def _read_jobs(self, count: int) -> list[LocalJob]:
        if not 0 <= count <= MAX_BATCH:
            raise AgentProtocolError("a batch has too many jobs")
        jobs: list[LocalJob] = []
        size = 0
        for _ in range(count):
            job = self._next_job()
            jobs.append(job)
            size += len(job.body) if isinstance(job.body, bytes) else 0
            if size > MAX_BATCH_BYTES:
                raise AgentProtocolError("a batch is too large")
        return jobs

    def _next_job(self) -> LocalJob:
        record = self._next_record()
        if record is None:
            raise AgentProtocolError("a batch is incomplete")
        if not needs_descriptor(record):
            return job_from_record(record)
        if not self._descriptors:
            raise AgentProtocolError("a body's descriptor is missing")
        return job_from_record(record, self._descriptors.pop(0))

    def _next_record(self) -> Record | None:
        """The next record; None when the connection ended or stayed idle between records."""
        while not self._records:
            try:
                data = self._receive()
            except TimeoutError:
                data = b""
            if not data:
                if self._reader.is_empty:
                    return None
                raise AgentProtocolError("the connection ended within a record")
            self._records.extend(self._reader.feed(data))
        return self._records.pop(0)

    def _receive(self) -> bytes:
        size = array.array("i").itemsize * _DESCRIPTORS_PER_READ
        data, ancillary, flags, _ = self.connection.recvmsg(
            _READ_BYTES, socket.CMSG_SPACE(size), socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, raw in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received = array.array("i")
                received.frombytes(raw[: len(raw) - len(raw) % received.itemsize])
                self._descriptors.extend(received)
        if flags & socket.MSG_CTRUNC:
            raise AgentProtocolError("too many descriptors")
        return data

    def _keep_result(self, result: LocalResult) -> None:
        self._results += encode_result(result)

    def _send_results(self) -> None:
        """Send what was kept: one wake-up of the scheduler for many results."""
        results, self._results = self._results, bytearray()
        if results:
            self.connection.sendall(results)


def _close_bodies(jobs: list[LocalJob]) -> None:
    for job in jobs:
        if isinstance(job.body, int):
            try:
                os.close(job.body)
            except OSError:  # a recipe's mistake; the number is free either way
                _log.warning("a body's descriptor was closed early")
