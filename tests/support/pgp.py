"""OpenPGP for tests: an engine that only hashes and encodes, and a keyring of the real gpg."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from couriermail.rfc822 import PgpOutcome

ADDRESS = "test@example.com"


class ToyEngine:
    """A `PgpEngine` whose signatures are hashes and whose ciphertexts are base64.

    Attributes:
        seen: what it was given, in order.
        failure: an outcome to give instead of all others.
    """

    def __init__(self, failure: PgpOutcome | None = None) -> None:
        self.seen: list[bytes] = []
        self.failure = failure

    def sign(self, payload: Iterable[bytes]) -> PgpOutcome:
        return self.failure or PgpOutcome(
            status=0, output=self._signature(payload), micalg="pgp-sha256"
        )

    def encrypt(self, payload: Iterable[bytes], *, sign: bool) -> PgpOutcome:
        octets = self._take(payload)
        made = b"-----BEGIN PGP MESSAGE-----\n\n" + base64.encodebytes(octets)
        report = "signed" if sign else ""
        return self.failure or PgpOutcome(status=0, output=made, report=report)

    def verify(self, payload: Iterable[bytes], signature: bytes) -> PgpOutcome:
        is_good = self._signature(payload) == signature.replace(b"\r\n", b"\n")
        return self.failure or PgpOutcome(
            status=0 if is_good else 1, report="good" if is_good else "bad"
        )

    def decrypt(self, ciphertext: bytes) -> PgpOutcome:
        self.seen.append(ciphertext)
        _, found, encoded = ciphertext.replace(b"\r\n", b"\n").partition(b"-\n\n")
        if self.failure or not found:
            return self.failure or PgpOutcome(status=2, report="no ciphertext")
        return PgpOutcome(status=0, report="decrypted", output=base64.b64decode(encoded))

    def _signature(self, payload: Iterable[bytes]) -> bytes:
        digest = hashlib.sha256(self._take(payload)).hexdigest()
        return f"-----BEGIN PGP SIGNATURE-----\n\n{digest}\n-----END PGP SIGNATURE-----\n".encode()

    def _take(self, payload: Iterable[bytes]) -> bytes:
        octets = b"".join(payload)
        self.seen.append(octets)
        return octets


@contextmanager
def keyring(passphrase: str = "") -> Iterator[Path]:
    """A home of gpg with one new key, which can sign and decrypt.

    It lies at a short path, for the agent listens there on a socket, and is gone afterwards.
    """
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    # what makes guessing passphrases slow makes tests slow
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")
    try:
        generate = ["--quick-gen-key", f"Test <{ADDRESS}>", "future-default", "default", "never"]
        gpg(home, "--pinentry-mode", "loopback", "--passphrase", passphrase, *generate)
        yield home
    finally:
        subprocess.run(
            ["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"],
            check=False,
            capture_output=True,
        )
        shutil.rmtree(home, ignore_errors=True)


def gpg(home: Path, *words: str, data: bytes = b"") -> bytes:
    """Runs gpg for the test itself."""
    done = subprocess.run(
        ["gpg", "--homedir", str(home), "--batch", "--quiet", *words],
        input=data,
        capture_output=True,
        check=True,
    )
    return done.stdout
