"""Worker processes of authdaemond: each serves one back end, one request at a time.

Theory of operation.  A back end may block, leak, crash, or start processes of its own (PAM,
programs), so the daemon never calls one.  Each back end has a pool of forked workers; a worker
reads requests from a socket pair, in the protocol that clients speak, and writes frames
(`daemon_module`).  Workers start when they are needed and stay.  A worker that exceeds the time
limit is killed, one that dies is buried and replaced, and nobody else notices: a back end that
hangs holds up its own pool only.  A worker ends when the daemon's end of its socket closes, so
killing the daemon ends them too.

Standard: spec auth 4.1 (worker model), 7 (isolation, time limits).
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import socket
from collections import deque

import attrs

from couriermail.auth.daemon_module import FAILED, FRAME_HEADER, PART, Frame
from couriermail.auth.errors import DirectoryError
from couriermail.auth.wire import PasswdRequest, RequestParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeAlias

    from couriermail.auth.daemon_module import ModuleService
    from couriermail.auth.wire import Request

    TakePart: TypeAlias = Callable[[bytes], Awaitable[None]]

__all__ = ["Worker", "WorkerDiedError", "WorkerPool", "serve_module"]

IDLE_SECONDS = 300.0  # then a module gives up its connections (spec auth 4.1)
READ_BYTES = 65536

_log = logging.getLogger("couriermail.auth.daemon")


class WorkerDiedError(DirectoryError):
    """A worker ended before it answered."""


@attrs.define(eq=False)
class Worker:
    """A worker process as the daemon sees it.

    Attributes:
        pid: its process id.
        line: our end of the socket pair.
        pidfd: becomes readable when the process has ended.
        is_alive: False after it was buried.
    """

    pid: int
    line: socket.socket
    pidfd: int
    is_alive: bool = True
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    @classmethod
    def start(cls, service: ModuleService, foreign: Iterable[int]) -> Worker:
        """Fork a worker.

        Args:
            service: what it serves.
            foreign: descriptors that it must not keep: clients would wait for it to close them.

        Raises:
            DirectoryError: no process or descriptor is left.
        """
        try:
            ours, theirs = socket.socketpair()
            pid = os.fork()
        except OSError as error:
            raise DirectoryError(f"cannot start a worker: {error.strerror}") from error
        if pid == 0:
            ours.close()
            _run_child(service, theirs, foreign)
        theirs.close()
        ours.settimeout(0)
        return cls(pid, ours, os.pidfd_open(pid))

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What other workers must not inherit."""
        line = self.line.fileno()
        return (self.pidfd,) if line < 0 else (line, self.pidfd)

    async def send(self, request: Request) -> None:
        """Give it a request.

        Raises:
            WorkerDiedError: it has ended.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_sendall(self.line, request.to_bytes())
        except OSError as error:
            raise WorkerDiedError("a worker has ended") from error

    async def receive(self) -> Frame:
        """The next frame of its answer.

        Raises:
            WorkerDiedError: it has ended.
        """
        kind, size = FRAME_HEADER.unpack(await self._exactly(FRAME_HEADER.size))
        return Frame(kind, await self._exactly(size))

    async def _exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        while len(self._buffer) < size:
            try:
                data = await loop.sock_recv(self.line, READ_BYTES)
            except OSError as error:
                raise WorkerDiedError("a worker has ended") from error
            if not data:
                raise WorkerDiedError("a worker has ended")
            self._buffer += data
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def kill(self) -> None:
        """End it at once; `pidfd` tells when that has happened."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def dismiss(self) -> None:
        """Tell it to end after what it is doing."""
        self.line.close()


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@attrs.define(eq=False, kw_only=True)
class WorkerPool:
    """The workers of one back end.

    Attributes:
        service: what they serve.
        size: how many there may be at a time.
        time_limit: seconds that a worker may be silent during a request.
        foreign: gives all descriptors of the daemon, those of its pools included: a worker
            that kept one would keep a client or another worker waiting.
        is_retired: True when the workers end as soon as nobody waits for them.
    """

    service: ModuleService
    size: int
    time_limit: float
    foreign: Callable[[], Iterable[int]]
    is_retired: bool = attrs.field(default=False, init=False)
    _workers: list[Worker] = attrs.field(factory=list, init=False)
    _idle: list[Worker] = attrs.field(factory=list, init=False)
    _waiting: deque[asyncio.Future[None]] = attrs.field(factory=deque, init=False)
    _has_no_worker: asyncio.Event = attrs.field(factory=_set_event, init=False)

    @property
    def name(self) -> str:
        """The name of the back end."""
        return self.service.name

    @property
    def descriptors(self) -> list[int]:
        """The daemon's descriptors of this pool."""
        return [number for worker in self._workers for number in worker.descriptors]

    def start_one(self) -> None:
        """Have a worker ready before the first request.

        Raises:
            DirectoryError: no process or descriptor is left.
        """
        self._idle.append(self._start())

    async def ask(self, request: Request, take_part: TakePart) -> Frame:
        """The last frame of the answer; a failure of the worker is a `FAILED` frame.

        A worker that had ended before it answered is replaced once, except for a change of
        password, which may have happened.

        Args:
            request: what is asked.
            take_part: gets the pieces of a list before that.
        """
        attempts = 1 if isinstance(request, PasswdRequest) else 2
        try:
            for _ in range(attempts):
                try:
                    return await self._ask_once(request, take_part)
                except WorkerDiedError:
                    _log.error("%s: a worker ended before it answered", self.name)
        except TimeoutError:
            _log.error("%s: no answer within %g seconds", self.name, self.time_limit)
        except DirectoryError as error:
            _log.error("%s: %s", self.name, error)
        return Frame(FAILED)

    def retire(self) -> None:
        """Answer what was asked already, then end all workers."""
        self.is_retired = True
        if not self._waiting:
            for worker in self._idle:
                worker.dismiss()
            self._idle.clear()

    async def wait_closed(self, seconds: float) -> None:
        """Wait until all workers have ended; kill those that take longer."""
        try:
            await asyncio.wait_for(self._has_no_worker.wait(), seconds)
        except TimeoutError:
            for worker in self._workers:
                worker.kill()
            await self._has_no_worker.wait()

    async def _ask_once(self, request: Request, take_part: TakePart) -> Frame:
        worker = await self._take()
        is_done = has_begun = False
        try:
            await asyncio.wait_for(worker.send(request), self.time_limit)
            while True:
                frame = await asyncio.wait_for(worker.receive(), self.time_limit)
                is_done = frame.kind != PART
                if is_done:
                    return frame
                has_begun = True
                await take_part(frame.data)
        except WorkerDiedError as error:
            if has_begun:
                raise DirectoryError("a worker ended within a list") from error
            raise
        finally:
            # What it would say after being given up half-way belongs to no request.
            if is_done:
                self._give_back(worker)
            elif worker.is_alive:
                worker.kill()

    async def _take(self) -> Worker:
        while True:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_alive:
                    return worker
            if len(self._workers) < self.size:
                return self._start()
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                self._pass_on(turn)
                raise

    def _pass_on(self, turn: asyncio.Future[None]) -> None:
        """Who gives up waiting gives the turn to the next, if it had come."""
        if turn in self._waiting:
            self._waiting.remove(turn)
        else:
            self._call_next()

    def _call_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _give_back(self, worker: Worker) -> None:
        if not worker.is_alive:
            return
        if self.is_retired and not self._waiting:
            worker.dismiss()
        else:
            self._idle.append(worker)
        self._call_next()

    def _start(self) -> Worker:
        worker = Worker.start(self.service, self.foreign())
        self._workers.append(worker)
        self._has_no_worker.clear()
        asyncio.get_running_loop().add_reader(worker.pidfd, self._bury, worker)
        return worker

    def _bury(self, worker: Worker) -> None:
        worker.is_alive = False
        asyncio.get_running_loop().remove_reader(worker.pidfd)
        _, status = os.waitpid(worker.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        if code:
            _log.error("%s: worker %d ended with status %d", self.name, worker.pid, code)
        worker.line.close()
        os.close(worker.pidfd)
        self._workers.remove(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        if not self._workers:
            self._has_no_worker.set()
        self._call_next()


def serve_module(service: ModuleService, line: socket.socket) -> None:
    """Answer requests from a socket until it ends; the life of a worker process."""
    parser = RequestParser()
    while True:
        request = parser.next_request()
        if request is not None:
            for frame in service.answer(request):
                line.sendall(frame.to_bytes())
            continue
        if not select.select([line], [], [], IDLE_SECONDS)[0]:
            service.idle()
        data = line.recv(READ_BYTES)
        if not data:
            service.close()
            return
        parser.receive_data(data)


def _run_child(service: ModuleService, line: socket.socket, foreign: Iterable[int]) -> None:
    """The child's whole life; never returns."""
    code = 70  # EX_SOFTWARE
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):  # they are for the daemon
            signal.signal(number, signal.SIG_IGN)
        for descriptor in foreign:
            os.close(descriptor)
        gc.freeze()  # the daemon's sockets must not be closed again under their numbers
        serve_module(service, line)
        code = 0
    except (BrokenPipeError, ConnectionResetError):
        code = 0  # the daemon has ended
    except BaseException:
        _log.exception("%s: a worker failed", service.name)
    finally:
        logging.shutdown()
        os._exit(code)
