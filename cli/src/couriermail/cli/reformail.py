"""`reformail`: edit the header of one message, or split a mail file.

The command line is read here by a table, without typer: the command runs once per message.
`--help` loads the typer app; a test keeps the two in step.  Exit codes: 0; 1 for bad
arguments and failures; with `-D` 0 for a duplicate, 1 for a new message, 75 when the list of
ids cannot be used.  Spec rfc822 2.4.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.message_io import CommandError, read_pieces, run_filter, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["EDITS", "OPTIONS_WITH_VALUE", "SWITCHES", "Request", "main", "read_command_line"]

# Letters whose value is the rest of the word or the next word, and the list each fills.
EDITS = {
    "a": "append_missing",
    "A": "append",
    "i": "supersede",
    "I": "replace",
    "u": "keep_first",
    "U": "keep_last",
    "x": "values",
    "X": "fields",
}
OPTIONS_WITH_VALUE = {**EDITS, "R": "rename", "D": "duplicates", "f": "from_line"}
SWITCHES = {"c": "join", "d": "crlf", "s": "split"}

INVALID = "Invalid arguments."
_MESSAGE_ID_NAMES = (b"message-id:", b"resent-message-id:", b"resent_message_id:")
_SENDER_FIELDS = (b"return-path:", b">return-path:", b"errors-to:", b">errors-to:")


class Request:
    """One command line, understood.

    Attributes:
        lists: texts of the repeatable options, by the names in `EDITS`.
        extracts: (name, whole field) of `-x` and `-X`.
        rename: pairs of `-R`.
        join: `-c`.
        crlf: `-d`.
        from_line: None, `remove` or `add`.
        duplicates: length and file of `-D`, or None.
        command: what `-s` runs, or None.
    """

    __slots__ = (
        "command", "crlf", "duplicates", "extracts", "from_line", "join", "lists", "rename",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lists: dict[str, list[bytes]] = {}
        self.extracts: list[tuple[bytes, bool]] = []
        self.rename: list[tuple[bytes, bytes]] = []
        self.join = False
        self.crlf = False
        self.from_line: str | None = None
        self.duplicates: tuple[int, str] | None = None
        self.command: list[str] | None = None

    @property
    def has_edits(self) -> bool:
        """Whether the header is to be changed or looked at."""
        return bool(self.lists or self.extracts or self.rename or self.from_line)


def read_command_line(argv: Sequence[str]) -> Request:
    """Read the words after the command's name; options end at the first other word.

    Raises:
        CommandError: an unknown option, a missing value, or options that exclude each other.
    """
    request = Request()
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        letter, glued = word[1], word[2:]
        if letter == "s":
            request.command = ([glued] if glued else []) + rest
            break
        _read_option(request, letter, glued, rest)
    _check(request)
    return request


def _read_option(request: Request, letter: str, glued: str, rest: list[str]) -> None:
    if letter == "c":
        request.join = True
    elif letter == "d":
        request.crlf = glued != "0"
    elif letter == "f":
        # The value of a bare -f is the next word only if it looks like one (spec rfc822 2.4).
        if not glued and rest and rest[0].isdigit():
            glued = rest.pop(0)
        request.from_line = "remove" if glued in ("", "0") else "add"
    elif letter not in OPTIONS_WITH_VALUE:
        raise CommandError(INVALID)
    else:
        _read_value(request, letter, glued or _next(rest), rest)


def _read_value(request: Request, letter: str, value: str, rest: list[str]) -> None:
    octets = os.fsencode(value)
    if request.duplicates is not None:
        raise CommandError(INVALID)  # nothing is written any more that could be edited
    if letter in "xX":
        request.extracts.append((octets, letter == "X"))
    elif letter == "R":
        request.rename.append((octets, os.fsencode(_next(rest))))
    elif letter == "D":
        request.duplicates = (_number(value), _next(rest))
    else:
        request.lists.setdefault(EDITS[letter], []).append(octets)


def _next(rest: list[str]) -> str:
    if not rest or not rest[0]:
        raise CommandError(INVALID)
    return rest.pop(0)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise CommandError(INVALID)
    return int(text[:18])


def _check(request: Request) -> None:
    if request.command is not None and (not request.command or request.has_edits):
        raise CommandError(INVALID)
    if request.command is not None and request.duplicates:
        raise CommandError(INVALID)
    if request.duplicates and request.extracts:
        raise CommandError(INVALID)


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if "--help" in sys.argv[1:]:
        from couriermail.cli.reformail_app import app

        app(["--help"], prog_name="reformail")
    run_filter("reformail", _run)


def _run() -> int:
    request = read_command_line(sys.argv[1:])
    if request.command is not None:
        from couriermail.cli.reformail_split import split_mail_file

        split_mail_file(request.command)
        return 0
    header, pieces = _read_header()
    if request.duplicates is not None:
        from couriermail.cli.reformail_duplicates import check_duplicate

        return check_duplicate(_edit(request, header), *request.duplicates)
    if not header:
        return 0
    if request.extracts:
        write_out(b"".join(_extract(request, _edit(request, header))))
    else:
        _copy(request, header, pieces)
    return 0


def _read_header() -> tuple[bytes, Iterator[bytes]]:
    """The header with LF line ends and the last one added, and the pieces of the body."""
    from couriermail.rfc822.headers import find_body

    pieces = read_pieces()
    buffer = _skip_empty_lines(pieces)
    searched = 0
    while True:
        end, body = find_body(buffer, searched, is_line_start=searched == 0)
        if body > end:
            break
        more = next(pieces, b"")
        if not more:
            break
        searched = max(len(buffer) - 2, 0)
        buffer += more
    header = bytes(buffer[:end]).replace(b"\r\n", b"\n")
    if header and not header.endswith(b"\n"):
        header = header.removesuffix(b"\r") + b"\n"
    return header, _with_first(bytes(memoryview(buffer)[body:]), pieces)


def _skip_empty_lines(pieces: Iterator[bytes]) -> bytearray:
    buffer = bytearray()
    for piece in pieces:
        buffer += piece
        start = 0
        while buffer[start : start + 1] == b"\n" or buffer[start : start + 2] == b"\r\n":
            start += 2 if buffer[start] == ord("\r") else 1
        del buffer[:start]
        if buffer and buffer != b"\r":
            break
    return buffer


def _with_first(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _copy(request: Request, header: bytes, pieces: Iterator[bytes]) -> None:
    from couriermail.rfc822.line_filter import LineFilter

    has_from = header.startswith(b"From ")
    body = LineFilter(
        crlf=request.crlf,
        quote_from=request.from_line == "add" and not has_from,
        unquote_from=request.from_line == "remove" and has_from,
    )
    head = _edit(request, header) + b"\n"
    if request.from_line == "add" and not has_from:
        head = _from_line(header) + head
    if request.crlf:
        head = head.replace(b"\n", b"\r\n")
    first = body.feed(next(pieces, b""))
    write_out(head + first)
    for piece in pieces:
        write_out(body.feed(piece))
    write_out(body.close())


def _edit(request: Request, header: bytes) -> bytes:
    if request.join and not request.extracts:
        header = _join(header)
    if not request.has_edits:
        return header
    from couriermail.rfc822.header_edits import HeaderEdits

    edits = HeaderEdits()
    for name, texts in request.lists.items():
        if name in ("append", "append_missing"):
            texts = [_with_message_id(text) for text in texts]  # noqa: PLW2901
        getattr(edits, name).extend(texts)
    edits.rename += request.rename
    if request.from_line == "remove" and header.startswith(b"From "):
        line, _, header = header.partition(b"\n")
        sender = [*line.split(maxsplit=2), b""][1].removeprefix(b"<").removesuffix(b">")
        edits.replace.append(b"Return-Path: <%s>" % sender)
    return edits.apply(header)


def _join(header: bytes) -> bytes:
    from couriermail.rfc822.header_edits import join_folded, raw_fields

    return b"".join(map(join_folded, raw_fields(header)))


def _extract(request: Request, header: bytes) -> Iterator[bytes]:
    from couriermail.rfc822.header_edits import field_key, join_folded, raw_fields

    wanted: dict[bytes, bool] = {}
    for name, is_whole in request.extracts:
        if name.endswith(b":"):
            wanted.setdefault(name.lower(), is_whole)
    line_end = b"\r\n" if request.crlf else b"\n"
    for raw in raw_fields(header):
        is_whole_field = wanted.get(field_key(raw))
        if is_whole_field is None:
            continue
        line = join_folded(raw).removesuffix(b"\n")
        yield (line if is_whole_field else line.partition(b":")[2].lstrip(b" \t")) + line_end


def _with_message_id(text: bytes) -> bytes:
    """Completes `Message-ID:`, which stands for a new identifier (spec rfc822 2.4.5)."""
    if text.lower() not in _MESSAGE_ID_NAMES:
        return text
    import time

    digits = [f"{number:016X}"[::-1] for number in (int(time.time()), os.getpid())]
    host = os.uname().nodename
    identifier = f"{digits[0]}.{digits[1]}.{os.urandom(6).hex().upper()}.reformail@{host}"
    return b"%s <%s>" % (text.replace(b"_", b"-"), os.fsencode(identifier))


def _from_line(header: bytes) -> bytes:
    """The line before a message in a mail file (RFC 4155)."""
    import time

    sender = os.fsencode(_sender(header))
    return b"From %s %s\n" % (sender, time.ctime().encode())


def _sender(header: bytes) -> str:
    from couriermail.rfc822.address import parse_addresses
    from couriermail.rfc822.header_edits import field_key, raw_fields

    found = author = b""
    for raw in raw_fields(header):
        value = raw.partition(b":")[2].strip()
        key = field_key(raw)
        if value and key in _SENDER_FIELDS:
            found = value
        elif value and key == b"from:":
            author = value
    addresses = parse_addresses(found or author)
    return addresses[0].addr if addresses and addresses[0].addr else "root"


if __name__ == "__main__":
    main()
