"""Distributions: exact dependencies, one version number, commands that exist."""

from __future__ import annotations

import re
import sys

import pytest
from tests.architecture.workspace import (
    DISTRIBUTIONS,
    Distribution,
    distributions,
    syntax_tree,
    with_code,
)

everything = pytest.mark.parametrize("distribution", distributions(), ids=lambda found: found.name)
rooms = pytest.mark.parametrize("distribution", with_code(), ids=lambda found: found.room)


def names(requirements: list[str]) -> set[str]:
    """The distribution names of requirements such as `attrs>=23.1`."""
    return {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower() for requirement in requirements}


def imported(distribution: Distribution) -> set[str]:
    """The distributions that its code imports, those for type checkers included."""
    found = set()
    for statement in distribution.imports:
        found |= {f"couriermail-{room}" for room in statement.rooms - {distribution.room}}
        # `_typeshed` exists for type checkers only.
        if statement.top not in {*sys.stdlib_module_names, "_typeshed", "couriermail"}:
            found.add(DISTRIBUTIONS.get(statement.top, statement.top))
    return found


@rooms
def test_what_is_imported_is_declared(distribution: Distribution) -> None:
    declared = names(distribution.requirements + distribution.extra_requirements)
    assert imported(distribution) - declared == set()


@rooms
def test_what_is_required_is_imported(distribution: Distribution) -> None:
    required = names(distribution.requirements)
    if distribution.room == "cli":  # the commands bring every room along
        required -= {f"couriermail-{found.room}" for found in with_code()}
    assert required - imported(distribution) == set()


@everything
def test_there_is_one_version_number_and_our_own_parts_are_pinned_to_it(
    distribution: Distribution,
) -> None:
    version = with_code()[0].project["version"]
    assert distribution.project["version"] == version
    own = [text for text in distribution.requirements if text.startswith("couriermail")]
    assert [text for text in own if not text.endswith(f"=={version}")] == []


@everything
def test_the_oldest_python_is_the_same_everywhere(distribution: Distribution) -> None:
    assert distribution.project["requires-python"] == ">=3.11"


def test_the_bundle_brings_everything() -> None:
    bundle = distributions()[-1]
    assert names(bundle.requirements) == {found.name for found in with_code()}


def test_every_declared_command_exists() -> None:
    commands = with_code()[-1]
    scripts = commands.project["scripts"]
    assert isinstance(scripts, dict)
    missing = []
    for command, target in scripts.items():
        module, _, function = target.partition(":")
        file = commands.package / f"{module.rpartition('.')[2]}.py"
        defined = (
            [getattr(node, "name", "") for node in syntax_tree(file).body] if file.exists() else []
        )
        if function not in defined:
            missing.append(f"{command}: {target}")
    assert missing == []
