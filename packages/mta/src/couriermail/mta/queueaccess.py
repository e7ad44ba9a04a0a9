"""The queue of a configuration: its settings, its timetable, and opening it.

Apart from the services, so that commands that look into the queue load none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from couriermail.mta.statedir import StateDir
from couriermail.queue import Queue, QueueSettings, RetrySchedule

if TYPE_CHECKING:
    from couriermail.mta.config import Config

__all__ = ["open_queue", "queue_settings", "retry_schedule"]


def queue_settings(config: Config) -> QueueSettings:
    """The queue's limits from the configuration."""
    return QueueSettings(
        min_free=config.min_free,
        min_inodes=config.settings.queue.min_inodes,
        max_delay=retry_schedule(config).longest * 1.01,
    )


def open_queue(config: Config) -> Queue:
    """Open the queue of a configuration; once in a process."""
    return Queue.open(StateDir(config.state).queue, settings=queue_settings(config))


def retry_schedule(config: Config) -> RetrySchedule:
    """The retry timetable of a configuration (spec mta.md 9.4)."""
    retry = config.retry
    return RetrySchedule(
        alpha=retry.alpha,
        beta=max(1, retry.beta),
        gamma=retry.gamma,
        maxdelta=retry.maxdelta,
        manual=config.settings.queue.retrycompat == "manual",
    )
