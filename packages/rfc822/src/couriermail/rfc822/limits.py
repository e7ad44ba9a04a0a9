"""What a message may cost before reading it stops going deeper.

Source: spec rfc822 4.14.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["DEFAULT_LIMITS", "Limits"]


# Limits can be moved, but not removed (spec rfc822 8.18): what a tree or a header may cost at most.
_CEILINGS = {
    "parts": 1_000_000,
    "depth": 10_000,
    "header_bytes": 268_435_456,
    "field_bytes": 16_777_216,
    "boundary_bytes": 65_536,
}


class Limits:
    """Limits of the message parser.  Never changed after it was made.

    Nothing is refused when a limit is passed: no more parts are made from there on, the text
    stays inside the part around it, and the defect `TOO_COMPLEX` says so.

    Attributes:
        parts: most parts of a message, the message itself counted.  Each costs memory.
        depth: most levels of nesting, the message itself counted.
        header_bytes: octets of a part's header that are looked at for MIME fields; a push
            parser holds this much.
        field_bytes: octets of a MIME field that are looked at.
        boundary_bytes: longest boundary that is searched for (RFC 2046 5.1.1 allows 70).
    """

    __slots__ = ("boundary_bytes", "depth", "field_bytes", "header_bytes", "parts")

    def __init__(
        self,
        *,
        parts: int = 300,
        depth: int = 20,
        header_bytes: int = 1_048_576,
        field_bytes: int = 10_240,
        boundary_bytes: int = 1_024,
    ) -> None:
        """Sets limits; those not named keep their defaults.

        Raises:
            LimitsError: a limit is less than one, or as good as none.
        """
        given = {
            "parts": parts,
            "depth": depth,
            "header_bytes": header_bytes,
            "field_bytes": field_bytes,
            "boundary_bytes": boundary_bytes,
        }
        for name, value in given.items():
            if not 1 <= value <= _CEILINGS[name]:
                from couriermail.rfc822.errors import LimitsError

                raise LimitsError(f"{name} must be from 1 to {_CEILINGS[name]}")
        self.parts: Final = parts
        self.depth: Final = depth
        self.header_bytes: Final = header_bytes
        self.field_bytes: Final = field_bytes
        self.boundary_bytes: Final = boundary_bytes


DEFAULT_LIMITS = Limits()
