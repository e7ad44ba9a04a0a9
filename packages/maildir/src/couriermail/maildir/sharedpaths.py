"""From a folder name to the maildir that holds it (spec maildir 4.11).

INBOX.Work               a folder of one's own maildir
shared.notices.today     a subscribed folder shared by file permissions (`sharedfolders`)
#shared.alice.Work       a folder of another account (`sharedindex`)
"""

from __future__ import annotations

import os
from enum import Enum

import attrs

from couriermail.maildir.errors import InvalidNameError, MaildirMissingError
from couriermail.maildir.folders import INBOX, short_name
from couriermail.maildir.sharedindex import SHARED_ROOT, SharedAccount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.maildir.sharedindex import SharedIndex

__all__ = ["FolderKind", "ResolvedFolder", "resolve_folder"]

_INTERNAL_OWNER = "vendor=courier.internal"


class FolderKind(Enum):
    """Which tree a folder name belongs to."""

    INBOX = "inbox"
    OLD_SHARED = "oldshared"
    NEW_SHARED = "newshared"
    IGNORED = "ignore"


@attrs.frozen(kw_only=True)
class ResolvedFolder:
    """Where a folder is.

    Attributes:
        kind: the tree.
        maildir: the maildir; `own_maildir` for one's own, empty where there is none.
        folder: the folder of that maildir, `INBOX` or `INBOX.x`; empty where there is none.
        owner: the ACL identifier of the owner, such as `user=alice`.
    """

    kind: FolderKind
    maildir: str = ""
    folder: str = ""
    owner: str = ""


def resolve_folder(
    path: str, *, user: str, index: SharedIndex | None = None, own_maildir: str = "."
) -> ResolvedFolder:
    """Find the maildir of a folder name.

    Courier: gives accounts at the top of the tree the owner `vendor=courier.internal`; here the
    owner of an account's folder is that account everywhere.

    Args:
        path: the folder's full name.
        user: the name of the account that asks.
        index: the shared accounts; without one no name below `#shared` exists.
        own_maildir: the maildir of the account that asks.

    Raises:
        InvalidNameError: `/`, an empty part, an unknown prefix or an unknown account.
        MaildirStorageError: an index cannot be read.
    """
    root, _, rest = path.partition(".")
    if "/" in path or "\0" in path or not all(path.split(".")):
        raise InvalidNameError(f"not a folder name: {path!r}")
    if root.upper() == INBOX:
        short_name(path)
        return ResolvedFolder(
            kind=FolderKind.INBOX, maildir=own_maildir, folder=path, owner=f"user={user}"
        )
    if root == "shared":
        return ResolvedFolder(kind=FolderKind.OLD_SHARED, maildir=own_maildir, owner="anonymous")
    if root == SHARED_ROOT:
        return _resolve_shared(rest.split(".") if rest else [], user, index, own_maildir)
    raise InvalidNameError(f"not a folder name: {path!r}")


def _resolve_shared(
    components: list[str], user: str, index: SharedIndex | None, own_maildir: str
) -> ResolvedFolder:
    group = ResolvedFolder(kind=FolderKind.NEW_SHARED, owner=_INTERNAL_OWNER)
    if not components:
        return group
    if index is None:
        raise InvalidNameError("nothing is shared")
    try:
        entry, behind = index.lookup(components)
    except MaildirMissingError:
        raise InvalidNameError(f"nothing shared as {'.'.join(components)!r}") from None
    if not isinstance(entry, SharedAccount):
        return group
    if entry.name == user or _is_same(entry.path, own_maildir):
        return ResolvedFolder(kind=FolderKind.IGNORED)
    return ResolvedFolder(
        kind=FolderKind.NEW_SHARED,
        maildir=entry.path,
        folder=".".join((INBOX, *behind)),
        owner=f"user={entry.name}",
    )


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False
