"""Lines of the mail log, in the form that log readers expect (spec mta 15).

Functions only: text in, line out, without the syslog prefix.  Whatever is put into a line is
cut to 128 characters and cleaned, so that no sender can forge a line or break one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MAX_INSERT",
    "MAX_LINE",
    "completed",
    "failure",
    "info",
    "newmsg",
    "started",
    "status",
    "success",
]

MAX_INSERT = 128
"""Characters of one inserted text; `...` shows that it was cut."""

MAX_LINE = 1023
"""Octets of a whole line."""

_CONTROLS: dict[int, str | None] = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), ".")
_CONTROLS |= {ord("\n"): "/", ord("\r"): None}


def newmsg(queue_id: str, source: str, *, auth: str | None = None) -> str:
    """A message is attempted for the first time: `newmsg,id=ID[, auth=WHO]: SOURCE`."""
    who = f", auth={_insert(auth)}" if auth else ""
    return _line(f"newmsg,id={_insert(queue_id)}{who}: {_insert(source)}")


def started(queue_id: str, sender: str, *, module: str, host: str, address: str) -> str:
    """One recipient's delivery starts; `address` is what the module was given."""
    return _line(
        f"started,id={_insert(queue_id)},from=<{_insert(sender)}>,module={_insert(module)}"
        f",host={_insert(host)},addr=<{_insert(address)}>"
    )


def info(queue_id: str, sender: str, recipient: str, text: str) -> str:
    """One line that a module says about a recipient."""
    return _line(f"{_head(queue_id, sender, recipient)}: {_insert(text)}")


def success(queue_id: str, sender: str, recipient: str, text: str, *, size: int) -> str:
    """A delivery worked: `id=...,size=N,success: TEXT`."""
    return _line(f"{_head(queue_id, sender, recipient)},size={size},success: {_insert(text)}")


def status(
    queue_id: str, sender: str, recipient: str, kind: str, *, size: int | None = None
) -> str:
    """How a delivery ended; `kind` is `success`, `failure` or `deferred`."""
    octets = "" if size is None else f",size={size}"
    return _line(f"{_head(queue_id, sender, recipient)}{octets},status: {kind}")


def failure(
    queue_id: str, sender: str, recipient: str, lines: Iterable[str], *, is_deferred: bool
) -> list[str]:
    """All lines of a failure or deferral: what was said, then the status."""
    said = [info(queue_id, sender, recipient, line) for line in lines]
    return [*said, status(queue_id, sender, recipient, "deferred" if is_deferred else "failure")]


def completed(queue_id: str) -> str:
    """A round of a message is over."""
    return _line(f"completed,id={_insert(queue_id)}")


def _head(queue_id: str, sender: str, recipient: str) -> str:
    return f"id={_insert(queue_id)},from=<{_insert(sender)}>,addr=<{_insert(recipient)}>"


def _insert(text: str) -> str:
    """Make a text fit for a line: CR gone, inner LF as `/`, other controls as `.`, cut."""
    clean = text.removesuffix("\n").translate(_CONTROLS)
    return clean if len(clean) <= MAX_INSERT else f"{clean[:MAX_INSERT]}..."


def _line(text: str) -> str:
    octets = text.encode("utf-8", "replace")
    if len(octets) <= MAX_LINE:
        return octets.decode()
    return octets[:MAX_LINE].decode("utf-8", "ignore")
