"""The status lines of GnuPG, which say for programs what its other output says to people.

They come on a descriptor of their own, so that no text of a message or a key can pass for one.
Source: the file DETAILS of GnuPG; hash numbers are those of RFC 4880 9.4.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

__all__ = ["GpgStatus"]

_PREFIX: Final = "[GNUPG:] "
# Anything that makes a signature less than good; gpg exits with 0 for some of them.
_DOUBTS: Final = frozenset(
    ("BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "NODATA", "BADARMOR")
)
_MICALG: Final = {
    # RFC 3156 5: `pgp-` and the name of the hash in lower case
    "8": "pgp-sha256",
    "9": "pgp-sha384",
    "10": "pgp-sha512",
    "11": "pgp-sha224",
    "12": "pgp-sha3-256",
    "14": "pgp-sha3-512",
}
_HASH_FIELD: Final = 2  # SIG_CREATED type key-algorithm hash class time fingerprint


class GpgStatus:
    """The status lines of one run.  Never changed after it was made.

    Attributes:
        lines: keyword and arguments of each line, in order.
    """

    __slots__ = ("lines",)

    def __init__(self, lines: tuple[tuple[str, tuple[str, ...]], ...]) -> None:
        self.lines: Final = lines

    @classmethod
    def parse(cls, octets: bytes) -> GpgStatus:
        """Reads what came on the status descriptor; what is no status line is left out."""
        found = []
        for line in octets.decode("utf-8", "replace").split("\n"):
            words = line.removeprefix(_PREFIX).split()
            if line.startswith(_PREFIX) and words:
                found.append((words[0], tuple(words[1:])))
        return cls(tuple(found))

    @property
    def has_good_signature(self) -> bool:
        """True when there is a signature, and nothing speaks against it or any other."""
        # RFC 4880 5.2.3.3 leaves expired and revoked keys to us; they do not count as good.
        return self._has("GOODSIG") and self._has("VALIDSIG") and not self.has_doubtful_signature

    @property
    def has_doubtful_signature(self) -> bool:
        """True when a signature is bad, expired, revoked or cannot be checked."""
        return any(keyword in _DOUBTS for keyword, _ in self.lines)

    @property
    def is_decrypted(self) -> bool:
        """True when something was decrypted and its integrity was checked."""
        return self._has("DECRYPTION_OKAY") and not self._has("DECRYPTION_FAILED")

    @property
    def is_encrypted(self) -> bool:
        """True when something was encrypted to its end."""
        return self._has("END_ENCRYPTION")

    @property
    def is_signed(self) -> bool:
        """True when a signature was made."""
        return self._has("SIG_CREATED")

    @property
    def micalg(self) -> str:
        """The digest of the signature that was made; empty for none, and for unsafe ones.

        MD5, SHA-1 and RIPEMD-160 are unsafe.
        """
        for keyword, words in self.lines:
            if keyword == "SIG_CREATED" and len(words) > _HASH_FIELD:
                return _MICALG.get(words[_HASH_FIELD], "")
        return ""

    def _has(self, wanted: str) -> bool:
        return any(keyword == wanted for keyword, _ in self.lines)
