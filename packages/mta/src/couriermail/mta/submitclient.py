"""How a program that runs once per message hands mail over: the socket, else a drop file.

The daemon's submission socket answers after its group commit.  When nobody listens there,
one complete file is written to `drop/tmp`, synced, renamed into `drop/new`, and the directory
is synced: then the message is safe too, and the daemon imports it when it starts
(spec mta.md 8.5).  Either way the queue itself is opened by the daemon only.

Only the C socket module is imported, and the drop file's module only when it is needed: this is on
`sendmail`'s path.
"""

from __future__ import annotations

import _socket  # the C half of `socket`: the Python half costs as much as a bare interpreter

from couriermail.core.errors import CouriermailError
from couriermail.mta.submitwire import (
    CHUNK_END,
    encode_chunk,
    encode_head,
    parse_answer,
    parse_items,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "Answer",
    "ServiceUnavailableError",
    "ask",
    "submit",
    "submit_if_listening",
    "submit_to_socket",
    "verify",
]


class ServiceUnavailableError(CouriermailError):
    """Neither the daemon nor the drop directory took the message.  Temporary."""

    is_temporary = True
    reply_code = 432
    enhanced_code = "4.3.0"
    reply_text = "Service temporarily unavailable."
    exit_code = 75  # EX_TEMPFAIL


class Answer:
    """What became of a submission.

    Attributes:
        refused: (address, reply) of each recipient that was not accepted.
        reply: the final reply, `CODE TEXT`; its lines are separated by LF.
    """

    __slots__ = ("refused", "reply")

    def __init__(self, refused: list[tuple[str, str]], reply: str) -> None:
        self.refused = refused
        self.reply = reply

    @property
    def code(self) -> int:
        """The final reply's three digits."""
        return int(self.reply[:3])


def submit(state: str, fields: Sequence[tuple[str, str]], chunks: Iterable[bytes]) -> Answer:
    """Hand one message over, durably.

    Args:
        state: the mail system's state directory.
        fields: the request's head (`from`, `rcpt`, ...; see `couriermail.mta.submitserver`).
        chunks: the message; read only once somebody is there to take it.

    Raises:
        ServiceUnavailableError: nobody took it; the caller still has it.
        StorageError: the drop directory's disk refused.
    """
    answer = submit_if_listening(state, fields, chunks)
    if answer is not None:
        return answer
    from couriermail.mta.submitdrop import submit_to_drop

    return submit_to_drop(f"{state}/drop", fields, chunks)


def submit_if_listening(
    state: str, fields: Sequence[tuple[str, str]], chunks: Iterable[bytes]
) -> Answer | None:
    """Hand one message over, or ask about its recipients; None when no daemon listens.

    Raises:
        ServiceUnavailableError: the daemon went away before its final answer.
    """
    connection = _connect(f"{state}/submit.sock")
    if connection is None:
        return None
    try:
        return submit_to_socket(connection, fields, chunks)
    finally:
        connection.close()


def verify(state: str, fields: Sequence[tuple[str, str]]) -> Answer:
    """Ask the daemon whether it would take mail for the recipients (a head with `verify`).

    Raises:
        ServiceUnavailableError: nobody listens who could tell.
    """
    answer = submit_if_listening(state, fields, ())
    if answer is None:
        raise ServiceUnavailableError("the mail system is not running")
    return answer


def _connect(path: str) -> _socket.socket | None:
    """A connection to the daemon, or None when nobody listens there."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise ServiceUnavailableError(f"{path}: {error.strerror}") from error
    return connection


def submit_to_socket(
    connection: _socket.socket, fields: Sequence[tuple[str, str]], chunks: Iterable[bytes]
) -> Answer:
    """Speak to a listening daemon; returns after its commit.

    Raises:
        ServiceUnavailableError: the daemon went away before its final answer.
    """
    try:
        pending = encode_head(fields)
        for chunk in chunks:
            connection.sendall(pending + encode_chunk(chunk))
            pending = b""
        connection.sendall(pending + CHUNK_END)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it refused early: the answer says why
    except OSError as error:
        raise ServiceUnavailableError(f"submission socket: {error.strerror}") from error
    refused, reply = parse_answer(_read_answer(connection))
    if reply is None:
        raise ServiceUnavailableError("the mail system went away during submission")
    return Answer(refused, reply)


def ask(state: str, fields: Sequence[tuple[str, str]]) -> tuple[list[str], str]:
    """Ask a listening daemon about its queue (`couriermail.mta.queuecontrol`).

    Returns:
        The items of the answer and the final reply, `CODE TEXT`.

    Raises:
        ServiceUnavailableError: nobody listens, or the daemon went away before its answer.
    """
    connection = _connect(f"{state}/submit.sock")
    if connection is None:
        raise ServiceUnavailableError("the mail system is not running")
    try:
        connection.sendall(encode_head(fields) + CHUNK_END)
        items, reply = parse_items(_read_answer(connection))
    except OSError as error:
        raise ServiceUnavailableError(f"submission socket: {error.strerror}") from error
    finally:
        connection.close()
    if reply is None:
        raise ServiceUnavailableError("the mail system went away before its answer")
    return items, reply


def _read_answer(connection: _socket.socket) -> bytes:
    """Everything up to the final reply; waiting for the daemon to close costs a millisecond."""
    answer = bytearray()
    try:
        while piece := connection.recv(65536):
            answer += piece
            if answer.endswith(b"\n") and parse_answer(bytes(answer))[1] is not None:
                break
    except ConnectionResetError:
        pass
    return bytes(answer)
