"""Delivery to mbox files (spec maildir 4.15).

A message is appended under two locks, with `>` put before every line that starts with
`From ` behind any number of `>`, so that reading can undo it.  It ends with a line end and
one empty line.  What a failure or signal interrupts is cut off again before the locks go.
"""

from __future__ import annotations

import os
import stat
import time

from couriermail.core.durable import sync_directory, write_all
from couriermail.core.faults import reach
from couriermail.maildir.errors import maildir_error
from couriermail.maildir.locks import DotLock, LockPolicy, try_lock_file
from couriermail.maildir.writing import iter_chunks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.maildir.writing import Chunks

__all__ = ["FromQuoter", "deliver_mbox", "from_line"]

_FROM = b"From "


def deliver_mbox(
    path: str | os.PathLike[str],
    chunks: Chunks,
    *,
    sender: str = "",
    prefix: bytes = b"",
    when: float | None = None,
    mode: int = 0o600,
    blank_before: bool = False,
    locking: LockPolicy | None = None,
) -> None:
    """Append a message to an mbox file; it is on the disk when this returns.

    The file is synced, and its directory as well when the file was made.  If the process is
    killed meanwhile, an incomplete message may stay at the end of the file; that is how
    mbox files are.

    Args:
        path: the file; created when missing.  A device is written to without a dot-lock.
        chunks: the message, with LF line ends; see `Maildir.deliver`.
        sender: envelope sender for the `From ` line; `MAILER-DAEMON` when empty.
        prefix: lines such as `Delivered-To: ...` that come between `From ` and the message.
        when: time of arrival; now when None.
        mode: permission bits of a new file, less the umask.
        blank_before: put an empty line before the message when the file is not empty, as
            maildrop does.
        locking: how long to try for the locks.

    Raises:
        MaildirLockedError: somebody else kept the mailbox locked; temporary.
        MaildirMissingError: the directory is not there.
        MaildirStorageError: the system refused; nothing was appended.
    """
    name = os.fspath(path)
    policy = locking or LockPolicy()
    head = from_line(sender, time.time() if when is None else when) + prefix
    is_device = _is_device(name)
    lock = DotLock(name, policy)
    if not is_device:
        policy.wait_until(lock.try_acquire, name)
    try:
        _append_locked(name, head, chunks, mode, policy, blank_before=blank_before)
    except OSError as error:
        raise maildir_error(error, "cannot deliver to", name) from error
    finally:
        lock.release()


def from_line(sender: str, now: float) -> bytes:
    """The line that starts a message: `From SENDER DATE`, the date as `ctime` writes it."""
    safe = "".join("_" if char <= " " or char == "\x7f" else char for char in sender)
    return f"From {safe or 'MAILER-DAEMON'} {time.ctime(now)}\n".encode("utf-8", "surrogateescape")


class FromQuoter:
    """Puts `>` before lines that match `^>*From `, in a message that comes in any pieces.

    Work is linear in the input; at most four octets are held back between pieces.

    Attributes:
        ends_line: True when the last octet so far is a line end, or there is none.
    """

    __slots__ = ("_is_open", "_tail", "ends_line")

    def __init__(self) -> None:
        self._tail = b""
        self._is_open = True  # the line so far is nothing but `>`
        self.ends_line = True

    def feed(self, chunk: bytes | memoryview) -> bytes:
        """The next piece, quoted."""
        data = self._tail + chunk if self._tail else bytes(chunk)
        keep = _partial_from(data)
        self._tail = data[len(data) - keep :]
        data = data[: len(data) - keep]
        if not data:
            return data
        cuts = [*self._cuts(data)]
        self._remember(data)
        if not cuts:
            return data
        # Before `From ` rather than before the line: the result is the same.
        return b">".join(data[a:b] for a, b in zip([0, *cuts], [*cuts, None], strict=True))

    def finish(self) -> bytes:
        """What was held back."""
        tail, self._tail = self._tail, b""
        self.ends_line = self.ends_line and not tail
        return tail

    def _cuts(self, data: bytes) -> Iterator[int]:
        searched = 0
        is_open = self._is_open  # could a match before any line end be at the line's start?
        while (at := data.find(_FROM, searched)) >= 0:
            line = data.rfind(b"\n", searched, at) + 1
            if line:
                is_open = True
            start = max(line, searched)
            if is_open and data.count(b">", start, at) == at - start:
                yield at
            is_open = False  # the rest of this line holds text
            searched = at + len(_FROM)

    def _remember(self, data: bytes) -> None:
        line = data.rfind(b"\n") + 1
        is_quotes = data.count(b">", line) == len(data) - line
        self._is_open = is_quotes and (bool(line) or self._is_open)
        self.ends_line = line == len(data)


def _partial_from(data: bytes) -> int:
    """How many octets at the end may be the beginning of `From `."""
    for length in range(min(len(_FROM) - 1, len(data)), 0, -1):
        if data.endswith(_FROM[:length]):
            return length
    return 0


def _append_locked(
    path: str, head: bytes, chunks: Chunks, mode: int, policy: LockPolicy, *, blank_before: bool
) -> None:
    is_made = not os.path.exists(path)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            _write(descriptor, head, chunks)
            return
        policy.wait_until(lambda: try_lock_file(descriptor), path)
        size = os.fstat(descriptor).st_size
        if blank_before and size:
            head = b"\n" + head
        try:
            _write(descriptor, head, chunks)
            reach("maildir.mbox-written")
            os.fsync(descriptor)
            if is_made:
                sync_directory(os.path.dirname(path) or ".")
        except BaseException:  # a signal handler may raise here as well
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, head: bytes, chunks: Chunks) -> None:
    quoter = FromQuoter()
    write_all(descriptor, head)
    for chunk in iter_chunks(chunks):
        if quoted := quoter.feed(chunk):
            write_all(descriptor, quoted)
    tail = quoter.finish()
    write_all(descriptor, tail + (b"\n" if quoter.ends_line else b"\n\n"))


def _is_device(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
