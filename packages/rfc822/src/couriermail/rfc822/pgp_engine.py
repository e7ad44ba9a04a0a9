"""MIME/PGP: what is asked of OpenPGP.

`Gpg` is the engine that runs GnuPG; an embedder or a test may bring another.  Apart from
`pgp`, since `typing` costs a command that reads one message more than all the rest.
Source: RFC 3156, spec rfc822 4.27.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from couriermail.rfc822.pgp import PgpOutcome

__all__ = ["PgpEngine"]


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
