"""Local, hosted or remote (spec mta 3.5, 4.3)."""

from __future__ import annotations

import pytest

from couriermail.mta.domains import DomainList, DomainMatch, Domains, canonical_domain, hosted_entry

LOCALS = ("localhost", "example.com", "!out.sub.example", ".sub.example", "*", "*.lan")


@pytest.mark.parametrize(
    ("domain", "is_listed"),
    [
        pytest.param("example.com", True, id="exact"),
        pytest.param("x.example.com", False, id="a sub-domain is not meant"),
        pytest.param("a.sub.example", True, id="wildcard"),
        pytest.param("a.b.sub.example", True, id="wildcard, deeper"),
        pytest.param("sub.example", False, id="a wildcard does not match its own domain"),
        pytest.param("out.sub.example", False, id="exclusion comes first"),
        pytest.param("box", True, id="star is this machine"),
        pytest.param("box.lan", True, id="star dot is this machine with a domain"),
        pytest.param("box.wan", False, id="another domain of this machine"),
        pytest.param("other.lan", False, id="another machine"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_the_first_entry_that_matches_decides(domain: str, is_listed: bool) -> None:
    assert (domain in DomainList.of(LOCALS, "box")) is is_listed


def test_an_exclusion_behind_the_wildcard_is_too_late() -> None:
    assert "no.example" in DomainList.of([".example", "!no.example"])


def test_a_long_list_is_asked_as_fast_as_a_short_one() -> None:
    many = DomainList.of([f"{number}.example" for number in range(5000)])
    lookups: list[str] = []

    class Counting(dict[str, int]):
        def __contains__(self, key: object) -> bool:
            lookups.append(str(key))
            return super().__contains__(key)

    object.__setattr__(many, "_places", Counting(many._places))
    assert "4999.example" in many
    assert lookups == ["4999.example", ".example"]


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("Example.COM", "example.com"),
        ("XN--80akhbyknj4f.test", "испытание.test"),
        ("ИСПЫТАНИЕ.test", "испытание.test"),
        ("xn--", "xn--"),
        ("xn--zzzzzz99999999.test", "xn--zzzzzz99999999.test"),
        ("u\u0308.test", "ü.test"),
    ],
)
def test_domains_are_compared_in_lower_case_utf_8(raw: str, canonical: str) -> None:
    assert canonical_domain(raw) == canonical


HOSTED = {
    "hosted.test": "1",
    ".wild.test": "1",
    "alias.test": "hosted.test",
    "*.lan": "1",
}


@pytest.mark.parametrize(
    ("domain", "match"),
    [
        ("example.com", DomainMatch("local")),
        ("hosted.test", DomainMatch("hosted", "hosted.test")),
        ("alias.test", DomainMatch("hosted", "hosted.test")),
        ("a.b.wild.test", DomainMatch("hosted", ".wild.test")),
        ("wild.test", DomainMatch("remote")),
        ("box.lan", DomainMatch("hosted", "*.lan")),
        ("1.2.3.4.5.wild.test", DomainMatch("hosted", ".wild.test")),
        ("1.2.3.4.5.6.wild.test", DomainMatch("remote")),
        ("remote.test", DomainMatch("remote")),
    ],
)
def test_hosted_domains_are_found_by_their_longest_key(domain: str, match: DomainMatch) -> None:
    domains = Domains(DomainList.of(["example.com"]), HOSTED, "box")
    assert domains.match(domain) == match
    assert domains.match(domain) is domains.match(domain)


def test_locals_win_over_hosted_domains() -> None:
    domains = Domains(DomainList.of(["both.test"]), {"both.test": "1"})
    assert domains.match("both.test").kind == "local"


def test_asking_for_very_many_domains_does_not_grow_without_bound() -> None:
    domains = Domains(DomainList.of(["example.com"]))
    for number in range(10_000):
        domains.match(f"{number}.test")
    assert domains.match("example.com").kind == "local"
    assert len(domains._seen) < 5000


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        ("Hosted.TEST", ("hosted.test", "1")),
        ("alias.test\tHosted.test", ("alias.test", "hosted.test")),
        ("x.test\t", ("x.test", "1")),
    ],
)
def test_a_line_of_hosteddomains_is_key_and_value(line: str, entry: tuple[str, str]) -> None:
    assert hosted_entry(line) == entry
