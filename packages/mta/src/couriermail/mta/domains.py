"""Which domains are ours: `locals`, `hosteddomains` and lists of the same grammar.

A domain is compared in its UTF-8, lower-case form (`canonical_domain`).  `DomainList` holds
the entries of `locals` or `esmtpacceptmailfor`: `name`, `.name` for everything below a name,
`!name` to exclude, `*` and `*.rest` for this machine's name (spec mta 3.2, 3.5).  The first
entry that matches decides.  `Domains` answers the question "local, hosted or remote"
(spec mta 4.3).
"""

from __future__ import annotations

import unicodedata

import attrs

from couriermail.rfc822 import domain_to_unicode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "MAX_HOSTED_PROBES",
    "NO_DOMAINS",
    "DomainList",
    "DomainMatch",
    "Domains",
    "canonical_domain",
    "hosted_entry",
]

MAX_HOSTED_PROBES = 5
"""How many keys are tried after the exact one for a hosted domain (spec mta 4.3)."""

_MAX_REMEMBERED = 4096  # answers kept; peers choose the domains, so the number is bounded


def canonical_domain(domain: str) -> str:
    """A domain in the form in which domains are compared: lower case, NFKC, no `xn--`.

    NFKC, because names that differ in the width of letters only are one name to the DNS
    (RFC 5895 2).  A label that is no valid ACE form of something stays as it is (RFC 5890
    2.3.2.1).
    """
    if domain.isascii():
        lowered = domain.lower()
        return domain_to_unicode(lowered) if "xn--" in lowered else lowered
    mapped = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", domain).lower())
    mapped = mapped.replace("\u3002", ".")  # RFC 3490 3.1: the ideographic full stop
    return unicodedata.normalize("NFKC", domain_to_unicode(mapped))


@attrs.frozen
class DomainList:
    """Entries such as those of `locals`, ready to be asked.

    Attributes:
        entries: lower-case UTF-8, in the order of the file; the first match decides.
        hostname: this machine's name, for the entries `*` and `*.rest`.
    """

    entries: tuple[str, ...]
    hostname: str = ""
    _places: Mapping[str, int] = attrs.field(init=False, repr=False, eq=False)

    @_places.default
    def _first_places(self) -> Mapping[str, int]:
        """Where each pattern first stands, so that long lists cost no more than short ones."""
        places: dict[str, int] = {}
        for place, entry in enumerate(self.entries):
            places.setdefault(entry.removeprefix("!"), place)
        return places

    @classmethod
    def of(cls, entries: Iterable[str], hostname: str = "") -> DomainList:
        """Make a list from entries as they stand in a file."""
        return cls(tuple(map(canonical_domain, entries)), hostname.lower())

    def __contains__(self, domain: str) -> bool:
        """True when the first entry that matches `domain` is no exclusion."""
        for form in _placeholder_forms(domain, self.hostname):
            places = [self._places[key] for key in _patterns(form) if key in self._places]
            if places:
                return not self.entries[min(places)].startswith("!")
        return False


NO_DOMAINS = DomainList(())
"""The list that no domain is in."""


def _patterns(domain: str) -> Iterator[str]:
    """The entries that match a domain: itself, and `.rest` for each of its rests."""
    yield domain
    dot = domain.find(".", 1)
    while dot > 0:
        yield domain[dot:]
        dot = domain.find(".", dot + 1)


def _placeholder_forms(domain: str, hostname: str) -> Iterator[str]:
    """The name with the machine's own name as `*` first, then as it is (spec mta 3.5)."""
    if hostname:
        if domain == hostname:
            yield "*"
        elif domain.startswith(f"{hostname}."):
            yield "*" + domain[len(hostname) :]
    yield domain


def hosted_entry(line: str) -> tuple[str, str]:
    """Split a line of `hosteddomains`: `alias<TAB>target`; no TAB: the value is `1`."""
    key, _, value = line.partition("\t")
    return canonical_domain(key.strip()), canonical_domain(value.strip()) or "1"


@attrs.frozen
class DomainMatch:
    """What a domain is to us.

    Attributes:
        kind: `local`, `hosted` or `remote`.
        effective: for `hosted` the domain that stays on the account's name, else None.
    """

    kind: str
    effective: str | None = None

    @property
    def is_ours(self) -> bool:
        """True for local and hosted domains."""
        return self.kind != "remote"


_LOCAL = DomainMatch("local")
_REMOTE = DomainMatch("remote")


@attrs.define
class Domains:
    """The local and hosted domains of one configuration.

    Attributes:
        local: the entries of `locals`.
        hosted: lower-case key (`name` or `.name`) to `1` or another domain.
        hostname: this machine's name.
    """

    local: DomainList
    hosted: Mapping[str, str] = attrs.field(factory=dict)
    hostname: str = ""
    _seen: dict[str, DomainMatch] = attrs.field(factory=dict, init=False, repr=False, eq=False)

    def match(self, domain: str) -> DomainMatch:
        """Say what `domain` (canonical form) is; answers are remembered."""
        found = self._seen.get(domain)
        if found is None:
            found = self._match(domain)
            if len(self._seen) >= _MAX_REMEMBERED:
                self._seen.clear()
            self._seen[domain] = found
        return found

    def _match(self, domain: str) -> DomainMatch:
        if domain in self.local:
            return _LOCAL
        for form in _placeholder_forms(domain, self.hostname):
            effective = self._effective(form)
            if effective is not None:
                return DomainMatch("hosted", effective)
        return _REMOTE

    def _effective(self, domain: str) -> str | None:
        key = domain
        for _ in range(MAX_HOSTED_PROBES + 1):
            value = self.hosted.get(key)
            if value is not None:
                return key if value in {"", "1"} else value
            dot = key.find(".", 1)
            if dot < 0:
                return None
            key = key[dot:]
        return None
