"""The message that tells a user of a nearly full mailbox (spec maildir 4.7).

It goes to the main maildir, however full that is, and is repeated at most once a day: the
file `quotawarn` has the time of the last one.
"""

from __future__ import annotations

import os
import time

from couriermail.maildir.delivery import prepare
from couriermail.maildir.errors import maildir_error
from couriermail.maildir.folders import owner_of
from couriermail.maildir.maildirsize import append_line, read_size_file
from couriermail.maildir.quota import Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock
    from couriermail.maildir.names import MaildirKey

__all__ = ["REPEAT_SECONDS", "WARNING_FILE", "percent_used", "warn_if_full"]

WARNING_FILE = "quotawarn"
REPEAT_SECONDS = 86400
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def percent_used(directory: str) -> int:
    """How full the quota of a maildir or folder is, 0 to 100; 0 without a quota."""
    file = read_size_file(owner_of(directory))
    return 0 if file is None else file.quota.percent(file.usage)


def warn_if_full(
    directory: str,
    template: bytes,
    *,
    percent: int,
    repeat_seconds: int = REPEAT_SECONDS,
    mode: int = 0o600,
    clock: Clock | None = None,
) -> MaildirKey | None:
    """Deliver a warning, if the mailbox is that full and none was delivered lately.

    Args:
        directory: the maildir, or a folder: the warning goes to its maildir.
        template: a message without the headers Date and Message-Id, which are put first.
        percent: warn from this share of the quota on.
        repeat_seconds: least time between two warnings.
        mode: permission bits of the message.
        clock: the machine's clock when None.

    Returns:
        The key of the warning; None when there was no need.

    Raises:
        MaildirError: it could not be delivered.
    """
    if percent_used(directory) < percent:
        return None
    owner = owner_of(directory)
    now = clock.now() if clock is not None else time.time()
    if not _mark(f"{owner}/{WARNING_FILE}", now, repeat_seconds):
        return None
    warning = prepare(
        owner, [_headers(now), template], ledger=None, when=now, mode=mode, unique="warn"
    )
    key = warning.commit()
    append_line(owner, Usage(warning.size, 1))
    return key


def _mark(path: str, now: float, repeat_seconds: int) -> bool:
    """Note that a warning is sent now; False when the last one is too young."""
    try:
        if os.stat(path).st_mtime + repeat_seconds > now:
            return False
    except OSError:
        pass  # never warned
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
        try:
            os.write(descriptor, b"\0")
            os.utime(descriptor, (now, now))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise maildir_error(error, "cannot write", path) from error
    return True


def _headers(now: float) -> bytes:
    host = os.uname().nodename
    text = f"Date: {_date(now)}\nMessage-Id: <{int(now)}.overquota@{host}>\n"
    return text.encode("utf-8", "surrogateescape")


def _date(now: float) -> str:
    """The local time as RFC 5322 3.3 writes it; `strftime` would follow the locale."""
    at = time.localtime(now)
    sign = "-" if at.tm_gmtoff < 0 else "+"
    hours, minutes = divmod(abs(at.tm_gmtoff) // 60, 60)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{day} {clock} {sign}{hours:02}{minutes:02}"
