"""Make the missing home of an account as a copy of a skeleton (`AUTH_MKHOMEDIR_SKEL`).

Root does this in directories that belong to others, so every step is relative to a directory
that is held open and follows no link, but links that only root could have made: whoever may
write above the home can neither send the copy elsewhere nor see it before it is whole.

The copy grows beside its place under a name of its own, and gets its place by one rename when
everything is synced: a reader, or a second maker, sees a whole home or none.

Standard: spec auth 4.8, mta 3.3.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import stat

import attrs

from couriermail.auth.errors import DirectoryError
from couriermail.core.faults import reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.auth.account import Account

__all__ = ["create_home"]

_COPY_BYTES = 1 << 16
_MAX_LINKS = 40  # as the kernel's own limit (path_resolution(7))
_NEVER_MADE = frozenset({"/nonexistent"})  # Debian's name for "no home": must not come to exist
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def create_home(account: Account, skeleton: str) -> bool:
    """Make a missing home as a copy of a directory; whatever has its name stays as it is.

    Directories and files get the modes of the copied ones and belong to the account, links
    stay links, anything else is left out.  Durable when it returns.

    Courier: a copy that fails leaves nothing behind, instead of half a home that nobody
    completes later.  A process that is killed leaves `.couriermail-home-*` beside the place,
    which only root may enter and which nobody takes for a home.

    Args:
        account: whose home it is; the directory above must exist.
        skeleton: what is copied.

    Returns:
        True when it was made now, False when there was nothing to do.

    Raises:
        DirectoryError: it cannot be made now; there is none.
    """
    if os.path.lexists(account.home) or account.home in _NEVER_MADE:
        return False
    try:
        return _make(account, skeleton)
    except OSError as error:
        reason = error.strerror or error
        raise DirectoryError(f"{account.home}: cannot be made from {skeleton}: {reason}") from error


def _make(account: Account, skeleton: str) -> bool:
    *above, name = [part for part in account.home.split("/") if part not in {"", "."}]
    if not account.home.startswith("/") or ".." in {*above, name}:
        raise OSError(errno.EINVAL, "a home must be an absolute path without '..'")
    with _opened(skeleton, _DIRECTORY & ~os.O_NOFOLLOW) as source, _parent(above) as parent:
        temporary = f".couriermail-home-{secrets.token_hex(8)}"
        os.mkdir(temporary, 0o700, dir_fd=parent)  # nobody but us enters before it is whole
        try:
            with _opened(temporary, _DIRECTORY, parent) as target:
                _check_own(target)
                _Copy(account.uid, account.gid).fill(source, target)
            reach("auth.home.before-rename")
            return _put_in_place(temporary, name, parent)
        except BaseException:
            with contextlib.suppress(OSError):
                shutil.rmtree(temporary, dir_fd=parent)
            raise


def _check_own(directory: int) -> None:
    """Refuse a directory that somebody put in the place of the one just made."""
    if os.fstat(directory).st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "the directory above is being changed")


def _put_in_place(temporary: str, name: str, parent: int) -> bool:
    """Give the copy its name; False when another maker was faster."""
    try:
        # An empty directory of that name is replaced; whatever holds something stays.
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
            raise
        shutil.rmtree(temporary, dir_fd=parent)
        return False
    os.fsync(parent)
    return True


@attrs.frozen
class _Copy:
    uid: int
    gid: int

    def fill(self, source: int, target: int) -> None:
        """Copy what a directory holds, then give the copy its owner and mode."""
        for name in sorted(os.listdir(source)):
            found = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                self._directory(name, source, target)
            elif stat.S_ISREG(found.st_mode):
                self._file(name, source, target)
            elif stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
                os.chown(name, self.uid, self.gid, dir_fd=target, follow_symlinks=False)
        self._give(target, source)

    def _directory(self, name: str, source: int, target: int) -> None:
        os.mkdir(name, 0o700, dir_fd=target)
        with _opened(name, _DIRECTORY, source) as inner, _opened(name, _DIRECTORY, target) as copy:
            self.fill(inner, copy)

    def _file(self, name: str, source: int, target: int) -> None:
        reading = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _opened(name, reading, source) as file, _opened(name, writing, target) as copy:
            while data := os.read(file, _COPY_BYTES):
                view = memoryview(data)
                while view:
                    view = view[os.write(copy, view) :]
            self._give(copy, file)

    def _give(self, copy: int, original: int) -> None:
        os.fchown(copy, self.uid, self.gid)
        os.fchmod(copy, stat.S_IMODE(os.fstat(original).st_mode))  # last: chown clears set-id bits
        os.fsync(copy)


@contextlib.contextmanager
def _parent(parts: list[str]) -> Iterator[int]:
    """The directory of that absolute path, reached over nothing that others could have bent."""
    waiting = parts[::-1]
    links = 0
    here = os.open("/", _STEP)
    try:
        while waiting:
            name = waiting.pop()
            target = _link_target(name, here)
            if target is None:
                here = _replace(here, os.open(name, _STEP, dir_fd=here))
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            waiting += [part for part in reversed(target.split("/")) if part not in {"", "."}]
            if target.startswith("/"):
                here = _replace(here, os.open("/", _STEP))
        with _opened(".", _DIRECTORY, here) as parent:  # one that can be synced
            yield parent
    finally:
        os.close(here)


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def _link_target(name: str, here: int) -> str | None:
    """Where a link points; None for what is none.

    Raises:
        OSError: a link that somebody else than root or ourselves may have made.
    """
    found = os.stat(name, dir_fd=here, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        return None
    above = os.fstat(here)
    ours = {0, os.geteuid()}
    is_open = bool(above.st_mode & 0o022) and not above.st_mode & stat.S_ISVTX
    if is_open or found.st_uid not in ours or above.st_uid not in ours:
        raise OSError(errno.ELOOP, "a symbolic link above it may have been made by others")
    return os.readlink(name, dir_fd=here)


@contextlib.contextmanager
def _opened(name: str, flags: int, directory: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags, 0o600, dir_fd=directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
