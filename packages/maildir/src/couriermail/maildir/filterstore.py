"""Where the mail filter of a mailbox lies, and how a form changes it (spec maildir 4.13).

`maildirfilterconfig` in the maildir, or else the one for all mailboxes, says where:

    MAILDIRFILTER=../.mailfilter      the recipe, below the maildir
    MAILDIR=./Maildir                 the maildir, as maildrop sees it

A form works on a copy: `start` makes it, `load` and `save` read and write it, `commit` puts it
in place, `cancel` drops it.
"""

from __future__ import annotations

import os

import attrs

from couriermail.core.durable import sync_directory, write_atomically
from couriermail.core.errors import StorageError
from couriermail.maildir.errors import (
    MaildirMissingError,
    MaildirStorageError,
    maildir_error,
)
from couriermail.maildir.filterrecipe import FilterRecipe, ForeignRecipeError
from couriermail.maildir.textfiles import read_text_file

__all__ = ["FILTER_CONFIG", "FilterConfig", "FilterStore", "read_filter_config"]

FILTER_CONFIG = "maildirfilterconfig"
_COPY = "maildirfilter.tmp"


@attrs.frozen(kw_only=True)
class FilterConfig:
    """What `maildirfilterconfig` says.

    Attributes:
        recipe: path of the recipe, absolute or below the maildir.
        maildir: path of the maildir as maildrop sees it.
    """

    recipe: str
    maildir: str

    @classmethod
    def parse(cls, text: str) -> FilterConfig | None:
        """Read the file; None unless both settings are there."""
        values: dict[str, str] = {}
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals:
                values.setdefault(name.strip(), value.strip())
        recipe, maildir = values.get("MAILDIRFILTER"), values.get("MAILDIR")
        return cls(recipe=recipe, maildir=maildir) if recipe and maildir else None


def read_filter_config(
    maildir: str | os.PathLike[str], everywhere: str | os.PathLike[str] | None = None
) -> FilterConfig | None:
    """The filter settings of a maildir; None where filters are not offered.

    A file in the maildir counts alone, also for what it does not say.

    Args:
        maildir: the maildir.
        everywhere: the file for all maildirs, such as `/etc/courier/maildirfilterconfig`.

    Raises:
        MaildirStorageError: a file is there but cannot be read.
    """
    data = read_text_file(f"{os.fspath(maildir)}/{FILTER_CONFIG}")
    if data is None and everywhere is not None:
        data = read_text_file(os.fspath(everywhere))
    return None if data is None else FilterConfig.parse(data.decode("utf-8", "surrogateescape"))


class FilterStore:
    """The mail filter of one mailbox, and the copy that a form works on.

    Attributes:
        recipe: path of the recipe in use.
        copy: path of the copy.
    """

    __slots__ = ("_maildir", "copy", "recipe")

    def __init__(self, maildir: str | os.PathLike[str], config: FilterConfig) -> None:
        self._maildir = config.maildir
        self.copy = f"{os.fspath(maildir)}/{_COPY}"
        # A recipe may be a link to another file of its owner, which is what gets replaced then.
        self.recipe = os.path.realpath(os.path.join(os.fspath(maildir), config.recipe))

    def start(self) -> FilterRecipe:
        """Copy the recipe in use, or start with one that has no rules.

        Raises:
            ForeignRecipeError: the recipe in use was not made from rules; there is no copy.
            MaildirError: it cannot be read or copied.
        """
        data = read_text_file(self.recipe)
        recipe = FilterRecipe(maildir=self._maildir) if data is None else _parsed(data, self.recipe)
        _write(self.copy, recipe.to_text().encode() if data is None else data)
        return recipe

    def load(self) -> FilterRecipe:
        """Read the copy.

        Raises:
            ForeignRecipeError: it was not made from rules.
            MaildirMissingError: there is no copy.
            MaildirStorageError: it cannot be read.
        """
        data = read_text_file(self.copy)
        if data is None:
            raise MaildirMissingError(f"no filter is being changed: {self.copy}", path=self.copy)
        return _parsed(data, self.copy)

    def save(self, recipe: FilterRecipe) -> None:
        """Write the copy, for the maildir that the settings name; durable when it returns.

        Raises:
            RuleError: a rule has a problem; nothing was written.
            MaildirStorageError: the system refused; the copy is what it was.
        """
        text = attrs.evolve(recipe, maildir=self._maildir).to_text()
        _write(self.copy, text.encode("utf-8", "surrogateescape"))

    def commit(self) -> None:
        """Put the copy in place of the recipe in use; durable when it returns.

        Raises:
            MaildirError: the system refused, or the recipe is on another file system.
        """
        try:
            os.rename(self.copy, self.recipe)
            sync_directory(os.path.dirname(self.recipe))
        except OSError as error:
            raise maildir_error(error, "cannot replace", self.recipe) from error

    def cancel(self) -> None:
        """Drop the copy; does nothing when there is none.

        Raises:
            MaildirStorageError: the system refused.
        """
        try:
            os.unlink(self.copy)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise maildir_error(error, "cannot remove", self.copy) from error


def _parsed(data: bytes, path: str) -> FilterRecipe:
    try:
        return FilterRecipe.parse(data.decode("utf-8", "surrogateescape"))
    except ForeignRecipeError as error:
        raise ForeignRecipeError(str(error), path=path) from None


def _write(path: str, data: bytes) -> None:
    try:
        write_atomically(path, [data], mode=0o600)
    except StorageError as error:
        raise MaildirStorageError(str(error), path=path) from error
