"""Sections as IMAP numbers them: `1.2`, `HEADER`, `1.HEADER.FIELDS (Subject)`, `2.MIME`.

IMAP counts a message that is no multipart as its own part 1, and steps into an embedded message
without a number of its own.  Source: RFC 3501 6.4.5, RFC 9051 6.4.5.1, spec rfc822 4.12.
"""

from __future__ import annotations

from couriermail.rfc822.headers import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.message import Message, Part

__all__ = ["ImapSection", "find_imap_section"]

_FIELDS = "HEADER.FIELDS"
_FIELDS_NOT = "HEADER.FIELDS.NOT"
_TEXTS = ("HEADER", "TEXT", "MIME", _FIELDS, _FIELDS_NOT)
_LONGEST_NUMBER = 9  # more digits than a part can have are not worth converting


class ImapSection:
    """A section that was found.  Never changed.

    Attributes:
        part: the part it belongs to.
        text: empty for the part itself, else `HEADER`, `TEXT`, `MIME`, `HEADER.FIELDS` or
            `HEADER.FIELDS.NOT`.
        start: offset of its first octet.
        end: offset behind its last one.
        names: field names in lower case for the last two; both and `MIME` choose fields, so
            that their octets are not all of the range.
    """

    __slots__ = ("end", "names", "part", "start", "text")

    def __init__(
        self, part: Part, text: str, start: int, end: int, names: frozenset[bytes] = frozenset()
    ) -> None:
        self.part: Final = part
        self.text: Final = text
        self.start: Final = start
        self.end: Final = end
        self.names: Final = names

    @property
    def is_range(self) -> bool:
        """True when its octets are all of the range; `CrlfIndex` then serves partial fetches."""
        return self.text in ("", "HEADER", "TEXT")

    def octets(self) -> bytes:
        """What the section holds, with the line ends that the message has."""
        data = self.part.message.data
        if self.is_range:
            return data[self.start : self.end]
        headers = Headers(data[self.start : self.end])
        if self.text == "MIME":
            return headers.mime_only()
        is_listed = self.text == _FIELDS
        chosen = [field.raw for field in headers if (field.key in self.names) is is_listed]
        return b"".join(chosen) + headers.separator

    def __repr__(self) -> str:
        return f"<ImapSection {self.part.section} {self.text or 'body'} {self.start}:{self.end}>"


def find_imap_section(message: Message, section: str = "") -> ImapSection | None:
    """Finds what stands between the brackets of `BODY[...]`.

    Args:
        message: the message.
        section: such as `` (all of it), `1.2`, `HEADER`, `2.1.TEXT` or
            `HEADER.FIELDS (From To)`; upper and lower case are the same.

    Returns:
        The section, or None when the message has none of this number or the text is no section.
    """
    specifier, _, list_text = section.strip().partition("(")
    numbers, text = _split(specifier.strip())
    if numbers is None or (bool(list_text) is not text.startswith(_FIELDS)):
        return None
    names = frozenset(name.lower().encode() for name in list_text.rstrip(") ").split())
    entity = _follow(message.root.entity, numbers)
    if entity is None:
        return None
    if text == "MIME":
        # a message has no MIME section of its own (RFC 3501 6.4.5)
        if not numbers:
            return None
    elif text and numbers:
        if not (entity.is_message and entity.children):
            return None
        entity = entity.children[0]
    return _make(message, entity, text, names, is_whole=not numbers)


def _split(specifier: str) -> tuple[list[int] | None, str]:
    """Numbers and text of a section; None when it is none."""
    words = specifier.upper().split(".") if specifier else []
    numbers: list[int] = []
    while words and words[0].isascii() and words[0].isdigit():
        word = words.pop(0)
        if len(word) > _LONGEST_NUMBER:
            return None, ""
        numbers.append(int(word))
    text = ".".join(words)
    return (numbers, text) if not text or text in _TEXTS else (None, "")


def _follow(root: Entity, numbers: list[int]) -> Entity | None:
    entity, is_message = root, True
    for number in numbers:
        if entity.is_message and entity.children and not is_message:
            entity, is_message = entity.children[0], True
        if is_message and not entity.is_multipart:
            if number != 1:
                return None
            is_message = False  # the one part of the message is itself
        elif entity.is_multipart and 1 <= number <= len(entity.children):
            entity, is_message = entity.children[number - 1], False
        else:
            return None
    return entity


def _make(
    message: Message, entity: Entity, text: str, names: frozenset[bytes], *, is_whole: bool
) -> ImapSection:
    from couriermail.rfc822.message import Part

    part = Part(message, entity)
    if not text:
        return ImapSection(part, text, entity.start if is_whole else entity.body, entity.end)
    if text == "TEXT":
        return ImapSection(part, text, entity.body, entity.end)
    return ImapSection(part, text, entity.start, entity.body, names)
