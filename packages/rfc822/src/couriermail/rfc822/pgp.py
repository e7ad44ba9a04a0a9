"""MIME/PGP: what an OpenPGP operation came to.

`protect` and `unlock` (the modules `pgp_protect` and `pgp_unlock`) read and write the MIME side;
the cryptography is done by a `PgpEngine`.  Source: RFC 3156, RFC 1847, spec rfc822 4.27.
"""

from __future__ import annotations

from couriermail.rfc822.errors import PgpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["PgpOutcome"]


class PgpOutcome:
    """What one operation came to.  Never changed after it was made.

    Attributes:
        status: 0 when all that was asked for was done, and every signature that was met is
            good; the exit code of the program otherwise.
        report: what the program says to a person.
        output: what it made: a signature, a ciphertext, or a plaintext whose integrity was
            checked; empty when it made nothing that may be used.
        micalg: the digest of a new signature as MIME names it, such as `pgp-sha256`.
    """

    __slots__ = ("micalg", "output", "report", "status")

    def __init__(
        self, *, status: int, report: str = "", output: bytes = b"", micalg: str = ""
    ) -> None:
        self.status: Final = status
        self.report: Final = report
        self.output: Final = output
        self.micalg: Final = micalg

    def require(self) -> PgpOutcome:
        """This outcome, when it is a success.

        Raises:
            PgpError: it is none; the error has the report.
        """
        if self.status or not self.output:
            raise PgpError(self.report or f"the OpenPGP program failed with code {self.status}")
        return self

    def __repr__(self) -> str:
        return f"PgpOutcome(status={self.status!r}, report={self.report!r}, micalg={self.micalg!r})"
