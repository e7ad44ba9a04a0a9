"""The courierlocal process: a parent that turns connections into agents.

It runs as root where mail goes to several users (`couriermail.mta.forkserver`).  The child
(`agent`) reads the uid and gid, drops to them and serves batches; the parent never reads a job,
a recipe or a user's file.  Everything that an agent needs is imported here, once.
"""

from __future__ import annotations

from couriermail.mta.forkserver import ForkServer
from couriermail.mta.local.agent import run_agent
from couriermail.mta.local.preload import preload

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from couriermail.mta.forkserver import HasFileno
    from couriermail.mta.local.homes import HomeMaker
    from couriermail.mta.local.values import AgentSettings

__all__ = ["serve_agents"]

_LAST_SECONDS = 2.0  # for an agent to report, after the command that it ran is dead


def serve_agents(
    listener: socket.socket,
    settings: AgentSettings,
    *,
    stop: int | HasFileno,
    homes: HomeMaker | None = None,
) -> None:
    """Serve until `stop` becomes readable, then let the agents finish their batches.

    Args:
        listener: a listening Unix stream socket; stays open, for the caller to close.
        settings: how the agents behave.
        stop: a descriptor (a pipe's end, an eventfd, a wake-up socket): readable or closed at
            its other end means stop.
        homes: makes missing homes; None: nobody does.
    """
    preload()
    ForkServer(
        listener=listener,
        stop=stop,
        trusted_uids=settings.trusted_uids,
        child=lambda connection: run_agent(connection, settings, homes),
        name="delivery agent",
        # An idle agent ends at the first SIGTERM; the second makes one give up its batch.
        graces=(settings.stop_grace, settings.kill_after + _LAST_SECONDS),
    ).serve()
