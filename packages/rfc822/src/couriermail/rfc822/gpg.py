"""OpenPGP by running GnuPG (`gpg`): arguments, descriptors, and what its answers mean.

No shell is involved.  Names of keys are glued to their options, so that one that begins with a
dash is no option; a passphrase goes through a pipe and is in no argument, environment or log.
Success is what the status lines say, not the exit code alone.  Source: spec rfc822 4.27.
"""

from __future__ import annotations

import os

from couriermail.rfc822.errors import PgpProgramError
from couriermail.rfc822.gpg_status import GpgStatus
from couriermail.rfc822.pgp import PgpOutcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

    from couriermail.rfc822.gpg_process import Finished

__all__ = ["Gpg"]

_LONGEST_PASSPHRASE: Final = 4096  # octets; a pipe holds them without a reader
_FAILED: Final = 2  # what gpg itself says when it cannot do what it was asked
_BAD_SIGNATURE: Final = 1


class Gpg:
    """A `PgpEngine` on the program `gpg`.  Never changed after it was made.

    Attributes:
        program: its name or path.
        recipients: keys to encrypt for: fingerprints, addresses or parts of user names.
        signer: the key to sign with; empty for the default one.
        options: further arguments, given to gpg as they are.
        home: directory of the keys; empty for that of the environment.
        passphrase: of the secret key, without line end; None to leave asking to gpg's agent.
        timeout: seconds that one run may take; None for no limit.
        max_output_bytes: what one run may put out; a small message may decompress to much.
    """

    __slots__ = (
        "home", "max_output_bytes", "options", "passphrase", "program", "recipients", "signer",
        "timeout",
    )  # fmt: skip

    def __init__(
        self,
        *,
        program: str = "gpg",
        recipients: Sequence[str] = (),
        signer: str = "",
        options: Sequence[str] = (),
        home: str = "",
        passphrase: bytes | None = None,
        timeout: float | None = None,
        max_output_bytes: int = 268_435_456,
    ) -> None:
        self.program: Final = program
        self.recipients: Final = recipients
        self.signer: Final = signer
        self.options: Final = options
        self.home: Final = home
        self.passphrase: Final = passphrase
        self.timeout: Final = timeout
        self.max_output_bytes: Final = max_output_bytes

    def sign(self, payload: Iterable[bytes]) -> PgpOutcome:
        """Makes a detached signature.

        Raises:
            PgpProgramError: gpg cannot be run, or was stopped.
        """
        done, status = self._run(["-s", "-b", "-a", *self._signer()], payload)
        return _made(done, is_done=status.is_signed, micalg=status.micalg)

    def encrypt(self, payload: Iterable[bytes], *, sign: bool) -> PgpOutcome:
        """Encrypts, and signs inside the encryption when `sign` is true.

        Raises:
            PgpProgramError: gpg cannot be run, or was stopped.
        """
        words = ["-s", "-e", "-a", *self._signer()] if sign else ["-e", "-a"]
        words += [f"--recipient={name}" for name in self.recipients]
        done, status = self._run(words, payload)
        return _made(done, is_done=status.is_encrypted and (status.is_signed or not sign))

    def verify(self, payload: Iterable[bytes], signature: bytes) -> PgpOutcome:
        """Checks a detached signature.

        Raises:
            PgpProgramError: gpg cannot be run, or was stopped.
        """
        done, status = self._run(["--verify", "--charset", "utf-8"], payload, signature)
        code = done.code or (0 if status.has_good_signature else _BAD_SIGNATURE)
        return PgpOutcome(status=code, report=done.report)

    def decrypt(self, ciphertext: bytes) -> PgpOutcome:
        """Decrypts, and checks the signatures inside.

        What is not encrypted at all, or was changed on its way, has no output: showing it is
        how encrypted mail leaks.

        Raises:
            PgpProgramError: gpg cannot be run, or was stopped.
        """
        done, status = self._run(["--decrypt", "--charset", "utf-8"], [ciphertext])
        if not status.is_decrypted:
            return PgpOutcome(status=done.code or _FAILED, report=done.report)
        code = done.code or (_BAD_SIGNATURE if status.has_doubtful_signature else 0)
        return PgpOutcome(status=code, report=done.report, output=done.output)

    def __repr__(self) -> str:
        return f"Gpg(program={self.program!r}, signer={self.signer!r}, home={self.home!r})"

    def _signer(self) -> list[str]:
        return [f"--local-user={self.signer}"] if self.signer else []

    def _run(
        self, words: list[str], payload: Iterable[bytes], signature: bytes | None = None
    ) -> tuple[Finished, GpgStatus]:
        from couriermail.rfc822.gpg_process import GpgProcess

        process = GpgProcess(max_output_bytes=self.max_output_bytes, timeout=self.timeout)
        with process:
            command = [self.program, "--status-fd", str(process.status_descriptor)]
            if self.passphrase is not None:
                secret = process.pass_secret(self._secret())
                command += ["--batch", "--passphrase-fd", str(secret)]
                command += ["--pinentry-mode", "loopback"]
            command += [*words, *self.options]
            if signature is not None:
                # the signature is a file for gpg, and what it signs its standard input
                command += ["--enable-special-filenames", "--"]
                command += [f"-&{process.pass_octets(signature)}", "-"]
            done = process.run(command, self._environment(), payload)
        return done, GpgStatus.parse(done.status)

    def _secret(self) -> bytes:
        secret = self.passphrase or b""
        if len(secret) > _LONGEST_PASSPHRASE or b"\n" in secret:
            raise PgpProgramError("the passphrase is too long, or more than one line")
        return secret + b"\n"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "GNUPGHOME": self.home} if self.home else dict(os.environ)


def _made(done: Finished, *, is_done: bool, micalg: str = "") -> PgpOutcome:
    """The outcome of an operation that makes something; nothing is kept of half a one."""
    code = done.code or (0 if is_done else _FAILED)
    output = b"" if code else done.output
    return PgpOutcome(status=code, report=done.report, output=output, micalg=micalg)
