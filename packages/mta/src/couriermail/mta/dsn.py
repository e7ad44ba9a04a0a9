"""Delivery status notifications: who is told what about which recipients (spec mta 12.2, 12.3).

`plan_report` is pure: envelope and recipient states in, a `ReportPlan` or None out.  The kinds:

* `final`: the message leaves the queue; successes that were asked for, and failures,
* `early`: it is deferred, and failures among the others are not worth waiting (18.2),
* `delay`: some recipients are late.

Every recipient is reported once per kind of news: `S`, `F` or `D`, as the queue remembers in
`RecipientState.reported`.  What the report looks like is `couriermail.mta.dsnreport`'s business.
"""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import attrs

from couriermail.mta.addresses import DOUBLE_BOUNCE, is_valid_address
from couriermail.mta.aliases import EXPANDED_NOTE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from couriermail.mta.config import Config
    from couriermail.queue import Envelope, RecipientState

__all__ = [
    "ReportEntry",
    "ReportKind",
    "ReportPlan",
    "ReportPolicy",
    "enhanced_status",
    "plan_report",
]

ReportKind: TypeAlias = Literal["final", "early", "delay"]

POSTMASTER = "postmaster"


@attrs.frozen(kw_only=True)
class ReportPolicy:
    """Settings that decide who is told.

    Attributes:
        to_auth_address: DSNTOAUTHADDR, report to the authenticated sender.
        notify_delay: DSNDEFAULTNOTIFYDELAY, report delays unless NOTIFY says otherwise.
        expanded: say `expanded` and not `relayed` for an alias with several members.
        defaultdomain: completes `postmaster`.
    """

    to_auth_address: bool = False
    notify_delay: bool = True
    expanded: bool = True
    defaultdomain: str = ""

    @classmethod
    def of(cls, config: Config) -> ReportPolicy:
        """The policy of a configuration."""
        return cls(
            to_auth_address=not config.environment.get("DSNTOAUTHADDR", "1").startswith("0"),
            notify_delay=config.environment.get("DSNDEFAULTNOTIFYDELAY") != "0",
            expanded=config.settings.mta.dsn_expanded,
            defaultdomain=config.defaultdomain,
        )


@attrs.frozen(kw_only=True)
class ReportEntry:
    """What a report says about one recipient.

    Attributes:
        index: position in the envelope.
        letter: kind of news: `S`, `F` or `D`.
        address: final recipient.
        original: ORCPT, or None.
        action: `delivered`, `relayed`, `expanded`, `failed` or `delayed` (RFC 3464 2.3.3).
        status: enhanced status code (RFC 3463).
        lines: the reply or explanation.
        peer: who gave it, or None.
        commands: what the peer was asked.
        errors: what went wrong with the connection to it.
        diagnostic_type: `smtp` for replies of a peer, else `unknown`.
    """

    index: int
    letter: str
    address: str
    original: str | None = None
    action: str
    status: str
    lines: tuple[str, ...] = ()
    peer: str | None = None
    commands: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    diagnostic_type: str = "unknown"


@attrs.frozen(kw_only=True)
class ReportPlan:
    """A report that is to be sent.

    Attributes:
        kind: why.
        to: the address that gets it.
        sender: its envelope sender: "", or `#@[]` when it must not be reported itself.
        label: its source label, such as `smtp/dsn`.
        security: SECURITY level that it inherits.
        entries: the recipients that it reports, in queue order.
    """

    kind: ReportKind
    to: str
    sender: str
    label: str
    security: str = ""
    entries: tuple[ReportEntry, ...]

    @property
    def marks(self) -> Mapping[int, str]:
        """Letters to record in the queue as reported, by recipient index."""
        return {entry.index: entry.letter for entry in self.entries}

    @property
    def reports_failure(self) -> bool:
        """True when some reported recipient is not a success."""
        return any(entry.letter != "S" for entry in self.entries)


def plan_report(
    envelope: Envelope,
    states: Sequence[RecipientState],
    kind: ReportKind,
    policy: ReportPolicy = ReportPolicy(),
    *,
    is_report: bool = False,
) -> ReportPlan | None:
    """Decide whether a report is due, to whom, and about which recipients.

    Args:
        envelope: the message's.
        states: its recipients after the round.
        kind: what happened to the message.
        policy: settings.
        is_report: the message itself is a multipart/report; with a null sender nobody but the
            postmaster hears of its failure (spec mta 12.5).

    Returns:
        The plan, or None when nobody is to be told.
    """
    to = _report_address(envelope, policy, is_report=is_report)
    if to == DOUBLE_BOUNCE:
        return None  # a report about a report failed: dropped (spec mta 12.3)
    news = _news(states, kind, policy)
    if not to:
        if kind != "final":
            return None
        news = ((index, letter) for index, letter in news if letter == "F")
        to = f"{POSTMASTER}@{policy.defaultdomain}" if policy.defaultdomain else POSTMASTER
    entries = tuple(_entry(index, states[index], letter, policy) for index, letter in news)
    if not entries:
        return None
    return ReportPlan(
        kind=kind,
        to=to,
        sender="" if envelope.sender else DOUBLE_BOUNCE,
        label=f"{envelope.label}/dsn",
        security=envelope.security,
        entries=entries,
    )


def _report_address(envelope: Envelope, policy: ReportPolicy, *, is_report: bool) -> str:
    sender = envelope.sender
    if sender == DOUBLE_BOUNCE or (is_report and not sender):
        return sender
    if policy.to_auth_address and envelope.auth and "@" in envelope.auth:
        # An identity need not be an address; what is none must not become a header either.
        return envelope.auth if is_valid_address(envelope.auth) else sender
    return sender


def _news(
    states: Sequence[RecipientState], kind: ReportKind, policy: ReportPolicy
) -> Iterable[tuple[int, str]]:
    """Index and letter of every recipient with something to report that was not reported."""
    for index, state in enumerate(states):
        letter = _letter(state, kind, policy)
        if letter and letter not in state.reported:
            yield index, letter


def _letter(state: RecipientState, kind: ReportKind, policy: ReportPolicy) -> str:
    """`S`, `F` or `D` when NOTIFY wants this recipient reported now, else "" (RFC 3461 4.1)."""
    notify = state.recipient.notify
    if "N" in notify:
        return ""
    if kind == "delay":
        is_wanted = "D" in notify if notify else policy.notify_delay
        return "D" if is_wanted and not state.is_finished else ""
    if state.state == "success":
        return "S" if kind == "final" and state.flag and "S" in notify else ""
    if state.state == "pending" and kind == "early":
        return ""
    return "F" if not notify or "F" in notify else ""


def _entry(index: int, state: RecipientState, letter: str, policy: ReportPolicy) -> ReportEntry:
    action = _action(state, letter, policy)
    is_expired = letter == "F" and not state.is_finished
    return ReportEntry(
        index=index,
        letter=letter,
        address=state.recipient.address,
        original=state.recipient.original,
        action=action,
        status=enhanced_status(action, state.lines, is_expired=is_expired),
        lines=state.lines,
        peer=state.peer,
        diagnostic_type="smtp" if state.peer and _is_reply(state.lines) else "unknown",
    )


def _action(state: RecipientState, letter: str, policy: ReportPolicy) -> str:
    if letter == "F":
        return "failed"
    if letter == "D":
        return "delayed"
    if state.flag == "l":
        return "delivered"
    return "expanded" if policy.expanded and state.note == EXPANDED_NOTE else "relayed"


_REPLY = re.compile(r"[245][0-9]{2}(?:[ -]|$)")
_ENHANCED = re.compile(r"[245][0-9]{2}[ -]([245])(\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")

# What local texts mean where no code says it (RFC 3463 3); the class comes from the action.
_CONTEXTS = (
    (re.compile(r"user <.*> unknown|unknown user|user unknown", re.IGNORECASE), ".1.1"),
    (re.compile(r"over quota|quota exceeded|mailbox (is )?full", re.IGNORECASE), ".2.2"),
    (re.compile(r"mail loop|routing loop", re.IGNORECASE), ".4.6"),
    (re.compile(r"no route to remote hosts", re.IGNORECASE), ".4.4"),
    (re.compile(r"message cancelled", re.IGNORECASE), ".7.1"),
    (re.compile(r"connection (refused|timed out)|unreachable", re.IGNORECASE), ".4.1"),
)


def enhanced_status(action: str, lines: Sequence[str], *, is_expired: bool = False) -> str:
    """The enhanced status code of a recipient (RFC 3463, spec mta 12.5).

    The code at the start of the last reply counts; else the text is recognised; else `x.0.0`.
    The class always fits the action: a delay is never 5.x, a success always 2.x.

    Args:
        action: of the report.
        lines: the reply.
        is_expired: the recipient failed because time was up.
    """
    classes = {"failed": "54", "delayed": "4"}.get(action, "2")
    last = lines[-1] if lines else ""
    found = _ENHANCED.match(last)
    if found is not None and found[1] in classes:
        return found[1] + found[2]
    if is_expired:
        return "4.4.7"
    if classes != "2":
        for pattern, detail in _CONTEXTS:
            if pattern.search(last):
                return classes[0] + detail
    return f"{classes[0]}.0.0"


def _is_reply(lines: Sequence[str]) -> bool:
    return bool(lines) and _REPLY.match(lines[0]) is not None
