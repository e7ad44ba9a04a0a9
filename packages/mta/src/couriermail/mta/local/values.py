"""The values that pass between the scheduler and a delivery agent.

A `LocalJob` is one recipient of one message; the agent answers each with one `LocalResult`.
Nothing here names the queue: an agent sees the mail of its own user and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import attrs

__all__ = ["MESSAGE_DELIVERED", "AgentSettings", "LocalJob", "LocalResult", "ResultKind"]

MESSAGE_DELIVERED = "Message delivered."  # spec mta.md 15: log analysers look for these words
ResultKind = Literal["success", "failure", "deferral"]


@attrs.frozen(kw_only=True)
class LocalJob:
    """One delivery to one local recipient.

    Attributes:
        key: the caller's number for it; comes back in the result.
        recipient: canonical address (UTF-8 domain); becomes `Delivered-To:`.
        original: the original recipient (DSN ORCPT), or None.
        sender: envelope sender, VERPed where asked for; empty for the null sender.
        user: account name (`USER`).
        account: the name under which the account is found again, for a home that is missing;
            stays with the caller.  Empty: nobody makes a home.
        home: the account's home directory.
        maildir: the account's maildir, relative to `home` or absolute; empty where auth names none.
        quota: Maildir++ quota text; empty: the one written in the maildir counts.
        extension: address extension, which selects the instruction file (spec mta.md 11.1).
        default_instructions: what happens without an instruction file; empty text stands for
            the account's maildir.
        reads_dot_file: False obeys the default instructions whatever files the home holds.
        size: octets of the message.
        body: the message with LF line ends, or a descriptor of a file that holds it.  The
            descriptor must be open for reading only, and no other job may share its file offset.
        ledger: what an earlier, deferred attempt already did; from its result.
        environment: further variables for commands; documented names win over them.
    """

    key: int
    recipient: str
    original: str | None = None
    sender: str
    user: str
    account: str = ""
    home: str
    maildir: str = ""
    quota: str = ""
    extension: str = ""
    default_instructions: str = "./Maildir"
    reads_dot_file: bool = True
    size: int
    body: bytes | int = attrs.field(repr=False)
    ledger: str = ""
    environment: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class LocalResult:
    """What became of one `LocalJob`.

    Attributes:
        key: the job's key.
        kind: `success` (relay flag `l`), `failure` or `deferral`.
        lines: text for the log and for reports: what commands wrote on standard error, and last
            our own words.  On success the last line is always `Message delivered.`
        forwards: addresses to forward to, in order; only on success.  Those without a domain are
            completed by submission.
        untracked: True for a failure that must not enter the suppression list (exit status 70).
        ledger: on deferral, what must not be done again; hand it to the next attempt.
        enhanced: enhanced status code (RFC 3463) for a report.
    """

    key: int
    kind: ResultKind
    lines: tuple[str, ...]
    forwards: tuple[str, ...] = ()
    untracked: bool = False
    ledger: str = ""
    enhanced: str = ""


@attrs.frozen(kw_only=True)
class AgentSettings:
    """How delivery agents of one courierlocal process behave.

    Attributes:
        localtimeout: seconds that one delivery may take (control file `localtimeout`).
        kill_after: seconds between SIGTERM and SIGKILL for a stuck command (spec mta.md 11.9).
        shell: runs the commands of instruction files.
        dot_extension: base of the instruction file's name (control file `dotextension`).
        maildrop_command: command text that means the user's `.mailfilter`, which is then run
            without starting a program (control file `maildrop`); plain `maildrop` means it too.
        maildroprc: the recipe that is run before every user's; a missing file is none.
        dynamic: False refuses `||` instructions (`DYNAMICDELIVERIES=0`).
        create_maildir: create a missing maildir that the default instructions name.
        strict_home: defer while the home is sticky or world-writable.
        idle_timeout: seconds after which an agent without work ends; 0 keeps it.
        environment: the variables of the `courierd` file.
        trusted_uids: who may ask for deliveries besides root and the process's own uid.
        stop_grace: seconds that agents may use to finish their batch when the process stops.
    """

    localtimeout: float = 900.0
    kill_after: float = 10.0
    shell: str = "/bin/sh"
    dot_extension: str = "courier"
    maildrop_command: str = "maildrop"
    maildroprc: str = ""
    dynamic: bool = True
    create_maildir: bool = False
    strict_home: bool = False
    idle_timeout: float = 60.0
    environment: Mapping[str, str] = attrs.field(factory=dict)
    trusted_uids: frozenset[int] = frozenset()
    stop_grace: float = 30.0
