"""Fax addresses: `number@fax`, `number@fax-lowres-cover` (spec fax 2.1 and 2.2).

faxaddress = local "@" faxhost
faxhost    = "fax" *( "-" option )
option     = "lowres" / "ignore" / "cover"
"""

from __future__ import annotations

import attrs

from couriermail.fax.errors import DialPlanError

__all__ = ["MAX_DIAL_CHARACTERS", "FaxAddress", "parse_fax_address"]

MAX_DIAL_CHARACTERS = 80  # spec fax 2.2

_OPTIONS = frozenset({"lowres", "ignore", "cover"})
_DIALABLE = frozenset("0123456789ABCDabcd#*+-,Ww")
_DIAL_SIGNS = str.maketrans({"-": ",", "+": "@"})  # pause; wait for silence


@attrs.frozen(kw_only=True)
class FaxAddress:
    """A fax address, taken apart.

    Attributes:
        number: the dial string before the dial plan: digits, `A`-`D`, `#`, `*`, `W`, `,` for
            a pause and `@` for waiting until the line is silent.
        host: the canonical fax host, lower case, such as `fax-lowres`.
        is_low_resolution: send at 98 lines per inch instead of 196.
        skips_unknown: attachments that cannot be converted are listed on the cover page
            instead of failing the fax.
        is_cover_only: nothing but the cover page is sent.
    """

    number: str
    host: str
    is_low_resolution: bool = False
    skips_unknown: bool = False
    is_cover_only: bool = False


def parse_fax_address(address: str) -> FaxAddress | None:
    """Take a fax address apart; None when the address is none, whatever else it may be.

    Args:
        address: the mail address; its local part as printed, quotes included.

    Raises:
        DialPlanError: it is a fax address without a usable number: nothing to dial in it, or
            more than 80 characters.
    """
    local, at, host = _at_first_sign(address)
    word, *options = host.lower().split("-")  # Courier: upper case is no fax host
    if not at or word != "fax" or not _OPTIONS.issuperset(options):
        return None
    return FaxAddress(
        number=_dial_string(local),
        host=host.lower(),
        is_low_resolution="lowres" in options,
        skips_unknown="ignore" in options,
        is_cover_only="cover" in options,
    )


def _at_first_sign(address: str) -> tuple[str, str, str]:
    """Split at the first `@` that stands outside a quoted local part."""
    quoted, quote, rest = address[1:].rpartition('"')
    if address.startswith('"') and quote:
        _, at, host = rest.partition("@")
        return f'"{quoted}"', at, host
    return address.partition("@")


def _dial_string(local: str) -> str:
    number = "".join(filter(_DIALABLE.__contains__, local))
    if not 0 < len(number) <= MAX_DIAL_CHARACTERS:
        raise DialPlanError(f"{len(number)} characters to dial, 1 to 80 are possible")
    return number.translate(_DIAL_SIGNS)
