"""Counting what a maildir and its folders hold, by the rules of its quota (spec maildir 4.6).

Sizes come from file names where they state them.  Files that vanish meanwhile are passed over.
"""

from __future__ import annotations

import os

from couriermail.maildir.names import size_of
from couriermail.maildir.quota import Usage
from couriermail.maildir.quotarules import read_quota_rules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.maildir.quotarules import QuotaRules

__all__ = ["folders_of", "measure", "measure_folder", "newest_change"]


def measure(owner: str, rules: QuotaRules | None = None) -> Usage:
    """Count the messages of a maildir and its folders that count against its quota.

    Args:
        owner: the maildir.
        rules: what counts; those of the maildir when None.

    Raises:
        OSError: a directory cannot be read.
        MaildirStorageError: the rules cannot be read.
    """
    rules = read_quota_rules(owner) if rules is None else rules
    usage = Usage()
    for name, directory in folders_of(owner):
        if rules.counts_folder(name):
            usage += measure_folder(directory, rules)
    return usage


def measure_folder(directory: str, rules: QuotaRules) -> Usage:
    """Count the messages of one folder that count if the folder does.

    Raises:
        OSError: a directory cannot be read.
    """
    size = messages = 0
    for part in _message_directories(directory):
        with os.scandir(part) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not rules.counts_message(entry.name):
                    continue
                stated = size_of(entry.name)
                try:
                    size += entry.stat().st_size if stated is None else stated
                except FileNotFoundError:
                    continue
                messages += 1
    return Usage(size, messages)


def folders_of(owner: str) -> Iterator[tuple[str, str]]:
    """Short name and directory of the maildir itself and of every folder, links left out.

    Raises:
        OSError: the maildir cannot be read.
    """
    yield "", owner
    with os.scandir(owner) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield entry.name[1:], f"{owner}/{entry.name}"


def newest_change(owner: str, rules: QuotaRules) -> int:
    """When mail that counts was last moved, in nanoseconds since the epoch; 0 for never.

    Raises:
        OSError: a directory cannot be looked at.
    """
    return max(
        (
            os.stat(part).st_mtime_ns
            for name, directory in folders_of(owner)
            if rules.counts_folder(name)
            for part in _message_directories(directory)
        ),
        default=0,
    )


def _message_directories(directory: str) -> Iterator[str]:
    for name in ("new", "cur"):
        part = f"{directory}/{name}"
        if os.path.isdir(part):
            yield part
