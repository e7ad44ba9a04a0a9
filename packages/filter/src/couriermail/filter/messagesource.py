"""Many messages, one after the other: from a maildir with its folders, an mbox file or files."""

from __future__ import annotations

import mmap
import os

import attrs

from couriermail.filter.errors import FilterError
from couriermail.filter.message import BytesMessage
from couriermail.filter.printable import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MessageSource", "MessageSourceError", "StoredMessage"]

_MARK = b"From "


class MessageSourceError(FilterError):
    """There are no messages where they should be, or they cannot be read."""

    is_temporary = False
    exit_code = 66  # EX_NOINPUT


@attrs.frozen(kw_only=True)
class StoredMessage:
    """One message.

    Attributes:
        label: where it is: the file, or the number of the message in an mbox file.
        message: the message, LF line ends.
        sender: envelope sender of the `From ` line; None where there is none.
        weight: what it counts of the source's `weight`.
    """

    label: str
    message: BytesMessage = attrs.field(repr=False)
    sender: str | None = None
    weight: int = 1


class MessageSource:
    """A maildir with all its folders, an mbox file, one message, or a directory of `*.eml`.

    Nothing is changed, not even the time of the last access where the system allows that.
    Messages are read when they come; only names are held.

    Args:
        path: the maildir, file or directory.

    Raises:
        MessageSourceError: there is nothing of the kind.

    Attributes:
        weight: the work: the sum of the messages' weights.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._files: list[str] | None = None
        try:
            if os.path.isdir(self._path):
                self._files = [*_files_below(self._path)]
                self.weight = len(self._files)
            else:
                self.weight = os.stat(self._path).st_size
        except OSError as error:
            raise _refusal(self._path, error) from error

    def __iter__(self) -> Iterator[StoredMessage]:
        """The messages; one that vanished meanwhile is left out.

        Raises:
            MessageSourceError: one cannot be read.
        """
        if self._files is None:
            yield from self._of_file(self._path)
            return
        for name in self._files:
            try:
                data = _mapped(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise _refusal(name, error) from error
            label = os.path.relpath(name, self._path)
            yield StoredMessage(label=label, message=_message(data))

    def _of_file(self, path: str) -> Iterator[StoredMessage]:
        try:
            data = _mapped(path)
        except OSError as error:
            raise _refusal(path, error) from error
        if data[: len(_MARK)] != _MARK:
            yield StoredMessage(label=path, message=_message(data), weight=len(data))
            return
        start, number = 0, 0
        while start < len(data):
            end = data.find(b"\n" + _MARK, start)
            stop = len(data) if end < 0 else end + 1
            number += 1
            yield _of_mbox(bytes(data[start:stop]), f"{path}:{number}")
            start = stop


def _of_mbox(text: bytes, label: str) -> StoredMessage:
    """One message of an mbox file: without its `From ` line, its quotes and its last line."""
    head, _, body = text.partition(b"\n")
    body = body.removesuffix(b"\n") if body.endswith(b"\n\n") else body
    words = head.split(b" ")
    sender = os.fsdecode(words[1]) if len(words) > 1 else ""
    return StoredMessage(
        label=label, message=_message(_unquoted(body)), sender=sender, weight=len(text)
    )


def _unquoted(body: bytes) -> bytes:
    """Take one `>` from lines that begin with `>From ` behind any number of `>`."""
    if b">From " not in body:
        return body
    lines = body.split(b"\n")
    return b"\n".join(
        line[1:] if line[:1] == b">" and line.lstrip(b">").startswith(_MARK) else line
        for line in lines
    )


def _message(data: bytes | mmap.mmap) -> BytesMessage:
    if data.find(b"\r\n") >= 0:
        data = bytes(data).replace(b"\r\n", b"\n")  # as maildrop does when it reads
    return BytesMessage(data)


def _mapped(path: str) -> bytes | mmap.mmap:
    from couriermail.filter.rehearsal import read_regular_file

    if os.path.getsize(path) < mmap.PAGESIZE * 64:
        return read_regular_file(path)
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _files_below(path: str) -> Iterator[str]:
    from couriermail.maildir import Maildir, MaildirError

    box = Maildir(path)
    if not box.exists():
        found = [
            os.path.join(directory, name)
            for directory, _, names in os.walk(path)
            for name in names
            if name.endswith(".eml")
        ]
        if not found:
            shown = printable(os.fsencode(path))
            raise MessageSourceError(f"{shown}: neither a maildir nor a directory of *.eml files")
        yield from sorted(found)
        return
    try:
        for folder in [box, *(box.folder(name) for name in box.folders())]:
            entries = folder.scan().values()
            yield from sorted(entry.path for entry in entries)
    except MaildirError as error:
        raise MessageSourceError(f"{path}: {error}") from error


def _refusal(path: str, error: OSError) -> MessageSourceError:
    shown = printable(os.fsencode(path))
    return MessageSourceError(f"{shown}: {error.strerror or 'not a regular file'}")
