"""What happens to one message between the mail system and the mailbox (spec filter 4.12).

The order of a delivery: the site's recipe, the user's recipe, the default mailbox.  In
embedded mode one recipe judges the message and nothing is delivered.
"""

from __future__ import annotations

import os

from couriermail.filter.access import RecipeAccessError, check_embedded_directory, read_recipe_file
from couriermail.filter.errors import RecipeSyntaxError
from couriermail.filter.recipe import compile_recipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from couriermail.core.errors import CouriermailError
    from couriermail.filter.interfaces import FilterMessage
    from couriermail.filter.lexer import Token
    from couriermail.filter.recipe import Recipe
    from couriermail.filter.run import Run

    TokenTrace = Callable[[Token], None] | None

__all__ = [
    "call_variables",
    "complaint",
    "embedded_candidates",
    "load_embedded_recipe",
    "load_site_recipe",
    "load_user_recipe",
    "locale_variables",
    "return_path",
    "run_recipes",
]

EMBEDDED_DIRECTORY = ".mailfilters"


def run_recipes(run: Run, recipes: list[Recipe], *, delivers_default: bool) -> None:
    """Execute recipes until one of them ends the delivery.

    Args:
        run: the state; variables pass from one recipe to the next.
        recipes: in order.
        delivers_default: True to deliver to DEFAULT when none of them ended it.

    Raises:
        RecipeRuntimeError: one could not be carried out; the message must be kept.
    """
    for recipe in recipes:
        if run.execute(recipe.program):
            return
    if delivers_default:
        run.deliver_default()


def load_site_recipe(path: str, *, on_token: TokenTrace = None) -> Recipe | None:
    """The site's `maildroprc`, or None when there is none.

    Raises:
        RecipeAccessError: it cannot be read.
        RecipeSyntaxError: it is not a recipe.
    """
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecipeAccessError(f"Unable to read {path}, errno={error.errno}.") from error
    return compile_recipe(text, name=path, on_token=on_token)


def load_user_recipe(
    directory: str,
    name: str,
    uid: int,
    *,
    embedded: bool = False,
    on_token: TokenTrace = None,
) -> Recipe | None:
    """A user's recipe, checked and compiled, or None when there is no such file.

    Args:
        directory: what a relative name starts from.
        name: the file's name, as diagnostics show it.
        uid: who must own it.
        embedded: True for embedded mode.
        on_token: see `compile_recipe`.

    Raises:
        RecipeAccessError: it must not be used.
        RecipeSyntaxError: it is not a recipe.
    """
    text = read_recipe_file(os.path.join(directory, name), uid)
    if text is None:
        return None
    return compile_recipe(text, name=name, embedded=embedded, on_token=on_token)


def load_embedded_recipe(
    home: str, name: str, uid: int, *, on_token: TokenTrace = None
) -> Recipe | None:
    """The recipe that `maildrop -M name` means, or None when there is none.

    Raises:
        RecipeAccessError: the directory or the file must not be used.
        RecipeSyntaxError: it is not a recipe.
    """
    check_embedded_directory(os.path.join(home, EMBEDDED_DIRECTORY), uid)
    for candidate in embedded_candidates(name):
        file = f"{EMBEDDED_DIRECTORY}/{candidate}"
        recipe = load_user_recipe(home, file, uid, embedded=True, on_token=on_token)
        if recipe is not None:
            return recipe
    return None


def embedded_candidates(name: str) -> list[str]:
    """The files tried for an embedded name: `x-y`, `x-y-default`, `x-default`, `default`."""
    safe = name.replace("/", ":").replace(".", ":")
    candidates = [safe, f"{safe}-default"]
    while "-" in safe:
        safe = safe.rpartition("-")[0]
        candidates.append(f"{safe}-default")
    return [*candidates, "default"]


def complaint(error: CouriermailError) -> str:
    """What `maildrop` says about an error: lines without the last LF; empty for nothing."""
    if isinstance(error, RecipeSyntaxError):
        return "\n".join(filter(None, (error.detail, error.classic, str(error))))
    if isinstance(error, RecipeAccessError) and error.is_silent:
        return ""
    return f"maildrop: {error}"


def locale_variables(environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The variables that a delivery takes over from an environment (spec filter 2.1)."""
    return {
        name: value
        for name, value in environment.items()
        if name in (b"LANG", b"LANGUAGE") or name.startswith(b"LC_")
    }


def call_variables(name: str, arguments: Sequence[str], sender: str | None) -> dict[bytes, bytes]:
    """What recipes are told of how they were called (spec filter 4.11).

    Args:
        name: the filter file, as given.
        arguments: the words behind it: `1`, `2`, ...
        sender: the envelope sender, or None.
    """
    from couriermail.filter.values import MessageText

    found: dict[bytes, bytes] = {
        b"FROM": MessageText.whole(os.fsencode("MAILER-DAEMON" if sender is None else sender)),
        b"HOSTNAME": os.fsencode(os.uname().nodename),
        b"MAILFILTER": os.fsencode(name),
    }
    for number, word in enumerate(arguments, 1):
        found[b"%d" % number] = MessageText.whole(os.fsencode(word))
    return found


def return_path(message: FilterMessage) -> str | None:
    """The address of the first Return-Path field, or None when there is none."""
    for line in message.header_block().split(b"\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"return-path":
            address = value.strip().removeprefix(b"<").partition(b">")[0]
            return os.fsdecode(address.split(b" ")[0])
    return None
