"""Where access control lists are stored, and how folders inherit them (spec maildir 4.9).

A folder's list is the file `courierimapacl` in it.  A name of the hierarchy without a folder
has its list in `courierimaphieracl/NAME` of the maildir; the list moves into the folder when
there is one.  A folder without a list gets a copy of its parent's; the inbox without one
has `Acl.default()`.
"""

from __future__ import annotations

import errno
import os
import time

from couriermail.core.durable import sync_directory
from couriermail.maildir.acl import ALL_RIGHTS, OWNER, Acl, AclEntry
from couriermail.maildir.errors import maildir_error
from couriermail.maildir.folders import INBOX, folder_directory, short_name
from couriermail.maildir.names import TMP
from couriermail.maildir.replacing import (
    read_small_file,
    replace_file,
    scratch_name,
    unlink_quietly,
    write_scratch,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock

__all__ = ["ACL_FILE", "HIERARCHY_DIRECTORY", "AclStore"]

ACL_FILE = "courierimapacl"
HIERARCHY_DIRECTORY = "courierimaphieracl"
KEPT_SECONDS = 3600  # `reset` leaves younger files alone: their folder may be on its way
_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_UNIQUE = "acl"  # spec maildir 3.2


class AclStore:
    """The access control lists of a maildir's folders.

    Making this object touches no file.

    Attributes:
        maildir: the maildir, not a folder of one.
        is_disabled: True for accounts that share nothing: the owner has all rights but `a`,
            and no file is read or written (spec maildir 4.9 rule 9).
    """

    __slots__ = ("_clock", "is_disabled", "maildir")

    def __init__(
        self,
        maildir: str | os.PathLike[str],
        *,
        is_disabled: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.maildir = os.fspath(maildir)
        self.is_disabled = is_disabled
        self._clock = clock

    def read(self, folder: str = INBOX) -> Acl:
        """The list that counts for a folder; an inherited one is saved for it.

        Where the maildir may not be written the inherited list is not saved.

        Raises:
            InvalidNameError: no folder can have this name.
            MaildirMissingError: there is no maildir, and the folder is not the inbox.
            MaildirError: the system refused.
        """
        short = short_name(folder)
        if self.is_disabled:
            return Acl((AclEntry(OWNER, ALL_RIGHTS.replace("a", "")),))
        try:
            return self._read(short)
        except OSError as error:
            raise maildir_error(error, "cannot read access rights in", self.maildir) from error

    def write(self, folder: str, acl: Acl, *, owner: str | None = None) -> None:
        """Store a folder's list; durable when it returns.

        Args:
            folder: its name; there need not be a folder.
            acl: the list.
            owner: identifier of the owner, such as `user=bob`, who must not lock himself out.

        Raises:
            AclMinimumError: somebody would be locked out; nothing was changed.
            InvalidNameError: no folder can have this name.
            MaildirError: the system refused.
        """
        short = short_name(folder)
        acl.check_minimum(owner)
        if self.is_disabled:
            return
        try:
            self._write(short, acl)
        except OSError as error:
            raise maildir_error(error, "cannot write access rights in", self.maildir) from error

    def delete(self, folder: str) -> None:
        """Forget a folder's list; one that is not there is no error.

        Raises:
            InvalidNameError: no folder can have this name.
            MaildirError: the system refused.
        """
        short = short_name(folder)
        paths = [self._folder_file(short), self._hierarchy_file(short)]
        for path in paths if short else paths[:1]:
            try:
                os.unlink(path)
            except (FileNotFoundError, NotADirectoryError):
                pass
            except OSError as error:
                raise maildir_error(error, "cannot remove", path) from error

    def reset(self) -> None:
        """Remove lists of names that have no folder below them and are an hour old.

        Raises:
            MaildirError: the maildir cannot be read or written.
        """
        hierarchy = f"{self.maildir}/{HIERARCHY_DIRECTORY}"
        now = self._clock.now() if self._clock is not None else time.time()
        try:
            self._make_hierarchy()
            folders = [name for name in os.listdir(self.maildir) if name.startswith(".")]
            for name in os.listdir(hierarchy):
                path = f"{hierarchy}/{name}"
                has_folders = any(folder.startswith(f".{name}.") for folder in folders)
                if not has_folders and os.lstat(path).st_mtime + KEPT_SECONDS < now:
                    unlink_quietly(path)
        except OSError as error:
            raise maildir_error(error, "cannot reset", self.maildir) from error

    def _read(self, short: str) -> Acl:
        data = self._own(short)
        if data is not None:
            return Acl.parse(data).completed()
        if not short:
            return Acl.default()
        inherited = self._read(short.rpartition(".")[0])
        return self._inherit(short, inherited)

    def _own(self, short: str) -> bytes | None:
        try:
            return read_small_file(self._folder_file(short))
        except (FileNotFoundError, NotADirectoryError):
            pass
        if not short:
            return None
        if os.path.isdir(folder_directory(self.maildir, _full(short))):
            self._move_into_folder(short)
        # In this order: a list that another process moves meanwhile is seen in one place.
        for path in (self._hierarchy_file(short), self._folder_file(short)):
            try:
                return read_small_file(path)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None

    def _move_into_folder(self, short: str) -> None:
        """By a link, not a rename: a list that the folder got meanwhile stays."""
        source = self._hierarchy_file(short)
        try:
            os.link(source, self._folder_file(short))
        except OSError:
            return  # none there, or it cannot be moved: it is read where it is
        unlink_quietly(source)

    def _inherit(self, short: str, acl: Acl) -> Acl:
        """Save a list for a folder without one; the list that another process saved wins."""
        try:
            target = self._target(short)
            scratch = f"{self.maildir}/{TMP}/{scratch_name(_UNIQUE)}"
            write_scratch(scratch, acl.to_bytes())
        except OSError as error:
            if error.errno in _READ_ONLY:
                return acl
            raise
        try:
            os.link(scratch, target)
        except FileExistsError:
            return Acl.parse(read_small_file(target)).completed()
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
        finally:
            unlink_quietly(scratch)
        return acl

    def _write(self, short: str, acl: Acl) -> None:
        target = self._target(short)
        replace_file(self.maildir, target, acl.to_bytes(), unique=_UNIQUE)
        if target != self._hierarchy_file(short):
            unlink_quietly(self._hierarchy_file(short))

    def _target(self, short: str) -> str:
        """Where the list of a folder belongs; its directory is made if need be."""
        if os.path.isdir(folder_directory(self.maildir, _full(short))):
            return self._folder_file(short)
        self._make_hierarchy()
        return self._hierarchy_file(short)

    def _folder_file(self, short: str) -> str:
        return f"{folder_directory(self.maildir, _full(short))}/{ACL_FILE}"

    def _hierarchy_file(self, short: str) -> str:
        return f"{self.maildir}/{HIERARCHY_DIRECTORY}/{short}"

    def _make_hierarchy(self) -> None:
        path = f"{self.maildir}/{HIERARCHY_DIRECTORY}"
        try:
            os.mkdir(path, 0o755)
            sync_directory(self.maildir)
        except FileExistsError:
            pass


def _full(short: str) -> str:
    return f"{INBOX}.{short}" if short else INBOX  # a short name may itself begin with `inbox.`
