"""In which order a table is asked: the classic fallbacks, most specific key first.

The functions are pure: they yield keys, and `find_first` asks a table for them.  The number
of keys is bounded, so that a name with a thousand dots costs no thousand lookups.
"""

from __future__ import annotations

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Protocol

    class Lookup(Protocol):
        """What can be asked for a key: a `Table`, a dict."""

        def get(self, key: bytes, /) -> bytes | None:
            """The value of a key, or None."""
            ...


__all__ = ["Match", "address_keys", "domain_keys", "find_first", "hosted_domain_keys"]

MAX_PROBES = 32  # more labels than any domain in use; IPv6 in groups needs 8
MAX_HOSTED_STEPS = 5  # spec mta 4.3


@attrs.frozen
class Match:
    """Which key was found, and its value."""

    key: bytes
    value: bytes


def find_first(table: Lookup, keys: Iterable[bytes]) -> Match | None:
    """Ask for each key in turn and return the first that is there.

    Raises:
        TableError: the table cannot be read.
    """
    for key in keys:
        value = table.get(key)
        if value is not None:
            return Match(key, value)
    return None


def domain_keys(key: bytes, *, limit: int = MAX_PROBES) -> Iterator[bytes]:
    """The keys of a `D` lookup (spec maildir 4.16).

    The key itself; of an address then the local part with its `@`, and the domain; then the
    domain without its first label, and so on: `u@a.b` gives `u@a.b`, `u@`, `a.b`, `b`.

    Args:
        key: an address or a domain, in the case that the table uses.
        limit: at most so many keys.
    """
    yield key
    probes = 1
    local, at, domain = key.rpartition(b"@")
    if at and limit > 1:
        yield local + at
        probes = 2
    else:
        _, _, domain = domain.partition(b".")
    while domain and probes < limit:
        yield domain
        probes += 1
        _, _, domain = domain.partition(b".")


def address_keys(key: bytes, *, limit: int = MAX_PROBES) -> Iterator[bytes]:
    """The keys of an `I` lookup: `1.2.3.4` gives `1.2.3.4`, `1.2.3`, `1.2`, `1`.

    Keys of IPv6 addresses have the form `:2001:0db8:...` and lose whole groups.

    Args:
        key: a dotted address, or the `:`-form of an IPv6 address.
        limit: at most so many keys.
    """
    separator = b":" if key.startswith(b":") else b"."
    for _ in range(limit):
        if not key:
            return
        yield key
        key, _, _ = key.rpartition(separator)


def hosted_domain_keys(domain: bytes) -> Iterator[bytes]:
    """The keys of a hosted domain: `a.b.c` gives `a.b.c`, `.b.c`, `.c` (spec mta 4.3).

    Args:
        domain: the domain in lower case.
    """
    yield domain
    position = 0
    for _ in range(MAX_HOSTED_STEPS):
        position = domain.find(b".", position + 1)
        if position < 0:
            return
        yield domain[position:]
