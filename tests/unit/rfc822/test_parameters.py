"""Structured MIME fields: pinned cases 52 to 58 of spec rfc822 6.3 and 4.9."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import ContentType, EncodingError, format_parameter, parse_parameters


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        pytest.param("x; name*1=cd; name*0=ab", "name", "abcd", id="52"),
        pytest.param(
            "x; name*0*=iso-8859-1''%e9; name*1=x%20; name*2*=%e9", "name", "éx%20é", id="53"
        ),
        pytest.param(
            "attachment; filename*1=n%41me; filename*2*=\".%65xe\"; filename*0*=iso8859-1'en_US'file",
            "filename",
            "filen%41me.exe",
            id="54",
        ),
        pytest.param("x; name=x; name*=utf-8''y", "name", "y", id="55-extended-wins"),
        pytest.param('x; name="=?utf-8?q?h=C3=A9?="', "name", "hé", id="56"),
        pytest.param("x; name=a; name=b", "name", "a", id="first-plain-wins"),
        pytest.param("x; name*=a%zzb", "name", "a%zzb", id="bad-escape"),
        pytest.param("x; name*=no-quotes%41", "name", "no-quotesA", id="no-charset"),
        pytest.param("x; name*007=b; name*3=a", "name", "ab", id="gaps-and-zeros"),
        pytest.param("x; name*10000=b; name*1=a", "name", "a", id="huge-number"),
        pytest.param('x; name="a\\"b\\\\c"', "name", 'a"b\\c', id="escapes"),
        pytest.param("x; (c) name (d) = (e) a (f)", "name", "a", id="comments"),
        pytest.param("x;; ; name=a;", "name", "a", id="empty-segments"),
        pytest.param("x; name", "name", "", id="no-value"),
        pytest.param("x; NAME=Abc", "name", "Abc", id="name-case"),
        pytest.param('x; name="unbalanced', "name", "unbalanced", id="unbalanced-quote"),
        pytest.param("x;\n\tname=a", "name", "a", id="folded"),
        pytest.param("x; name=\xc3\xa9", "name", "Ã©", id="text-is-utf8"),
    ],
)
def test_a_parameter_is_read(value: str, name: str, text: str) -> None:
    assert parse_parameters(value).get(name) == text


def test_without_extensions_names_keep_their_numbers() -> None:
    parsed = parse_parameters("x; name*0*=utf-8''%41; name*1=b", extended=False)
    assert list(parsed.parameters) == ["name*0*", "name*1"]
    assert parsed.get("name*0*") == "utf-8''%41"


@pytest.mark.parametrize(
    ("value", "media_type", "kept"),
    [
        pytest.param(b"", "text/plain", "text/plain", id="empty"),
        pytest.param(b"text", "text/plain", "text", id="no-slash"),
        pytest.param(b"/plain", "text/plain", "/plain", id="no-type"),
        pytest.param(b"text/", "text/plain", "text/", id="no-subtype"),
        pytest.param(b"TEXT/HTML", "text/html", "text/html", id="case"),
        pytest.param(b"text/html (comment)", "text/html", "text/html", id="comment"),
        pytest.param(b"text/html charset=x", "text/html", "text/html charset=x", id="no-semicolon"),
        pytest.param(b'"text/html"', "text/html", "text/html", id="quoted"),
    ],
)
def test_what_is_no_media_type_is_plain_text(value: bytes, media_type: str, kept: str) -> None:
    found = ContentType.parse(value)
    assert (str(found), found.value) == (media_type, kept)


def test_the_boundary_keeps_its_spelling_but_not_trailing_blanks() -> None:
    assert ContentType.parse(b'multipart/mixed; boundary="aB c  "').boundary == b"aB c"
    assert ContentType.parse(b"multipart/mixed; boundary=--=_x.1/2:3?").boundary == b"--=_x.1/2:3?"
    assert ContentType.parse(b"multipart/mixed; boundary*0=a; boundary*1=b").boundary == b"ab"


@pytest.mark.parametrize(
    ("name", "value", "charset", "pieces"),
    [
        pytest.param(
            "name", "café x.txt", "utf-8", ["name*0*=utf-8''caf%C3%A9%20x.txt"], id="57-not-ascii"
        ),
        pytest.param("name", "a@b", "utf-8", ['name="a@b"'], id="57-quoted"),
        pytest.param(
            "name", "y" * 80, "utf-8", ["name*0*=utf-8''" + "y" * 55, "name*1*=" + "y" * 25],
            id="57-long",
        ),
        pytest.param("name", "footest:1", "UTF-8", ["name*0*=UTF-8''footest%3A1"], id="58"),
        pytest.param("charset", "utf-8", "utf-8", ["charset=utf-8"], id="charset"),
        pytest.param("boundary", 'a"b c', "utf-8", ['boundary="a\\"b c"'], id="boundary"),
        pytest.param("name", "", "utf-8", ['name=""'], id="empty"),
        pytest.param("name", "é", "iso-8859-1", ["name*0*=iso-8859-1''%E9"], id="latin-1"),
    ],
)  # fmt: skip
def test_a_parameter_is_written(name: str, value: str, charset: str, pieces: list[str]) -> None:
    assert format_parameter(name, value, charset) == pieces
    assert parse_parameters("x; " + "; ".join(pieces)).get(name) == value


@pytest.mark.parametrize(
    ("name", "charset"),
    [
        pytest.param("n" * 60, "utf-8", id="too-long"),
        pytest.param("name", "nonsense", id="unknown-charset"),
        pytest.param("name", "us-ascii", id="charset-lacks-it"),
    ],
)
def test_a_parameter_that_cannot_be_written_is_an_error(name: str, charset: str) -> None:
    with pytest.raises(EncodingError):
        format_parameter(name, "é", charset)


def test_ten_thousand_parameters_take_linear_time() -> None:
    value = "x" + "".join(f"; p{n}*0*=utf-8''%41" for n in range(10_000))
    assert len(parse_parameters(value).parameters) == 10_000
