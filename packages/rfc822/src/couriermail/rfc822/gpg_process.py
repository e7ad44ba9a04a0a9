"""One run of `gpg`: a child process that is written to and read from at the same time."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING, Final

import attrs

from couriermail.rfc822.errors import PgpProgramError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Finished", "GpgProcess"]

_PIECE: Final = 65_536
_REPORT_BYTES: Final = 65_536  # spec rfc822 4.27.4
_STATUS_BYTES: Final = 1_048_576


@attrs.frozen(kw_only=True)
class Finished:
    """What a run came to.

    Attributes:
        code: the exit code; 128 and more for a signal.
        output: what came on standard output.
        report: what came on standard error, its first 64 KiB.
        status: what came on the status descriptor.
    """

    code: int
    output: bytes = attrs.field(repr=False)
    report: str
    status: bytes


class GpgProcess:
    """A run: made, given what the child is to read, and started once.

    Attributes:
        status_descriptor: what the child is to write status lines to.
    """

    def __init__(self, *, max_output_bytes: int, timeout: float | None) -> None:
        """Opens the status pipe.

        Args:
            max_output_bytes: the child is stopped when it puts out more.
            timeout: seconds until it is stopped; None for no limit.
        """
        self._max_output_bytes = max_output_bytes
        self._timeout = timeout
        self._files: list[IO[bytes]] = []
        self._status, self.status_descriptor = os.pipe()
        self._descriptors = [self._status, self.status_descriptor]  # to be closed
        self._passed = [self.status_descriptor]

    def __enter__(self) -> GpgProcess:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files:
            file.close()
        while self._descriptors:
            os.close(self._descriptors.pop())

    def pass_octets(self, octets: bytes) -> int:
        """A descriptor on which the child reads some octets: a file without a name.

        Raises:
            PgpProgramError: there is no room for it.
        """
        try:
            file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - see __exit__
            self._files.append(file)
            file.write(octets)
            file.seek(0)
        except OSError as error:
            raise PgpProgramError(f"temporary file: {error.strerror}") from error
        self._passed.append(file.fileno())
        return file.fileno()

    def pass_secret(self, secret: bytes) -> int:
        """The same for a few octets that must not come onto a disk: at most what a pipe holds."""
        reader, writer = os.pipe()
        self._descriptors.append(reader)
        self._passed.append(reader)
        try:
            os.write(writer, secret)
        finally:
            os.close(writer)
        return reader

    def run(
        self, command: Sequence[str], environment: Mapping[str, str], payload: Iterable[bytes]
    ) -> Finished:
        """Runs the program to its end.

        Args:
            command: program and arguments.
            environment: of the child.
            payload: its standard input.

        Raises:
            PgpProgramError: it cannot be started, took too long or put out too much.
        """
        child = self._start(command, environment)
        try:
            sinks = self._exchange(child, payload)
            code = child.wait(self._timeout)
        except subprocess.TimeoutExpired as error:
            raise PgpProgramError(f"{command[0]} did not end in time") from error
        finally:
            child.kill()  # does nothing to one that has ended
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    stream.close()
        output, report, status = map(bytes, sinks)
        return Finished(
            code=code if code >= 0 else 128 - code,
            output=output,
            report=report.decode("utf-8", "replace"),
            status=status,
        )

    def _start(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        try:
            child = subprocess.Popen(
                list(command),
                stdin=pipe,
                stdout=pipe,
                stderr=pipe,
                env=environment,
                pass_fds=self._passed,
                bufsize=0,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PgpProgramError(f"{command[0]}: {reason}") from error
        self._descriptors.remove(self.status_descriptor)
        os.close(self.status_descriptor)
        return child

    def _exchange(
        self, child: subprocess.Popen[bytes], payload: Iterable[bytes]
    ) -> tuple[bytearray, bytearray, bytearray]:
        """Writes and reads until the child has closed all its ends."""
        assert child.stdin and child.stdout and child.stderr  # noqa: S101, PT018 - three pipes
        output, report, status = bytearray(), bytearray(), bytearray()
        kept = {
            child.stdout.fileno(): (output, self._max_output_bytes),
            child.stderr.fileno(): (report, _REPORT_BYTES),
            self._status: (status, _STATUS_BYTES),
        }
        writer = _Writer(child.stdin, payload)
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        with selectors.DefaultSelector() as waiting:
            for descriptor in kept:
                waiting.register(descriptor, selectors.EVENT_READ)
            waiting.register(writer.descriptor, selectors.EVENT_WRITE)
            while waiting.get_map():
                for key, _ in _wait(waiting, deadline):
                    if key.fd == writer.descriptor:
                        is_open = writer.write()
                    else:
                        is_open = _read(key.fd, *kept[key.fd])
                    if not is_open:
                        waiting.unregister(key.fd)
                        if key.fd == writer.descriptor:
                            child.stdin.close()
                if len(output) > self._max_output_bytes:
                    raise PgpProgramError(f"more than {self._max_output_bytes} octets came out")
        return output, report, status


class _Writer:
    """Standard input of the child."""

    def __init__(self, stream: IO[bytes], payload: Iterable[bytes]) -> None:
        self.descriptor = stream.fileno()
        os.set_blocking(self.descriptor, False)
        self._pieces: Iterator[bytes] = iter(payload)
        self._pending = memoryview(b"")

    def write(self) -> bool:
        """Writes what the pipe takes now; False when there is nothing left to write."""
        if not self._pending:
            self._pending = memoryview(next(filter(None, self._pieces), b""))
        if not self._pending:
            return False
        try:
            self._pending = self._pending[os.write(self.descriptor, self._pending) :]
        except BlockingIOError:
            pass
        except BrokenPipeError:  # it knows enough; its exit code says what it thinks
            return False
        return True


def _read(descriptor: int, kept: bytearray, most: int) -> bool:
    """Reads what is there; one octet over the limit is kept to show that there was more."""
    piece = os.read(descriptor, _PIECE)
    kept += piece[: max(most + 1 - len(kept), 0)]
    return bool(piece)


def _wait(
    waiting: selectors.BaseSelector, deadline: float | None
) -> list[tuple[selectors.SelectorKey, int]]:
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise PgpProgramError("the OpenPGP program did not end in time")
    return waiting.select(left)
