"""Errors of local delivery."""

from __future__ import annotations

from couriermail.mta.errors import MtaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from couriermail.mta.local.values import LocalResult

__all__ = ["AgentLost", "AgentProtocolError", "AgentRefused", "LocalDeliveryError"]


class LocalDeliveryError(MtaError):
    """Local delivery cannot be done now.  Temporary."""

    is_temporary = True
    reply_code = 450
    enhanced_code = "4.3.0"
    reply_text = "Service temporarily unavailable."
    exit_code = 75  # EX_TEMPFAIL


class AgentLost(LocalDeliveryError):  # noqa: N818 - what happened, in the scheduler's words
    """The delivery agent went away before it had answered every job.

    Jobs without a result may or may not have been done; they are tried again.

    Attributes:
        results: the answers that arrived before it died; these jobs are finished.
    """

    def __init__(self, message: str, results: Sequence[LocalResult] = ()) -> None:
        super().__init__(message)
        self.results = tuple(results)


class AgentRefused(LocalDeliveryError):  # noqa: N818
    """The courierlocal process will not deliver for this uid, or not for this caller."""


class AgentProtocolError(LocalDeliveryError):
    """The other side of the agent's socket sent something that is no record of ours."""
