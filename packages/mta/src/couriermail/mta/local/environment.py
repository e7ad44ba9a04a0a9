"""What a delivery tells the commands it runs, and the lines it puts before a message.

A command's environment is exactly the variables of the `courierd` file and the documented
ones (spec mta.md 11.5): nothing of the mail system's own environment comes through.
Domains in the three lines are in their ASCII form (spec mta.md 11.4).
"""

from __future__ import annotations

import os

import attrs

from couriermail.maildir.mbox import from_line
from couriermail.rfc822 import domain_to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from couriermail.mta.local.values import AgentSettings, LocalJob

__all__ = ["Lines", "ace_address", "command_environment", "filter_variables"]

_DEFAULT_PATH = "/bin:/usr/bin:/usr/local/bin"
_DEFAULT_MAILDROP = "./Maildir"
# Courier leaks these to users' commands (spec mta.md 11.5); they are the scheduler's business.
_PRIVATE = frozenset({"COURIER_HOME", "MAXDELS", "MAXHOST", "MAXRCPT"})
_CONTROLS = dict.fromkeys((*range(32), 127), " ")


def ace_address(address: str) -> str:
    """An address as it stands in a header: ASCII domain, no control characters."""
    local, at, domain = address.translate(_CONTROLS).rpartition("@")
    return f"{local}@{domain_to_ascii(domain)}" if at else domain


@attrs.frozen
class Lines:
    """The three lines about the envelope, without their ends.

    Attributes:
        uf: `From SENDER DATE`, which separates messages in an mbox file.
        dt: `Delivered-To: RECIPIENT`.
        rp: `Return-Path: <SENDER>`.
    """

    uf: str
    dt: str
    rp: str

    @classmethod
    def of(cls, job: LocalJob, now: float) -> Lines:
        """The lines for a job that is delivered at `now`."""
        sender = ace_address(job.sender)
        return cls(
            from_line(sender, now).decode("utf-8", "surrogateescape").rstrip("\n"),
            f"Delivered-To: {ace_address(job.recipient)}",
            f"Return-Path: <{sender}>",  # the null sender is <> (RFC 5321 4.5.5)
        )

    @property
    def header(self) -> bytes:
        """The two header lines that are put before a message in a mailbox."""
        return f"{self.dt}\n{self.rp}\n".encode("utf-8", "surrogateescape")


def command_environment(
    job: LocalJob, settings: AgentSettings, lines: Lines, *, default_part: str
) -> Mapping[str, str]:
    """The whole environment of a delivery's commands.

    Args:
        job: the delivery.
        settings: the agent's settings, with the variables of the `courierd` file.
        lines: the delivery's three lines.
        default_part: the part of the extension that `default` matched; empty where none did.
    """
    local, at, host = job.recipient.rpartition("@")
    ext2, ext3, ext4 = _extension_tails(job.extension)
    variables = {"PATH": _DEFAULT_PATH, "MAILDROPDEFAULT": _DEFAULT_MAILDROP}
    variables.update(settings.environment)
    variables.update(job.environment)
    if job.maildir:
        variables["MAILDROPDEFAULT"] = job.maildir
    if job.quota:
        variables["MAILDIRQUOTA"] = job.quota
    variables.update(
        HOME=job.home,
        USER=job.user,
        SHELL=settings.shell,
        SENDER=job.sender,
        RECIPIENT=job.recipient,
        LOCAL=local if at else host,
        HOST=host if at else "localhost",
        EXT=job.extension,
        EXT2=ext2,
        EXT3=ext3,
        EXT4=ext4,
        DEFAULT=default_part,
        DTLINE=lines.dt,
        RPLINE=lines.rp,
        UFLINE=lines.uf,
    )
    return {name: value for name, value in variables.items() if name not in _PRIVATE}


def filter_variables(
    job: LocalJob, settings: AgentSettings, environment: Mapping[str, str]
) -> Mapping[str, str]:
    """The variables that a user's `.mailfilter` starts with (spec filter.md 4.11)."""
    return {
        "DEFAULT": environment["MAILDROPDEFAULT"],
        "FROM": job.sender,
        "HOME": job.home,
        "HOSTNAME": os.uname().nodename,
        "LOGNAME": job.user,
        "MAILDIRQUOTA": job.quota,
        "MAILFILTER": ".mailfilter",
        "SHELL": settings.shell,
    }


def _extension_tails(extension: str) -> tuple[str, str, str]:
    """What stands behind the first, second and third `-`."""
    words = extension.split("-")
    return "-".join(words[1:]), "-".join(words[2:]), "-".join(words[3:])
