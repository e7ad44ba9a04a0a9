"""xtext and ORCPT survive a round trip, and paths have one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from couriermail.smtp import (
    CommandSyntaxError,
    Limits,
    XtextError,
    decode_orcpt,
    decode_xtext,
    encode_orcpt,
    encode_xtext,
)
from couriermail.smtp.paths import parse_forward_path

ADDRESS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=40)


@given(st.binary(max_size=60))
def test_xtext_round_trip(octets: bytes) -> None:
    """RFC 3461 4: xtext is printable ASCII without "+" and "=", and hexchar."""
    encoded = encode_xtext(octets)
    assert decode_xtext(encoded) == octets
    assert all(33 <= octet <= 126 and octet != 61 for octet in encoded)


@pytest.mark.parametrize(
    ("plain", "xtext"), [(b"a+b=c d", b"a+2Bb+3Dc+20d"), (b"", b""), (b"~!", b"~!")]
)
def test_pinned_vectors(plain: bytes, xtext: bytes) -> None:
    assert encode_xtext(plain) == xtext
    assert decode_xtext(xtext) == plain


@pytest.mark.parametrize("raw", [b"+", b"+2", b"+2b", b"a b", b"=", b"\xc3\xa9"])
def test_what_is_not_xtext(raw: bytes) -> None:
    with pytest.raises(XtextError):
        decode_xtext(raw)


@given(ADDRESS, st.booleans())
def test_utf8_orcpt_round_trip(address: str, smtputf8: bool) -> None:
    """RFC 6533 3: utf-8-addr-xtext and utf-8-addr-unitext stand for the same address."""
    encoded = encode_orcpt("utf-8", address, smtputf8=smtputf8)
    assert smtputf8 or encoded.isascii()
    assert b" " not in encoded
    assert b"=" not in encoded
    assert decode_orcpt(encoded) == ("utf-8", address)


@given(st.binary(max_size=60))
def test_any_bytes_are_an_address_or_our_error(raw: bytes) -> None:
    """Untrusted input raises nothing but the room's errors; what is accepted reads back as itself."""
    try:
        address, _rest = parse_forward_path(b"<" + raw + b">", Limits())
    except CommandSyntaxError:
        return
    assert parse_forward_path(b"<" + address.encode() + b">", Limits()) == (address, b"")


@given(
    st.text('ab."\\ @!\u00e9', min_size=1, max_size=12),
    st.sampled_from(["example.test", "[192.0.2.1]", "[IPv6:2001:db8::1]", "\u00e9.test"]),
)
def test_every_quotable_local_part_reads_back(local: str, domain: str) -> None:
    """RFC 5321 4.1.2: a quoted string stands for the text in it; ours is the shortest spelling."""
    quoted = '"' + local.replace("\\", "\\\\").replace('"', '\\"') + '"'
    address, _ = parse_forward_path(f"<{quoted}@{domain}>".encode(), Limits())
    assert parse_forward_path(f"<{address}>".encode(), Limits()) == (address, b"")
    assert address in (f"{quoted}@{domain}", f"{local}@{domain}")
