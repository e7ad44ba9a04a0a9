"""Laws of autoreplies: who never gets one, and what no message can do to one."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.filter import (
    AnswerFormat,
    AnswerText,
    Autoreply,
    AutoreplyHistory,
    AutoreplyRules,
    decide_autoreply,
    mailbox_key,
)
from couriermail.filter.autoreply_answer import ANSWER_FORMATS
from couriermail.rfc822 import Headers, Message

OWN = "me@example.com"
RULES = AutoreplyRules(own_addresses=[OWN])
NOW = 1_800_000_000
DAY = 86_400

MARKS = [
    b"Precedence: bulk", b"precedence:  LIST", b"Auto-Submitted: auto-replied", b"Auto-Submitted: x",
    b"List-Id: <l.example.com>", b"List-Post: <mailto:l@x>", b"List-Unsubscribe: <mailto:l@x>",
    b"Return-Path: <>", b"Content-Type: multipart/report; report-type=delivery-status",
    b"X-Loop: me@example.com", b"Return-Path: <MAILER-DAEMON>", b"Sender: owner-l@x",
    b"Reply-To: Me@Example.COM", b'Reply-To: a@b, "me"@example.com', b"Reply-To: l-request@x",
    b"X-Auto-Response-Suppress: All",
]  # fmt: skip
text = st.text(st.sampled_from('aB@.,:;<>()[]"\\ \t=?_\r\0éü\nmeexample.com'), max_size=40)
names = st.sampled_from(
    ["From", "Reply-To", "To", "Cc", "Subject", "Message-ID", "References", "Return-Path", "Date",
     "Errors-To", "Content-Type", "X-Loop", "Precedence"]
)  # fmt: skip


@st.composite
def fields(draw: st.DrawFn) -> bytes:
    """A field whose value may be anything, folded or not."""
    value = draw(text).replace("\n", draw(st.sampled_from(["\n ", "\n\t", "\r\n "])))
    return f"{draw(names)}: {value}\n".encode()


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A message with odd fields; often with a sender."""
    head = draw(st.lists(fields(), max_size=6))
    head.append(draw(st.sampled_from([b"", b"From: Ann <ann@example.com>\n", b"From: b@c, d@e\n"])))
    return b"".join(draw(st.permutations(head))) + b"\n" + draw(text).encode()


@given(messages(), st.sampled_from(MARKS), st.data())
def test_no_message_with_a_mark_is_answered(
    message: bytes, mark: bytes, data: st.DataObject
) -> None:
    """RFC 3834 2: "automatic responses SHOULD NOT be issued in response to" programs and lists.

    Whatever else a message says, and wherever the mark stands in its header.
    """
    lines = Headers(message).fields
    place = data.draw(st.integers(0, len(lines)))
    raw = [field.raw for field in lines]
    raw.insert(place, mark + b"\n")
    if mark.lower().startswith(b"reply-to"):
        raw = [line for line in raw if not line.lower().startswith(b"reply-to")] + [mark + b"\n"]
    assert decide_autoreply(Headers(b"".join(raw)), RULES).obstacle is not None


@given(messages())
def test_no_answer_comes_back(message: bytes) -> None:
    """Spec filter 4.17.7: no answer when the own address is the sender; RFC 3834 2."""
    decision = decide_autoreply(Message(message).headers, RULES)
    assert mailbox_key(OWN) not in decision.senders
    assert (decision.obstacle is None) is bool(decision.recipients)


@given(messages(), st.sampled_from(ANSWER_FORMATS))
def test_an_answer_is_never_answered(message: bytes, kind: AnswerFormat) -> None:
    """RFC 3834 3.1.7: Auto-Submitted keeps two programs from answering each other for ever."""
    decision = decide_autoreply(Message(message).headers, RULES)
    if decision.obstacle is None:
        answer = Autoreply(format=kind, fields=(("From", "other@example.net"),), dsn_recipient="")
        made = Message(bytes(answer.compose(Message(message), decision.recipients)))
        careless = AutoreplyRules(is_careful=False)
        assert decide_autoreply(made.headers, careless).obstacle is not None


@given(messages(), st.sampled_from(ANSWER_FORMATS), st.sampled_from(["", OWN]))
def test_no_message_adds_a_field_to_its_answer(
    message: bytes, kind: AnswerFormat, dsn: str
) -> None:
    """RFC 5322 2.2: what stands in a field of the original stays in one field of the answer."""
    decision = decide_autoreply(Message(message).headers, RULES)
    if decision.obstacle is None:
        answer = Autoreply(format=kind, text=AnswerText(b"away\n"), dsn_recipient=dsn)
        made = Message(bytes(answer.compose(Message(message), decision.recipients)))
        found = [field.name for field in made.headers]
        assert set(found) <= {
            "Precedence", "Auto-Submitted", "To", "Cc", "References", "In-Reply-To", "Subject",
            "Mime-Version", "Content-Type", "Content-Transfer-Encoding",
        }  # fmt: skip
        assert len(found) == len(set(found))
        assert b"\r" not in made.headers.raw
        assert b"\0" not in made.headers.raw


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.lists(st.sampled_from(["a@x", "b@x", "c@x"]), min_size=1, max_size=2),
                  st.integers(0, 2 * DAY)),
        max_size=12,
    ),
    st.integers(0, 3),
)  # fmt: skip
def test_nobody_is_answered_twice_in_the_period(
    wishes: list[tuple[list[str], int]], days: int
) -> None:
    """Spec filter 4.17.3: "suppressed when stored time > now - D*86400"."""
    answered: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as directory:
        history = AutoreplyHistory(Path(directory) / "adb", days=days)
        now = NOW
        for senders, pause in wishes:
            now += pause
            is_free = all(answered.get(sender, 0) <= now - days * DAY for sender in senders)
            assert (history.claim(senders, now) is not None) is is_free
            if is_free:
                answered.update(dict.fromkeys(senders, now))
