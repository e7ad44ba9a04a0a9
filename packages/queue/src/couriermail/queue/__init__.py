"""A durable mail queue on LMDB: group commit, leases, retry timetable.

Many producers (processes and threads) put messages in; one scheduler leases those that are
due, records what became of each recipient and reschedules or removes the message.  What
was acknowledged has been synced.  Nothing here knows how mail looks or how it travels.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.queue.bodies import BodyWriter
    from couriermail.queue.errors import (
        CorruptMessageError,
        MessageNotFoundError,
        QueueBusyError,
        QueueDamagedError,
        QueueError,
        QueueStorageError,
        RecordTooLargeError,
    )
    from couriermail.queue.job import Job
    from couriermail.queue.message import (
        Envelope,
        Outcome,
        OutcomeKind,
        QueueId,
        Recipient,
        RecipientState,
        RecipientStatus,
        Submission,
        Summary,
        parse_number,
    )
    from couriermail.queue.queue import Queue
    from couriermail.queue.recovery import Finding
    from couriermail.queue.rows import Quarantined
    from couriermail.queue.salvage import salvage
    from couriermail.queue.schedule import RetrySchedule
    from couriermail.queue.settings import QueueSettings
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "bodies": ("BodyWriter",),
            "errors": (
                "CorruptMessageError",
                "MessageNotFoundError",
                "QueueBusyError",
                "QueueDamagedError",
                "QueueError",
                "QueueStorageError",
                "RecordTooLargeError",
            ),
            "job": ("Job",),
            "message": (
                "Envelope",
                "Outcome",
                "OutcomeKind",
                "QueueId",
                "Recipient",
                "RecipientState",
                "RecipientStatus",
                "Submission",
                "Summary",
                "parse_number",
            ),
            "queue": ("Queue",),
            "recovery": ("Finding",),
            "rows": ("Quarantined",),
            "salvage": ("salvage",),
            "schedule": ("RetrySchedule",),
            "settings": ("QueueSettings",),
        },
    )

__all__ = [
    "BodyWriter",
    "CorruptMessageError",
    "Envelope",
    "Finding",
    "Job",
    "MessageNotFoundError",
    "Outcome",
    "OutcomeKind",
    "Quarantined",
    "Queue",
    "QueueBusyError",
    "QueueDamagedError",
    "QueueError",
    "QueueId",
    "QueueSettings",
    "QueueStorageError",
    "Recipient",
    "RecipientState",
    "RecipientStatus",
    "RecordTooLargeError",
    "RetrySchedule",
    "Submission",
    "Summary",
    "parse_number",
    "salvage",
]
