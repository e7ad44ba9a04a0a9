"""Base subjects: what is left of a subject without reply marks and list names.

Source: RFC 5256 2.1, spec rfc822 4.24.
"""

from __future__ import annotations

import re

from couriermail.rfc822.encoded_word import decode_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["BaseSubject", "base_subject", "strip_subject"]

_SPACES = re.compile(r"\s+")
# RFC 5256 5: subj-blob, subj-refwd, subj-leader, subj-trailer, subj-fwd
_BLOB = r"\[[^\[\]]*+\]"
# Courier: no blank before the colon, so that `re [x]: y` is a subject of its own
_LEADER = re.compile(rf"(?:{_BLOB} *+)*+(re|fwd?)(?:{_BLOB})?:", re.IGNORECASE)
# For answers: a mark at the start, and the blobs before it
_BARE_LEADER = re.compile(rf"(?:re|fwd?)(?:{_BLOB})?: *+", re.IGNORECASE)
_NUMBER = re.compile(r"\[[0-9\s]*\]\Z")
_ONE_BLOB = re.compile(rf"{_BLOB} *+")
_TRAILER = "(fwd)"
_WRAPPER = re.compile(r"\[fwd:([^\]]*+)\]\Z", re.IGNORECASE)


class BaseSubject:
    """A base subject and what was taken off.  Never changed.

    Attributes:
        text: what is left.
        is_reply: a `Re:` was taken off.
        is_forward: a `Fwd:`, `(fwd)` or `[Fwd: ]` was taken off.
    """

    __slots__ = ("is_forward", "is_reply", "text")

    def __init__(self, text: str, *, is_reply: bool, is_forward: bool) -> None:
        self.text: Final = text
        self.is_reply: Final = is_reply
        self.is_forward: Final = is_forward

    def __repr__(self) -> str:
        return f"BaseSubject({self.text!r}, is_reply={self.is_reply}, is_forward={self.is_forward})"


def base_subject(value: str) -> BaseSubject:
    """The base subject for threading: decoded, in upper case.

    Args:
        value: the unfolded value of a Subject field.
    """
    text, is_reply, is_forward = _strip(_SPACES.sub(" ", decode_words(value)).strip(" "))
    return BaseSubject(text.upper(), is_reply=is_reply, is_forward=is_forward)


def strip_subject(value: str) -> str:
    """The subject for an answer: without marks, but with names of lists and spelling.

    `Re: [list] hello (fwd)` is `[list] hello`.  Blobs with nothing but a number in them go.

    Args:
        value: the unfolded value of a Subject field; encoded words stay as they are.
    """
    text = _SPACES.sub(" ", value).strip(" ")
    kept: dict[str, None] = {}
    start, end = 0, len(text)
    while True:
        end, _ = _strip_trailer(text, start, end)
        position, blobs = start, []
        blob = _ONE_BLOB.match(text, position, end)
        while blob:
            blobs.append(blob[0].rstrip(" "))
            position = blob.end()
            blob = _ONE_BLOB.match(text, position, end)
        leader = _BARE_LEADER.match(text, position, end)
        if leader:
            kept.update(dict.fromkeys(blob for blob in blobs if not _NUMBER.match(blob)))
            start = leader.end()
            continue
        wrapped = _WRAPPER.match(text[start:end])
        if not wrapped:
            break
        text = wrapped[1].strip(" ")
        start, end = 0, len(text)
    rest = text[start:end]
    return " ".join([*(blob for blob in kept if blob not in rest), rest]).strip(" ")


def _strip(text: str) -> tuple[str, bool, bool]:
    """Takes marks off until nothing changes (RFC 5256 2.1, steps 2 to 6)."""
    is_reply = is_forward = False
    start, end = 0, len(text)
    while True:
        end, had_trailer = _strip_trailer(text, start, end)
        is_forward |= had_trailer
        found = _LEADER.match(text, start, end)
        while found:
            is_reply |= found[1].lower() == "re"
            is_forward |= found[1].lower() != "re"
            start = _skip_blanks(text, found.end(), end)
            found = _LEADER.match(text, start, end)
        behind = _skip_blobs(text, start, end)
        if behind > start:
            start = behind
            continue
        wrapped = _WRAPPER.match(text[start:end])
        if not wrapped:
            return text[start:end], is_reply, is_forward
        is_forward = True
        text = wrapped[1].strip(" ")
        start, end = 0, len(text)


def _strip_trailer(text: str, start: int, end: int) -> tuple[int, bool]:
    had_trailer = False
    while True:
        while end > start and text[end - 1] == " ":
            end -= 1
        if text[max(end - len(_TRAILER), start) : end].lower() != _TRAILER:
            return end, had_trailer
        end -= len(_TRAILER)
        had_trailer = True


def _skip_blobs(text: str, start: int, end: int) -> int:
    """Behind the leading blobs; the last one stays when nothing else does."""
    blob = _ONE_BLOB.match(text, start, end)
    while blob and blob.end() < end:
        start = blob.end()
        blob = _ONE_BLOB.match(text, start, end)
    return start


def _skip_blanks(text: str, start: int, end: int) -> int:
    while start < end and text[start] == " ":
        start += 1
    return start
