"""Running commands with a message on their input (spec filter 4.13)."""

from __future__ import annotations

import os

from couriermail.filter.errors import RecipeLimitError
from couriermail.filter.message import complete_chunks
from couriermail.filter.outcome import CommandResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from typing import IO

    from couriermail.filter.interfaces import FilterMessage

__all__ = ["CANNOT_EXECUTE", "MAX_CAPTURED", "CommandRunner"]

CANNOT_EXECUTE = 100
"""Exit status in place of a program that cannot be executed."""

MAX_CAPTURED = 1 << 20
"""Bytes of a back-quoted command's output (spec filter 4.16)."""

_PIPE_ROOM = 1 << 16

_READ_SIZE = 1 << 16


class CommandRunner:
    """Starts programs in one directory and talks to them.

    Args:
        directory: where they run.
        output: descriptor for what they write to standard output, or -1 to drop it.
        diagnostics: the same for standard error.
        umask: file mode creation mask of the programs, or -1 for the process's own.
    """

    def __init__(
        self, directory: str, *, output: int = -1, diagnostics: int = -1, umask: int = -1
    ) -> None:
        self._directory = directory
        self._output = output
        self._diagnostics = diagnostics
        self._umask = umask

    def run(
        self,
        arguments: tuple[bytes, ...],
        environment: dict[bytes, bytes],
        *,
        executable: bytes,
        message: FilterMessage | None,
        captures: int | None = None,
    ) -> CommandResult:
        """Run a program to its end.

        Args:
            arguments: its argument vector.
            environment: its whole environment.
            executable: the program's file; looked for in PATH when it has no slash.
            message: what it reads, or None for nothing.
            captures: how many bytes of output are returned at most; None lets the program
                write to the runner's own output.

        Raises:
            RecipeLimitError: it wrote more.
        """
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        feeder = _Feeder(write_end, [] if message is None else complete_chunks(message))
        try:
            feeder.fill()  # a small message is written before the program can refuse to read it
            process = self._start(arguments, environment, executable, read_end, captures)
        except OSError:
            feeder.close()
            self._complain(b"Unable to execute " + executable)
            return CommandResult(CANNOT_EXECUTE, is_consumed=False)
        finally:
            os.close(read_end)
        return _converse(process, feeder, captures)

    def _start(
        self,
        arguments: tuple[bytes, ...],
        environment: dict[bytes, bytes],
        executable: bytes,
        read_end: int,
        captures: int | None,
    ) -> subprocess.Popen[bytes]:
        import subprocess

        output = self._output if self._output >= 0 else subprocess.DEVNULL
        return subprocess.Popen(
            arguments,
            executable=_found(executable, environment),
            stdin=read_end,
            stdout=output if captures is None else subprocess.PIPE,
            stderr=self._diagnostics if self._diagnostics >= 0 else subprocess.DEVNULL,
            cwd=self._directory,
            env=environment,
            umask=self._umask,
            bufsize=0,
        )

    def _complain(self, text: bytes) -> None:
        if self._diagnostics >= 0:
            os.write(self._diagnostics, text + b"\n")


def _found(executable: bytes, environment: dict[bytes, bytes]) -> bytes:
    if b"/" in executable:
        return executable
    for directory in environment.get(b"PATH", b"").split(b":"):
        candidate = os.path.join(directory or b".", executable)
        if os.access(candidate, os.X_OK):
            return candidate
    raise FileNotFoundError(executable)


def _converse(
    process: subprocess.Popen[bytes], feeder: _Feeder, captures: int | None
) -> CommandResult:
    """Write the input and read the output at once, so that neither side can block the other."""
    reader = _Reader(process.stdout, captures)
    try:
        _exchange(feeder, reader)
        status = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        feeder.close()
        reader.close()
    return CommandResult(max(status, -1), b"".join(reader.pieces), is_consumed=not feeder.is_broken)


def _exchange(feeder: _Feeder, reader: _Reader) -> None:
    import select

    poll = select.poll()
    if feeder.is_done:
        feeder.close()
    else:
        poll.register(feeder.descriptor, select.POLLOUT)
    if not reader.is_done:
        poll.register(reader.descriptor, select.POLLIN)
    while not (feeder.is_done and reader.is_done):
        for descriptor, _ in poll.poll():
            end: _Feeder | _Reader = feeder if descriptor == feeder.descriptor else reader
            end.step()
            if end.is_done:
                poll.unregister(descriptor)
                end.close()


class _Reader:
    """Reads a program's output to its end, up to a number of bytes."""

    def __init__(self, stream: IO[bytes] | None, room: int | None) -> None:
        self._stream = stream
        self._room = room or 0
        self.descriptor = -1 if stream is None else stream.fileno()
        self.is_done = stream is None
        self.pieces: list[bytes] = []

    def step(self) -> None:
        piece = os.read(self.descriptor, _READ_SIZE)
        self._room -= len(piece)
        if self._room < 0:
            raise RecipeLimitError("Command output too large.", limit="captured")
        self.is_done = not piece
        self.pieces.append(piece)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class _Feeder:
    """Writes chunks to a pipe without blocking."""

    def __init__(self, descriptor: int, chunks: list[bytes | memoryview]) -> None:
        self.descriptor = descriptor
        self._waiting = [memoryview(chunk) for chunk in reversed(chunks)]
        self._is_open = True
        self.is_broken = False
        os.set_blocking(descriptor, False)

    @property
    def is_done(self) -> bool:
        return self.is_broken or not self._waiting

    def fill(self) -> None:
        while not self.is_done and self._write():
            pass

    def step(self) -> None:
        self._write()

    def _write(self) -> bool:
        """Write once; False when the pipe is full or nobody reads it any more."""
        chunk = self._waiting[-1]
        try:
            written = os.write(self.descriptor, chunk[:_PIPE_ROOM])
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self.is_broken = True
            return False
        if written < len(chunk):
            self._waiting[-1] = chunk[written:]
        else:
            self._waiting.pop()
        return True

    def close(self) -> None:
        if self._is_open:
            os.close(self.descriptor)
            self._is_open = False
