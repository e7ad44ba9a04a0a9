"""`reformime`: look at a MIME message, take it apart, rewrite it.

The command line is read here by a table, without typer: the command runs once per message.
`--help` loads the typer app; a test keeps the two in step.  What the common modes (the list of
sections and `-i`) need is in this module; the others are imported when they are asked for.
Exit codes: 0; 1 for bad arguments, failures, fatal defects and reports that are none; 20 + n
when a program of `-X` exits with n.  Spec rfc822 2.2.
"""

from __future__ import annotations

import sys

from couriermail.cli.message_io import (
    CommandError,
    default_charset,
    map_input,
    run_filter,
    write_out,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from couriermail.rfc822.line_counts import LineCounts
    from couriermail.rfc822.message import Message, Part

__all__ = [
    "LONG_OPTIONS", "OPTIONS_WITH_GLUED_VALUE", "OPTIONS_WITH_VALUE", "SWITCHES", "Request",
    "UsageError", "main", "open_message", "read_command_line",
]  # fmt: skip

# Letters whose value is the rest of the word or the next word.
OPTIONS_WITH_VALUE = {"s": "sections", "c": "charset"}
TEXT_OPTIONS = {
    "h": "decode", "H": "decode_addresses", "o": "encode", "O": "encode_addresses",
}  # fmt: skip
OPTIONS_WITH_GLUED_VALUE = {"r": "rewrite", "x": "save"}
SWITCHES = {
    "i": "info", "e": "extract", "V": "validate", "m": "digest", "d": "report",
    "D": "report_original", "u": "text",
}  # fmt: skip
LONG_OPTIONS = {
    "--lenient": "lenient", "--json": "json", "--unicode-names": "unicode_names",
}  # fmt: skip
REWRITE_MODES = {
    "": "standardize", "7": "sevenbit", "8": "eightbit", "U": "eightbit_always",
}  # fmt: skip


_WINDOW = 65_536  # octets looked at per step


class UsageError(CommandError):
    """A command line that cannot be understood."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}\nTry 'reformime --help'.")


class Request:
    """One command line, understood.

    Attributes:
        flags: names of the switches that were given.
        sections: of `-s`; empty for all.
        charset: of `-c`, or None.
        rewrite: a mode of `couriermail.rfc822.autoconvert`, or None.
        prefix: of `-x`; empty to ask a person.
        command: of `-X`, or None.
        texts: the last text of each text option, by the option's name.
        files: the words behind the options.
    """

    __slots__ = (
        "charset", "command", "files", "flags", "prefix", "rewrite", "sections", "texts",
    )  # fmt: skip

    def __init__(self) -> None:
        self.flags: set[str] = set()
        self.sections: list[str] = []
        self.charset: str | None = None
        self.rewrite: str | None = None
        self.prefix: str | None = None
        self.command: list[str] | None = None
        self.texts: dict[str, str] = {}
        self.files: list[str] = []

    @property
    def is_extraction(self) -> bool:
        """Whether decoded bodies are asked for."""
        return "extract" in self.flags or self.prefix is not None or self.command is not None


def read_command_line(argv: Sequence[str]) -> Request:
    """Read the words after the command's name; options end at the first other word.

    Raises:
        UsageError: `-`, `--`, an unknown option, or `-X` without a command.
    """
    request = Request()
    rest = list(argv)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word in LONG_OPTIONS:
            request.flags.add(LONG_OPTIONS[word])
            continue
        letter, glued = word[1:2], word[2:]
        if letter == "X":
            request.command = ([glued] if glued else []) + rest
            if not request.command:
                raise UsageError("Invalid -X option.")
            return request
        _read_option(request, word, glued, rest)
    request.files = rest
    return request


def _read_option(request: Request, word: str, glued: str, rest: list[str]) -> None:
    letter = word[1:2]
    if letter in SWITCHES:
        request.flags.add(SWITCHES[letter])
    elif letter == "r":
        if glued not in REWRITE_MODES:
            raise UsageError(f"unknown option {word}")
        request.rewrite = REWRITE_MODES[glued]
    elif letter == "x":
        request.prefix = glued
    elif letter in OPTIONS_WITH_VALUE or letter in TEXT_OPTIONS:
        value = glued or (rest.pop(0) if rest else "")
        if letter == "s":
            request.sections = [number for number in value.split(",") if number]
        elif letter == "c":
            request.charset = value
        else:
            request.texts[TEXT_OPTIONS[letter]] = value
    else:
        raise UsageError(f"unknown option {word}")


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if "--help" in sys.argv[1:2]:
        from couriermail.cli.reformime_app import app

        app(["--help"], prog_name="reformime")
    run_filter("reformime", _run)


def _run() -> int:
    request = read_command_line(sys.argv[1:])
    if request.charset is not None:
        _check_charset(request.charset)
    if "digest" in request.flags:
        from couriermail.cli.reformime_digest import make_digest

        return make_digest(request.files)
    if request.texts:
        from couriermail.cli.reformime_text import convert_text

        return convert_text(request)
    message = open_message(request)
    if "info" in request.flags or request.is_extraction:
        return _show_parts(request, message)
    return _run_message_mode(request, message)


def _show_parts(request: Request, message: Message) -> int:
    from couriermail.rfc822.line_counts import LineCounts

    parts = _chosen_parts(request, message)
    if "info" in request.flags:
        charset = request.charset or default_charset()
        lines = LineCounts(message.data, message.root.entity)
        blocks = ["\n".join(_describe(part, number, charset, lines)) for number, part in parts]
        # Courier: the last block of chosen sections has no empty line behind it; here all have.
        text = "".join(f"{block}\n\n" for block in blocks)
        write_out(text.encode() if text.isascii() else _encode(text, charset))
    if not request.is_extraction:
        return 0
    from couriermail.cli.reformime_extract import extract_parts

    return extract_parts(request, parts)


def _run_message_mode(request: Request, message: Message) -> int:
    flags = request.flags
    if request.rewrite is None and not flags - {"lenient", "unicode_names"}:
        write_out("".join(f"{number}\n" for number, _ in _numbered(message)).encode())
        return 0
    from couriermail.cli import reformime_message as modes

    if request.rewrite is not None:
        return modes.rewrite(message, request.rewrite, request.charset)
    if flags & {"report", "report_original"}:
        return modes.show_report(message, prefers_original="report_original" in flags)
    if "validate" in flags:
        return modes.validate(message)
    if "json" in flags:
        return modes.dump_structure(message)
    return modes.show_text(message)


def open_message(request: Request) -> Message:
    """The message on standard input.

    Raises:
        CommandError: it cannot be read, or has fatal defects and `--lenient` was not given.
    """
    from couriermail.rfc822.message import Message

    message = Message(map_input())
    if "lenient" not in request.flags and "validate" not in request.flags:
        _refuse_fatal(message)
    return message


def _refuse_fatal(message: Message) -> None:
    if not any(entity.defects for entity in message.root.entity.walk()):
        return
    from couriermail.cli.reformime_message import fatal_descriptions

    found = fatal_descriptions(message)
    if found:
        lines = ["Input message:", *(f"    {description}" for description in found)]
        raise CommandError("\n".join(lines), on_stdout=True)


def _check_charset(charset: str) -> None:
    from couriermail.rfc822.charset import find_codec

    if find_codec(charset) is None:
        raise CommandError(f"Unknown charset: {charset}", is_bare=True)


def _numbered(message: Message) -> Iterator[tuple[str, Part]]:
    """All parts with their numbers, in the order of the document."""
    pending = [("1", message.root)]
    while pending:
        number, part = pending.pop()
        yield number, part
        children = enumerate(part.children, 1)
        pending += reversed([(f"{number}.{place}", child) for place, child in children])


def _chosen_parts(request: Request, message: Message) -> list[tuple[str, Part]]:
    if not request.sections:
        return list(_numbered(message))
    parts = []
    for number in request.sections:
        part = message.find(number)
        if part is None:
            raise CommandError(f"MIME section {number} not found.")
        parts.append((number, part))
    return parts


def _describe(part: Part, number: str, charset: str, lines: LineCounts) -> Iterator[str]:
    """The lines of `-i` for one section (spec rfc822 2.2.3)."""
    content_type = part.content_type
    yield f"section: {number}"
    yield f"content-type: {content_type}"
    yield from _named("content-name", content_type.get("name"))
    yield f"content-transfer-encoding: {_encoding(part)}"
    yield f"charset: {content_type.charset or charset}"
    if part.entity.is_mime:
        yield from _describe_fields(part)
    start, end = part.span
    yield f"starting-pos: {start}"
    yield f"starting-pos-body: {part.body_span[0]}"
    yield f"ending-pos: {end}"
    yield f"line-count: {lines.count(start, end)}"
    yield f"body-line-count: {lines.count(*part.body_span)}"


def _describe_fields(part: Part) -> Iterator[str]:
    disposition = part.disposition
    if disposition is not None:
        yield f"content-disposition: {disposition.value}"
        yield from _named("content-disposition-name", disposition.get("name"))
        yield from _named("content-disposition-filename", disposition.get("filename"))
    content_id = part.content_id
    if content_id:
        yield f"content-id: <{content_id}>"
    yield from _named("content-description", part.headers.get("content-description"))


def _encode(text: str, charset: str) -> bytes:
    from couriermail.cli.reformime_text import encode_text

    return encode_text(text, charset)


def _named(name: str, value: str | None) -> Iterator[str]:
    if value:
        yield f"{name}: {_one_line(value)}"


def _one_line(value: str) -> str:
    """Decoded text may hold anything; a line of the block must stay one."""
    return "".join(char if char >= " " and char != "\x7f" else " " for char in value)


def _encoding(part: Part) -> str:
    entity = part.entity
    if part.is_multipart:
        return "8bit"  # spec rfc822 4.11.14
    if entity.children and entity.encoding == "7bit":
        return "7bit" if _is_ascii(part) else "8bit"
    return "error" if entity.encoding == "unknown" else entity.encoding


def _is_ascii(part: Part) -> bool:
    start, end = part.body_span
    data = part.message.data
    return all(
        data[position : min(position + _WINDOW, end)].isascii()
        for position in range(start, end, _WINDOW)
    )


if __name__ == "__main__":
    main()
