"""A message as the text that people read: the feed for searches and filters.

For each part in the order of the document its header fields, decoded, then an empty line, then
the body of a leaf with transfer encoding and charset undone.  Nothing is held but one window of
one body.  Source: spec rfc822 4.18.
"""

from __future__ import annotations

from couriermail.rfc822.header_text import decode_header

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final, Literal

    from couriermail.rfc822.message import Message, Part

    Wanted = Callable[[Part, str], bool]

__all__ = ["FeedItem", "contains_text", "iter_feed", "write_feed"]


class FeedItem:
    """One piece of the feed.  Never changed.

    Attributes:
        kind: `field`, `end-of-header`, `text` (a piece of a text body), `octets` (of another
            body) or `end-of-body`.
        part: where it is from.
        name: of a field, as it is spelled.
        text: the decoded value of a field, or text of a body.
        octets: octets of a body that is no text.
    """

    __slots__ = ("kind", "name", "octets", "part", "text")

    def __init__(
        self, kind: str, part: Part, *, name: str = "", text: str = "", octets: bytes = b""
    ) -> None:
        self.kind: Final = kind
        self.part: Final = part
        self.name: Final = name
        self.text: Final = text
        self.octets: Final = octets

    def __repr__(self) -> str:
        return f"<FeedItem {self.kind} {self.part.section} {self.name}>"


def iter_feed(
    message: Message,
    *,
    bodies: Literal["text", "all", "none"] = "text",
    wanted: Wanted | None = None,
) -> Iterator[FeedItem]:
    """The feed, piece by piece; nothing that a message holds makes it fail.

    Args:
        message: the message.
        bodies: which bodies; `all` gives those that are no text as octets.
        wanted: called with a part and the name of each field; False leaves the field out.
    """
    for part in message.walk():
        for field in part.headers:
            name = field.name
            if wanted is None or wanted(part, name):
                text = decode_header(name, field.raw_value) if field.has_colon else ""
                yield FeedItem("field", part, name=name, text=text)
        yield FeedItem("end-of-header", part)
        if part.entity.children or bodies == "none":
            continue
        if part.content_type.type == "text":
            for text in part.iter_text():
                yield FeedItem("text", part, text=text)
        elif bodies == "all":
            for octets in part.iter_decoded():
                yield FeedItem("octets", part, octets=octets)
        else:
            continue
        yield FeedItem("end-of-body", part)


def write_feed(
    message: Message,
    *,
    bodies: Literal["text", "all", "none"] = "all",
    lower_names: bool = False,
    add_eol: bool = False,
    mark_errors: bool = False,
) -> Iterator[bytes]:
    """The feed as UTF-8, in pieces: `Name: value` lines, an empty line, the body.

    Args:
        message: the message.
        bodies: which bodies.
        lower_names: write field names in lower case.
        add_eol: write a line end behind each body, also when it has one.
        mark_errors: write `[MIME decoding error]` behind a body that is damaged or whose
            charset is not known, as Courier does.
    """
    for item in iter_feed(message, bodies=bodies):
        if item.kind == "field":
            name = item.name.lower() if lower_names else item.name
            yield f"{name}: {item.text}\n".encode("utf-8", "replace")
        elif item.kind == "end-of-header":
            yield b"\n"
        elif item.kind == "text":
            yield item.text.encode("utf-8", "replace")
        elif item.kind == "octets":
            yield item.octets
        else:
            if mark_errors and item.part.content_defects():
                yield b"[MIME decoding error]\n"
            if add_eol:
                yield b"\n"


def contains_text(message: Message, needle: str, *, where: str = "text") -> bool:
    """Whether a message has a text, whatever its case (IMAP SEARCH; spec rfc822 4.18).

    Each field is searched as `name: value` with a blank behind it, and each body by itself, so
    that nothing is found across their borders.

    Args:
        message: the message.
        needle: what to look for.
        where: `text` for headers and bodies, `body` for bodies, `header` for the headers of all
            parts.
    """
    wanted = _fold_case(needle)
    if not wanted:
        return True
    held = ""
    for item in iter_feed(message, bodies="none" if where == "header" else "text"):
        if item.kind == "field":
            if where != "body" and wanted in _fold_case(f"{item.name}: {item.text} "):
                return True
        elif item.kind == "text":
            text = held + _fold_case(item.text)
            if wanted in text:
                return True
            held = text[len(text) - len(wanted) + 1 :] if len(wanted) > 1 else ""
        else:
            held = ""
    return False


def _fold_case(text: str) -> str:
    """Lower case letter by letter: `lower` alone writes a sigma by what follows it."""
    return text.lower().replace("\u03c2", "\u03c3")
