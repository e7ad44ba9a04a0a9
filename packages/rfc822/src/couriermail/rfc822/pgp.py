"""MIME/PGP: what is asked of OpenPGP, and what comes back.

`protect` and `unlock` (the modules `pgp_protect` and `pgp_unlock`) read and write the MIME side;
the cryptography is done by a `PgpEngine`.  `Gpg` is the one that runs GnuPG; an embedder or a
test may bring another.  Source: RFC 3156, RFC 1847, spec rfc822 4.27.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from couriermail.rfc822.errors import PgpError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PgpEngine", "PgpOutcome"]


@attrs.frozen(kw_only=True)
class PgpOutcome:
    """What one operation came to.

    Attributes:
        status: 0 when all that was asked for was done, and every signature that was met is
            good; the exit code of the program otherwise.
        report: what the program says to a person.
        output: what it made: a signature, a ciphertext, or a plaintext whose integrity was
            checked; empty when it made nothing that may be used.
        micalg: the digest of a new signature as MIME names it, such as `pgp-sha256`.
    """

    status: int
    report: str = ""
    output: bytes = attrs.field(repr=False, default=b"")
    micalg: str = ""

    def require(self) -> PgpOutcome:
        """This outcome, when it is a success.

        Raises:
            PgpError: it is none; the error has the report.
        """
        if self.status or not self.output:
            raise PgpError(self.report or f"the OpenPGP program failed with code {self.status}")
        return self


class PgpEngine(Protocol):
    """Something that knows OpenPGP.

    Payloads come in pieces, with CRLF line ends, exactly as they are to be signed or encrypted.
    What is made is ASCII-armoured.  Methods raise `PgpProgramError` when nothing can be done at
    all; anything that a message or a key can cause is an outcome.
    """

    def sign(self, payload: Iterable[bytes]) -> PgpOutcome:
        """Makes a detached signature."""

    def encrypt(self, payload: Iterable[bytes], *, sign: bool) -> PgpOutcome:
        """Encrypts, and signs inside the encryption when `sign` is true."""

    def verify(self, payload: Iterable[bytes], signature: bytes) -> PgpOutcome:
        """Checks a detached signature."""

    def decrypt(self, ciphertext: bytes) -> PgpOutcome:
        """Decrypts, and checks the signatures inside."""
