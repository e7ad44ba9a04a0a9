"""The program of authpipe as a child process that is kept between requests.

Standard: spec auth 4.5 (authpipe: restart and termination rules).
"""

from __future__ import annotations

import logging
import os
import select
import subprocess
import time

import attrs

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PipeChild", "PipeTimeouts"]

READ_BYTES = 65_536

_log = logging.getLogger("couriermail.auth")


@attrs.frozen(kw_only=True)
class PipeTimeouts:
    """Seconds.

    Attributes:
        answer: for one request and its whole answer.
        leave: from closing the program's standard input until SIGTERM.
        terminate: from SIGTERM until SIGKILL.
    """

    answer: float = 30.0
    leave: float = 2.0
    terminate: float = 10.0


@attrs.define(eq=False)
class PipeChild:
    """One running program, or none; requests go one after the other.

    Attributes:
        path: the program.
        timeouts: how long it may take.
    """

    path: str
    timeouts: PipeTimeouts = PipeTimeouts()
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    def ask(self, request: bytes, take: Callable[[bytes], bool]) -> None:
        """Send a request and read its answer.

        Args:
            request: what goes to the program's standard input.
            take: is given what the program says; True when that was the whole answer.

        Raises:
            DirectoryError: the program ends, takes too long or cannot be run; it is ended, and
                the next request starts it anew.  Also what `take` raises.
        """
        try:
            self._talk(self._running(), request, take)
        except OSError as error:
            self.close()
            raise DirectoryError(f"authpipe: {error.strerror}") from error
        except DirectoryError:
            self.close()
            raise

    def close(self) -> None:
        """End the program: it is asked, then told, then killed."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        for end, seconds in (
            (process.terminate, self.timeouts.leave),
            (process.kill, self.timeouts.terminate),
        ):
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                end()
        process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is not None and self._has_output(process, 0):
            _log.warning("authpipe: the program ended, or spoke unasked; starting it again")
            self.close()
        if self._process is None:
            self._process = subprocess.Popen(
                [self.path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a signal to our terminal is not for it
            )
            assert self._process.stdin is not None  # noqa: S101  it is a pipe
            os.set_blocking(self._process.stdin.fileno(), False)
        return self._process

    def _talk(
        self, process: subprocess.Popen[bytes], request: bytes, take: Callable[[bytes], bool]
    ) -> None:
        deadline = time.monotonic() + self.timeouts.answer
        self._send(process, request, deadline)
        while True:
            if not self._has_output(process, deadline - time.monotonic()):
                raise DirectoryError("authpipe: the program does not answer in time")
            assert process.stdout is not None  # noqa: S101  it is a pipe
            data = os.read(process.stdout.fileno(), READ_BYTES)
            if not data:
                raise DirectoryError("authpipe: the program ended without an answer")
            if take(data):
                return

    def _send(self, process: subprocess.Popen[bytes], request: bytes, deadline: float) -> None:
        assert process.stdin is not None  # noqa: S101  it is a pipe
        descriptor, left = process.stdin.fileno(), request
        while left:
            seconds = max(0.0, deadline - time.monotonic())
            if not select.select([], [descriptor], [], seconds)[1]:
                raise DirectoryError("authpipe: the program does not read its request")
            left = left[os.write(descriptor, left) :]

    def _has_output(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        assert process.stdout is not None  # noqa: S101  it is a pipe
        return bool(select.select([process.stdout], [], [], max(0.0, seconds))[0])
