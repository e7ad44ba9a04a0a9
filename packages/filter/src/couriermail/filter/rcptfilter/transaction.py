"""The recipients of one message together: at RCPT, and at the end of DATA (spec filter 4.18).

At RCPT all recipients must be of one standing; `Agreement` sees to it, and tells the global
filters' side whether the message is whitelisted.  At the end of DATA each recipient that asked
for it has judged the content; `ContentVerdicts` makes the replies: one for each recipient for a
client that said EXDATA (spec smtp 13.3), one for all otherwise.
"""

from __future__ import annotations

import enum

import attrs

from couriermail.core.reply import Reply
from couriermail.filter.rcptfilter.verdicts import Standing

__all__ = ["Agreement", "ContentVerdict", "ContentVerdicts", "PartialRefusal"]

IS_WHITELISTED = Reply(
    412, "You are whitelisted by this recipient, please try again later.", enhanced="4.7.1"
)
NOT_WHITELISTED = Reply(
    412, "You are not whitelisted by this recipient, please try again later.", enhanced="4.7.1"
)


@attrs.define
class Agreement:
    """The standing that all accepted recipients of one transaction share.

    Remote recipients count as whitelisted.  A new transaction begins with a new one.

    Attributes:
        standing: of the recipients so far; None before the first.
    """

    standing: Standing | None = None

    def admit(self, standing: Standing) -> Reply | None:
        """Take one more recipient; the reply says why it must come in another transaction."""
        if self.standing is None:
            self.standing = standing
        if self.standing is standing:
            return None
        return IS_WHITELISTED if standing is Standing.WHITELISTED else NOT_WHITELISTED

    @property
    def is_whitelisted(self) -> bool:
        """Every recipient takes the mail unseen: only the filters of all mail are asked (4.19)."""
        return self.standing is Standing.WHITELISTED


class PartialRefusal(enum.Enum):
    """What a client without EXDATA hears when some recipients refuse (`exdata_fallback`)."""

    ACCEPT = "accept"
    """250: the others get the mail, and the sender a report about those that refused."""
    REJECT = "reject"
    """The first refusal: nobody gets the mail."""


@attrs.frozen
class ContentVerdict:
    """One recipient's word on a message.

    Attributes:
        account: the name that stands before its refusal in an EXDATA reply.
        refusal: of `judge_content`; None when it takes the message, or was not asked.
    """

    account: str
    refusal: Reply | None = None


@attrs.frozen
class ContentVerdicts:
    r"""The word of every accepted recipient, in the order of the RCPT commands.

    For a client that said EXDATA, answer with `replies` where `has_refusal`: one reply per RCPT,
    from which `couriermail.smtp` makes the 558 (`Session.reply_each`), and record the refused as
    done, so that nobody reports what the client was told.  For any other client answer with
    `reply`; where it accepts, the refused fail and the sender is told by mail.

        >>> verdicts = ContentVerdicts((
        ...     ContentVerdict("tess", Reply(550, "spam")), ContentVerdict("tess2"),
        ... ))
        >>> [str(reply) for reply in verdicts.replies(Reply(250, "Ok. 1"))]
        ['550-tess:\n550 spam', '250 Ok. 1']
    """

    verdicts: tuple[ContentVerdict, ...]

    @property
    def refusals(self) -> tuple[tuple[int, Reply], ...]:
        """Who refuses: place among the recipients, counted from 0, and why."""
        return tuple(
            (place, verdict.refusal)
            for place, verdict in enumerate(self.verdicts)
            if verdict.refusal is not None
        )

    @property
    def has_refusal(self) -> bool:
        """Somebody refuses the message."""
        return bool(self.refusals)

    @property
    def is_refused(self) -> bool:
        """Everybody refuses: there is nobody to queue the message for."""
        return bool(self.verdicts) and len(self.refusals) == len(self.verdicts)

    def replies(self, accepted: Reply) -> tuple[Reply, ...]:
        """One reply for each recipient, for a client that said EXDATA.

        They carry no enhanced codes: Courier's 558 has none, and its lines are compared.

        Args:
            accepted: what those hear that take the message.
        """
        plain = attrs.evolve(accepted, enhanced=None)
        return tuple(
            plain if verdict.refusal is None else _named(verdict.account, verdict.refusal)
            for verdict in self.verdicts
        )

    def reply(self, accepted: Reply, partial: PartialRefusal = PartialRefusal.ACCEPT) -> Reply:
        """The one reply for a client without EXDATA.

        Args:
            accepted: the answer to a message that was taken.
            partial: what is done when some refuse and some do not.
        """
        return self.refusal(partial) or accepted

    def refusal(self, partial: PartialRefusal = PartialRefusal.ACCEPT) -> Reply | None:
        """Why a client without EXDATA keeps its message; None when it is to be queued.

        Courier: every client gets the 558, and fails the message for those that took it too.
        """
        refusals = self.refusals
        if self.is_refused or (refusals and partial is PartialRefusal.REJECT):
            return refusals[0][1]
        return None


def _named(account: str, refusal: Reply) -> Reply:
    return Reply(refusal.code, f"{account}:\n{refusal.text}")
