"""Canonical addresses and the rules of input modules (spec mta 4.1, 4.2, 17, 19.1)."""

from __future__ import annotations

import attrs
import pytest

from couriermail.core import Reply
from couriermail.mta.addresses import (
    MAX_ADDRESS,
    AddressRules,
    is_valid_address,
    quote_local_part,
    split_address,
    unquote_local_part,
)
from couriermail.mta.domains import DomainList, Domains


def rules(*, lowercase: bool = False) -> AddressRules:
    locals_ = DomainList.of(["localhost", "example.com", "mx.example.com"])
    return AddressRules(
        defaultdomain="example.com",
        domains=Domains(locals_, {"hosted.test": "1"}),
        locallowercase=lowercase,
        accept=DomainList.of(["example.com", "mx.example.com", "испытание.test"]),
        percent_relay=DomainList.of(["gateway.test"]),
    )


def shown(answer: str | Reply) -> str:
    return answer if isinstance(answer, str) else f"{answer.code} {answer.text}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("bob@example.com", "bob@example.com", id="as it is"),
        pytest.param("BOB@EXAMPLE.COM", "BOB@example.com", id="only the domain is folded"),
        pytest.param("PostMaster@Example.com", "postmaster@example.com", id="postmaster is"),
        pytest.param("postmaster", "postmaster@example.com", id="bare postmaster, RFC 5321 4.5.1"),
        pytest.param("bob@example.com...", "bob@example.com", id="trailing dots"),
        pytest.param('"bob"@example.com', "bob@example.com", id="needless quotes"),
        pytest.param('"a b"@example.com', '"a b"@example.com', id="needed quotes"),
        pytest.param('"a\\b"@example.com', "ab@example.com", id="needless escape"),
        pytest.param('"x!y"@example.com', '"x!y"@example.com', id="quoted bang is no path"),
        pytest.param('"a@b"@example.com', '"a@b"@example.com', id="quoted at sign"),
        pytest.param("x@xn--80akhbyknj4f.test", "x@испытание.test", id="ACE becomes UTF-8"),
        pytest.param("@a.test,@b.test:x@example.com", "x@example.com", id="source route"),
        pytest.param("a@b@example.com", "a%b@example.com", id="only the last sign stays"),
        pytest.param("foo%bar@example.com", "foo%bar@example.com", id="a local user's name"),
        pytest.param("foo%mx.example.com", "foo@mx.example.com", id="a lone percent sign"),
        pytest.param("nosuch", "513 Syntax error.", id="no domain"),
        pytest.param("bob@localhost", "513 Syntax error.", id="no dot"),
        pytest.param("a@b@c", "513 Syntax error.", id="no dot in the last"),
        pytest.param("<bob>", "513 Syntax error.", id="brackets"),
        pytest.param("x!y", "513 Syntax error.", id="bang path"),
        pytest.param("x@ｅxample.com", "x@example.com", id="wide letters are the same name"),
        pytest.param("x@a℀.example.com", "513 Syntax error.", id="a sign that holds a slash"),
        pytest.param("x@a。。example.com", "513 Syntax error.", id="other full stops"),
        pytest.param("x\u202e@example.com", "513 Syntax error.", id="turned direction"),
        pytest.param("x@[<>]", "513 Syntax error.", id="odd literal"),
        pytest.param("a b@example.com", "513 Syntax error.", id="blank"),
        pytest.param("a..b@example.com", "513 Syntax error.", id="two dots"),
        pytest.param(".a@example.com", "513 Syntax error.", id="leading dot"),
        pytest.param("a@example..com", "513 Syntax error.", id="two dots in the domain"),
        pytest.param("a@exa/mple.com", "513 Syntax error.", id="a slash in the domain"),
        pytest.param("a\r\n@example.com", "513 Syntax error.", id="line end"),
        pytest.param('"a\nb"@example.com', "513 Syntax error.", id="line end in quotes"),
        pytest.param('"a"b@example.com', "513 Syntax error.", id="words in a row"),
        pytest.param("..", "500 Invalid address", id="only dots"),
        pytest.param("", "500 Invalid address", id="nothing"),
        pytest.param("@foo", "500 Invalid address", id="only a domain"),
        pytest.param("@foo:", "500 Invalid address", id="only a route"),
        pytest.param("nosuch@remote.test", "513 Relaying denied.", id="a stranger's domain"),
        pytest.param("x@hosted.test", "513 Relaying denied.", id="hosted but not accepted"),
        pytest.param("bob@[192.0.2.9]", "513 Relaying denied.", id="a stranger's literal"),
        pytest.param("bob@[192.0.2.1]", "bob@example.com", id="our own literal"),
        pytest.param("u%gateway.test@example.com", "513 Relaying denied.", id="percent relay"),
    ],
)
def test_recipients_over_smtp(text: str, expected: str) -> None:
    assert shown(rules().recipient(text, "esmtp", server_ip="192.0.2.1")) == expected


@pytest.mark.parametrize("text", ["postmaster", "Postmaster@example.com"])
def test_postmaster_is_accepted_where_no_other_mail_is(text: str) -> None:
    """RFC 5321 4.5.1: a server accepts mail to postmaster, with and without its domain."""
    closed = attrs.evolve(rules(), accept=DomainList(()))
    assert closed.recipient(text, "esmtp") == "postmaster@example.com"
    assert shown(closed.recipient("bob@example.com", "esmtp")) == "513 Relaying denied."
    assert shown(closed.recipient("postmaster@x.test", "esmtp")) == "513 Relaying denied."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x@remote.test", "x@remote.test"),
        ("x@[192.0.2.9]", "x@[192.0.2.9]"),
        ("x@[IPv6:2001:DB8::1]", "x@example.com"),
        ("u%gateway.test@example.com", "u@gateway.test"),
        ("u%other.test@example.com", "u%other.test@example.com"),
        ("nosuch", "513 Syntax error."),
    ],
)
def test_relay_clients_may_send_everywhere(text: str, expected: str) -> None:
    answer = rules().recipient(text, "esmtp", may_relay=True, server_ip="2001:db8::1")
    assert shown(answer) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bob", "bob@example.com"),
        ("bob@localhost", "bob@localhost"),
        ('"a@b"', '"a@b"@example.com'),
        ("a!b!c", "a!b!c"),
        ("x@REMOTE.test.", "x@remote.test"),
        ("bad addr@", "553 Syntax error: bad addr@"),
        ("x@@y", "553 Syntax error: x@@y"),
        ("a@b@c", "553 Syntax error: a@b@c"),
        ("@foo", "500 Invalid address"),
        ("a\r\nb", "553 Syntax error: a??b"),
    ],
)
def test_recipients_of_local_programs(text: str, expected: str) -> None:
    assert shown(rules().recipient(text, "local")) == expected


@pytest.mark.parametrize(
    ("text", "module", "expected"),
    [
        ("", "esmtp", ""),
        ("#@[]", "esmtp", "#@[]"),
        ("A@Example.COM.", "esmtp", "A@example.com"),
        ("a@[192.0.2.7]", "esmtp", "a@[192.0.2.7]"),
        ('"a b"@d.test', "esmtp", '"a b"@d.test'),
        ("a@@b", "esmtp", "517 Syntax error."),
        ("a b@c", "esmtp", "517 Syntax error."),
        ("a@b", "esmtp", "517 Syntax error."),
        ("a", "esmtp", "517 Syntax error."),
        ("a", "local", "a@example.com"),
        ("a@b", "local", "a@b"),
        ("a@@b", "local", "517 Syntax error."),
        ("h!u", "local", "h!u"),
    ],
)
def test_senders(text: str, module: str, expected: str) -> None:
    assert shown(rules().sender(text, module)) == expected


def test_replies_have_enhanced_codes() -> None:
    answers = [
        rules().recipient("x@remote.test", "esmtp"),
        rules().recipient("x", "esmtp"),
        rules().sender("a b", "esmtp"),
    ]
    assert [answer.enhanced for answer in answers if isinstance(answer, Reply)] == [
        "5.7.1", "5.1.3", "5.1.7",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "lowercase", "folded"),
    [
        ("BOB@example.com", True, "bob@example.com"),
        ("BOB@example.com", False, "BOB@example.com"),
        ("BOB@hosted.test", True, "BOB@hosted.test"),
        ("BOB@remote.test", True, "BOB@remote.test"),
        ("POSTMASTER@example.com", False, "postmaster@example.com"),
        ("POSTMASTER@remote.test", False, "POSTMASTER@remote.test"),
    ],
)
def test_local_parts_are_folded_for_locals_only(address: str, lowercase: bool, folded: str) -> None:
    assert rules(lowercase=lowercase).fold(address) == folded


def test_the_address_as_written_is_there_for_orcpt() -> None:
    assert rules().recipient("PostMaster@Example.com", "esmtp", fold=False) == (
        "PostMaster@example.com"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("foo", "foo@xn--80akhbyknj4f.test"),
        ("", ""),
        ("@", "@"),
        ("a!b", "a!b"),
        ("s@LOCALHOST", "s@LOCALHOST"),
        ("a b", "a b@xn--80akhbyknj4f.test"),
    ],
)
def test_header_addresses_get_the_default_domain_in_ace(text: str, expected: str) -> None:
    ours = AddressRules(defaultdomain="испытание.test", domains=Domains(DomainList(())))
    assert ours.header_address(text) == expected


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("a@b", ("a", "b")),
        ("a", ("a", None)),
        ('"a@b"', ('"a@b"', None)),
        ('"a@b"@c', ('"a@b"', "c")),
        ("", ("", None)),
        ("#@[]", ("#", "[]")),
    ],
)
def test_addresses_split_at_the_last_sign_outside_quotes(
    address: str, parts: tuple[str, str | None]
) -> None:
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("text", "local"),
    [("a.b", "a.b"), (".x/y", '".x/y"'), ('q"\\', '"q\\"\\\\"'), ("", '""'), ("a b", '"a b"')],
)
def test_local_parts_are_quoted_where_needed(text: str, local: str) -> None:
    assert quote_local_part(text) == local
    assert unquote_local_part(local) == text


def test_addresses_have_a_limit() -> None:
    longest = "a" * (MAX_ADDRESS - 7) + "@b.test"
    assert is_valid_address(longest)
    assert not is_valid_address("a" + longest)
    assert not is_valid_address('"' + longest + '"@b.test')


@pytest.mark.parametrize("module", ["local", "esmtp"])
@pytest.mark.parametrize("piece", ['"', "@", "%", ".", "a.", "@a,", '\\"', "[", "!"])
def test_endless_input_is_refused_in_linear_time(module: str, piece: str) -> None:
    text = piece * 300_000 + "@x.test"
    assert isinstance(rules().recipient(text, module), Reply)
    assert isinstance(rules().sender(text, module), Reply)
