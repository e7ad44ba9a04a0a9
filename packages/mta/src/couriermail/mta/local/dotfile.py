"""Finding and reading the instructions of one delivery, with the checks on home and file."""

from __future__ import annotations

import os
import stat

import attrs

from couriermail.mta.dotfiles import find_dot_file, is_safe_extension
from couriermail.mta.local.userfiles import open_user_file, read_user_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.local.values import AgentSettings, LocalJob, ResultKind

__all__ = ["DotText", "Refusal", "read_dot_file"]

_UNREADABLE = "Unable to read .courier file."


@attrs.frozen
class DotText:
    """Instructions as text.

    Attributes:
        text: the file's contents, or the default instructions.
        default_part: what `default` in the file's name stands for (`DEFAULT`).
        is_default: no file says anything.
    """

    text: str
    default_part: str = ""
    is_default: bool = attrs.field(default=False, kw_only=True)


@attrs.frozen
class Refusal:
    """Why a delivery does not begin."""

    kind: ResultKind
    text: str
    enhanced: str
    untracked: bool = attrs.field(default=False, kw_only=True)


def read_dot_file(job: LocalJob, settings: AgentSettings) -> DotText | Refusal:
    """The instructions for a job.

    A missing file for a plain address, or an empty one, means the default instructions.  A
    missing file for an extension means that there is no such user (spec mta.md 11.1, 11.2).
    A job that reads no instruction file gets the default ones for every extension.
    """
    if not is_safe_extension(job.extension):
        return _unknown_user()
    refusal = _check_home(job.home, settings)
    if refusal is not None:
        return refusal
    if not job.reads_dot_file:
        return _default(job)
    try:
        found = find_dot_file(job.home, job.extension, base=settings.dot_extension)
        if found is None:
            return _default(job) if not job.extension else _unknown_user()
        text = _read(found.path)
    except OSError:
        return Refusal("deferral", _UNREADABLE, "4.3.0")
    if isinstance(text, Refusal):
        return text
    if not text:
        return attrs.evolve(_default(job), default_part=found.default_part or "")
    return DotText(text, found.default_part or "")


def _read(path: str) -> str | Refusal:
    """The file's text; empty for a dangling link, which counts as a missing file."""
    try:
        with open_user_file(path) as descriptor:
            return _read_checked(descriptor)
    except FileNotFoundError:
        return ""


def _read_checked(descriptor: int) -> str | Refusal:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):  # a FIFO could hold the delivery for ever
        return Refusal("deferral", _UNREADABLE, "4.3.0")
    if facts.st_mode & stat.S_IWOTH:
        return Refusal("deferral", ".courier file is globally writeable.", "4.7.0")
    data = read_user_file(descriptor)
    if data is None:
        return Refusal("deferral", ".courier file is too large.", "4.3.0")
    return data.decode("utf-8", "surrogateescape")


def _check_home(home: str, settings: AgentSettings) -> Refusal | None:
    try:
        facts = os.stat(home)
    except OSError:
        facts = None
    if facts is None or not stat.S_ISDIR(facts.st_mode) or not os.access(home, os.X_OK):
        return Refusal("deferral", "Unable to change to home directory.", "4.3.0")
    if settings.strict_home and facts.st_mode & (stat.S_ISVTX | stat.S_IWOTH):
        return Refusal("deferral", "Home directory is sticky or world-writable.", "4.7.0")
    return None


def _default(job: LocalJob) -> DotText:
    """The default instructions; none at all must not mean that mail is thrown away."""
    text = job.default_instructions
    if not text.strip():
        maildir = job.maildir or "Maildir"
        text = f"{maildir}/" if maildir[0] in "./" else f"./{maildir}/"
    return DotText(text, is_default=True)


def _unknown_user() -> Refusal:
    return Refusal("failure", "Unknown user.", "5.1.1")  # RFC 3463 3.2: bad destination mailbox
