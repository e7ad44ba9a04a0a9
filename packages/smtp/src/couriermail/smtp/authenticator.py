"""Who checks an AUTH: one hook for each kind of proof, and the mechanisms that need it."""

from __future__ import annotations

import os

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from couriermail.auth import CramResponse, LoginThrottle, ScramSecret
    from couriermail.smtp.session import Authenticate, Session

    Verdict = Awaitable[str | None] | str | None
    Secret = Awaitable[ScramSecret | None] | ScramSecret | None

__all__ = ["CLEAR_TEXT_MECHANISMS", "DECOY_KEY_BYTES", "EXTERNAL", "Authenticator"]

CLEAR_TEXT_MECHANISMS = ("PLAIN", "LOGIN")  # they send the password itself
EXTERNAL = "EXTERNAL"
_CRAM_MECHANISMS = ("CRAM-SHA256", "CRAM-SHA1", "CRAM-MD5")
_SCRAM_MECHANISMS = ("SCRAM-SHA-256",)

DECOY_KEY_BYTES = 32


def _new_key() -> bytes:
    return os.urandom(DECOY_KEY_BYTES)


@attrs.frozen(kw_only=True)
class Authenticator:
    """Checks what clients prove; a mechanism is offered only where its hook is there.

    Hooks may be plain or async.  They say whose proof it is, or None when it is wrong, and
    raise `couriermail.auth.DirectoryError` when that cannot be found out now; an error's own
    reply is what the client gets.

    Attributes:
        password: checks a name and password (PLAIN, LOGIN).
        cram: checks a digest of a challenge (CRAM-SHA256, CRAM-SHA1, CRAM-MD5).
        scram: gives the secret of a name, None for an unknown one (SCRAM-SHA-256).
        external: says whether the identity that TLS proved is an account (EXTERNAL).
        domain: appended to login names without one, such as `@example.com`.
        decoy_key: makes the salts that unknown names get in SCRAM.
        throttle: counts failed logins per client address, and holds up who has too many.
    """

    password: Authenticate | None = None
    cram: Callable[[Session, CramResponse], Verdict] | None = None
    scram: Callable[[Session, str], Secret] | None = None
    external: Callable[[Session, str], Verdict] | None = None
    domain: str = ""
    decoy_key: bytes = attrs.field(factory=_new_key, repr=False)
    throttle: LoginThrottle | None = None

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What can be checked, the strongest first; EXTERNAL last, as TLS decides about it."""
        hooks = (
            (self.scram, _SCRAM_MECHANISMS),
            (self.cram, _CRAM_MECHANISMS),
            (self.password, CLEAR_TEXT_MECHANISMS),
            (self.external, (EXTERNAL,)),
        )
        return tuple(name for hook, names in hooks if hook is not None for name in names)

    def offer(self, listed: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the listed mechanisms that can be checked, in that order.

        EXTERNAL needs no entry: it is offered to whom TLS has proved (spec smtp 8).
        """
        known = self.mechanisms
        wanted = [name for name in listed if name in known]
        if EXTERNAL in known and EXTERNAL not in wanted:
            wanted.append(EXTERNAL)
        return tuple(wanted)
