"""The places of authdaemond: its directory, its socket, its pid file, a socket from systemd.

    $VAR          0750, of the mail system's user: who may enter may ask
    $VAR/socket   0777, made as `socket.tmp` and renamed, so that clients see it only when it
                  answers
    $VAR/pid      the daemon's process id, locked while it runs

Standard: spec auth 3.5, 2.1; systemd's sd_listen_fds(3) for the socket that is handed over.
"""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress

import attrs

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PidFile", "activated_socket", "listen_on", "make_directory"]

DIRECTORY_MODE = 0o750
SOCKET_MODE = 0o777
BACKLOG = 512
FIRST_ACTIVATED = 3  # sd_listen_fds(3): descriptors begin here


def make_directory(path: str, *, owner: tuple[int, int] | None = None) -> None:
    """Make the daemon's directory if it is missing; one that is there stays as it is.

    Args:
        path: the directory; the one above must exist.
        owner: uid and gid it gets, or None for those of this process.

    Raises:
        DirectoryError: it cannot be made, or is no directory.
    """
    try:
        if os.path.isdir(path):
            return
        os.mkdir(path, 0o700)
        if owner is not None:
            os.chown(path, *owner)
        os.chmod(path, DIRECTORY_MODE)
    except OSError as error:
        raise DirectoryError(f"{path}: {error.strerror}") from error


def listen_on(path: str) -> socket.socket:
    """A listening socket at `path`, in place of whatever socket was there.

    Raises:
        DirectoryError: it cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary = f"{path}.tmp"
    try:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        listener.bind(temporary)
        os.chmod(temporary, SOCKET_MODE)
        listener.listen(BACKLOG)
        listener.settimeout(0)
        os.rename(temporary, path)
    except OSError as error:
        listener.close()
        raise DirectoryError(f"{path}: {error.strerror or error}") from error
    return listener


def activated_socket(environment: Mapping[str, str], pid: int) -> socket.socket | None:
    """The listening socket that systemd handed to this process, or None.

    Args:
        environment: the environment, with `LISTEN_PID` and `LISTEN_FDS`.
        pid: this process: the variables may have been inherited by mistake.

    Raises:
        DirectoryError: more than one socket, or something else than a listening socket.
    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or count in ("", "0"):
        return None
    if count != "1":
        raise DirectoryError(f"socket activation: one socket is wanted, not {count}")
    try:
        listener = socket.socket(fileno=FIRST_ACTIVATED)
        is_listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise DirectoryError(f"socket activation: {error.strerror}") from error
    if not is_listening or listener.family != socket.AF_UNIX:
        listener.detach()
        raise DirectoryError("socket activation: no listening unix socket")
    listener.set_inheritable(inheritable=False)
    listener.settimeout(0)
    return listener


@attrs.define(eq=False)
class PidFile:
    """The file with the daemon's process id; the daemon holds a lock on it while it runs.

    Attributes:
        path: the file.
    """

    path: str
    _descriptor: int = attrs.field(default=-1, init=False)

    def acquire(self) -> bool:
        """Lock the file and write our process id; False when another daemon holds it.

        Raises:
            DirectoryError: the file cannot be written.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if not _lock(descriptor):
                os.close(descriptor)
                return False
            os.ftruncate(descriptor, 0)
            os.write(descriptor, b"%d\n" % os.getpid())
        except OSError as error:
            raise DirectoryError(f"{self.path}: {error.strerror}") from error
        self._descriptor = descriptor
        return True

    def fileno(self) -> int:
        """The descriptor that holds the lock; -1 without `acquire`."""
        return self._descriptor

    def release(self) -> None:
        """Remove the file and give up the lock; does nothing without `acquire`."""
        if self._descriptor >= 0:
            with suppress(FileNotFoundError):
                os.unlink(self.path)
            os.close(self._descriptor)
            self._descriptor = -1

    def running(self) -> int | None:
        """The process id of the daemon that holds the lock, or None when there is none.

        Raises:
            DirectoryError: this user may not know.
        """
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DirectoryError(f"{self.path}: {error.strerror}") from error
        try:
            text = os.read(descriptor, 32)
            return None if _lock(descriptor) else _pid(text)
        finally:
            os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(text: bytes) -> int | None:
    return int(text) if text.strip().isdigit() else None
