"""Laws of addresses, domains and alias sources."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from couriermail.core import Reply
from couriermail.mta.addresses import (
    AddressRules,
    is_valid_address,
    quote_local_part,
    split_address,
    unquote_local_part,
)
from couriermail.mta.aliasfile import parse_aliases
from couriermail.mta.domains import DomainList, Domains, canonical_domain
from couriermail.mta.dotfiles import dot_file_names

LABELS = st.text("abcXYZ019-_üи", min_size=1, max_size=8)
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ATOMS = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-üи", min_size=1, max_size=8)
QUOTED = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
LOCALS = st.lists(ATOMS, min_size=1, max_size=3).map(".".join) | QUOTED
WILD = st.text(st.sampled_from('ab.@%!:;,<>()[]"\\ \t\r\n\x00ü') | st.characters(), max_size=30)
MODULES = st.sampled_from(["local", "esmtp"])

RULES = AddressRules(
    defaultdomain="example.com",
    domains=Domains(DomainList.of(["example.com"]), {".wild.test": "1"}),
    locallowercase=True,
    accept=DomainList.of([".test", "example.com"]),
)


@given(local=LOCALS, domain=DOMAINS)
def test_what_follows_the_grammar_is_accepted(local: str, domain: str) -> None:
    """RFC 5321 4.1.2: Local-part = Dot-string / Quoted-string."""
    assert is_valid_address(f"{local}@{domain}")
    answer = RULES.recipient(f"{local}@{domain}.test", "esmtp")
    assert isinstance(answer, str)


@given(text=WILD, module=MODULES, may_relay=st.booleans())
def test_an_accepted_recipient_is_canonical(text: str, module: str, *, may_relay: bool) -> None:
    """ "Canonical = `user@domain` with lowercase UTF-8 domain ... or a bang path" """
    answer = RULES.recipient(text, module, may_relay=may_relay)
    if isinstance(answer, Reply):
        assert answer.is_permanent_failure
        assert answer.enhanced
        assert not set(answer.text) & set("\r\n\0")
        return
    assert is_valid_address(answer)
    assert not set(answer) & set("\r\n\0\t")
    local, domain = split_address(answer)
    assert domain is not None or "!" in local
    if domain is not None and "%" not in answer:
        assert RULES.recipient(answer, module, may_relay=True) == answer


@given(text=WILD, module=MODULES)
def test_an_accepted_sender_is_canonical(text: str, module: str) -> None:
    """ "`@ : .` may not be adjacent or at either end ... Violations: `517 Syntax error.`" """
    answer = RULES.sender(text, module)
    if isinstance(answer, Reply):
        assert answer.code == 517
    elif answer not in {"", "#@[]"}:
        assert is_valid_address(answer)
        assert RULES.sender(answer, module) == answer


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_quoting_a_local_part_loses_nothing(text: str) -> None:
    """RFC 5321 4.1.2: a quoted string stands for its content."""
    local = quote_local_part(text)
    assert unquote_local_part(local) == text
    assert split_address(f"{local}@x.test") == (local, "x.test")


@given(domain=DOMAINS, entries=st.lists(DOMAINS | DOMAINS.map("!.".__add__), max_size=5))
def test_a_wildcard_never_matches_its_own_domain(domain: str, entries: list[str]) -> None:
    """ "`.dom` wildcard (not `dom` itself)" """
    name = canonical_domain(domain)
    assert (name in DomainList.of([*entries, f".{domain}"])) == (name in DomainList.of(entries))
    assert f"x.{name}" in DomainList.of([f".{domain}"])


@given(st.text(min_size=1, max_size=60))
def test_the_first_name_of_a_dot_file_is_exact_and_the_last_is_the_default(
    extension: str,
) -> None:
    """ "replace the last `-component` by `-default`, then keep removing components" """
    names = list(dot_file_names(extension))
    assert names[0] == (f".courier-{extension.replace('.', ':')}", None)
    assert names[-1] == (".courier-default", extension)
    assert len(names) == extension.count("-") + 2
    assert all(part is None or extension.endswith(part) for _, part in names)


@given(st.text())
def test_any_alias_source_is_entries_or_errors(text: str) -> None:
    """ "Missing colon -> `syntax error, line N`" """
    errors: list[object] = []
    entries = list(parse_aliases(text, path="aliases", errors=errors))  # type: ignore[arg-type]
    for entry in entries:
        assert entry.name == entry.name.strip() != ""
        assert ":" not in entry.name
        assert "#" not in entry.target
        assert 1 <= entry.line <= text.count("\n") + 1
