"""Programs that a command starts, one at a time, each with data on its standard input."""

from __future__ import annotations

import os

from couriermail.cli.message_io import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Program"]


class Program:
    """A running program.

    Programs need not read all of what they are given: what is written behind the point where
    one stopped reading is dropped.
    """

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        """Starts it; the program is looked for in PATH.

        Raises:
            CommandError: it cannot be started.
        """
        from signal import SIGPIPE

        read_end, self._write_end = os.pipe()
        try:
            self._process = os.posix_spawnp(
                command[0],
                command,
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, read_end, 0)],
                setsigdef=[SIGPIPE],  # Python ignores it, and programs would inherit that
            )
        except (OSError, ValueError) as error:
            os.close(self._write_end)
            reason = error.strerror if isinstance(error, OSError) else error
            raise CommandError(f"{command[0]}: {reason}") from error
        finally:
            os.close(read_end)

    def write(self, data: bytes) -> None:
        """Gives it data."""
        view = memoryview(data)
        try:
            while view and self._write_end >= 0:
                view = view[os.write(self._write_end, view) :]
        except BrokenPipeError:
            self._close()

    def finish(self) -> int:
        """Ends its input and waits; the exit status, or 128 and the signal that ended it."""
        self._close()
        status = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        return status if status >= 0 else 128 - status

    def _close(self) -> None:
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1
