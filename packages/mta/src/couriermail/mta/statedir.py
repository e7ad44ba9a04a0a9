"""The state directory: what lies where, made with the right owners and modes.

STATE/                0711   others may reach the socket and the drop directory by name only
  submit.sock         0666   who speaks is the kernel's word (SO_PEERCRED)
  local.sock          0600   the scheduler's door to courierlocal
  filter.sock         0660   the door to filterd, which runs recipients' filters
  run/                0755   lock, pid and status of the running system
  queue/              0750   the queue; the mail system's user only
  drop/tmp drop/new   1733   anybody may leave a message, nobody may list or touch others'
  drop/bad            0700   what could not be imported
  filters/            0750   sockets of global filters; .messages/ has what they are asked about
  allfilters/         0750   sockets of filters that see all mail
"""

from __future__ import annotations

import os

import attrs

from couriermail.core.durable import storage_error

__all__ = ["StateDir"]


@attrs.frozen
class StateDir:
    """Paths inside one state directory."""

    path: str

    @property
    def queue(self) -> str:
        """Directory of the queue."""
        return f"{self.path}/queue"

    @property
    def run(self) -> str:
        """Directory of lock, pid and status files."""
        return f"{self.path}/run"

    @property
    def drop(self) -> str:
        """Directory of messages that were left while no daemon ran."""
        return f"{self.path}/drop"

    @property
    def submit_socket(self) -> str:
        """The submission socket."""
        return f"{self.path}/submit.sock"

    @property
    def local_socket(self) -> str:
        """Courierlocal's socket."""
        return f"{self.path}/local.sock"

    @property
    def filter_socket(self) -> str:
        """Filterd's socket."""
        return f"{self.path}/filter.sock"

    def prepare(self, uid: int, gid: int) -> None:
        """Make what is missing, owned by the mail system's user.

        Raises:
            StorageError: a directory cannot be made.
        """
        for path, mode in (
            (self.path, 0o711),
            (self.run, 0o755),
            (self.queue, 0o750),
            (self.drop, 0o711),
            (f"{self.drop}/tmp", 0o3733),  # files get our group, or we could not read them
            (f"{self.drop}/new", 0o1777),  # who writes here must be able to sync it
            (f"{self.drop}/bad", 0o700),
            (f"{self.path}/filters", 0o750),
            (f"{self.path}/filters/.messages", 0o750),
            (f"{self.path}/allfilters", 0o750),
        ):
            _make(path, mode, uid, gid)


def _make(path: str, mode: int, uid: int, gid: int) -> None:
    try:
        os.makedirs(path, exist_ok=True)
        if os.stat(path).st_mode & 0o7777 != mode:
            os.chmod(path, mode)
        if os.geteuid() == 0:
            os.chown(path, uid, gid)
    except OSError as error:
        raise storage_error(error, "cannot make", path) from error
