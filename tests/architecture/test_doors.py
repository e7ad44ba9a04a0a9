"""Doors between rooms: only those of the plan, and never another room's private names."""

from __future__ import annotations

import pytest
from tests.architecture.workspace import DOORS, ROOT, Distribution, distributions, with_code

rooms = pytest.mark.parametrize("distribution", with_code(), ids=lambda found: found.room)


def test_every_room_is_in_the_plan() -> None:
    assert {found.room for found in with_code()} == set(DOORS)


@rooms
def test_a_room_opens_no_door_that_the_plan_lacks(distribution: Distribution) -> None:
    allowed = DOORS[distribution.room] | {distribution.room, "core"}
    wrong = [
        f"{found.place}: {distribution.room} -> {room}"
        for found in distribution.imports
        for room in sorted(found.rooms - allowed)
    ]
    assert wrong == []


@rooms
def test_a_room_uses_no_private_name_of_another(distribution: Distribution) -> None:
    wrong = [
        f"{found.place}: {name}"
        for found in distribution.imports
        if found.rooms - {distribution.room}
        for name in (*found.module.split("."), *found.names)
        if name.startswith("_")
    ]
    assert wrong == []


@rooms
def test_the_namespace_has_no_init_and_each_leaf_is_typed(distribution: Distribution) -> None:
    namespace = distribution.package.parent
    assert not (namespace / "__init__.py").exists()
    assert not (namespace / "py.typed").exists()
    assert (distribution.package / "__init__.py").exists()
    assert (distribution.package / "py.typed").exists()
    assert [path.name for path in namespace.iterdir() if path.name != "__pycache__"] == [
        distribution.room
    ]


@pytest.mark.parametrize("distribution", distributions(), ids=lambda found: found.name)
def test_every_distribution_has_a_readme(distribution: Distribution) -> None:
    assert distribution.folder.joinpath(str(distribution.project["readme"])).is_file()
    assert distribution.folder.is_relative_to(ROOT)
