"""Lazy exports: a room's public face that costs nothing until a name is used.

The commands that run once per message must start in a few milliseconds, and importing
`attrs`, `re` or `typing` alone takes longer than that.  So a room's `__init__.py` lists its
names twice: under `TYPE_CHECKING` for type checkers and readers, and in a table for
`lazy_exports`, which imports the module on first use (PEP 562).  A test in
`tests/architecture` compares the two lists and `__all__`.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 10 ms to import; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["lazy_exports"]


def lazy_exports(
    package: str, modules: Mapping[str, tuple[str, ...]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package that imports its names on first use.

    Args:
        package: the package's own `__name__`.
        modules: module name below the package -> the public names that live in it.
    """
    home = {name: module for module, names in modules.items() for name in names}

    def __getattr__(name: str) -> object:
        module = home.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        value = getattr(__import__(f"{package}.{module}", fromlist=(name,)), name)
        globals_of(package)[name] = value  # the next use is an ordinary attribute
        return value

    def __dir__() -> list[str]:
        return sorted({*globals_of(package), *home})

    return __getattr__, __dir__


def globals_of(package: str) -> dict[str, object]:
    """The namespace of an already imported package."""
    import sys

    return vars(sys.modules[package])
