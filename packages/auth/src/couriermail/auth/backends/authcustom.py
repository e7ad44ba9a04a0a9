"""authcustom: the administrator's own Python class as a module.

authdaemonrc names it: `authcustomclass=package.module:Class`; the command's Python must be able
to import it.  The class takes no arguments and has the methods of `AuthModule`; those of
`PasswordChanger` and `AccountLister` are used where it has them.  Without a class the module
refuses everything, as Courier's does.  A distribution that brings a module under a name of its
own uses the entry point group of `auth.modules` instead.

Standard: spec auth 4.5 (authcustom).
"""

from __future__ import annotations

from importlib import import_module

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.account import Account
    from couriermail.auth.module import AuthModule, CramResponse

__all__ = ["RefusingModule", "load_custom_module"]

_METHODS = ("lookup", "login", "cram", "idle", "close")


class RefusingModule:
    """An `AuthModule` that knows nobody.

    Attributes:
        name: the module's name in a chain.
    """

    name = "authcustom"

    def lookup(self, name: str, service: str) -> Account | None:
        """Nobody is known."""
        return None

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Nobody may log in."""
        return None

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Nobody may log in."""
        return None

    def idle(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is kept."""


def load_custom_module(place: str) -> AuthModule:
    """Make a module of the class at `package.module:Class`; the empty place refuses everybody.

    Raises:
        DirectoryError: it cannot be imported, or is no class that makes a module: whoever has
            an account there must not be taken for unknown.
    """
    if not place:
        return RefusingModule()
    module_name, _, class_name = place.partition(":")
    try:
        factory = getattr(import_module(module_name), class_name, None)
    except (ImportError, ValueError) as error:  # ValueError: no name before the colon
        raise DirectoryError(f"authcustom: {place}: {error}") from error
    if not callable(factory):
        raise DirectoryError(f"authcustom: {place} is no class")
    module: AuthModule = factory()
    missing = [method for method in _METHODS if not callable(getattr(module, method, None))]
    if missing:
        raise DirectoryError(f"authcustom: {place} lacks {', '.join(missing)}")
    return module
