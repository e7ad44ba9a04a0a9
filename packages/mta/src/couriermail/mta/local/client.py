"""The scheduler's end of one delivery agent: blocking, one batch at a time.

One connection is one agent process for one uid and gid.  A scheduler keeps a connection per
user that has mail waiting, and gives each its own thread.
"""

from __future__ import annotations

import array
import contextlib
import socket
import tempfile

import attrs

from couriermail.mta.local.errors import AgentLost, AgentProtocolError, AgentRefused
from couriermail.mta.local.wire import (
    MAX_BATCH,
    MAX_BATCH_BYTES,
    MAX_BODY_BYTES,
    PROTOCOL,
    Record,
    RecordReader,
    encode_job,
    encode_record,
    result_from_record,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from couriermail.mta.local.values import LocalJob, LocalResult

__all__ = ["AgentClient", "ask_for_home"]

_HELLO_SECONDS = 30.0  # a fork takes milliseconds; nobody may accept while courierlocal restarts
_READ_BYTES = 65536
_RUN_BYTES = 262144  # inline jobs are sent together up to this many octets


@attrs.define(eq=False)
class AgentClient:
    """A connection to one delivery agent; a context manager that closes it.

    Attributes:
        path: the courierlocal process's socket.
        uid: whose mail the agent delivers.
        gid: the group it delivers with.
        timeout: seconds of silence after which the agent counts as lost.  A delivery may take
            `localtimeout` and `kill_after` together: allow more than that.
    """

    path: str
    uid: int = attrs.field(kw_only=True)
    gid: int = attrs.field(kw_only=True)
    timeout: float = attrs.field(kw_only=True)
    _socket: socket.socket | None = attrs.field(default=None, init=False, repr=False)
    _reader: RecordReader = attrs.field(factory=RecordReader, init=False, repr=False)
    _records: list[Record] = attrs.field(factory=list, init=False, repr=False)

    @classmethod
    def connect(cls, path: str, *, uid: int, gid: int, timeout: float) -> AgentClient:
        """Start an agent for `uid` and `gid`.

        Raises:
            AgentRefused: the process will not deliver for them; nothing to retry soon.
            AgentLost: nobody listens, or the agent ended before it was ready.
        """
        client = cls(path, uid=uid, gid=gid, timeout=timeout)
        client.open()
        return client

    def open(self) -> None:
        """Start the agent now and not with the first batch; see `connect`."""
        if self._socket is None:
            self._open()

    def deliver(
        self,
        jobs: Sequence[LocalJob],
        on_result: Callable[[LocalResult], None] = lambda result: None,
    ) -> list[LocalResult]:
        """Have a batch delivered; results come in the order of the jobs.

        An agent that ended because it was idle is replaced before anything is sent.

        Args:
            jobs: with keys that differ.  More than `wire.MAX_BATCH` of them, or more than
                `wire.MAX_BATCH_BYTES` of bodies, are sent as several batches.
            on_result: told each result when it comes, before the batch has ended.

        Raises:
            AgentLost: the agent died or fell silent; `results` says which jobs are done.
            AgentRefused: a replacement for an idle agent was refused.
        """
        results: list[LocalResult] = []
        for batch in _batches(jobs):
            try:
                self._deliver_batch(batch, results, on_result)
            except AgentRefused as error:
                if not results:
                    raise
                raise AgentLost(f"delivery agent refused: {error}", results) from error
            except (OSError, AgentProtocolError, AgentLost) as error:
                self.close()
                raise AgentLost(f"delivery agent lost: {error}", results) from error
        order = {job.key: number for number, job in enumerate(jobs)}
        return sorted(results, key=lambda result: order[result.key])

    def interrupt(self) -> None:
        """Give up a batch that another thread waits for: its `deliver` raises `AgentLost`.

        The agent sees the end of the connection and ends the command that it runs.
        """
        connection = self._socket
        if connection is not None:
            with contextlib.suppress(OSError):  # it ended by itself meanwhile
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the agent; it finishes nothing that it has not begun."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket = connection
        self._reader = RecordReader()
        self._records = []
        try:
            connection.settimeout(min(self.timeout, _HELLO_SECONDS))
            connection.connect(self.path)
            connection.sendall(encode_record({"hello": PROTOCOL, "uid": self.uid, "gid": self.gid}))
            answer = self._next_record()
        except (OSError, AgentProtocolError) as error:
            self.close()
            raise AgentLost(f"no delivery agent: {error}") from error
        if "ready" not in answer.head:
            self.close()
            raise AgentRefused(answer.text("refused", "refused"))
        connection.settimeout(self.timeout)

    def _deliver_batch(
        self,
        jobs: Sequence[LocalJob],
        results: list[LocalResult],
        on_result: Callable[[LocalResult], None],
    ) -> None:
        connection = self._live_socket()
        _send_batch(connection, jobs)
        waiting = {job.key for job in jobs}
        while waiting:
            result = result_from_record(self._next_record())
            if result.key not in waiting:
                raise AgentProtocolError("a result for no job")
            waiting.remove(result.key)
            results.append(result)
            on_result(result)

    def _live_socket(self) -> socket.socket:
        """The connection, made anew when the agent has gone; nothing was sent to it then."""
        if self._socket is not None and _is_closed(self._socket, self.timeout):
            self.close()
        if self._socket is None:
            self._open()
        assert self._socket is not None  # noqa: S101 - for the type checker: _open raises or sets it
        return self._socket

    def _next_record(self) -> Record:
        assert self._socket is not None  # noqa: S101 - for the type checker: callers opened it
        while not self._records:
            data = self._socket.recv(_READ_BYTES)
            if not data:
                raise AgentProtocolError("the connection ended")
            self._records.extend(self._reader.feed(data))
        return self._records.pop(0)


def ask_for_home(path: str, account: str, *, timeout: float) -> None:
    """Have a missing home made by the process that forks agents; one that exists stays.

    Args:
        path: the courierlocal process's socket.
        account: the account's name; whose home it is, and where, the process looks up itself.
        timeout: seconds for the answer.

    Raises:
        AgentRefused: the home cannot be made now.
        AgentLost: nobody answered.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.settimeout(timeout)
            connection.connect(path)
            connection.sendall(encode_record({"hello": PROTOCOL, "home_of": account}))
            answer = _only_record(connection)
        except (OSError, AgentProtocolError) as error:
            raise AgentLost(f"no answer about a home: {error}") from error
    if "ready" not in answer.head:
        raise AgentRefused(answer.text("refused", "refused"))


def _only_record(connection: socket.socket) -> Record:
    reader = RecordReader()
    while data := connection.recv(_READ_BYTES):
        for record in reader.feed(data):
            return record
    raise AgentProtocolError("the connection ended")


def _batches(jobs: Sequence[LocalJob]) -> Iterator[list[LocalJob]]:
    """Cut jobs into what an agent takes at once."""
    batch: list[LocalJob] = []
    size = 0
    for job in jobs:
        octets = len(job.body) if isinstance(job.body, bytes) else 0
        if batch and (len(batch) == MAX_BATCH or size + octets > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += octets
    if batch:
        yield batch


def _is_closed(connection: socket.socket, timeout: float) -> bool:
    """True when an idle connection is readable: an agent says nothing unasked, so it has ended."""
    connection.setblocking(False)  # noqa: FBT003 - the socket method's own signature
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(timeout)
    return True


def _send_batch(connection: socket.socket, jobs: Sequence[LocalJob]) -> None:
    """Send a batch: inline jobs together, each descriptor beside its own record."""
    run = [encode_record({"batch": len(jobs)})]
    size = 0
    for job in jobs:
        if isinstance(job.body, int) or len(job.body) > MAX_BODY_BYTES:
            connection.sendall(b"".join(run))
            run, size = [], 0
            _send_with_descriptor(connection, job)
            continue
        record = encode_job(job)
        run.append(record)
        size += len(record)
        if size >= _RUN_BYTES:
            connection.sendall(b"".join(run))
            run, size = [], 0
    connection.sendall(b"".join(run))


def _send_with_descriptor(connection: socket.socket, job: LocalJob) -> None:
    if isinstance(job.body, bytes):
        with tempfile.TemporaryFile() as file:
            file.write(job.body)
            file.flush()
            _send_with_descriptor(connection, attrs.evolve(job, body=file.fileno()))
        return
    record = encode_job(job)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [job.body]))
    sent = connection.sendmsg([record], [rights])
    connection.sendall(record[sent:])
