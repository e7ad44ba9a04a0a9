"""What the architecture tests know about the workspace: its distributions and their imports.

Everything is read from the files (`pyproject.toml`, syntax trees); nothing is imported here.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]

# Which room may open which door.  `core` is open to all, and the commands may use all.
DOORS: dict[str, frozenset[str]] = {
    room: frozenset(doors.split())
    for room, doors in {
        "core": "",
        "table": "",
        "rfc822": "",
        "maildir": "",
        "queue": "",
        "auth": "table",
        "filter": "rfc822 maildir table",
        "smtp": "rfc822 auth table",
        "fax": "rfc822",
        "mta": "table rfc822 maildir auth filter smtp queue fax",
        "cli": "table rfc822 maildir auth filter smtp queue fax mta",
    }.items()
}

# Import name -> distribution, where the two differ.
DISTRIBUTIONS = {
    "serial": "pyserial",
    "attr": "attrs",
    "dns": "dnspython",
    "argon2": "argon2-cffi",
    "ldap": "python-ldap",
}


@attrs.frozen(kw_only=True)
class Import:
    """One import statement of a module.

    Attributes:
        module: what is imported, or imported from.
        names: the names taken from it; empty for a plain `import`.
        place: `path:line`, for messages.
        is_eager: executed when the module is imported.
    """

    module: str
    names: tuple[str, ...]
    place: str
    is_eager: bool

    @property
    def top(self) -> str:
        """The first word of the module's name."""
        return self.module.partition(".")[0]

    @property
    def rooms(self) -> set[str]:
        """The rooms of couriermail that it reaches into."""
        if self.module == "couriermail":
            return set(self.names)
        return {self.module.split(".")[1]} if self.top == "couriermail" else set()


@attrs.frozen(kw_only=True)
class Distribution:
    """One distribution of the workspace.

    Attributes:
        room: its room; "" for the bundle, which has no code.
        folder: where its `pyproject.toml` lies.
    """

    room: str
    folder: Path

    @property
    def name(self) -> str:
        """The distribution's name."""
        return f"couriermail-{self.room}" if self.room else "couriermail"

    @property
    def project(self) -> dict[str, object]:
        """The `[project]` table of its `pyproject.toml`."""
        table = tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]
        assert isinstance(table, dict)
        return table

    @property
    def requirements(self) -> list[str]:
        """Its required dependencies as written."""
        written = self.project.get("dependencies", [])
        assert isinstance(written, list)
        return written

    @property
    def extra_requirements(self) -> list[str]:
        """The dependencies of its extras as written."""
        extras = self.project.get("optional-dependencies", {})
        assert isinstance(extras, dict)
        return [requirement for group in extras.values() for requirement in group]

    @property
    def package(self) -> Path:
        """The folder of its leaf package."""
        return self.folder / "src" / "couriermail" / self.room

    @property
    def modules(self) -> list[Path]:
        """Its Python files."""
        return sorted(self.package.rglob("*.py")) if self.room else []

    @property
    def imports(self) -> list[Import]:
        """Every import of every module, also those inside functions."""
        return [found for module in self.modules for found in imports_of(module)]


def distributions() -> list[Distribution]:
    """All distributions: the rooms, the commands and the bundle."""
    rooms = [
        Distribution(room=file.parent.name, folder=file.parent)
        for file in sorted(ROOT.glob("packages/*/pyproject.toml"))
    ]
    return [
        *rooms,
        Distribution(room="cli", folder=ROOT / "cli"),
        Distribution(room="", folder=ROOT),
    ]


def with_code() -> list[Distribution]:
    """The distributions that carry code: all but the bundle."""
    return [found for found in distributions() if found.room]


@cache
def syntax_tree(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse(path.read_bytes(), filename=str(path))


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Every import statement of a file."""
    return tuple(_imports(syntax_tree(path).body, path.relative_to(ROOT), is_eager=True))


def is_type_checking(node: ast.AST) -> bool:
    """Tell whether a statement is `if TYPE_CHECKING:`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def _imports(body: list[ast.stmt], path: Path, *, is_eager: bool) -> Iterator[Import]:
    for node in body:
        place = f"{path}:{node.lineno}"
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module=alias.name, names=(), place=place, is_eager=is_eager)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import(module=node.module or "", names=names, place=place, is_eager=is_eager)
        elif isinstance(node, ast.If) and is_type_checking(node):
            yield from _imports(node.body, path, is_eager=False)
            yield from _imports(node.orelse, path, is_eager=is_eager)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for block in _blocks(node):
                yield from _imports(block, path, is_eager=is_eager and not is_function)


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if block:
            yield block
    for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield part.body
