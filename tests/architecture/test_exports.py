"""Public faces: the three lists of a room's `__init__.py` say the same, and each name exists."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest
from tests.architecture.workspace import ROOT, is_type_checking, syntax_tree, with_code


def package_of(path: Path) -> str:
    """Dotted name of the package whose `__init__.py` this is."""
    parts = path.parent.parts
    return ".".join(parts[len(parts) - parts[::-1].index("src") :])


INITS = sorted(
    path
    for distribution in with_code()
    if distribution.room != "cli"  # the commands are programs, their package exports nothing
    for path in distribution.package.rglob("__init__.py")
)

ROOT_OF_CODE = {distribution.room: distribution.package for distribution in with_code()}

faces = pytest.mark.parametrize("path", INITS, ids=package_of)


def public_list(tree: ast.Module) -> list[str]:
    """The value of `__all__`."""
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            value = ast.literal_eval(node.value)
            assert isinstance(value, list)
            return value
    raise AssertionError("no __all__")


def from_imports(body: list[ast.stmt]) -> dict[str, str]:
    """Name -> module of the `from ... import` statements directly in a block."""
    return {
        alias.asname or alias.name: node.module or ""
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def typed_names(tree: ast.Module) -> dict[str, str]:
    """Name -> module of the TYPE_CHECKING block."""
    for node in tree.body:
        if isinstance(node, ast.If) and is_type_checking(node):
            return from_imports(node.body)
    return {}


def lazy_names(tree: ast.Module, package: str) -> dict[str, str]:
    """Name -> module of the table given to `lazy_exports`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_exports":
            table = ast.literal_eval(node.args[1])
            return {
                name: f"{package}.{module}" for module, names in table.items() for name in names
            }
    return {}


def eager_names(tree: ast.Module, package: str) -> dict[str, str]:
    """Name -> module of a room's own names that its `__init__.py` imports at once."""
    found: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.If) and is_type_checking(node):
            found |= from_imports(node.orelse)
    return {name: module for name, module in found.items() if module.startswith(f"{package}.")}


@faces
def test_the_three_lists_of_a_public_face_agree(path: Path) -> None:
    tree, package = syntax_tree(path), package_of(path)
    typed = typed_names(tree)
    assert lazy_names(tree, package) | eager_names(tree, package) == typed
    assert sorted(public_list(tree)) == sorted(typed)


@faces
def test_the_public_list_is_sorted_and_holds_nothing_twice(path: Path) -> None:
    names = public_list(syntax_tree(path))
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.startswith("_")]
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))


@faces
def test_an_exported_name_is_public_in_its_module(path: Path) -> None:
    hidden = []
    for name, module in typed_names(syntax_tree(path)).items():
        base = ROOT_OF_CODE[module.split(".")[1]].joinpath(*module.split(".")[2:])
        file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if name not in public_list(syntax_tree(file)):
            hidden.append(f"{file.relative_to(ROOT)}: {name}")
    assert hidden == []


@faces
def test_every_public_name_can_be_had(path: Path) -> None:
    package = importlib.import_module(package_of(path))
    missing = [name for name in public_list(syntax_tree(path)) if not hasattr(package, name)]
    assert missing == []
    assert set(public_list(syntax_tree(path))) <= set(dir(package))
