"""Laws of submission's header work: what needs no change goes through byte for byte."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.mta.assembly import HeaderPolicy, Trace, assemble
from couriermail.mta.fromheader import SenderIdentity, rewrite_from
from couriermail.rfc822 import Headers, decode_words, parse_addresses

TRACE = Trace(
    source="dns; client.example ([192.0.2.1])",
    me="mx.example.com",
    protocol="ESMTP",
    queue_id="0000000000000001.000000006B02A08C.000000BD",
    date="Sun, 22 Nov 2026 07:58:04 +0000",
    message_id_host="mx.example.com",
)
RECEIVED = TRACE.received()
VALUE = st.binary(max_size=30).map(lambda data: data.translate(None, b"\r\n"))
UNTOUCHED = st.sampled_from(
    [
        b"Subject",
        b"X-Any",
        b"Errors-To",
        b"Resent-To",
        b"DKIM-Signature",
        b"Bcc",
        b"Received",
        b"MIME-Version",
    ]
)
FOLD = st.sampled_from([b"", b"\n  folded", b"\n\tby tab"])
FIELD = st.tuples(UNTOUCHED, VALUE, FOLD).map(lambda f: f[0] + b":" + f[1] + f[2] + b"\n")
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), max_size=12)


@given(st.lists(FIELD, max_size=8))
def test_untouched_fields_are_byte_identical_and_in_order(fields: list[bytes]) -> None:
    """Spec mta.md 6.3: others untouched; missing ones appended in the order of the table."""
    block = b"".join(fields)
    made = assemble(Headers(block + b"\n"), TRACE, HeaderPolicy()).data
    assert made == RECEIVED + block + TRACE.message_id() + (
        b"Date: Sun, 22 Nov 2026 07:58:04 +0000\nTo: undisclosed-recipients: ;\n\n"
    )


@given(st.lists(FIELD, max_size=6))
def test_crlf_and_lf_input_give_the_same_header(fields: list[bytes]) -> None:
    """Spec mta.md 18.4: CRLF input is accepted; one CR before LF is dropped."""
    block = b"".join(fields) + b"\n"
    with_lf = assemble(Headers(block), TRACE, HeaderPolicy())
    with_crlf = assemble(Headers(block.replace(b"\n", b"\r\n")), TRACE, HeaderPolicy())
    assert with_crlf == with_lf


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_client_cannot_write_fields_of_its_own_into_received(helo: str, ident: str) -> None:
    """HELO and ident are the client's words: they stay inside our one field."""
    import attrs

    trace = attrs.evolve(TRACE, source=f"dns; {helo}", ident=ident)
    made = trace.received().decode("utf-8", "surrogateescape")
    lines = made.split("\n")
    assert lines.pop() == ""
    assert lines[0].startswith("Received: from ")
    assert all(line.startswith("  ") for line in lines[1:])
    assert len(lines) == (4 if ident else 3)


@given(st.lists(FIELD, max_size=5), st.booleans())
def test_a_from_that_needs_no_change_is_left_alone(fields: list[bytes], has_from: bool) -> None:
    """Spec mta.md 7.3: without demands of the environment one From goes through as it is."""
    block = b"".join(fields) + (b"From:  a (b)  <c@d>\n" if has_from else b"") + b"\n"
    headers = rewrite_from(Headers(block), SenderIdentity(login="me"))
    if has_from:
        assert headers.raw == block
    else:
        assert headers.raw == block[:-1] + b"From: me\n\n"


@given(NAMES, st.sampled_from(["", "user"]), st.sampled_from(["", "host.example"]))
def test_the_rewritten_from_parses_back_to_what_was_asked(name: str, user: str, host: str) -> None:
    """Names with specials are quoted, others encoded: a reader sees one mailbox either way."""
    identity = SenderIdentity(option_name=name, mail_user=user, mail_host=host, login="me")
    headers = rewrite_from(Headers(b"From: Old Name <old@old.example>\n\n"), identity)
    (field,) = headers.fields
    (address,) = parse_addresses(field.unfolded)
    assert address.addr == f"{user or 'old'}@{host or 'old.example'}"
    assert headers.raw.isascii()  # such a message needs no SMTPUTF8
    if name and name == " ".join(name.split()) and "=?" not in name:
        assert decode_words(address.name) == name
