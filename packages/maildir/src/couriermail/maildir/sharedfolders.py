"""Folders shared through file permissions (spec maildir 4.12).

The owner of a *sharable* maildir lets others read its folders.  A user who subscribes to
`nick.folder` gets a folder of links at `shared-folders/nick/folder`: flags live in the names
of the links, the messages stay with their owner and count in nobody's quota.

    shared-folders/nick/folder/cur/NAME:2,S  ->  PATH/.folder/cur/NAME:2,
    shared-folders/nick/folder/shared        ->  PATH/.folder
"""

from __future__ import annotations

import os
import shutil

import attrs

from couriermail.maildir.errors import (
    InvalidNameError,
    MaildirMissingError,
    maildir_error,
)
from couriermail.maildir.folders import folder_directory, iter_folders
from couriermail.maildir.maintenance import accept_new, purge_tmp
from couriermail.maildir.names import current_name, flags_of, is_hidden, key_of
from couriermail.maildir.shared import SHARED_FILE, read_shared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SharedFolders"]

_TREE = "shared-folders"
_LINK = "shared"
_STAMP = "shared-timestamp"


@attrs.frozen(kw_only=True)
class SharedFolders:
    """The folders that a maildir's user may subscribe to, and those already subscribed.

    Attributes:
        maildir: the user's own maildir.
        everywhere: a list of sharable maildirs for all users, such as
            `/etc/courier/maildirshared`; it counts before the maildir's own list.
    """

    maildir: str
    everywhere: str | None = None

    def sharable(self) -> Iterator[str]:
        """Names of all folders that could be subscribed to, such as `nick.folder`.

        Maildirs that cannot be read are passed over.

        Raises:
            MaildirStorageError: a list cannot be read.
        """
        for nick, path in self._nicknames().items():
            try:
                yield from (f"{nick}.{name}" for name in iter_folders(path))
            except (MaildirMissingError, PermissionError):
                continue

    def subscribed(self) -> list[str]:
        """Names of the folders subscribed to, sorted."""
        top = f"{self.maildir}/{_TREE}"
        return sorted(
            f"{nick}.{folder}"
            for nick in _directories(top)
            for folder in _directories(f"{top}/{nick}")
        )

    def directory(self, name: str) -> str:
        """The folder of links for `nick.folder`; it is there once subscribed to.

        Raises:
            InvalidNameError: the name has an empty part, no folder, or a forbidden character.
        """
        nick, folder = _split(name)
        return f"{self.maildir}/{_TREE}/{nick}/{folder}"

    def subscribe(self, name: str) -> str:
        """Make the folder of links for `nick.folder` and return its directory.

        Raises:
            InvalidNameError: see `directory`.
            MaildirMissingError: no sharable maildir has this nickname, or it has no such folder.
            MaildirExistsError: it is subscribed to.
            MaildirStorageError: the system refused; nothing is left behind.
        """
        nick, folder = _split(name)
        path = self._nicknames().get(nick)
        if path is None:
            raise MaildirMissingError(f"no sharable maildir is called {nick!r}")
        target = folder_directory(path, f"INBOX.{folder}")
        if not os.path.isdir(f"{target}/cur"):
            raise MaildirMissingError(f"no folder to share: {name!r}", path=target)
        directory = self.directory(name)
        made: list[str] = []
        try:
            for parent in (f"{self.maildir}/{_TREE}", os.path.dirname(directory)):
                _make_missing(parent, made)
            for new in (directory, *(f"{directory}/{sub}" for sub in ("tmp", "cur", "new"))):
                os.mkdir(new, 0o700)
                made.append(new)
            os.symlink(target, f"{directory}/{_LINK}")
        except OSError as error:
            for new in reversed(made):
                os.rmdir(new)
            raise maildir_error(error, "cannot subscribe to", directory) from error
        return directory

    def unsubscribe(self, name: str) -> None:
        """Remove the folder of links; the messages stay where they are.

        Raises:
            InvalidNameError: see `directory`.
            MaildirMissingError: it is not subscribed to.
            MaildirStorageError: the system refused.
        """
        directory = self.directory(name)
        try:
            shutil.rmtree(directory)
        except OSError as error:
            raise maildir_error(error, "cannot remove", directory) from error
        try:
            os.rmdir(os.path.dirname(directory))
        except OSError:
            pass  # other folders of that maildir are subscribed to

    def synchronize(self, name: str) -> bool:
        """Bring the links of `nick.folder` in step with the messages.

        New messages become links in `new`; links to messages that are gone go; links to
        messages that were renamed are replaced without a moment in which they are missing.

        Returns:
            False when nothing had changed since the last time.

        Raises:
            InvalidNameError: see `directory`.
            MaildirMissingError: it is not subscribed to, or the shared folder is gone.
            MaildirStorageError: the system refused.
        """
        directory = self.directory(name)
        shared = self._target(directory)
        for place in (directory, shared):
            if os.access(f"{place}/tmp", os.W_OK):
                purge_tmp(place)
            if os.access(f"{place}/new", os.W_OK):
                accept_new(place)
        try:
            if not _is_stale(directory, shared):
                return False
            _touch(f"{directory}/{_STAMP}")  # first: what changes meanwhile is seen next time
            _relink(directory, shared)
        except OSError as error:
            raise maildir_error(error, "cannot synchronize", directory) from error
        return True

    def is_writable(self, name: str) -> bool:
        """True when messages may be put into or removed from the shared folder itself.

        Raises:
            InvalidNameError: see `directory`.
            MaildirMissingError: it is not subscribed to.
        """
        return os.access(f"{self._target(self.directory(name))}/cur", os.W_OK)

    def delete_message(self, name: str, key: str) -> bool:
        """Delete a message for everybody, where that is allowed.

        Returns:
            False when it is not: the link stays and loses its flag `T`.

        Raises:
            InvalidNameError: see `directory`.
            MaildirMissingError: no such message.
            MaildirStorageError: the system refused to change the link.
        """
        directory = self.directory(name)
        link = _find_link(directory, key)
        message = os.path.realpath(link)
        try:
            os.unlink(message)
        except OSError as error:
            if os.path.exists(message):
                _keep_link(link, error)
                return False
        try:
            os.unlink(link)
        except OSError as error:
            raise maildir_error(error, "cannot remove", link) from error
        return True

    def _nicknames(self) -> dict[str, str]:
        own = read_shared(f"{self.maildir}/{SHARED_FILE}")
        return own | (read_shared(self.everywhere) if self.everywhere else {})

    def _target(self, directory: str) -> str:
        try:
            return os.readlink(f"{directory}/{_LINK}")
        except OSError as error:
            raise maildir_error(error, "not subscribed to", directory) from error


def _split(name: str) -> tuple[str, str]:
    nick, dot, folder = name.partition(".")
    folder_directory("", f"INBOX.{name}")  # refuses what could leave the tree
    if not dot:
        raise InvalidNameError(f"not the name of a shared folder: {name!r}")
    return nick, folder


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [
                entry.name
                for entry in entries
                if not is_hidden(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise maildir_error(error, "cannot list", path) from error


def _make_missing(path: str, made: list[str]) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    made.append(path)


def _is_stale(directory: str, shared: str) -> bool:
    changed = max(os.stat(f"{shared}/{sub}").st_mtime_ns for sub in ("new", "cur"))
    try:
        return os.stat(f"{directory}/{_STAMP}").st_mtime_ns <= changed
    except FileNotFoundError:
        return True


def _touch(path: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, 0o600))
    os.utime(path)


def _relink(directory: str, shared: str) -> None:
    missing = {str(key_of(name)): name for name in _names(f"{shared}/cur")}
    for sub in ("cur", "new"):
        for name in _names(f"{directory}/{sub}"):
            link = f"{directory}/{sub}/{name}"
            full = missing.pop(key_of(name), None)
            if full is None:
                os.unlink(link)
                continue
            target = f"{shared}/cur/{full}"
            if not os.path.islink(link) or os.readlink(link) != target:
                _link(directory, target, link)
    for key, full in missing.items():
        _link(directory, f"{shared}/cur/{full}", f"{directory}/new/{current_name(key, '')}")


def _link(directory: str, target: str, link: str) -> None:
    scratch = f"{directory}/tmp/{os.getpid()}.newlink.{os.path.basename(link)}"
    os.symlink(target, scratch)
    os.rename(scratch, link)


def _names(directory: str) -> list[str]:
    return sorted(name for name in os.listdir(directory) if not is_hidden(name))


def _find_link(directory: str, key: str) -> str:
    for sub in ("cur", "new"):
        for name in _names(f"{directory}/{sub}"):
            if key_of(name) == key:
                return f"{directory}/{sub}/{name}"
    raise MaildirMissingError(f"no message {key!r} in {directory}", path=directory)


def _keep_link(link: str, cause: OSError) -> None:
    directory, name = os.path.split(link)
    flags = flags_of(name).replace("T", "")
    try:
        os.rename(link, f"{directory}/{current_name(key_of(name), flags)}")
    except OSError as error:
        raise maildir_error(error, "cannot rename", link) from cause
