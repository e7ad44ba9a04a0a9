"""`deliverquota`: deliver one message into a maildir, within its quota (spec maildir 2.2).

A well-formed command line is read here, without typer, because this command runs once per
message; `--help` loads the typer app of `couriermail.cli.deliverquota_app`, and a test
compares the two.
"""

from __future__ import annotations

import errno
import os
import sys

from couriermail.cli.message_io import CommandError, fail_line, map_input, read_pieces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from couriermail.maildir.errors import MaildirError
    from couriermail.maildir.maildir import Maildir
    from couriermail.maildir.writing import Chunks

__all__ = ["OPTIONS_WITH_VALUE", "SWITCHES", "Request", "UsageError", "main", "read_command_line"]

OPTIONS_WITH_VALUE = {
    "-w": "warn_percent",
    "-W": "warn_file",
    "--over-quota-status": "over_quota_status",
}
SWITCHES = {"-c": "create", "--virtual-size": "with_virtual_size"}

CANNOT_CREATE = 73  # EX_CANTCREAT: Courier's code for a command line that is wrong
INPUT_OUTPUT_ERROR = 74  # EX_IOERR
TRY_AGAIN = 75  # EX_TEMPFAIL
OVER_QUOTA_FOR_MAILDROP = 77  # EX_NOPERM
MAILDROP_NAME = "deliverquota.maildrop"
WARNING_TEMPLATE = "quotawarnmsg"
NO_WARNING = -1

# What keeps the first file from being made; anything later is an input/output error.
_NO_SUCH_PLACE = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ELOOP,
        errno.EEXIST,
        errno.ENAMETOOLONG,
    }
)


class UsageError(Exception):
    """A command line that cannot be understood."""


class Request:
    """One command line, understood.

    Attributes:
        maildir: where the message goes.
        quota: text of a quota to set first, or None.
        create: True for `-c`.
        warn_percent: share of the quota from which to warn; -1 for never.
        warn_file: file with the text of the warning, or None for the system's.
        over_quota_status: exit code of a message that does not fit.
        with_virtual_size: True for `--virtual-size`.
    """

    __slots__ = (
        "create",
        "maildir",
        "over_quota_status",
        "quota",
        "warn_file",
        "warn_percent",
        "with_virtual_size",
    )

    def __init__(self, program: str) -> None:
        self.maildir = ""
        self.quota: str | None = None
        self.create = self.with_virtual_size = False
        self.warn_percent = NO_WARNING
        self.warn_file: str | None = None
        is_maildrops = os.path.basename(program) == MAILDROP_NAME
        self.over_quota_status = OVER_QUOTA_FOR_MAILDROP if is_maildrops else TRY_AGAIN


def read_command_line(program: str, words: Sequence[str]) -> Request:
    """Read the words after the command's name.

    Courier: a word that is no option names the maildir, even if it starts with `-`.

    Args:
        program: the command's name, which chooses a personality.
        words: the rest of the command line.

    Raises:
        UsageError: no maildir, an option without its value, or a number out of range.
    """
    request = Request(program)
    rest = list(words)
    while rest:
        if rest[0] in SWITCHES:
            setattr(request, SWITCHES[rest.pop(0)], True)
        elif rest[0] in OPTIONS_WITH_VALUE and len(rest) > 1:
            _take_value(request, OPTIONS_WITH_VALUE[rest[0]], rest[1])
            del rest[:2]
        else:
            break
    if not rest or not rest[0] or rest[0] in OPTIONS_WITH_VALUE:
        raise UsageError
    request.maildir = rest[0]
    request.quota = rest[1] if len(rest) > 1 else None
    return request


def run(request: Request) -> int:
    """Deliver standard input and return the exit code.

    Raises:
        CommandError: it could not be delivered.
    """
    from couriermail.maildir.errors import MaildirError, QuotaExceeded
    from couriermail.maildir.maildir import Maildir

    box = Maildir(
        request.maildir, file_mode=0o666 & ~_umask(), with_virtual_size=request.with_virtual_size
    )
    code = 0
    try:
        if request.create:
            _create(request.maildir)
        if request.quota is not None:
            _set_quota(box, request.quota)
        with box.prepare(_message(), unique="") as message:
            message.commit()
    except QuotaExceeded:
        sys.stdout.write("Mail quota exceeded.\n")
        code = request.over_quota_status
    except CommandError as error:  # of reading the message
        raise CommandError(str(error), INPUT_OUTPUT_ERROR) from error
    except MaildirError as error:
        raise CommandError(
            f"{_place(request, error)}: {error.reason}", _exit_code(error)
        ) from error
    if request.warn_percent > NO_WARNING:
        _warn(box, request)
    return code


def main() -> None:
    """Run the command and exit."""
    program, *words = sys.argv
    if "--help" in words:
        from couriermail.cli.deliverquota_app import app

        app(["--help"], prog_name="deliverquota")
    try:
        sys.exit(run(read_command_line(program, words)))
    except UsageError:
        sys.stderr.write(f"Usage: {program} [-c] [-w percent] maildir\n")
        sys.exit(CANNOT_CREATE)
    except CommandError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.code)


def _take_value(request: Request, name: str, value: str) -> None:
    if name == "warn_file":
        request.warn_file = value
    elif name == "warn_percent":
        request.warn_percent = _number(value, NO_WARNING, 100)
    else:
        request.over_quota_status = _number(value, 1, 255)


def _number(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError:
        raise UsageError from None
    if not least <= number <= most:
        raise UsageError
    return number


def _create(path: str) -> None:
    from couriermail.maildir.create import ensure_maildir

    ensure_maildir(path.rstrip("/") or "/")


def _set_quota(box: Maildir, text: str) -> None:
    from couriermail.maildir.quota import parse_quota

    refused: list[str] = []
    quota = parse_quota(text, refused.append)
    if refused:
        sys.stderr.write(f"WARN: quota string '{text}' not parseable\n")
    if quota.is_limited and quota != box.quota:
        box.set_quota(quota)


def _message() -> Chunks:
    """Standard input; a file's size is known, so that its quota is checked before it is read."""
    import stat

    try:
        status = os.fstat(0)
    except OSError as error:
        raise fail_line("stdin", error) from error
    is_known = stat.S_ISREG(status.st_mode) and status.st_size > 0
    return memoryview(map_input()) if is_known else read_pieces()


def _warn(box: Maildir, request: Request) -> None:
    from couriermail.maildir.errors import MaildirError

    template = _template(request.warn_file)
    if template is None:
        return
    try:
        box.warn_if_full(template, percent=request.warn_percent)
    except MaildirError as error:  # the message itself has its exit code already
        sys.stderr.write(f"{request.maildir}: quota warning: {error.reason}\n")


def _template(chosen: str | None) -> bytes | None:
    from couriermail.cli.layout import config_directory

    for path in (chosen, f"{config_directory()}/{WARNING_TEMPLATE}"):
        try:
            if path is not None:
                with open(path, "rb") as file:
                    return file.read()
        except OSError:
            continue
    return None


def _place(request: Request, error: MaildirError) -> str:
    """What the message names: the maildir, or the file of ours in it that is in the way."""
    from couriermail.maildir.quotarules import RULES_FILE

    path = error.path or ""
    return path if path.endswith(f"/{RULES_FILE}") else request.maildir


def _umask() -> int:
    """The process's file mode creation mask, which can be read only by setting another."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _exit_code(error: MaildirError) -> int:
    # Courier: 74 when the disk is full as well; 75 keeps the mail in the queue.
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return TRY_AGAIN if is_full or error.errno in _NO_SUCH_PLACE else INPUT_OUTPUT_ERROR


if __name__ == "__main__":
    main()
