"""Users' filter recipes: the checks before one is used, and the compiled form kept.

A recipe is compiled once for each version of its file, told by device, inode, size and the
two times in nanoseconds.  The checks are those of spec filter.md 4.12 for deliveries: whoever
may write a recipe may run commands as its owner.
"""

from __future__ import annotations

import os
import stat

import attrs

from couriermail.filter import FilterError, Recipe, compile_recipe
from couriermail.filter.syntax import Foreach, Trap, While, walk
from couriermail.mta.local.dotfile import Refusal
from couriermail.mta.local.userfiles import open_user_file, read_user_file

__all__ = ["CompiledRecipe", "RecipeCache", "check_filter_home"]

_MAX_RECIPES = 200  # an agent serves one uid; virtual users may share it
_DYNAMIC = (Trap, While, Foreach)

Identity = tuple[int, int, int, int, int]


@attrs.frozen
class CompiledRecipe:
    """A recipe that is ready to run.

    Attributes:
        recipe: the recipe.
        is_straight: it has no loops and traps no errors, so that its decisions do not depend
            on whether a delivery succeeded and its work is bounded by its length.
    """

    recipe: Recipe
    is_straight: bool


@attrs.define
class RecipeCache:
    """Compiled recipes by path."""

    _known: dict[str, tuple[Identity, CompiledRecipe]] = attrs.field(factory=dict)

    def load(self, path: str, *, name: str, owner: int | None) -> CompiledRecipe | Refusal | None:
        """The compiled recipe in a file.

        Args:
            path: the file.
            name: how diagnostics call it.
            owner: the uid that must own it, and be the only one with rights to it; None for
                the administrator's files, which are not checked.

        Returns:
            None when there is no such file; a refusal when it must not or cannot be used.
        """
        try:
            with open_user_file(path) as descriptor:
                return self._load(descriptor, path, name, owner)
        except FileNotFoundError:
            return None
        except OSError as error:
            return _refusal(f"Unable to open filter file, errno={error.errno}.")

    def _load(
        self, descriptor: int, path: str, name: str, owner: int | None
    ) -> CompiledRecipe | Refusal:
        facts = os.fstat(descriptor)
        refusal = _check_file(facts, owner)
        if refusal is not None:
            return refusal
        identity = _identity(facts)
        known = self._known.get(path)
        if known is not None and known[0] == identity:
            return known[1]
        text = read_user_file(descriptor)
        if text is None:
            return _refusal("The filter file is too large.")
        return self._compile(path, name, identity, text)

    def _compile(
        self, path: str, name: str, identity: Identity, text: bytes
    ) -> CompiledRecipe | Refusal:
        try:
            recipe = compile_recipe(text, name=name)
        except FilterError as error:
            return _refusal(str(error))
        compiled = CompiledRecipe(
            recipe, not any(isinstance(node, _DYNAMIC) for node in walk(recipe.tree))
        )
        if len(self._known) >= _MAX_RECIPES:
            self._known.clear()
        self._known[path] = (identity, compiled)
        return compiled


def check_filter_home(home: str, owner: int) -> Refusal | None:
    """Whether a recipe in this home may be run; a sticky home holds the mail while one edits."""
    facts = os.stat(home)
    if facts.st_mode & stat.S_IWOTH:
        return _refusal("Invalid home directory permissions - world writable.")
    if facts.st_mode & stat.S_ISVTX:
        return Refusal("deferral", "Mail is held while the home directory is sticky.", "4.2.0")
    if facts.st_uid != owner:
        return _refusal("Home directory owned by wrong user.")
    return None


def _check_file(facts: os.stat_result, owner: int | None) -> Refusal | None:
    if not stat.S_ISREG(facts.st_mode):
        return _refusal("mailfilter file isn't a regular file.")
    if owner is None:
        return None
    if facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return _refusal(
            "Cannot have world/group permissions on the filter file - for your own good."
        )
    if facts.st_uid != owner:
        return _refusal("mailfilter file is owned by the wrong user.")
    return None


def _identity(facts: os.stat_result) -> Identity:
    return (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)


def _refusal(text: str) -> Refusal:
    return Refusal("deferral", text, "4.3.0")
