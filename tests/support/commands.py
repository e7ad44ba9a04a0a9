"""Runs a command of ours in a forked process: its own descriptors and exit, without a start-up."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import import_module
from typing import NamedTuple


class Done(NamedTuple):
    """What a command did."""

    code: int
    out: bytes
    err: bytes


def run_ours(
    command: str, *words: str, data: bytes = b"", cwd: str | os.PathLike[str] = "."
) -> Done:
    """Runs `couriermail.cli.<command>` with a file as its standard input."""
    main = import_module(f"couriermail.cli.{command}").main
    new = tempfile.TemporaryFile
    with new() as given, new() as out, new() as err:
        given.write(data)
        given.flush()
        os.lseek(given.fileno(), 0, os.SEEK_SET)
        child = os.fork()
        if not child:
            for number, file in enumerate((given, out, err)):
                os.dup2(file.fileno(), number)
            _become(command, main, words, cwd)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return Done(code, _contents(out.fileno()), _contents(err.fileno()))


def run_peer(
    command: str, *words: str, data: bytes = b"", cwd: str | os.PathLike[str] = "."
) -> Done:
    """Runs the Debian program of that name, not one of ours that stands first in PATH."""
    done = subprocess.run(
        [f"/usr/bin/{command}", *words], input=data, capture_output=True, check=False, cwd=cwd
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _become(command: str, main: object, words: tuple[str, ...], cwd: object) -> None:
    """The rest of the child's life; never returns to the test runner."""
    code = 99
    try:
        os.chdir(str(cwd))
        sys.argv = [command, *words]
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        assert callable(main)
        try:
            main()
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            pass
        os._exit(code)


def _contents(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
