"""Laws of the message structure: any octets, any cutting."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.rfc822 import Limits, Message, PushParser
from couriermail.rfc822.entity import Entity

PIECES = st.sampled_from(
    [
        b"\n", b"\r\n", b"\r", b"--", b"A", b"--A\n", b"--A--\n", b"--AB\n", b"\n--AB--", b" ",
        b"Mime-Version: 1.0\n", b"Content-Type: multipart/mixed; boundary=A\n",
        b"Content-Type: multipart/digest; boundary=AB\n", b"Content-Type: message/rfc822\n",
        b"Content-Transfer-Encoding: base64\n", b"content-type: text/plain; charset=x\r\n",
        b"Content-Transfer-Encoding: quoted-printable\n", b"Content-Disposition: x; filename=a\n",
        b"Mime-Version: 1.0\nContent-Type: multipart/mixed; boundary=A\n\n--A\n",
        b"\xe9", b"\0", b"text =41 =\n", b"Y" * 5000,
    ]
)  # fmt: skip
MESSAGES = st.lists(PIECES, max_size=30).map(b"".join)
SMALL_LIMITS = Limits(parts=6, depth=3, header_bytes=64, field_bytes=40, boundary_bytes=8)


def tree(root: Entity) -> list[tuple[object, ...]]:
    return [
        (e.section, str(e.content_type), e.encoding, e.start, e.body, e.end, tuple(e.defects))
        for e in root.walk()
    ]


@given(MESSAGES, st.lists(st.integers(1, 30), min_size=1, max_size=8), st.booleans())
def test_the_tree_is_the_same_however_the_message_is_cut(
    data: bytes, sizes: list[int], is_limited: bool
) -> None:
    """The push parser and the pull parser give identical trees (spec rfc822 1.1)."""
    limits = SMALL_LIMITS if is_limited else Limits()
    parser, position, turn = PushParser(limits), 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)] * (1 if len(data) < 5000 else 40)
        parser.feed(data[position : position + size])
        position, turn = position + size, turn + 1
    assert tree(parser.close()) == tree(Message(data, limits=limits).root.entity)


@given(MESSAGES)
def test_parts_lie_inside_their_parents_in_order(data: bytes) -> None:
    """The tree covers the whole input, start <= body <= end (spec rfc822 7)."""
    root = Message(data).root.entity
    assert (root.start, root.end) == (0, len(data))
    for entity in root.walk():
        assert entity.start <= entity.body <= entity.end
        edge = entity.body
        for child in entity.children:
            assert edge <= child.start
            assert child.end <= entity.end
            edge = child.end


@given(MESSAGES)
def test_everything_about_a_part_can_be_asked(data: bytes) -> None:
    """Any octets: no exception; the message is written back octet for octet."""
    message = Message(data)
    assert bytes(message) == data
    for part in message.walk():
        assert isinstance(part.text(), str)
        assert isinstance(part.filename, str | None)
        assert isinstance(part.content_id, str | None)
        assert isinstance(repr((part, part.disposition, part.headers, part.content_type)), str)
        assert part.size_with_crlf() >= part.span[1] - part.span[0]
        assert part.line_count >= part.body_line_count >= part.body_line_ends
        found = message.find(part.section)
        assert found is not None
        assert found.entity is part.entity
        for defect in part.content_defects():
            assert part.body_span[0] <= defect.offset <= part.body_span[1]
