"""`reformime -e -x -X`: decoded bodies to standard output, files and programs (spec rfc822 2.2)."""

from __future__ import annotations

import os
import sys

from couriermail.cli.message_io import CommandError, default_charset, fail_line, write_out
from couriermail.cli.reformime_text import usable_charset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from couriermail.cli.reformime import Request
    from couriermail.rfc822.message import Part

__all__ = ["extract_parts"]

_PROGRAM_FAILED = 20  # added to the exit code of a program


def extract_parts(request: Request, parts: Sequence[tuple[str, Part]]) -> int:
    """Extracts the leaves among the parts, in every way that was asked for.

    Raises:
        CommandError: a part named by `-s` has parts inside it, or extracting one failed.
    """
    extractor = _Extractor(request)
    for number, part in parts:
        if part.entity.children or part.is_multipart:
            if request.sections:
                raise CommandError(
                    f"{part.content_type} ({number}) cannot be extracted.", is_bare=True
                )
            continue
        extractor.extract(part)
    return 0


class _Extractor:
    """Knows the options and counts the files that have no name."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._charset = usable_charset(request.charset or default_charset())
        self._nameless = 0

    def extract(self, part: Part) -> None:
        request = self._request
        if "extract" in request.flags:
            for piece in _decoded(part):
                write_out(piece)
        if request.prefix:
            self._save(part, request.prefix)
        elif request.prefix is not None:
            self._ask_and_save(part)
        if request.command is not None:
            self._run(part, request.command)

    def _file_name(self, part: Part) -> str:
        from couriermail.rfc822.extraction import safe_file_name, sender_file_name

        keep_unicode = "unicode_names" in self._request.flags
        return safe_file_name(
            sender_file_name(part),
            fallback=self._fallback(),
            charset=self._charset,
            keep_unicode=keep_unicode,
        )

    def _fallback(self) -> str:
        import time

        self._nameless += 1
        host = os.uname().nodename
        return f"{int(time.time())}.{os.getpid()}-{self._nameless}.{host}"

    def _save(self, part: Part, prefix: str) -> None:
        """Creates a file that did not exist; a number is put in front of names that do."""
        name = self._file_name(part)
        path, counter = prefix + name, 0
        while not _create(path, part):
            write_out(os.fsencode(f"{path} exists.\n"))
            counter += 1
            path = f"{prefix}{counter:x}-{name}"

    def _ask_and_save(self, part: Part) -> None:
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise fail_line("/dev/tty", error) from error
        try:
            if _ask(terminal, f"Extract {part.content_type}? ")[:1] not in ("y", "Y"):
                return
            default = self._file_name(part)
            while True:
                name = _ask(terminal, f"Filename [{default}]: ") or default
                if _create(name, part):
                    return
        finally:
            os.close(terminal)

    def _run(self, part: Part, command: list[str]) -> None:
        from couriermail.cli.programs import Program

        environment = {
            **os.environ,
            "CONTENT_TYPE": str(part.content_type),
            "FILENAME": self._file_name(part),
        }
        program = Program(command, _without_nul(environment))
        for piece in _decoded(part):
            program.write(piece)
        status = program.finish()
        if status:
            raise CommandError(
                f"{command[0]} exited with status {status}.", (_PROGRAM_FAILED + status) & 0xFF
            )


def _decoded(part: Part) -> Iterator[bytes]:
    from couriermail.rfc822.body import iter_decoded

    return iter_decoded(part.message.data, part.entity)


def _without_nul(environment: dict[str, str]) -> dict[str, str]:
    return {name: value.replace("\0", "") for name, value in environment.items()}


def _create(path: str, part: Part) -> bool:
    """Writes a part to a new file; False when there is one of that name."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            raise fail_line(path, error) from error
        raise CommandError(f"{path!r}: {error}") from error
    try:
        for piece in _decoded(part):
            write_out(piece, descriptor)
    finally:
        os.close(descriptor)
    return True


def _ask(terminal: int, question: str) -> str:
    """One line from the terminal; at its end the command ends too."""
    write_out(question.encode(sys.getfilesystemencoding(), "replace"), terminal)
    answer = b""
    while not answer.endswith(b"\n"):
        piece = os.read(terminal, 1024)
        if not piece:
            raise CommandError("no answer")
        answer += piece
    return os.fsdecode(answer).strip()
