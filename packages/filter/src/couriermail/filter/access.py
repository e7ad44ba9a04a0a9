"""Which homes and recipe files are safe to use (spec filter 4.12).

A recipe runs commands as its owner, so a file that somebody else may have written is refused.
"""

from __future__ import annotations

import os
import stat

from couriermail.filter.errors import FilterError

__all__ = ["RecipeAccessError", "check_embedded_directory", "check_home", "read_recipe_file"]


class RecipeAccessError(FilterError):
    """A home directory or recipe file that must not be used.

    Attributes:
        is_silent: True when nothing should be said: the owner is editing the recipe.
    """

    is_silent: bool = False


def check_home(path: str, uid: int) -> None:
    """Check a home directory.

    Raises:
        RecipeAccessError: it is not there, is somebody else's or writable for everybody; or
            its sticky bit says that the owner is editing and mail should wait.
    """
    try:
        facts = os.stat(path)
    except OSError as error:
        raise RecipeAccessError("Unable to change to home directory.") from error
    if not stat.S_ISDIR(facts.st_mode):
        raise RecipeAccessError("Unable to change to home directory.")
    if facts.st_mode & stat.S_IWOTH:
        raise RecipeAccessError("Invalid home directory permissions - world writable.")
    if facts.st_uid != uid:
        raise RecipeAccessError("Home directory owned by wrong user.")
    if facts.st_mode & stat.S_ISVTX:
        waits = RecipeAccessError("Home directory is sticky: mail waits.")
        waits.is_silent = True
        raise waits


def check_embedded_directory(path: str, uid: int) -> None:
    """Check `.mailfilters`, if it is there.

    The messages do not name the home: a sender may be told of them (spec filter 4.18).

    Raises:
        RecipeAccessError: it is not a private directory of its user.
    """
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RecipeAccessError("Unable to read $HOME/.mailfilters.") from error
    if not stat.S_ISDIR(facts.st_mode):
        raise RecipeAccessError("$HOME/.mailfilters should be a directory.")
    if facts.st_mode & 0o077:
        raise RecipeAccessError(
            "Invalid permissions on $HOME/.mailfilters - world or group permissions."
        )
    if facts.st_uid != uid:
        raise RecipeAccessError("Invalid user ownership of $HOME/.mailfilters.")


def read_recipe_file(path: str, uid: int) -> bytes | None:
    """Read a user's recipe; what was checked is what is read.

    Returns:
        The recipe, or None when there is no such file.

    Raises:
        RecipeAccessError: it is not a private file of its user, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecipeAccessError(f"Unable to open filter file, errno={error.errno}.") from error
    try:
        _check_file(os.fstat(descriptor), uid)
        with open(descriptor, "rb", closefd=False) as file:
            return file.read()
    except OSError as error:
        raise RecipeAccessError(f"Unable to read filter file, errno={error.errno}.") from error
    finally:
        os.close(descriptor)


def _check_file(facts: os.stat_result, uid: int) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise RecipeAccessError("mailfilter file isn't a regular file.")
    if facts.st_mode & 0o077:
        raise RecipeAccessError(
            "Cannot have world/group permissions on the filter file - for your own good."
        )
    if facts.st_uid != uid:
        raise RecipeAccessError("mailfilter file is owned by the wrong user.")
