"""Folder names on the wire: pinned cases 119 to 121 of spec rfc822 6.8."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    EncodingError,
    decode_imap_utf7,
    decode_smap,
    encode_imap_utf7,
    encode_smap,
)


@pytest.mark.parametrize(
    ("name", "munge", "encoded"),
    [
        pytest.param("café", "", "caf&AOk-", id="119-latin"),
        pytest.param("a&b", "", "a&-b", id="119-ampersand"),
        pytest.param("台北", "", "&U,BTFw-", id="119-comma"),
        pytest.param("é.é", "./~:", "&AOkALgDp-", id="119-munged"),
        pytest.param("\U0001f600", "", "&2D3eAA-", id="120-surrogates"),
        pytest.param("", "", "", id="empty"),
        pytest.param("a\tb\x7f", "", "a&AAk-b\x7f", id="controls"),
        pytest.param("&é&", "", "&-&AOk-&-", id="shifts-and-ampersands"),
    ],
)
def test_names_go_to_imap_and_back(name: str, munge: str, encoded: str) -> None:
    assert encode_imap_utf7(name, munge) == encoded
    assert decode_imap_utf7(encoded, strict=not munge) == name


@pytest.mark.parametrize(
    "text", ["&", "&AOk", "a&b", "&A!-", "é", "\n", "&AO-", "&2D0-", "&AAAAA-", "&A-"]
)
def test_what_is_no_modified_utf7_is_refused(text: str) -> None:
    with pytest.raises(EncodingError):
        decode_imap_utf7(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [("&AOl-", "é"), ("&AGE-", "a"), ("&AOk-&AOk-", "éé"), ("&ACY-", "&")],
    ids=["padding-bits", "ascii", "adjacent", "ampersand"],
)
def test_other_forms_are_read_but_not_by_strict_readers(text: str, name: str) -> None:
    assert decode_imap_utf7(text) == name
    with pytest.raises(EncodingError):
        decode_imap_utf7(text, strict=True)


def test_half_a_surrogate_pair_is_no_name() -> None:
    with pytest.raises(EncodingError):
        encode_imap_utf7("\ud800")


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        pytest.param("a.b/c~d:e\\f", r"a\056b\057c\176d\072e\134f", id="121"),
        pytest.param("é\n", r"é\012", id="control"),
        pytest.param("", "", id="empty"),
    ],
)
def test_names_go_to_smap_and_back(name: str, encoded: str) -> None:
    assert encode_smap(name) == encoded
    assert decode_smap(encoded) == name


def test_octets_of_smap_may_be_escaped_one_by_one() -> None:
    assert decode_smap(r"\303\251") == "é"


@pytest.mark.parametrize("text", ["a.b", "\\", r"\05", r"\777", r"\303", "a\n", r"\08a", "\ud800"])
def test_what_is_no_smap_name_is_refused(text: str) -> None:
    with pytest.raises(EncodingError):
        decode_smap(text)
