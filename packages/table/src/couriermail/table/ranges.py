"""Address ranges as table keys (`makedat -cidr`, spec maildir 4.16).

A table knows exact keys only, so a range becomes the fewest keys of whole octets (IPv4,
`192.168`) or whole groups (IPv6, `:2001:0db8`) that cover it.  Lookup then strips the last
octet or group until it finds something (`couriermail.table.keys.address_keys`).
"""

from __future__ import annotations

from couriermail.table.errors import TableSourceError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["MAX_KEYS_PER_RANGE", "expand_range"]

MAX_KEYS_PER_RANGE = 65536  # an IPv6 /0 is 65536 keys; more is a slip of the pen

_RANGE_BYTES = frozenset(b"0123456789abcdefABCDEF:.")


def expand_range(word: bytes) -> list[bytes] | None:
    """The keys that cover `addr/len` or `addr-addr`; None when the word is not of that shape.

    Args:
        word: the first word of a line, such as `1.2.3.0/30` or `10.0.0.5-10.0.0.6`.

    Raises:
        TableSourceError: it has the shape of a range but is none, or needs too many keys.
    """
    for separator in b"/", b"-":
        first, found, last = word.partition(separator)
        if found and first and last and _RANGE_BYTES.issuperset(first + last):
            lower, upper = _bounds(first.decode(), last.decode(), is_prefix=separator == b"/")
            return _covering_keys(lower, upper)
    return None


def _bounds(
    first: str, last: str, *, is_prefix: bool
) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    import ipaddress

    try:
        if is_prefix:
            network = ipaddress.ip_network(f"{first}/{last}", strict=False)
            return network[0], network[-1]
        lower, upper = ipaddress.ip_address(first), ipaddress.ip_address(last)
    except ValueError as error:
        raise TableSourceError(str(error)) from error
    if lower.version != upper.version or int(lower) > int(upper):
        raise TableSourceError(f"{first}-{last} is not a range of addresses")
    return lower, upper


def _covering_keys(
    lower: IPv4Address | IPv6Address, upper: IPv4Address | IPv6Address
) -> list[bytes]:
    """Take the largest whole unit (octet, group) that starts at the lower bound and fits."""
    width, unit = (32, 8) if lower.version == 4 else (128, 16)
    keys: list[bytes] = []
    position, end = int(lower), int(upper) + 1
    while position < end:
        bits = 0  # of the host part
        while bits + unit < width and _fits(position, bits + unit, end):
            bits += unit
        keys.append(_key(position >> bits, width - bits, unit))
        if len(keys) > MAX_KEYS_PER_RANGE:
            raise TableSourceError(f"range needs more than {MAX_KEYS_PER_RANGE} keys")
        position += 1 << bits
    return keys


def _fits(position: int, bits: int, end: int) -> bool:
    size = 1 << bits
    return position % size == 0 and position + size <= end


def _key(prefix: int, bits: int, unit: int) -> bytes:
    parts = [(prefix >> shift) & ((1 << unit) - 1) for shift in range(bits - unit, -1, -unit)]
    if unit == 8:
        return ".".join(map(str, parts)).encode()
    return "".join(f":{part:04x}" for part in parts).encode()
