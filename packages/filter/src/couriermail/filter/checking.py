"""Checking a recipe without running it (`maildrop --check`).

Every check knows what the language really does, and reports only what it can prove or what is
one of the language's known traps.  Errors are what maildrop itself would refuse or complain
about; the rest are warnings.  Recipes that work give no errors.
"""

from __future__ import annotations

import os

import attrs

from couriermail.filter.check_flow import check_flow
from couriermail.filter.check_patterns import PatternChecks, check_values, is_legacy
from couriermail.filter.check_variables import VariableChecks
from couriermail.filter.constants import constant_value
from couriermail.filter.errors import RecipeSyntaxError
from couriermail.filter.findings import Finding, RecipeText
from couriermail.filter.outcome import RunLimits
from couriermail.filter.printable import printable
from couriermail.filter.recipe import compile_recipe
from couriermail.filter.rehearsal import mailbox_obstacle, read_regular_file
from couriermail.filter.syntax import Action, Block, Trap, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["check_recipe"]


def check_recipe(
    text: str | bytes,
    *,
    name: str,
    embedded: bool = False,
    home: str | os.PathLike[str] | None = None,
    variables: Mapping[str, str] | None = None,
    checks_mailboxes: bool = False,
) -> list[Finding]:
    """Look for mistakes in a recipe; nothing of it is executed.

    Args:
        text: the recipe.
        name: its file name, for the findings.
        embedded: True for a recipe that only judges (spec filter 4.1).
        home: where relative paths start.  Files that the recipe includes are read from there
            and checked as well; with None nothing is read.
        variables: variables that are set before the recipe begins, beside the usual ones.
        checks_mailboxes: True to report deliveries to places that are not there; needs `home`.

    Returns:
        The findings, file by file, from the first line to the last.
    """
    source = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    known = {os.fsencode(key): os.fsencode(value) for key, value in (variables or {}).items()}
    checker = _Checker(
        embedded=embedded, home=None if home is None else os.fspath(home), known=known
    )
    checker.read(RecipeText(name, source))
    found = [*checker.findings()]
    if checks_mailboxes and home is not None:
        found += checker.missing_mailboxes(os.fspath(home))
    order = {file.name: number for number, (file, _) in enumerate(checker.files)}
    return sorted(found, key=lambda one: (order.get(one.name, len(order)), one.line, one.column))


@attrs.define
class _Checker:
    """The files of one check, and what was found while they were read."""

    embedded: bool
    home: str | None
    known: dict[bytes, bytes]
    files: list[tuple[RecipeText, Block]] = attrs.field(factory=list)
    _found: list[Finding] = attrs.field(factory=list)
    _has_unread: bool = False

    def read(self, first: RecipeText) -> None:
        """Read a file and, breadth first, what it includes; each file once."""
        waiting, seen = [first], {first.name}
        limit = RunLimits().include_depth * 10
        while waiting and len(self.files) < limit:
            recipe = waiting.pop(0)
            try:
                tree = compile_recipe(recipe.text, name=recipe.name, embedded=self.embedded).tree
            except RecipeSyntaxError as error:
                self._found.append(_syntax_finding(recipe, error))
                self._has_unread = True
                continue
            self.files.append((recipe, tree))
            waiting += self._included(recipe, tree, seen)

    def findings(self) -> Iterator[Finding]:
        """All findings, in no order."""
        yield from self._found
        is_old = any(is_legacy(tree) for _, tree in self.files)
        patterns = PatternChecks()
        for recipe, tree in self.files:
            yield from check_flow(recipe, tree)
            yield from check_values(recipe, tree)
            if not is_old:
                yield from patterns.check(recipe, tree)
        yield from self._variables().findings()

    def missing_mailboxes(self, home: str) -> Iterator[Finding]:
        """Deliveries to constant places where nothing can be delivered now."""
        fixed = self._fixed_variables()
        for recipe, tree in self.files:
            for node in walk(tree):
                if not isinstance(node, Action) or node.verb not in ("to", "cc"):
                    continue
                place = constant_value(node.argument, fixed)
                if place and place[:1] not in (b"|", b"!"):
                    obstacle = mailbox_obstacle(os.path.join(home, os.fsdecode(place)))
                    if obstacle:
                        yield recipe.finding("missing-mailbox", node.argument, obstacle)

    def _included(self, recipe: RecipeText, tree: Block, seen: set[str]) -> Iterator[RecipeText]:
        trapped = {id(node) for trap in walk(tree) if isinstance(trap, Trap) for node in walk(trap)}
        fixed = self._fixed_variables()
        for node in walk(tree):
            if not isinstance(node, Action) or node.verb != "include":
                continue
            path = constant_value(node.argument, fixed)
            if path is None or self.home is None:
                self._has_unread = True
                continue
            name = os.fsdecode(path)
            if name in seen:
                continue
            seen.add(name)
            content = _contents(os.path.join(self.home, name))
            if content is not None:
                yield RecipeText(name, content)
                continue
            self._has_unread = True
            if id(node) not in trapped:
                message = f"{printable(path)} cannot be read, which ends the delivery with 75"
                self._found.append(recipe.finding("missing-include", node.argument, message))

    def _fixed_variables(self) -> dict[bytes, bytes]:
        """Variables with values that are known, and that no file changes."""
        assigned = self._variables().assigned()
        return {name: value for name, value in self.known.items() if name not in assigned}

    def _variables(self) -> VariableChecks:
        checks = VariableChecks(frozenset(self.known), is_open=self._has_unread)
        for recipe, tree in self.files:
            checks.gather(recipe, tree)
        return checks


def _syntax_finding(recipe: RecipeText, error: RecipeSyntaxError) -> Finding:
    hint = f" ({error.hint})" if error.hint else ""
    return recipe.finding_at(
        "syntax", error.line, error.column, f"{error.reason.rstrip('.')}{hint}"
    )


def _contents(path: str) -> bytes | None:
    """A file's text; None where there is no regular file that can be read."""
    try:
        return read_regular_file(path)
    except (OSError, ValueError):
        return None
