"""Waiting for changes in a folder (spec maildir 4.17).

On Linux the kernel tells (inotify, through `ctypes`); elsewhere, and where the limit of
watches is reached, the directories' times are compared.  Either way `check` is also true from
time to time without a change, in case one was missed.

    with watch("Maildir") as watcher:
        while watcher.wait():
            ...
"""

from __future__ import annotations

import logging
import os
import time

from couriermail.maildir.errors import MaildirMissingError, maildir_error
from couriermail.maildir.keywords import KEYWORDS_DIRECTORY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["WATCHED", "Watcher", "watch"]

WATCHED = ("new", "cur", KEYWORDS_DIRECTORY)
FIRST_TIMEOUT = 60.0  # seconds; a change may have come between the last scan and the watch
INOTIFY_TIMEOUT = 3600.0
POLL_TIMEOUT = 60.0

_IN_MOVED_FROM, _IN_MOVED_TO, _IN_CREATE, _IN_DELETE = 0x40, 0x80, 0x100, 0x200
_IN_ONLYDIR = 0x01000000
_EVENTS = _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_ONLYDIR
_READ_SIZE = 16384

_log = logging.getLogger("couriermail.maildir")


class Watcher:
    """Tells whether a folder may have changed since the last time it was asked.

    Attributes:
        fd: readable when there is something to check, for `select` and asyncio's `add_reader`;
            -1 where only asking from time to time helps.
        directory: the maildir or folder.
    """

    __slots__ = ("_asked", "_clock", "_interval", "_times", "directory", "fd")

    def __init__(
        self, directory: str, fd: int = -1, *, clock: Callable[[], float] = time.time
    ) -> None:
        """Use `watch`, which knows whether there is inotify."""
        self.directory = directory
        self.fd = fd
        self._clock = clock
        self._asked = clock()
        self._interval = FIRST_TIMEOUT
        self._times = _directory_times(directory)

    @property
    def timeout(self) -> float:
        """Seconds until `check` is true even without a change."""
        passed = self._clock() - self._asked
        return max(0.0, self._interval - passed) if passed >= 0 else 0.0

    def check(self) -> bool:
        """True when something may have changed; never waits, and takes all that has happened."""
        changed = self._take_events() if self.fd >= 0 else self._compare_times()
        if not changed and self.timeout > 0:
            return False
        self._asked = self._clock()
        self._interval = INOTIFY_TIMEOUT if self.fd >= 0 else POLL_TIMEOUT
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a change.

        Args:
            timeout: seconds after which to give up; None for never.

        Returns:
            True when `check` was true, False when the time was up first.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while not self.check():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._sleep(self.timeout if left is None else min(left, self.timeout))
        return True

    async def changed(self) -> None:
        """Wait for a change, in an asyncio program."""
        import asyncio

        loop = asyncio.get_running_loop()
        while not self.check():
            seen = asyncio.Event()
            pause = self.timeout if self.fd >= 0 else min(self.timeout, _POLL_PAUSE)
            if self.fd >= 0:
                loop.add_reader(self.fd, seen.set)
            try:
                async with asyncio.timeout(pause):
                    await seen.wait()
            except TimeoutError:
                pass
            finally:
                if self.fd >= 0:
                    loop.remove_reader(self.fd)

    def close(self) -> None:
        """Stop watching; may be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _take_events(self) -> bool:
        changed = False
        try:
            while os.read(self.fd, _READ_SIZE):
                changed = True
        except BlockingIOError:
            pass
        return changed

    def _compare_times(self) -> bool:
        before, self._times = self._times, _directory_times(self.directory)
        return before != self._times

    def _sleep(self, seconds: float) -> None:
        if self.fd < 0:
            time.sleep(min(seconds, _POLL_PAUSE))
            return
        import select

        poller = select.poll()
        poller.register(self.fd, select.POLLIN)
        poller.poll(seconds * 1000)


_POLL_PAUSE = 1.0  # seconds between two looks where the kernel does not tell


def watch(directory: str | os.PathLike[str], *, use_inotify: bool = True) -> Watcher:
    """Watch `new`, `cur` and `courierimapkeywords` of a maildir or folder.

    Args:
        directory: the maildir or folder; the keywords directory is made when missing.
        use_inotify: False to poll even where the kernel could tell.

    Raises:
        MaildirMissingError: it is no maildir.
        MaildirStorageError: it cannot be looked at.
    """
    path = os.fspath(directory)
    if not all(os.path.isdir(f"{path}/{name}") for name in ("tmp", "new", "cur")):
        raise MaildirMissingError(f"not a maildir: {path}", path=path)
    _make_keywords_directory(path)
    return Watcher(path, _open_inotify(path) if use_inotify else -1)


def _make_keywords_directory(path: str) -> None:
    store = f"{path}/{KEYWORDS_DIRECTORY}"
    try:
        os.mkdir(store, 0o700)
        os.chmod(store, os.stat(path).st_mode & 0o777)  # spec maildir 3.8
    except FileExistsError:
        pass
    except OSError as error:
        raise maildir_error(error, "cannot create", store) from error


def _open_inotify(path: str) -> int:
    import ctypes

    try:
        library = ctypes.CDLL(None, use_errno=True)
        descriptor = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        add_watch = library.inotify_add_watch
    except (OSError, AttributeError):
        return -1  # not Linux
    if descriptor < 0:
        _log.info("no inotify, polling instead: %s", os.strerror(ctypes.get_errno()))
        return -1
    for name in WATCHED:
        target = os.fsencode(f"{path}/{name}")
        if add_watch(descriptor, target, ctypes.c_uint32(_EVENTS)) < 0:
            _log.info("no inotify, polling instead: %s", os.strerror(ctypes.get_errno()))
            os.close(descriptor)
            return -1
    return int(descriptor)


def _directory_times(path: str) -> tuple[int, ...]:
    times = []
    for name in WATCHED:
        try:
            times.append(os.stat(f"{path}/{name}").st_mtime_ns)
        except OSError:
            times.append(0)  # gone is a change as well
    return tuple(times)
