"""dupfilter: refuses a message that came several times already (spec filter 4.21).

Two fingerprints are taken of a message, of the letters in its subject and body without its last
and without its first lines, so that a changed greeting or a random last line does not hide a
copy.  A message whose fingerprint is among the last ones often enough is refused.  Only letters
count: digits, punctuation and blanks may differ.

Not for a server with mailing lists: those send equal messages on purpose.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator

import attrs

from couriermail.filter.courierfilter.message import FilteredMessage

__all__ = ["DuplicateJudge", "Fingerprint", "fingerprint"]

log = logging.getLogger("couriermail.filter.dupfilter")

OK = "200 Ok."
DUPLICATE = "500 Duplicate message rejected."
UNREADABLE = "400 dupfilter - cannot open message"
CANCELLED = "Message cancelled as a duplicate."

EDGE_LINES = 3  # what may differ at either end
LINE_OCTETS = 255
_NO_LETTERS = bytes(code for code in range(256) if not (65 <= code <= 90 or 97 <= code <= 122))


@attrs.frozen
class Fingerprint:
    """MD5 of a message's letters without its last, and without its first lines.

    MD5 is what the classic filter uses; it keeps nothing secret here.
    """

    top: bytes
    bottom: bytes


def fingerprint(lines: Iterable[bytes]) -> Fingerprint:
    """The fingerprint of a message; memory stays small whatever its size."""
    top, bottom, whole = (hashlib.md5(usedforsecurity=False) for _ in range(3))
    waiting: deque[bytes] = deque()
    count = 0
    for letters in _counted_lines(lines):
        count += 1
        if count < EDGE_LINES + 2:
            whole.update(letters)
        if count > EDGE_LINES:
            bottom.update(letters)
        waiting.append(letters)
        if len(waiting) > EDGE_LINES:
            top.update(waiting.popleft())
    if count < EDGE_LINES + 2:
        return Fingerprint(whole.digest(), whole.digest())
    return Fingerprint(top.digest(), bottom.digest())


def _counted_lines(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The letters of Subject, a single line however it is folded, and of every body line.

    Lines without letters are left out.
    """
    source = iter(lines)
    subject = b""
    is_subject = False
    for line in source:
        if not line.strip(b"\r\n"):
            break
        if not line.startswith((b" ", b"\t")):
            is_subject = line[:8].lower() == b"subject:"
        if is_subject:
            subject = (subject + _letters(line))[:LINE_OCTETS]
    if subject:
        yield subject
    for line in source:
        if letters := _letters(line):
            yield letters


def _letters(line: bytes) -> bytes:
    return line.translate(None, _NO_LETTERS)[:LINE_OCTETS]


@attrs.define(eq=False)
class _Entry:
    """One control file's place in the history."""

    queue_id: str
    is_copy: bool
    is_cancelled: bool = False


@attrs.define(eq=False)
class _History:
    """The last messages by one of their fingerprints."""

    size: int
    _entries: deque[tuple[bytes, _Entry]] = attrs.field(factory=deque, init=False)
    _groups: dict[bytes, list[_Entry]] = attrs.field(factory=dict, init=False)

    def add(self, digest: bytes, entry: _Entry) -> list[_Entry]:
        """Remember an entry; all that share its fingerprint, oldest first."""
        self._entries.append((digest, entry))
        group = self._groups.setdefault(digest, [])
        group.append(entry)
        if len(self._entries) > self.size:
            self._forget_oldest()
        return group

    def _forget_oldest(self) -> None:
        digest, _ = self._entries.popleft()
        group = self._groups[digest]
        del group[0]
        if not group:
            del self._groups[digest]


@attrs.define(eq=False)
class DuplicateJudge:
    """Decides about messages by what came before them.

    Attributes:
        hash_size: one more than the messages that are remembered.
        level: the copy that is refused: 3 lets two pass.
        cancel: called with the queue id and the reason for earlier copies that were let
            pass; None leaves them alone.
    """

    hash_size: int = 500
    level: int = 4
    cancel: Callable[[str, str], None] | None = None
    _tops: _History = attrs.field(init=False)
    _bottoms: _History = attrs.field(init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._tops = _History(max(1, self.hash_size - 1))
        self._bottoms = _History(max(1, self.hash_size - 1))

    def __call__(self, message: FilteredMessage) -> str:
        """The reply for a message."""
        try:
            ids = [control.queue_id for control in message.controls]
            with message.open() as file:
                print_of_it = fingerprint(file)
        except OSError:
            return UNREADABLE
        if not all(ids) or not ids:
            return OK
        with self._lock:
            is_duplicate, victims = self._note(print_of_it, ids)
        for queue_id in victims if self.cancel is not None else ():
            self._cancel(queue_id)
        return DUPLICATE if is_duplicate else OK

    def _note(self, seen: Fingerprint, ids: list[str]) -> tuple[bool, list[str]]:
        """Remember a message; whether it is one too many, and the earlier ones to cancel."""
        victims: dict[str, None] = {}
        is_duplicate = False
        for place, queue_id in enumerate(ids):
            entry = _Entry(queue_id, is_copy=place > 0)
            for history, digest in ((self._tops, seen.top), (self._bottoms, seen.bottom)):
                group = history.add(digest, entry)
                if self._is_too_many(group):
                    is_duplicate = True
                    victims |= dict.fromkeys(_take_uncancelled(group))
        return is_duplicate, [victim for victim in victims if victim not in ids]

    def _is_too_many(self, group: list[_Entry]) -> bool:
        originals = sum(not entry.is_copy for entry in group)
        return originals >= self.level or any(entry.is_cancelled for entry in group)

    def _cancel(self, queue_id: str) -> None:
        assert self.cancel is not None  # noqa: S101 - looked at by the caller
        log.info("cancelling %s", queue_id)
        self.cancel(queue_id, CANCELLED)


def _take_uncancelled(group: list[_Entry]) -> list[str]:
    """Mark a whole group as cancelled; the ids for which that is news."""
    fresh = [entry.queue_id for entry in group if not entry.is_cancelled]
    for entry in group:
        entry.is_cancelled = True
    return fresh
