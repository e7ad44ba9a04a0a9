"""The answer of `mailbot`: its text, and the message that is made of it (spec rfc822 4.22)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from couriermail.cli.version import VERSION
from couriermail.filter.autoreply import mailbox_key
from couriermail.filter.autoreply_answer import ANSWER_FORMATS, AnswerText, Autoreply
from couriermail.rfc822.dates import local_offset
from couriermail.rfc822.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    from couriermail.cli.mailbot import Request
    from couriermail.filter.autoreply import AutoreplyDecision
    from couriermail.filter.autoreply_answer import AnswerFormat
    from couriermail.maildir.entries import Entry

__all__ = ["compose_answer", "read_newest_draft"]

_FORMATS: dict[str, AnswerFormat] = {name: name for name in ANSWER_FORMATS}


def compose_answer(
    request: Request, text: bytes, data: bytes | mmap, decision: AutoreplyDecision
) -> Iterator[bytes]:
    """The answer with LF line ends, in pieces.

    Args:
        request: the command line.
        text: what is said, as it was read.
        data: the message that is answered.
        decision: who is answered.

    Raises:
        EncodingError: an option holds text that no header can have.
    """
    values, now = request.values, time.time()
    defaults = Autoreply()
    answer = Autoreply(
        format=_FORMATS[request.format],
        text=AnswerText.from_mime(text) if "mime_file" in values else AnswerText(text),
        fields=tuple(request.fields),
        charset=values.get("charset", defaults.charset),
        subject=values.get("subject"),
        salutation=values.get("salutation", defaults.salutation),
        separator=values.get("separator", defaults.separator),
        quote="no_quote" not in request.flags,
        full_message="full_message" in request.flags,
        dsn_recipient=values.get("dsn_recipient", ""),
        feedback_type=values.get("feedback_type", defaults.feedback_type),
        # Spec filter 2.2: without -R they are not used.
        feedback_fields=tuple(request.feedback) if "feedback_type" in values else (),
        own_addresses=frozenset(map(mailbox_key, request.own_addresses)),
        host=os.uname().nodename,
        user_agent=f"couriermail-mailbot/{VERSION}",
        now=now,
        utc_offset=local_offset(now),
    )
    return answer.compose(Message(data), decision.recipients).chunks()


def read_newest_draft(maildir: str) -> bytes | None:
    """The newest message of a maildir that is not marked as deleted; None when there is none.

    Raises:
        MaildirError: the maildir is there and cannot be read.
    """
    from couriermail.maildir.entries import iter_entries
    from couriermail.maildir.errors import MaildirMissingError

    try:
        found = [(_age(entry), entry) for entry in iter_entries(maildir) if "T" not in entry.flags]
        if not found:
            return None
        newest = min(found, key=lambda pair: (pair[0], pair[1].path))[1]
        with newest.open() as file:
            return file.read()
    except MaildirMissingError:  # also a message that is gone in this moment
        return None


def _age(entry: Entry) -> float:
    """Sorts the newest first; a message that is gone comes last."""
    try:
        return -os.stat(entry.path).st_mtime_ns
    except OSError:
        return 0.0
