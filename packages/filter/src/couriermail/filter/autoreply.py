"""Whether mailbot answers a message, and to whom.

Pure: a header and rules in, a decision out.  It loads nothing heavy, since most mail gets no
answer.  Source: spec filter 4.17, RFC 3834.
"""

from __future__ import annotations

from couriermail.rfc822.autoreply import answer_addresses, autoreply_obstacle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Final

    from couriermail.rfc822.address import Address
    from couriermail.rfc822.headers import Headers

__all__ = ["AutoreplyDecision", "AutoreplyRules", "decide_autoreply", "mailbox_key"]

MOST_HEADER_BYTES = 1_048_576  # marks of a program may stand behind what is looked at


class AutoreplyRules:
    """When an autoresponder answers.  Never changed.

    Attributes:
        own_addresses: keys of the addresses that it answers for; they never get an answer.
        wanted_recipients: keys of which one has to be in To or Cc; None for any message.
        answer_to: who gets the answer instead of those that the message names, or None.
        envelope_sender: the message's reverse path; empty for a bounce, None when unknown.
        prefer_envelope: answer to Return-Path or Errors-To where there is one.
        is_careful: False for no more protection against loops than Courier's mailbot has.
    """

    __slots__ = (
        "answer_to", "envelope_sender", "is_careful", "own_addresses", "prefer_envelope",
        "wanted_recipients",
    )  # fmt: skip

    def __init__(
        self,
        *,
        own_addresses: Iterable[str] = (),
        wanted_recipients: Iterable[str] | None = None,
        answer_to: Sequence[Address] | None = None,
        envelope_sender: str | None = None,
        prefer_envelope: bool = False,
        is_careful: bool = True,
    ) -> None:
        """Makes rules; addresses are given as text."""
        wanted = (
            None if wanted_recipients is None else frozenset(map(mailbox_key, wanted_recipients))
        )
        self.own_addresses: Final = frozenset(map(mailbox_key, own_addresses))
        self.wanted_recipients: Final = wanted
        self.answer_to: Final = answer_to
        self.envelope_sender: Final = envelope_sender
        self.prefer_envelope: Final = prefer_envelope
        self.is_careful: Final = is_careful


class AutoreplyDecision:
    """What becomes of a message.  Never changed.

    Attributes:
        obstacle: why it gets no answer, in words for a log; None when it gets one.
        recipients: who gets the answer.
    """

    __slots__ = ("obstacle", "recipients")

    def __init__(self, obstacle: str | None, recipients: Sequence[Address] = ()) -> None:
        self.obstacle: Final = obstacle
        self.recipients: Final = tuple(recipients)

    @property
    def senders(self) -> tuple[str, ...]:
        """By what the recipients are remembered; the same mailbox has the same key."""
        return tuple(dict.fromkeys(mailbox_key(address.addr_spec) for address in self.recipients))

    def __repr__(self) -> str:
        return f"AutoreplyDecision({self.obstacle!r}, {self.recipients!r})"


def decide_autoreply(headers: Headers, rules: AutoreplyRules) -> AutoreplyDecision:
    """Decides about a message.

    Args:
        headers: its whole header.
        rules: when an answer is wanted.
    """
    if len(headers.raw) > MOST_HEADER_BYTES:
        return AutoreplyDecision("its header is too large")
    if rules.is_careful and rules.envelope_sender == "":
        return AutoreplyDecision("its reverse path is empty")
    # Marks first: reading addresses costs more than half a start-up.
    obstacle = autoreply_obstacle(
        headers,
        answered=rules.answer_to,
        prefer_envelope=rules.prefer_envelope,
        is_careful=rules.is_careful,
    )
    if obstacle is not None:
        return AutoreplyDecision(obstacle)
    recipients = rules.answer_to
    if recipients is None:
        recipients = answer_addresses(headers, prefer_envelope=rules.prefer_envelope)
    if rules.is_careful:
        obstacle = _loop(headers, recipients, rules.own_addresses)
    if obstacle is None and rules.wanted_recipients is not None:
        named = _keys(headers, "to") | _keys(headers, "cc")
        if not named & rules.wanted_recipients:
            obstacle = "it is to nobody who answers"
    return AutoreplyDecision(obstacle, recipients if obstacle is None else ())


def mailbox_key(address: str) -> str:
    """What is the same for all spellings of an address.

    In lower case, the domain with A-labels and without a last dot, the local part without
    quotes.  Courier: lower case only.
    """
    local, at, domain = address.rpartition("@")
    if not at:
        local, domain = domain, ""
    if local.startswith('"'):
        local = _unquoted(local)
    if not domain.isascii():
        from couriermail.rfc822.idn import domain_to_ascii

        domain = domain_to_ascii(domain)
    return f"{local}{at}{domain.rstrip('.')}".lower()


def _unquoted(local: str) -> str:
    from couriermail.rfc822.tokens import tokenize, unquote

    return unquote(tokenize(local))


def _loop(headers: Headers, recipients: Sequence[Address], own: frozenset[str]) -> str | None:
    """Spec filter 4.17.7: an answer to ourselves, or to what an answer brought about."""
    answered = {mailbox_key(address.addr_spec) for address in recipients}
    if answered & own:
        return "the answer would come back"
    if _keys(headers, "x-loop") & (answered | own):
        return "it was here before"
    return None


def _keys(headers: Headers, name: str) -> set[str]:
    return {mailbox_key(address.addr_spec) for address in headers.addresses(name)}
