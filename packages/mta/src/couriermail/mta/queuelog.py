"""The scheduler's lines in the mail log, in the forms that analysers know (spec mta.md 15)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from couriermail.mta import maillog

if TYPE_CHECKING:
    from couriermail.mta.scheduler import Delivery
    from couriermail.queue import Job, Outcome

__all__ = ["QueueLog"]

log = logging.getLogger("couriermail.mta.mail")


class QueueLog:
    """Writes what happens to messages; see `couriermail.mta.scheduler.MailLog`."""

    def new_message(self, job: Job) -> None:
        """A message is attempted for the first time."""
        log.info("%s", maillog.newmsg(job.id, job.envelope.source, auth=job.envelope.auth))

    def started(self, job: Job, delivery: Delivery) -> None:
        """A recipient's delivery is planned."""
        route = delivery.route
        line = maillog.started(
            job.id,
            job.envelope.sender,
            module=route.lane.transport,
            host=route.host,
            address=route.address,
        )
        log.info("%s", line)

    def ended(self, job: Job, outcome: Outcome) -> None:
        """A recipient's delivery ended and this was recorded."""
        sender = job.envelope.sender
        recipient = job.envelope.recipients[outcome.index].address
        if outcome.kind == "success":
            for line in outcome.lines[:-1]:
                log.info("%s", maillog.info(job.id, sender, recipient, line))
            text = outcome.lines[-1] if outcome.lines else ""
            log.info("%s", maillog.success(job.id, sender, recipient, text, size=job.size))
            return
        lines = maillog.failure(
            job.id, sender, recipient, outcome.lines, is_deferred=outcome.kind == "deferral"
        )
        for line in lines:
            log.info("%s", line)

    def completed(self, job: Job) -> None:
        """The round was recorded."""
        log.info("%s", maillog.completed(job.id))
