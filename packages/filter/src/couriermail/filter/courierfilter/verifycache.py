"""What was found about addresses lately: one small text file per hour (spec filter 4.23).

    TRACK/<epoch / 3600>:   EPOCH V<address>     mail for it was taken
                            EPOCH v<address>     it was refused for good

The files are those of the classic verifier.  The hour that runs and the two before it count, the
last record of an address wins.  A refusal counts for one hour.
"""

from __future__ import annotations

import logging
import os
import re

import attrs

from couriermail.core import Clock, SystemClock

__all__ = ["VerificationCache"]

log = logging.getLogger("couriermail.filter.verifyfilter")

HOUR = 3600
HOURS = 3
REFRESH_SECONDS = 600
BAD_SECONDS = 3600
FILE_MODE = 0o640
MAX_FILE = 64 << 20


@attrs.frozen
class VerificationCache:
    """The directory of these files; it must exist, or nothing is remembered.

    Trouble with the files is logged: an address is then asked about once more.
    """

    directory: str
    clock: Clock = attrs.field(factory=SystemClock)

    def look_up(self, key: str) -> bool | None:
        """True for an address known to be good, False for a bad one, None for an unknown one."""
        now = self.clock.now()
        found = self._newest(os.fsencode(key), int(now) // HOUR)
        if found is None:
            return None
        when, is_good = found
        if not is_good:
            return None if now - when >= BAD_SECONDS else False
        if now - when > REFRESH_SECONDS:
            self.remember(key, is_good=True)
        return True

    def remember(self, key: str, *, is_good: bool) -> None:
        """Add a record; a key that is no single line is not remembered."""
        if "\n" in key:
            return
        now = int(self.clock.now())
        record = b"%d %c%s\n" % (now, b"vV"[is_good], os.fsencode(key))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(self._path(now // HOUR), flags, FILE_MODE)
            try:
                os.write(descriptor, record)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("cannot remember a verification: %s", error.strerror)

    def purge(self) -> None:
        """Remove the files that no longer count."""
        oldest = int(self.clock.now()) // HOUR - HOURS + 1
        try:
            names = os.listdir(self.directory)
        except OSError:
            return
        for name in names:
            if name.isascii() and name.isdigit() and len(name) < 12 and int(name) < oldest:
                _remove(f"{self.directory}/{name}")

    def _newest(self, key: bytes, hour: int) -> tuple[int, bool] | None:
        for number in range(hour, hour - HOURS, -1):
            found = _last_record(self._read(number), key)
            if found is not None:
                return found
        return None

    def _read(self, hour: int) -> bytes:
        try:
            with open(self._path(hour), "rb") as file:
                return file.read(MAX_FILE)
        except OSError:
            return b""

    def _path(self, hour: int) -> str:
        return f"{self.directory}/{hour}"


def _last_record(data: bytes, key: bytes) -> tuple[int, bool] | None:
    pattern = rb"^([0-9]{1,12}) ([Vv])" + re.escape(key) + rb"$"
    last = max(re.finditer(pattern, data, re.MULTILINE), key=re.Match.start, default=None)
    return (int(last[1]), last[2] == b"V") if last is not None else None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError as error:
        log.warning("cannot remove %s: %s", path, error.strerror)
