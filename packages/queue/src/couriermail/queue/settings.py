"""The queue's limits and timings, each with its reason."""

from __future__ import annotations

import attrs

__all__ = ["QueueSettings"]

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@attrs.frozen(kw_only=True)
class QueueSettings:
    """How a `Queue` stores, batches and guards (spec mta 8).

    Attributes:
        inline_max: bodies up to this many octets lie in the database, larger ones in files;
            beyond 64 KiB the copy-on-write database loses to a file.
        commit_delay: seconds that a commit waits for submissions being staged at that moment;
            a lone submission does not wait.
        commit_batch: a batch of this many items waits for nothing more.
        commit_max: items one transaction takes at most, so that the writer lock stays short.
        outcome_delay: seconds that recorded outcomes wait for company.
        map_size: octets of the database map at the start; it doubles when full ...
        map_max: ... up to this.  The map is address space, not memory or disk.
        map_reserve: share of `map_max` kept for outcomes and removals.
        min_free: octets that must be free on the disk for new mail (spec mta 6.8).
        min_inodes: inodes that must be free for new mail.
        id_block: message numbers reserved at a time; a crash skips at most this many.
        max_record: octets of one envelope or of one message's notes and log.
        log_records: attempt records kept per message.
        log_octets: octets of text in them.
        reopen_delay: seconds before a store that failed is tried again.
        max_delay: the longest honest retry gap in seconds; after the clock was set back by an
            hour or more, messages due later than this from now are pulled in.
        sync_directories: False skips the directory syncs of body files: **a message that was
            accepted may then be lost on power failure**.
    """

    inline_max: int = 64 * KIB
    commit_delay: float = 0.002
    commit_batch: int = 64
    commit_max: int = 512
    outcome_delay: float = 0.02
    map_size: int = 64 * MIB
    map_max: int = 64 * GIB
    map_reserve: float = 0.1
    min_free: int = 64 * MIB
    min_inodes: int = 1000
    id_block: int = 4096
    max_record: int = 16 * MIB
    log_records: int = 200
    log_octets: int = 64 * KIB
    reopen_delay: float = 1.0
    max_delay: float = 7200.0
    sync_directories: bool = True
