"""`makemime`: build MIME sections from files, and put them together.

The command line is a small language: each input may be a group `( ... )` of the same language.
It is read here by a table; `--help` loads the typer app, and a test keeps the two in step.
Exit codes: 0 and 1.  Spec rfc822 2.3.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.message_io import (
    CommandError,
    default_charset,
    fail_line,
    map_input,
    run_filter,
    spool,
    write_out,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from mmap import mmap

    from couriermail.rfc822.sections import SectionWriter

__all__ = ["MODES", "OPTIONS_WITH_VALUE", "Group", "main", "read_arguments"]

# The first word of the command line and of each group, and the type it makes by default.
MODES = {"c": "application/octet-stream", "m": "multipart/mixed", "j": ""}
OPTIONS_WITH_VALUE = {
    "o": "output", "e": "encoding", "C": "charset", "N": "name", "a": "field",
}  # fmt: skip
LONG_OPTIONS = {"--boundary": "boundary"}

_DEEPEST = 100  # groups inside groups


class UsageError(CommandError):
    """A command line that cannot be understood."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}\nTry 'makemime --help'.")


class Group:
    """One use of the language, understood.

    Attributes:
        mode: a letter of `MODES`.
        content_type: given or default.
        values: value options by name, without `field`.
        fields: values of `-a`, in order.
        inputs: a file each, or a group; `-j` has two.
    """

    __slots__ = ("content_type", "fields", "inputs", "mode", "values")

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.content_type = MODES[mode]
        self.values: dict[str, str] = {}
        self.fields: list[bytes] = []
        self.inputs: list[str | Group] = []


def read_arguments(words: Sequence[str]) -> Group:
    """Reads a whole command line.

    Raises:
        UsageError: it has no meaning.
    """
    reader = _Reader(list(words))
    group = reader.read_group(depth=0)
    if reader.words:
        raise UsageError(f"unexpected {reader.words[-1]!r}")
    return group


class _Reader:
    """The words not yet read, the next one last."""

    def __init__(self, words: list[str]) -> None:
        self.words = words[::-1]

    def read_group(self, depth: int) -> Group:
        if depth > _DEEPEST:
            raise UsageError("groups are nested too deeply")
        word = self._next("-c, -m or -j")
        if word[:1] != "-" or word[1:2] not in MODES or word[1:2] == "":
            raise UsageError(f"-c, -m or -j must come first, not {word!r}")
        group = Group(word[1])
        glued = word[2:].lstrip()
        if group.mode == "j":
            group.inputs.append(glued or self._read_input(depth))
        elif glued or (self.words and not self._starts_with("-", "(", ")")):
            group.content_type = glued or self._next("a type").lstrip()
        while self._is_option():
            self._read_option(group, depth)
        group.inputs.append(self._read_input(depth))
        return group

    def _read_option(self, group: Group, depth: int) -> None:
        word = self.words.pop()
        if word in LONG_OPTIONS:
            group.values[LONG_OPTIONS[word]] = self._next(f"a value of {word}")
            return
        name = OPTIONS_WITH_VALUE.get(word[1])
        if name is None:
            raise UsageError(f"unknown option {word}")
        value = (word[2:] or self._next(f"a value of {word}")).lstrip(" \t")
        if name == "field":
            group.fields.append(os.fsencode(value))
            return
        if name == "output" and depth:
            raise UsageError("-o is not allowed inside a group")
        group.values[name] = _encoding(value) if name == "encoding" else value

    def _read_input(self, depth: int) -> str | Group:
        word = self._next("a file")
        if word == ")":
            raise UsageError("a group has no input")
        if word != "(":
            return word
        group = self.read_group(depth + 1)
        if self._next("a closing )") != ")":
            raise UsageError("a group is not closed")
        return group

    def _is_option(self) -> bool:
        return self._starts_with("-") and self.words[-1] != "-"

    def _starts_with(self, *prefixes: str) -> bool:
        return bool(self.words) and self.words[-1].startswith(prefixes)

    def _next(self, wanted: str) -> str:
        if not self.words:
            raise UsageError(f"missing {wanted}")
        return self.words.pop()


def _encoding(value: str) -> str:
    from couriermail.rfc822.sections import ENCODINGS

    if value.lower() not in ENCODINGS:
        raise UsageError(f"unknown encoding {value!r}")
    return value.lower()


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if "--help" in sys.argv[1:]:
        from couriermail.cli.makemime_app import app

        app(["--help"], prog_name="makemime")
    run_filter("makemime", _run)


def _run() -> int:
    from couriermail.rfc822.errors import Rfc822Error

    words, inputs = sys.argv[1:], Inputs()
    if len(words) == 1 and words[0].startswith("@"):
        words = inputs.read_argument_file(words[0][1:])
    group = read_arguments(words)
    output = _open_output(group.values.get("output", "-"))
    try:
        for piece in _pieces(group, inputs):
            write_out(piece, output)
    except Rfc822Error as error:
        raise CommandError(str(error)) from error
    return 0


def _pieces(group: Group, inputs: Inputs) -> Iterator[bytes]:
    writer = _writer(group)
    sources = [
        inputs.open(source) if isinstance(source, str) else spool(_pieces(source, inputs))
        for source in group.inputs
    ]
    if group.mode == "c":
        return writer.leaf(sources[0], group.content_type)
    if group.mode == "m":
        return writer.multipart(sources[0], group.content_type)
    return writer.append(sources[0], sources[1])


def _writer(group: Group) -> SectionWriter:
    from couriermail.rfc822.sections import SectionWriter

    values = group.values
    return SectionWriter(
        fields=group.fields,
        encoding=values.get("encoding", ""),
        charset=values.get("charset", ""),
        name=values.get("name", ""),
        name_charset=values.get("charset") or default_charset(),
        boundary=values.get("boundary", ""),
        stable="SOURCE_DATE_EPOCH" in os.environ,
    )


class Inputs:
    """Files and descriptors that sections are made of."""

    def __init__(self) -> None:
        self._rests: dict[int, bytes | mmap] = {}

    def open(self, name: str) -> bytes | mmap:
        """The contents of a file, of standard input (`-`) or of a descriptor (`&n`).

        Raises:
            CommandError: it cannot be read.
        """
        descriptor = _descriptor(name, 0)
        if descriptor is None:
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise fail_line(name, error) from error
        rest = self._rests.pop(descriptor, None)
        return map_input(descriptor) if rest is None else rest

    def read_argument_file(self, name: str) -> list[str]:
        """One argument per line; a line `-` ends them, and the rest is an input.

        Blanks around an argument are dropped; empty lines and lines that start with `#` too.
        """
        descriptor = _descriptor(name, 0)
        if descriptor is None:
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise fail_line(name, error) from error
        data = map_input(descriptor)
        words: list[str] = []
        position, length = 0, len(data)
        while position < length:
            end = data.find(b"\n", position) + 1 or length
            line = data[position:end].strip()
            position = end
            if line == b"-":
                break
            if line and not line.startswith(b"#"):
                words.append(os.fsdecode(line))
        self._rests[descriptor] = data[position:]
        return words


def _descriptor(name: str, standard: int) -> int | None:
    """The descriptor that `-` or `&n` names."""
    if name == "-":
        return standard
    digits = name[1:]
    if name.startswith("&") and digits.isascii() and digits.isdigit():
        return int(digits[:9])
    return None


def _open_output(name: str) -> int:
    descriptor = _descriptor(name, 1)
    if descriptor is not None:
        return descriptor
    try:
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise fail_line(name, error) from error


if __name__ == "__main__":
    main()
