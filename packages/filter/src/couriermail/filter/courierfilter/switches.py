"""Switching filters on and off: links in one directory (filterctl, spec filter 2.4)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from couriermail.filter.courierfilter.errors import FilterConfigError
from couriermail.filter.courierfilter.places import FilterPlaces

__all__ = ["find_program", "switch_off", "switch_on"]

DIRECTORY_MODE = 0o750


def find_program(name: str, directories: Sequence[str]) -> str:
    """The program of a filter: the first executable file of that name.

    Raises:
        FilterConfigError: it is in none of the directories, or the name is none.
    """
    _check_name(name)
    for directory in directories:
        path = os.path.abspath(f"{directory}/{name}")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise FilterConfigError(f"there is no program {name} in {' or '.join(directories)}")


def switch_on(places: FilterPlaces, name: str, program: str) -> bool:
    """Have `program` run as the filter `name`; False when it is on already.

    Raises:
        FilterConfigError: another program is, or the link cannot be made.
    """
    _check_name(name)
    link = f"{places.active}/{name}"
    try:
        os.makedirs(places.active, DIRECTORY_MODE, exist_ok=True)
        os.symlink(program, link)
    except FileExistsError:
        if os.path.realpath(link) == os.path.realpath(program):
            return False
        raise FilterConfigError("is on already and is another program", path=link) from None
    except OSError as error:
        raise FilterConfigError(f"cannot be made: {error.strerror}", path=link) from error
    return True


def switch_off(places: FilterPlaces, name: str) -> bool:
    """Remove the link; False when there was none.

    Raises:
        FilterConfigError: it cannot be removed.
    """
    _check_name(name)
    link = f"{places.active}/{name}"
    try:
        os.unlink(link)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FilterConfigError(f"cannot be removed: {error.strerror}", path=link) from error
    return True


def _check_name(name: str) -> None:
    """A name is one plain file name; one with a dot in front would never be asked."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise FilterConfigError(f"{name!r} is no name of a filter")
