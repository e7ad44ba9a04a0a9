"""Standard input and output of the commands that filter one message.

They write with `os.write` alone: nothing is left in a buffer whose flushing could fail when
the interpreter ends, and starting costs nothing.  A reader that went away ends a command
quietly, since there is nobody left to tell.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from mmap import mmap

__all__ = [
    "CommandError",
    "default_charset",
    "fail_line",
    "map_input",
    "read_pieces",
    "run_filter",
    "spool",
    "write_out",
]

_PIECE = 1 << 20
_KEPT_BYTES = 4 << 20  # of an input that cannot be mapped
_MAPPED_FROM = 1 << 16  # smaller files are read faster than they are mapped


class CommandError(Exception):
    """A failure that ends the command.

    Attributes:
        code: the exit code.
        on_stdout: True where the message belongs on standard output.
        is_bare: True where the message stands without the program's name.
    """

    def __init__(
        self, message: str, code: int = 1, *, on_stdout: bool = False, is_bare: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.on_stdout = on_stdout
        self.is_bare = is_bare or on_stdout


def fail_line(what: str, error: OSError) -> CommandError:
    """`name: reason`, as perror would say it."""
    return CommandError(f"{what}: {error.strerror or error}")


def write_out(data: bytes | memoryview, descriptor: int = 1) -> None:
    """Writes all of it.

    Raises:
        BrokenPipeError: nobody reads it any more.
        CommandError: it cannot be written.
    """
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        raise
    except OSError as error:
        raise fail_line("write", error) from error


def read_pieces(descriptor: int = 0) -> Iterator[bytes]:
    """What is left of an input, in large pieces.

    Raises:
        CommandError: it cannot be read.
    """
    while piece := _read(descriptor, _PIECE):
        yield piece


def default_charset() -> str:
    """The character set of a person's texts: MM_CHARSET, CHARSET, or that of the locale."""
    charset = os.environ.get("MM_CHARSET") or os.environ.get("CHARSET")
    if not charset:
        import _locale

        charset = _locale.nl_langinfo(_locale.CODESET)
    return "US-ASCII" if charset.upper().startswith("ANSI_X3.4") else charset or "UTF-8"


def map_input(descriptor: int = 0) -> bytes | mmap:
    """All that is left of an input: a large file mapped, anything else in memory.

    What comes through a pipe and is large goes into a file without a name first.

    Raises:
        CommandError: it cannot be read.
    """
    import stat

    try:
        status = os.fstat(descriptor)
    except OSError as error:
        raise fail_line("stdin", error) from error
    is_file = stat.S_ISREG(status.st_mode) and status.st_size >= _MAPPED_FROM
    if is_file and os.lseek(descriptor, 0, os.SEEK_CUR) == 0:
        return _map(descriptor)
    return spool(read_pieces(descriptor))


def run_filter(program: str, work: Callable[[], int]) -> None:
    """Runs the body of a command and ends the process with its exit code."""
    try:
        code = work()
    except CommandError as error:
        stream = sys.stdout if error.on_stdout else sys.stderr
        print(f"{error}" if error.is_bare else f"{program}: {error}", file=stream)
        code = error.code
    except BrokenPipeError:
        code = 1
    except KeyboardInterrupt:
        code = 130
    except MemoryError:
        print(f"{program}: out of memory", file=sys.stderr)
        code = os.EX_TEMPFAIL
    sys.exit(code)


def _read(descriptor: int, size: int) -> bytes:
    try:
        return os.read(descriptor, size)
    except OSError as error:
        raise fail_line("read", error) from error


def _map(descriptor: int) -> mmap:
    from mmap import ACCESS_READ, mmap

    try:
        return mmap(descriptor, 0, access=ACCESS_READ)
    except (OSError, ValueError) as error:
        raise CommandError(f"stdin: {error}") from error


def spool(pieces: Iterator[bytes]) -> bytes | mmap:
    """Keeps pieces: in memory, or mapped in a file without a name when there are many.

    Raises:
        CommandError: the file cannot be written.
    """
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > _KEPT_BYTES:
            return _spool_file(held, pieces)
    return b"".join(held)


def _spool_file(held: list[bytes], pieces: Iterable[bytes]) -> mmap:
    import tempfile

    try:
        with tempfile.TemporaryFile() as file:
            file.writelines(held)
            file.writelines(pieces)
            file.flush()
            return _map(file.fileno())
    except OSError as error:
        raise fail_line("temporary file", error) from error
