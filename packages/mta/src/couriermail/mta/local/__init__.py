"""Local delivery: dot-courier instructions, run by agents that belong to the mail's owner.

`serve_agents` is the courierlocal process; `AgentClient` is the scheduler's end of one of its
agents; `LocalJob` and `LocalResult` travel between them (spec mta.md 11, ADR 0001).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.local.batch import deliver_batch
    from couriermail.mta.local.client import AgentClient
    from couriermail.mta.local.errors import (
        AgentLost,
        AgentProtocolError,
        AgentRefused,
        LocalDeliveryError,
    )
    from couriermail.mta.local.instructions import parse_instructions
    from couriermail.mta.local.server import serve_agents
    from couriermail.mta.local.values import AgentSettings, LocalJob, LocalResult
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "batch": ("deliver_batch",),
            "client": ("AgentClient",),
            "errors": ("AgentLost", "AgentProtocolError", "AgentRefused", "LocalDeliveryError"),
            "instructions": ("parse_instructions",),
            "server": ("serve_agents",),
            "values": ("AgentSettings", "LocalJob", "LocalResult"),
        },
    )

__all__ = [
    "AgentClient",
    "AgentLost",
    "AgentProtocolError",
    "AgentRefused",
    "AgentSettings",
    "LocalDeliveryError",
    "LocalJob",
    "LocalResult",
    "deliver_batch",
    "parse_instructions",
    "serve_agents",
]
