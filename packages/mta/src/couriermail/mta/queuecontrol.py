"""Looking at the queue and changing it, for whoever asks over the submission socket.

The daemon's half of `couriermail.mta.queuelist`.  A request's head has the field `request`:

| request | further fields | who may | answer |
| --- | --- | --- | --- |
| `list` | | everybody, each their own mail | an item per message, `encode_summary` |
| `cancel` | `id`, `reason` (repeats) | owner | 250, or 550 `Message not found.` |
| `hold` | `id`, `reason` | owner | the same |
| `release` | `id` | owner | the same |
| `flush` | `id`, or none for all | the mail system | 250, or 550 |

Root and the mail system's own user own everything (spec mta.md 16).  Who asks is the kernel's
word (SO_PEERCRED).  Of somebody else's message one learns no more than of none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from couriermail.core import CouriermailError, Reply
from couriermail.queue import MessageNotFoundError, Queue, Recipient, RecipientState, Summary

__all__ = [
    "CANCELLED",
    "NOT_FOUND",
    "ControlAnswer",
    "QueueControl",
    "cancel",
    "decode_summary",
    "encode_summary",
]

log = logging.getLogger("couriermail.mta.queue")

CANCELLED = "Message scheduled for cancellation."
NOT_FOUND = "Message not found."
REASONS_MAX = 64  # lines
REASON_MAX = 1024  # characters of one; the queue keeps no longer lines either


@attrs.frozen
class ControlAnswer:
    """What the caller gets.

    Attributes:
        reply: how it went.
        items: what was asked for.
    """

    reply: Reply
    items: tuple[str, ...] = ()


@attrs.frozen
class QueueControl:
    """Serves requests about one queue; its methods may block, so call them in a thread.

    Attributes:
        queue: the queue.
        trusted: uids that see and change everything.
    """

    queue: Queue
    trusted: frozenset[int]

    def answer(self, uid: int, fields: Iterable[tuple[str, str]]) -> ControlAnswer:
        """Serve one request of the user `uid`; raises nothing."""
        pairs = list(fields)
        single = dict(pairs)
        reasons = [value for name, value in pairs if name == "reason"]
        serve = _REQUESTS.get(single.get("request", ""))
        if serve is None:
            return ControlAnswer(Reply(500, "Unknown request."))
        try:
            return serve(self, uid, single, reasons)
        except MessageNotFoundError:
            return ControlAnswer(Reply(550, NOT_FOUND))
        except CouriermailError as error:
            log.error("cannot serve a request about the queue: %s", error)
            return ControlAnswer(error.reply)

    def _list(self, uid: int, _fields: Mapping[str, str], _reasons: Sequence[str]) -> ControlAnswer:
        found = self.queue.summaries(None if uid in self.trusted else uid)
        return ControlAnswer(Reply(250, "Ok."), tuple(map(encode_summary, found)))

    def _cancel(self, uid: int, fields: Mapping[str, str], reasons: Sequence[str]) -> ControlAnswer:
        cancel(self.queue, self._owned(uid, fields), reasons)
        return ControlAnswer(Reply(250, CANCELLED))

    def _hold(self, uid: int, fields: Mapping[str, str], reasons: Sequence[str]) -> ControlAnswer:
        self.queue.hold(self._owned(uid, fields), " ".join(clean_reasons(reasons)))
        return ControlAnswer(Reply(250, "Ok."))

    def _release(
        self, uid: int, fields: Mapping[str, str], _reasons: Sequence[str]
    ) -> ControlAnswer:
        self.queue.unhold(self._owned(uid, fields))
        return ControlAnswer(Reply(250, "Ok."))

    def _flush(self, uid: int, fields: Mapping[str, str], _reasons: Sequence[str]) -> ControlAnswer:
        if uid not in self.trusted:
            text = "The queue can be flushed only by the superuser."
            return ControlAnswer(Reply(550, text))
        self.queue.flush(fields.get("id"))
        return ControlAnswer(Reply(250, "Ok."))

    def _owned(self, uid: int, fields: Mapping[str, str]) -> str:
        """The id of a message that `uid` may change.

        Raises:
            MessageNotFoundError: there is none, or it is somebody else's.
        """
        summary = self.queue.find(fields.get("id", ""))
        if uid not in self.trusted and summary.uid != uid:
            raise MessageNotFoundError("somebody else's message")
        return summary.id


Serve = Callable[[QueueControl, int, Mapping[str, str], Sequence[str]], ControlAnswer]
_REQUESTS: Mapping[str, Serve] = {
    "list": QueueControl._list,
    "cancel": QueueControl._cancel,
    "hold": QueueControl._hold,
    "release": QueueControl._release,
    "flush": QueueControl._flush,
}


def cancel(queue: Queue, queue_id: str, reasons: Iterable[str] = ()) -> None:
    """Cancel a message and wake the scheduler.

    Raises:
        MessageNotFoundError: there is none, or it is cancelled already (spec mta.md 16).
    """
    if queue.find(queue_id).cancelled is not None:
        raise MessageNotFoundError(f"{queue_id} is cancelled already")
    queue.cancel(queue_id, clean_reasons(reasons))
    queue.notify()


def clean_reasons(reasons: Iterable[str]) -> list[str]:
    """Reasons as single lines of bounded length: they go into reports and the log."""
    lines = (" ".join(reason.split())[:REASON_MAX] for reason in reasons)
    return [line for line in lines if line][:REASONS_MAX]


def encode_summary(summary: Summary) -> str:
    """A summary as one line of JSON."""
    fields = attrs.asdict(summary)
    fields["options"] = dict(summary.options)
    return json.dumps(fields)


def decode_summary(text: str) -> Summary:
    """Read what `encode_summary` wrote.

    Raises:
        ValueError: it wrote no such thing.
    """
    try:
        fields = json.loads(text)
        cancelled = fields.pop("cancelled")
        states = tuple(_state(row) for row in fields.pop("states"))
        return Summary(
            states=states, cancelled=None if cancelled is None else tuple(cancelled), **fields
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"not a summary: {type(error).__name__}") from error


def _state(row: dict[str, object]) -> RecipientState:
    match row:
        case {"recipient": dict(recipient), "lines": list(lines), **rest}:
            return RecipientState(recipient=Recipient(**recipient), lines=tuple(lines), **rest)  # type: ignore[arg-type] # as `encode_summary` wrote them
    raise ValueError("not a recipient's state")
