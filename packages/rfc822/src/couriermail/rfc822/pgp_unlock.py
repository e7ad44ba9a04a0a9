"""Checking and decrypting MIME/PGP: each such part is replaced by what came of it.

The replacement is a `multipart/x-mimegpg` with the status, what the OpenPGP program said, and
the content.  Since readers believe such parts, none may come in from outside: what calls itself
so is renamed, also inside decrypted content, and no content may end the part it stands in.
Source: RFC 3156, spec rfc822 4.27.3.
"""

from __future__ import annotations

from couriermail.rfc822.boundary import pick_boundary
from couriermail.rfc822.errors import PgpProgramError
from couriermail.rfc822.headers import split_fields
from couriermail.rfc822.message import Message
from couriermail.rfc822.pgp import PgpOutcome
from couriermail.rfc822.pgp_parts import (
    RESULT,
    RESULT_REPORT,
    SplitHeader,
    breaks_out,
    canonical_pieces,
    container_pieces,
    has_result_type,
    is_multipart_encrypted,
    is_multipart_signed,
    line_end_of,
    signed_span,
    splice,
    with_line_end,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.headers import Field
    from couriermail.rfc822.limits import Limits
    from couriermail.rfc822.pgp_engine import PgpEngine

    Replacement = tuple[int, int, bytes]

__all__ = ["unlock_message"]

_MOST_RUNS = 100  # of the OpenPGP program for one message: each costs a process
_DEEPEST = 5  # signed or encrypted parts inside each other
_REFUSED = 2
_CONTROLS = {octet: " " for octet in (*range(32), 127) if octet != ord("\n")}


def unlock_message(
    message: Message, engine: PgpEngine, *, verify: bool = True, decrypt: bool = True
) -> Iterator[bytes]:
    """Checks and decrypts what is signed and encrypted in a message.

    Bad signatures and failed decryption are no errors: the status in the message says so (see
    `decoded_status`).  Everything else stays octet for octet, but for parts that already call
    themselves multipart/x-mimegpg, which become multipart/mixed.  Containers that are not
    well-formed stay as they are, and so do those behind a hundred others or inside five.

    Args:
        message: what to look at.
        engine: checks and decrypts.
        verify: look at multipart/signed.
        decrypt: look at multipart/encrypted.

    Returns:
        The message, in pieces.
    """
    unlocking = _Unlocking(engine, message.limits, verify=verify, decrypt=decrypt)
    return unlocking.pieces(message.data, line_end_of(message.data))


class _Unlocking:
    """One message on its way; counts the runs of the program."""

    def __init__(self, engine: PgpEngine, limits: Limits, *, verify: bool, decrypt: bool) -> None:
        self._engine = engine
        self._limits = limits
        self._verify = verify
        self._decrypt = decrypt
        self._runs = 0
        self._depth = 0

    def pieces(self, data: bytes | mmap, line_end: bytes) -> Iterator[bytes]:
        root = Message(data, limits=self._limits, strict_mime=False).root.entity
        return splice(data, list(self._replacements(data, root, line_end)), line_end)

    def _replacements(
        self, data: bytes | mmap, root: Entity, line_end: bytes
    ) -> Iterator[Replacement]:
        pending = [root]
        while pending:
            entity = pending.pop()
            may_run = self._runs < _MOST_RUNS and self._depth < _DEEPEST
            if may_run and self._verify and is_multipart_signed(entity):
                yield entity.start, entity.end, self._verified(data, entity, line_end)
                continue
            if may_run and self._decrypt and is_multipart_encrypted(entity):
                yield entity.start, entity.end, self._decrypted(data, entity, line_end)
                continue
            yield from _renamed(data, entity)
            pending.extend(reversed(entity.children))

    def _verified(self, data: bytes | mmap, entity: Entity, line_end: bytes) -> bytes:
        start, end = signed_span(data, entity.children[0])
        signature = _decoded(data, entity.children[1])
        self._runs += 1
        try:
            outcome = self._engine.verify(canonical_pieces(data, start, end), signature)
        except PgpProgramError as error:
            outcome = PgpOutcome(status=_REFUSED, report=str(error))
        return self._result(data, entity, outcome, data[start:end], line_end)

    def _decrypted(self, data: bytes | mmap, entity: Entity, line_end: bytes) -> bytes:
        self._runs += 1
        try:
            outcome = self._engine.decrypt(_decoded(data, entity.children[1]))
        except PgpProgramError as error:
            outcome = PgpOutcome(status=_REFUSED, report=str(error))
        return self._result(
            data, entity, outcome, with_line_end(outcome.output, line_end), line_end
        )

    def _result(
        self,
        data: bytes | mmap,
        entity: Entity,
        outcome: PgpOutcome,
        content: bytes,
        line_end: bytes,
    ) -> bytes:
        """What stands in the place of a container."""
        self._depth += 1
        content = b"".join(self.pieces(content, line_end))
        self._depth -= 1
        status, report = outcome.status, outcome.report
        if breaks_out(content, entity):
            content, status = b"", status or _REFUSED
            report += "\nThe content was left out: it has a line that ends a part around it.\n"
        text = _report_part(report, line_end)
        return b"".join(
            container_pieces(
                SplitHeader(data, entity, line_end).outer,
                RESULT,
                [f"xpgpstatus={status}"],
                [[text], [content or line_end]],
                boundary=pick_boundary([content, text]),
                line_end=line_end,
            )
        )


def _report_part(report: str, line_end: bytes) -> bytes:
    """The part with the words of the program, in which no line is a delimiter."""
    lines = report.translate(_CONTROLS).split("\n")
    shown = "\n".join(f" {line}" if line.startswith("--") else line for line in lines)
    encoding = "7bit" if shown.isascii() else "8bit"
    header = (
        f"Content-Type: {RESULT_REPORT}; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n"
    )
    return with_line_end((header + shown).encode("utf-8", "replace"), line_end)


def _renamed(data: bytes | mmap, entity: Entity) -> Iterator[Replacement]:
    """The header of a part that says it is the result of checking, when it cannot be.

    All fields are looked at, not only the one that counts: other readers may count otherwise.
    """
    block = data[entity.start : entity.body]
    if b"mimegpg" not in block.lower():
        return
    fields = split_fields(block)
    if any(map(has_result_type, fields)):
        separator = block[sum(len(field.raw) for field in fields) :]
        header = b"".join(
            _as_mixed(field) if has_result_type(field) else field.raw for field in fields
        )
        yield entity.start, entity.body, header + separator


def _as_mixed(field: Field) -> bytes:
    name, _, value = field.raw.partition(b":")
    _, semicolon, parameters = value.partition(b";")
    if semicolon:
        return name + b": multipart/mixed;" + parameters
    return name + b": multipart/mixed" + value[len(value.rstrip(b"\r\n")) :]


def _decoded(data: bytes | mmap, entity: Entity) -> bytes:
    from couriermail.rfc822.body import iter_decoded  # most messages have nothing to unlock

    return b"".join(iter_decoded(data, entity))
