"""From folder names in modified UTF-7 to names in UTF-8, once per maildir (spec maildir 4.5).

Courier before 1.0 stored folder names as IMAP writes them.  `plan_conversion` reads everything
that holds such names (directories, subscriptions, a mail filter made from rules) and refuses
if one of them is no modified UTF-7.  `Conversion.apply` does what was planned.

It may be run again.  What an earlier run of ours did is on record (`conversionrecord`): a maildir
that was converted is left as it is, one that was left half-way is continued.  Without a record,
as after a conversion by Courier, a name with letters outside ASCII is UTF-8 already, and where
a folder has such a name, one that cannot be modified UTF-7 is taken for converted as well.
"""

from __future__ import annotations

import errno
import os

import attrs

from couriermail.core.durable import sync_directory, write_atomically
from couriermail.core.errors import StorageError
from couriermail.maildir.conversionrecord import ConversionRecord, read_record, store_record
from couriermail.maildir.encodings import decode_modutf7
from couriermail.maildir.errors import InvalidNameError, MaildirStorageError, maildir_error
from couriermail.maildir.filterrecipe import FilterRecipe, ForeignRecipeError
from couriermail.maildir.folders import INBOX, iter_folders
from couriermail.maildir.subscriptions import SUBSCRIPTIONS_FILE, Subscriptions
from couriermail.maildir.textfiles import read_text_file

__all__ = ["Conversion", "FailedRename", "NameChange", "NotModifiedUtf7Error", "plan_conversion"]

_MAGIC = b"#MFMAILDROP="


class NotModifiedUtf7Error(InvalidNameError):
    """A name that is not modified UTF-7, so that nothing was converted.

    Attributes:
        name: the name.
        file: the file that holds it; None for a folder.
    """

    def __init__(self, name: str, file: str | None = None) -> None:
        place = f"{file}: {name}" if file else name
        super().__init__(f"{place}: does not appear to be valid modified-UTF7", path=file)
        self.name = name
        self.file = file


@attrs.frozen
class NameChange:
    """A full folder name before and after, such as `INBOX.R&AOk-` and `INBOX.Ré`."""

    old: str
    new: str


@attrs.frozen
class FailedRename:
    """A folder that kept its old name, and why."""

    change: NameChange
    reason: str


@attrs.frozen(kw_only=True)
class Conversion:
    """What a conversion will change.

    Attributes:
        maildir: the maildir.
        folders: folders to rename.
        subscriptions: names to change in the list of subscriptions.
        filters: destinations to change in the mail filter.
        mailfilter: the mail filter that was looked at; None for none.
        is_converted: an earlier run has given all folders names in UTF-8.
    """

    maildir: str
    folders: tuple[NameChange, ...]
    subscriptions: tuple[NameChange, ...] = ()
    filters: tuple[NameChange, ...] = ()
    mailfilter: str | None = None
    is_converted: bool = False
    _renamed_before: tuple[NameChange, ...] = ()
    _names: tuple[str, ...] = ()
    _recipe: FilterRecipe | None = None

    def apply(self) -> list[FailedRename]:
        """Rename the folders, then replace the list of subscriptions and the mail filter.

        Whatever ends this half-way, a new plan goes on from there.

        Returns:
            The folders that could not be renamed; the others were.

        Raises:
            RuleError: the mail filter has a rule that may not be written; nothing was changed.
            MaildirStorageError: a file could not be replaced; the folders have their new names.
        """
        text = None if self._recipe is None else self._recipe.to_text()
        if self.folders:
            renames = {each.old: each.new for each in (*self._renamed_before, *self.folders)}
            store_record(self.maildir, ConversionRecord(renames=renames))
        failed = [failure for change in self.folders if (failure := self._rename(change))]
        try:
            sync_directory(self.maildir)
        except OSError as error:
            raise maildir_error(error, "cannot sync", self.maildir) from error
        if self.subscriptions:
            Subscriptions(self.maildir).replace(list(self._names))
        if text is not None and self.mailfilter is not None and self.filters:
            _replace(self.mailfilter, text.encode("utf-8", "surrogateescape"))
        if not (failed or self.is_converted):
            store_record(self.maildir, ConversionRecord(is_complete=True))
        return failed

    def _rename(self, change: NameChange) -> FailedRename | None:
        old, new = (f"{self.maildir}/{name[len(INBOX) :]}" for name in (change.old, change.new))
        try:
            if os.path.lexists(new):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
            os.rename(old, new)
        except OSError as error:
            return FailedRename(change, error.strerror or str(error))
        return None


def plan_conversion(maildir: str, mailfilter: str | None = None) -> Conversion:
    """Find out what has to change; nothing is touched.

    Args:
        maildir: the maildir.
        mailfilter: a mail filter; one that was not made from rules is left alone.

    Raises:
        NotModifiedUtf7Error: a name is not modified UTF-7.
        ForeignRecipeError: the mail filter was made from rules, but cannot be read.
        MaildirError: something cannot be read.
    """
    record = read_record(maildir) or ConversionRecord()
    existing = [f"{INBOX}.{name}" for name in iter_folders(maildir)]
    folders = _folder_changes(existing, record)
    judge = _Judge(existing, folders, record)
    names = Subscriptions(maildir).names()
    subscribed = judge.changes(names, SUBSCRIPTIONS_FILE)
    recipe = None if mailfilter is None else _recipe_in(mailfilter)
    destinations = [
        rule.folder
        for rule in (recipe.rules if recipe else ())
        if rule.folder.startswith(f"{INBOX}.")
    ]
    filters = judge.changes(destinations, mailfilter)
    return Conversion(
        maildir=maildir,
        folders=folders,
        subscriptions=subscribed,
        filters=filters,
        mailfilter=mailfilter if recipe else None,
        is_converted=record.is_complete,
        renamed_before=tuple(NameChange(*pair) for pair in record.renames.items()),
        names=tuple(_renamed(names, subscribed)),
        recipe=None if recipe is None else _with_folders(recipe, filters),
    )


class _Judge:
    """Says what becomes of names of folders that stand in files."""

    def __init__(
        self, existing: list[str], folders: tuple[NameChange, ...], record: ConversionRecord
    ) -> None:
        self._renamed = record.renames | {change.old: change.new for change in folders}
        self._kept = set(existing).difference(self._renamed)
        self._is_converted = record.is_complete
        self._is_begun = _is_begun(existing, record)

    def changes(self, names: list[str], file: str | None) -> tuple[NameChange, ...]:
        """The names that change, in their order.

        Raises:
            NotModifiedUtf7Error: a name is not modified UTF-7.
        """
        pairs = ((name, self._new_name(name, file)) for name in names)
        return tuple(NameChange(name, new) for name, new in pairs if new != name)

    def _new_name(self, name: str, file: str | None) -> str:
        if name in self._renamed:
            return self._renamed[name]
        if name in self._kept:
            return name
        new = _decoded(name, file, is_begun=self._is_begun)
        # In a maildir that was converted, a name that leads nowhere either way is left alone.
        return name if self._is_converted and new not in self._kept else new


def _folder_changes(existing: list[str], record: ConversionRecord) -> tuple[NameChange, ...]:
    if record.is_complete:
        return ()
    is_begun = _is_begun(existing, record)
    done = {new for old, new in record.renames.items() if old not in existing}
    pairs = (
        (name, _decoded(name, None, is_begun=is_begun)) for name in existing if name not in done
    )
    return tuple(NameChange(name, new) for name, new in pairs if new != name)


def _is_begun(existing: list[str], record: ConversionRecord) -> bool:
    """True when names were converted before, as far as can be told."""
    return bool(record.is_complete or record.renames or any(map(_is_utf8, existing)))


def _decoded(name: str, file: str | None, *, is_begun: bool) -> str:
    """The name in UTF-8, which it may be already."""
    if _is_utf8(name):
        return name
    try:
        return ".".join(map(decode_modutf7, name.split(".")))
    except InvalidNameError:
        if is_begun and name.isascii():
            return name
        raise NotModifiedUtf7Error(name, file) from None


def _is_utf8(name: str) -> bool:
    """True for a name with letters that modified UTF-7 does not have."""
    if name.isascii():
        return False
    try:
        name.encode("utf-8")  # fails for octets that are no UTF-8
    except UnicodeEncodeError:
        return False
    return True


def _renamed(names: list[str], changes: tuple[NameChange, ...]) -> list[str]:
    new_names = {change.old: change.new for change in changes}
    return [new_names.get(name, name) for name in names]


def _with_folders(recipe: FilterRecipe, changes: tuple[NameChange, ...]) -> FilterRecipe:
    new_names = {change.old: change.new for change in changes}
    rules = (
        attrs.evolve(rule, folder=new_names.get(rule.folder, rule.folder)) for rule in recipe.rules
    )
    return attrs.evolve(recipe, rules=tuple(rules))


def _recipe_in(path: str) -> FilterRecipe | None:
    data = read_text_file(os.path.realpath(path))  # may be a link to another file of its owner
    if data is None or not data.startswith(_MAGIC):
        return None
    try:
        return FilterRecipe.parse(data.decode("utf-8", "surrogateescape"))
    except ForeignRecipeError as error:
        raise ForeignRecipeError(str(error), path=path) from None


def _replace(path: str, data: bytes) -> None:
    """Write a file anew with the mode and, where we may, the owner it had."""
    path = os.path.realpath(path)
    try:
        before = os.stat(path)
        write_atomically(path, [data], mode=before.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(path, before.st_uid, before.st_gid, follow_symlinks=False)
    except OSError as error:
        raise maildir_error(error, "cannot replace", path) from error
    except StorageError as error:
        raise MaildirStorageError(str(error), path=path) from error
