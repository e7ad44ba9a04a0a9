"""Address lists: pinned cases 20 to 42 of spec rfc822 6.2, wrapping and rewriting."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import (
    Address,
    Field,
    Group,
    address_to_ascii,
    address_to_unicode,
    domain_to_ascii,
    encode_addresses,
    format_addresses,
    is_clean_list,
    parse_address_list,
    parse_addresses,
    parse_groups,
    rewrite_address_field,
    wrap_addresses,
)


@pytest.mark.parametrize(
    ("value", "printed", "count"),
    [
        pytest.param(
            r"nobody@example.com (Nobody (is) here\) right)",
            r"nobody@example.com (Nobody (is) here\) right)",
            1,
            id="20-comment-is-the-name",
        ),
        pytest.param(
            "Distribution  list: a@example.com b@example.com",
            "Distribution list: a@example.com, b@example.com",
            3,
            id="21-open-group",
        ),
        pytest.param("Mr. Nobody <n@example.com>", '"Mr. Nobody" <n@example.com>', 1, id="22-dot"),
        pytest.param("undisclosed-recipients: ;", "undisclosed-recipients: ;", 2, id="23-empty"),
        pytest.param(
            'Group: a@b, "X Y" <c@d>; e@f', 'Group: a@b, "X Y" <c@d>; e@f', 5, id="24-group"
        ),
        pytest.param(
            "<@relay1,@relay2:user@dom.com>", "@relay1,@relay2:user@dom.com", 1, id="25-route"
        ),
        pytest.param("a@b, , c@d", "a@b, c@d", 2, id="26-empty-element"),
        pytest.param("a b c@d", "a, b, c@d", 3, id="27-no-commas"),
        pytest.param("a . b @ c . d", "a.b@c.d", 1, id="28-obsolete-blanks"),
        pytest.param("Bad <a@b", "Bad <a@b>", 1, id="29-open-bracket"),
        pytest.param("Bad > a@b", "Bad, a@b", 2, id="30-stray-bracket"),
        pytest.param("j@d (A) (B)", "j@d (B)", 1, id="31-last-comment"),
        pytest.param('A "B" <x@y>', 'A "B" <x@y>', 1, id="32-mixed-phrase"),
        pytest.param(
            "John (comment) Doe <j@d>", 'John "(comment)" Doe <j@d>', 1, id="33-comment-in-phrase"
        ),
        pytest.param(r'"trailing\" <a@b>', r'"trailing\" <a@b>"', 1, id="open-quote"),
        pytest.param("=?utf-8?Q?=41?= <a@b>", "=?utf-8?Q?=41?= <a@b>", 1, id="encoded-word-atom"),
        pytest.param("a@b c@d", "a@b, c@d", 2, id="two-without-comma"),
        pytest.param("a@[1.2.3.4]", "a@[1.2.3.4]", 1, id="literal"),
        pytest.param("a@@b", "a@@b", 1, id="two-ats"),
        pytest.param("", "", 0, id="empty"),
        pytest.param(",,,", "", 0, id="only-commas"),
        pytest.param("g: h: a@b;;", "g: h: a@b; ;", 5, id="nested-group"),
        pytest.param("Joe\t Doe <a@b> , c@d ", "Joe Doe <a@b>, c@d", 2, id="blanks"),
        pytest.param("a@b;", "a@b;", 2, id="semicolon-outside"),
    ],
)
def test_a_list_is_read_and_printed(value: str, printed: str, count: int) -> None:
    elements = parse_address_list(value)
    assert (format_addresses(elements), len(elements)) == (printed, count)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        pytest.param("=?utf-8?q?a=2C_b?= <j@example.com>", "a, b", id="34"),
        pytest.param('"=?utf-8?q?h=C3=A9?= x" <j@d>', "hé x", id="in-quotes"),
        pytest.param('"Q \\"x\\" y" <j@d>', 'Q "x" y', id="escapes"),
        pytest.param("j@d (Joe)", "Joe", id="old-style"),
        pytest.param("j@d", "", id="none"),
    ],
)
def test_the_name_is_text_for_people(value: str, name: str) -> None:
    assert parse_addresses(value)[0].name == name


def test_the_address_has_its_parts() -> None:
    address = parse_addresses("<@r1,@r2:u.x@d.example>")[0]
    assert (address.addr, address.addr_spec) == ("@r1,@r2:u.x@d.example", "u.x@d.example")
    assert (address.local_part, address.domain) == ("u.x", "d.example")


def test_an_address_without_domain_is_all_local_part() -> None:
    address = parse_addresses("bob")[0]
    assert (address.local_part, address.domain) == ("bob", "")


def test_groups_are_nested_and_an_open_one_ends_with_the_list() -> None:
    assert parse_groups("x@y, g: a@b, c@d; e@f, h: i@j") == [
        Address.make("x@y"),
        Group("g", [Address.make("a@b"), Address.make("c@d")]),
        Address.make("e@f"),
        Group("h", [Address.make("i@j")]),
    ]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        pytest.param("", "a@b", id="none"),
        pytest.param("Joe Doe", "Joe Doe <a@b>", id="atoms"),
        pytest.param('J. "X" \\ Doe', '"J. \\"X\\" \\\\ Doe" <a@b>', id="quoted"),
        pytest.param("a (b)", '"a (b)" <a@b>', id="parentheses"),
    ],
)
def test_making_an_address_quotes_the_name_where_needed(name: str, printed: str) -> None:
    address = Address.make("a@b", name)
    assert str(address) == printed
    assert parse_addresses(printed)[0].name == name


LIST = "nobody@example.com, <nobody@example.com>, Mr. Nobody <nobody@example.com>"


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        pytest.param(
            70,
            ["nobody@example.com, nobody@example.com,", '"Mr. Nobody" <nobody@example.com>'],
            id="40",
        ),
        pytest.param(
            16,
            ["nobody@example.com,", "nobody@example.com,", '"Mr. Nobody" <nobody@example.com>'],
            id="41",
        ),
    ],
)
def test_lists_wrap_between_elements(width: int, lines: list[str]) -> None:
    assert wrap_addresses(parse_address_list(LIST), width) == lines


def add_domain(address: str) -> str:
    return address if "@" in address or not address else f"{address}@example.org"


@pytest.mark.parametrize(
    ("raw", "rewritten"),
    [
        pytest.param(b"To: bob\n", b"To: bob@example.org\n", id="bare"),
        pytest.param(
            b'To: "B. X" <bob>, joe (Joe), g: al;, c@d\r\n',
            b'To: "B. X" <bob@example.org>, joe@example.org (Joe), g: al@example.org;\n      c@d\n',
            id="names-comments-groups",
        ),
        pytest.param(
            b"Cc: first@example.com, second@example.com,\n third@example.com, fourth@example.com\n",
            b"Cc: first@example.com, second@example.com, third@example.com,\n      fourth@example.com\n",
            id="113-folded-at-70",
        ),
        pytest.param(b"To: \xe9 <bob>\n", b"To: \xe9 <bob@example.org>\n", id="octets-are-kept"),
        pytest.param(b"To: @\n", b"To: @\n", id="lone-at"),
        pytest.param(b"To:  \r\n", b"To:  \r\n", id="nothing-to-rewrite"),
        pytest.param(b"TO : bob\n", b"TO: bob@example.org\n", id="name-keeps-its-spelling"),
    ],
)
def test_rewriting_a_field_maps_each_address(raw: bytes, rewritten: bytes) -> None:
    assert rewrite_address_field(Field(raw), add_domain) == rewritten


def test_an_unchanged_field_can_be_kept_octet_for_octet() -> None:
    field = Field(b"To:  A <a@b>,c@d\r\n")
    assert rewrite_address_field(field, add_domain, keep_unchanged=True) == field.raw
    assert rewrite_address_field(field, add_domain) == b"To: A <a@b>, c@d\n"


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        pytest.param(
            "Hóla <user@Hóla.example.com>, user@example.com (Hóla)",
            "=?utf-8?B?SMOzbGE=?= <user@xn--hla-gna.example.com>, "
            "user@example.com (=?utf-8?B?SMOzbGE=?=)",
            id="36",
        ),
        pytest.param(
            '"Hóla Smith (Accounting)" <user4@example.com>',
            "=?utf-8?B?SMOzbGE=?= Smith =?utf-8?B?KEFjY291bnRpbmcp?= <user4@example.com>",
            id="37",
        ),
        pytest.param("A1 <a1@EXAMPLE.com>", "A1 <a1@example.com>", id="7bit-name-unchanged"),
        pytest.param("é@x.y", "é@x.y", id="local-part-stays"),
    ],
)
def test_names_are_encoded_and_domains_become_ascii(value: str, encoded: str) -> None:
    assert format_addresses(encode_addresses(parse_address_list(value))) == encoded


@pytest.mark.parametrize(
    ("address", "ascii_form"),
    [
        pytest.param("a@B.C", "a@b.c", id="42-lower"),
        pytest.param("é@x.y", "é@x.y", id="42-local-part"),
        pytest.param("u@[1.2.3.4]", "u@[1.2.3.4]", id="42-literal"),
        pytest.param("u@foo_bar.com", "u@foo_bar.com", id="42-underscore"),
        pytest.param("user@Hóla.example.com", "user@xn--hla-gna.example.com", id="36"),
        pytest.param("u@" + "é" * 70, "u@" + "é" * 70, id="too-long-stays"),
    ],
)
def test_domains_become_a_labels_and_nothing_is_lost(address: str, ascii_form: str) -> None:
    assert address_to_ascii(address) == ascii_form


def test_text_without_at_is_a_domain() -> None:
    assert domain_to_ascii("Bücher.Example") == "xn--bcher-kva.example"
    assert address_to_ascii("Bücher.Example") == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        pytest.param("user@xn--hla-gna.example.com", "user@hóla.example.com", id="35"),
        pytest.param("user@xn--zzzz99999999999", "user@xn--zzzz99999999999", id="bad-stays"),
        pytest.param("xn--hla-gna@plain.example", "xn--hla-gna@plain.example", id="local-part"),
    ],
)
def test_domains_are_shown_with_u_labels(address: str, shown: str) -> None:
    assert address_to_unicode(address) == shown


def test_errors_are_reported_with_their_place() -> None:
    places: list[int] = []
    parse_address_list("Bad > a@b, \\ x", places.append)
    assert sorted(places) == [4, 6, 11]


@pytest.mark.parametrize(
    ("value", "is_clean"),
    [
        pytest.param("Mary Smith", False, id="two-words"),
        pytest.param(
            "(Empty list)(start)Undisclosed recipients  :(nobody) ;", False, id="comment-and-group"
        ),
        pytest.param("Mary Smith <m@x>, a b", False, id="two-words-at-the-end"),
        pytest.param("<a@b> c", False, id="text-behind-an-address"),
        pytest.param("a <b@c", False, id="open-bracket"),
        pytest.param('"a <b@c>', False, id="open-quote"),
        pytest.param("a > b", False, id="stray-bracket"),
        pytest.param("", True, id="empty"),
        pytest.param("bob", True, id="one-word"),
        pytest.param("a . b @ c . d, Mr. X <a@b>", True, id="obsolete-forms"),
        pytest.param("<@r,@s:u@d>", True, id="route"),
        pytest.param("A (c) <a@b> (c), g: x@y, z <q@e>;", True, id="comments-and-group"),
        pytest.param("a@b, , c@d,", True, id="empty-elements"),
        pytest.param("undisclosed-recipients:;", True, id="empty-group"),
        pytest.param("pete(his account)@silly.test(his host)", True, id="comments-inside"),
    ],
)
def test_a_list_that_is_a_guess_is_known(value: str, is_clean: bool) -> None:
    assert is_clean_list(value) is is_clean


@pytest.mark.parametrize("unit", ["a@b, ", "a ", "(", "<", '"', "g:", "a@", "[", ";", "\\", "=?"])
def test_long_lists_take_linear_time(unit: str) -> None:
    # Quadratic work would take minutes here and run into the time limit of the suite.
    assert len(parse_address_list(unit * (60_000 // len(unit)))) <= 60_000
