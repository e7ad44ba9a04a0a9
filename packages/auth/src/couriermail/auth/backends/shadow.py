"""The shadow password file, through the C library (`spwd` left the standard library).

Standard: spec auth 4.5 (authshadow: expiry); getspnam(3), shadow(5).
"""

from __future__ import annotations

import ctypes
import errno
import threading
from functools import cache

import attrs

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ShadowEntry", "find_shadow_entry"]

SECONDS_PER_DAY = 86_400
UNSET = -1

_lock = threading.Lock()  # getspnam(3) returns a buffer that the next call overwrites


@attrs.frozen(kw_only=True)
class ShadowEntry:
    """A line of the shadow file; days are counted from 1970, and -1 is "not set".

    Attributes:
        password: the hash, or a text that is none.
        last_change: day of the last change of the password.
        max_days: days that a password may be used.
        expires: day from which on the account is no more.
    """

    password: str = attrs.field(repr=False)
    last_change: int = UNSET
    max_days: int = UNSET
    expires: int = UNSET

    def is_expired(self, now: float) -> bool:
        """Tell whether account or password are too old.

        Args:
            now: seconds since 1970.
        """
        today = int(now // SECONDS_PER_DAY)
        if 0 < self.expires < today:
            return True
        has_age = UNSET not in (self.last_change, self.max_days)
        return has_age and self.last_change + self.max_days < today


def find_shadow_entry(name: str) -> ShadowEntry | None:
    """Find a user's line.

    Args:
        name: the user's name, without NUL.

    Raises:
        DirectoryError: the file cannot be read by this process.
    """
    with _lock:
        ctypes.set_errno(0)
        address = _getspnam()(name.encode("utf-8", "surrogateescape"))
        if not address:
            if ctypes.get_errno() in {errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE}:
                raise DirectoryError("the shadow passwords cannot be read")
            return None
        line = _Line.from_address(address)
        password: bytes = line.sp_pwdp or b""
        return ShadowEntry(
            password=password.decode("utf-8", "surrogateescape"),
            last_change=int(line.sp_lstchg),
            max_days=int(line.sp_max),
            expires=int(line.sp_expire),
        )


class _Line(ctypes.Structure):
    """`struct spwd` of shadow.h."""

    _fields_ = (
        ("sp_namp", ctypes.c_char_p),
        ("sp_pwdp", ctypes.c_char_p),
        ("sp_lstchg", ctypes.c_long),
        ("sp_min", ctypes.c_long),
        ("sp_max", ctypes.c_long),
        ("sp_warn", ctypes.c_long),
        ("sp_inact", ctypes.c_long),
        ("sp_expire", ctypes.c_long),
        ("sp_flag", ctypes.c_ulong),
    )


@cache
def _getspnam() -> Callable[[bytes], int | None]:
    try:
        function = ctypes.CDLL(None, use_errno=True).getspnam
    except AttributeError:
        raise DirectoryError("this system has no shadow passwords") from None
    function.argtypes = [ctypes.c_char_p]
    function.restype = ctypes.c_void_p
    typed: Callable[[bytes], int | None] = function
    return typed
