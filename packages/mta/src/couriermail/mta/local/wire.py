"""The records on an agent's socket, without any socket.

A record is eight octets, the lengths of its head and of its body (big-endian), then the head
(a JSON object in ASCII) and the body (raw).  The conversation:

    scheduler                                   agent
    {"hello": 1, "uid": u, "gid": g}        ->
                                            <-  {"ready": 1}  or  {"refused": "text"}
    {"batch": n}, n job records             ->
                                            <-  n result records, each as soon as it is known

A connection that asks for a home has one question and one answer, and ends:

    {"hello": 1, "home_of": "account"}      ->
                                            <-  {"ready": 1}  or  {"refused": "text"}

A job's body follows its head, or it is a descriptor that travels beside the record's first
octet (SCM_RIGHTS); then the head says `"descriptor": true` and the body is empty.  Text that
is no UTF-8 (names in a file system) survives as JSON escapes of lone surrogates.

`RecordReader` gives the same records however the octets were split, holds at most one
record, and refuses lengths above its limits before it buffers anything.
"""

from __future__ import annotations

import json
import struct

import attrs

from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.local.values import LocalJob, LocalResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from couriermail.mta.local.values import ResultKind

__all__ = [
    "MAX_BATCH",
    "MAX_BATCH_BYTES",
    "MAX_BODY_BYTES",
    "MAX_HEAD_BYTES",
    "PROTOCOL",
    "Record",
    "RecordReader",
    "encode_job",
    "encode_record",
    "encode_result",
    "job_from_record",
    "needs_descriptor",
    "result_from_record",
]

PROTOCOL = 1
MAX_BATCH = 1000  # jobs: bounds what an agent holds in memory and how long a batch takes
MAX_BATCH_BYTES = 64 * 1024 * 1024  # of bodies in records; bounds memory as well
MAX_HEAD_BYTES = 16 * 1024 * 1024  # an instruction file (1 MiB) of forwards, all of it escaped
MAX_BODY_BYTES = 16 * 1024 * 1024  # larger bodies travel as descriptors
_LENGTHS = struct.Struct("!II")
_KINDS: Mapping[str, ResultKind] = {
    "success": "success",
    "failure": "failure",
    "deferral": "deferral",
}


@attrs.frozen
class Record:
    """One record: its head, decoded, and its raw body."""

    head: Mapping[str, object]
    body: bytes = b""

    def text(self, name: str, default: str | None = None) -> str:
        """A field that must be text; `default` stands for a missing one."""
        value = self.head.get(name, default)
        if not isinstance(value, str):
            raise AgentProtocolError(f"field {name!r} is not text")
        return value

    def number(self, name: str) -> int:
        """A field that must be a whole number."""
        value = self.head.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise AgentProtocolError(f"field {name!r} is not a number")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A field that must be a list of texts; missing means empty."""
        value = self.head.get(name, [])
        if not isinstance(value, list):
            raise AgentProtocolError(f"field {name!r} is not a list")
        if not all(isinstance(item, str) for item in value):
            raise AgentProtocolError(f"field {name!r} holds something other than text")
        return tuple(value)

    def mapping(self, name: str) -> dict[str, str]:
        """A field that must map texts to texts; missing means empty."""
        value = self.head.get(name, {})
        if not isinstance(value, dict):
            raise AgentProtocolError(f"field {name!r} is not an object")
        if not all(isinstance(item, str) for item in value.values()):
            raise AgentProtocolError(f"field {name!r} holds something other than text")
        return dict(value)


@attrs.define
class RecordReader:
    """Octets in, records out.

    Work is linear in the input; memory is one record and one read.
    """

    max_head: int = MAX_HEAD_BYTES
    max_body: int = MAX_BODY_BYTES
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)

    @property
    def is_empty(self) -> bool:
        """True between records: nothing is left of an unfinished one."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Record]:
        """Take octets and give the records they complete.

        Raises:
            AgentProtocolError: the octets are no records; the stream is of no further use.
        """
        buffer = self._buffer
        buffer += data
        records = []
        start = 0
        while (end := self._record_end(start)) is not None:
            records.append(self._record(start, end))
            start = end
        del buffer[:start]
        return records

    def _record_end(self, start: int) -> int | None:
        if len(self._buffer) - start < _LENGTHS.size:
            return None
        head, body = _LENGTHS.unpack_from(self._buffer, start)
        if head > self.max_head or body > self.max_body:
            raise AgentProtocolError("a record is too long")
        end: int = start + _LENGTHS.size + head + body
        return end if len(self._buffer) >= end else None

    def _record(self, start: int, end: int) -> Record:
        head_length, _ = _LENGTHS.unpack_from(self._buffer, start)
        first = start + _LENGTHS.size
        last = first + head_length
        with memoryview(self._buffer) as view:
            return Record(_decode_head(bytes(view[first:last])), bytes(view[last:end]))


def encode_record(head: Mapping[str, object], body: bytes = b"") -> bytes:
    """One record as octets."""
    encoded = json.dumps(head, separators=(",", ":")).encode("ascii")
    return b"".join((_LENGTHS.pack(len(encoded), len(body)), encoded, body))


def encode_job(job: LocalJob) -> bytes:
    """A job's record; a body that is a descriptor must travel beside its first octet."""
    head: dict[str, object] = {
        "key": job.key,
        "recipient": job.recipient,
        "sender": job.sender,
        "user": job.user,
        "home": job.home,
        "maildir": job.maildir,
        "quota": job.quota,
        "extension": job.extension,
        "default": job.default_instructions,
        "size": job.size,
    }
    if job.original is not None:
        head["original"] = job.original
    if not job.reads_dot_file:
        head["undotted"] = True
    if job.ledger:
        head["ledger"] = job.ledger
    if job.environment:
        head["environment"] = dict(job.environment)
    if isinstance(job.body, bytes):
        return encode_record(head, job.body)
    head["descriptor"] = True
    return encode_record(head)


def needs_descriptor(record: Record) -> bool:
    """True when a job's body is a descriptor that travelled beside the record."""
    return record.head.get("descriptor") is True


def job_from_record(record: Record, descriptor: int | None = None) -> LocalJob:
    """The job that a record describes.

    Raises:
        AgentProtocolError: the record is no job.
    """
    original = record.text("original") if "original" in record.head else None
    return LocalJob(
        key=record.number("key"),
        recipient=record.text("recipient"),
        original=original,
        sender=record.text("sender"),
        user=record.text("user"),
        home=record.text("home"),
        maildir=record.text("maildir"),
        quota=record.text("quota"),
        extension=record.text("extension"),
        default_instructions=record.text("default"),
        reads_dot_file=record.head.get("undotted") is not True,
        size=record.number("size"),
        body=record.body if descriptor is None else descriptor,
        ledger=record.text("ledger", ""),
        environment=record.mapping("environment"),
    )


def encode_result(result: LocalResult) -> bytes:
    """A result's record; fields that say nothing are left out."""
    head: dict[str, object] = {"key": result.key, "kind": result.kind, "lines": result.lines}
    if result.forwards:
        head["forwards"] = result.forwards
    if result.untracked:
        head["untracked"] = True
    if result.ledger:
        head["ledger"] = result.ledger
    if result.enhanced:
        head["enhanced"] = result.enhanced
    return encode_record(head)


def result_from_record(record: Record) -> LocalResult:
    """The result that a record describes.

    Raises:
        AgentProtocolError: the record is no result.
    """
    kind = _KINDS.get(record.text("kind"))
    if kind is None:
        raise AgentProtocolError("unknown kind of result")
    return LocalResult(
        key=record.number("key"),
        kind=kind,
        lines=record.texts("lines"),
        forwards=record.texts("forwards"),
        untracked=record.head.get("untracked") is True,
        ledger=record.text("ledger", ""),
        enhanced=record.text("enhanced", ""),
    )


def _decode_head(octets: bytes) -> Mapping[str, object]:
    try:
        head: object = json.loads(octets)
    except (ValueError, RecursionError):
        raise AgentProtocolError("a record's head is not JSON") from None
    if not isinstance(head, dict):
        raise AgentProtocolError("a record's head is not an object")
    return head
