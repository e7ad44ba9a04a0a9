"""The table of authentication modules, and how one is made of its name.

A module's code, and the library that it needs, is imported when its name is asked for and
not before.  Other distributions add modules with the entry point group `GROUP`: the name is
the module's, the value a function that takes `ModuleSettings` and gives an `AuthModule`.

Standard: spec auth 1 (modules), 4.5.
"""

from __future__ import annotations

import logging

import attrs

from couriermail.auth.errors import AuthError, DirectoryError, ModuleMissingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from couriermail.auth.module import AuthModule

    ModuleFactory = Callable[["ModuleSettings"], AuthModule]

__all__ = [
    "GROUP",
    "MODULE_NAMES",
    "ModuleSettings",
    "load_module",
    "load_modules",
    "require_module",
]

GROUP = "couriermail.auth_modules"

_log = logging.getLogger("couriermail.auth")


@attrs.frozen(kw_only=True)
class ModuleSettings:
    """What modules need to know about the installation.

    Attributes:
        config_dir: directory of the configuration: authldaprc, authProg and their like.
        userdb: the userdb, or empty for `userdb` in `config_dir`.
        userdb_revalidate: seconds for which what was read of it counts without another look.
        custom_class: `package.module:Class` for authcustom, or empty.
        passwd_command: words that run passwd(1) for password changes of system users.
        pipe_seconds: how long authpipe waits for its program's answer; with the time that the
            program then has to end this is less than a worker of authdaemond may take.
    """

    config_dir: str
    userdb: str = ""
    userdb_revalidate: float = 1.0
    custom_class: str = ""
    passwd_command: tuple[str, ...] = ("passwd",)
    pipe_seconds: float = 12.0

    def path(self, name: str) -> str:
        """A file of the configuration."""
        import os

        return os.path.join(self.config_dir, name)


def load_module(name: str, settings: ModuleSettings) -> AuthModule | None:
    """Make a module; None, with one line in the log, where that cannot be.

    Args:
        name: such as `authldap`; ours are `MODULE_NAMES`, others are entry points.
        settings: of the installation.

    Raises:
        DirectoryError: the module is there and cannot be used now.
    """
    try:
        return require_module(name, settings)
    except ModuleMissingError as error:
        _log.warning("%s; skipped", error)
        return None


def require_module(name: str, settings: ModuleSettings) -> AuthModule:
    """Make a module; see `load_module`.

    Raises:
        ModuleMissingError: there is none of that name, or its library is not installed.
        DirectoryError: the module is there and cannot be used now.
    """
    try:
        return _factory(name)(settings)
    except ImportError as error:
        extra = _EXTRAS.get(name)
        hint = f": pip install 'couriermail-auth[{extra}]'" if extra else ""
        raise ModuleMissingError(
            f"{name}: needs {error.name or error}, which is not installed{hint}", is_known=True
        ) from error
    except AuthError:
        raise
    except Exception as error:  # what a stranger's module raises stops no other module
        raise DirectoryError(f"{name}: {type(error).__name__}: {error}") from error


def load_modules(names: Iterable[str], settings: ModuleSettings) -> list[AuthModule]:
    """The modules of a chain that can be had, in order."""
    found = (load_module(name, settings) for name in names)
    return [module for module in found if module is not None]


def _factory(name: str) -> ModuleFactory:
    factory = _FACTORIES.get(name) or _entry_point(name)
    if factory is None:
        raise ModuleMissingError(f"{name}: there is no such module", is_known=False)
    return factory


def _entry_point(name: str) -> ModuleFactory | None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=name):
        factory: ModuleFactory = entry.load()
        return factory
    return None


def _sqlite(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authsqlite import open_sqlite_module

    return open_sqlite_module(settings.path("authsqliterc"))


def _mysql(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authmysql import open_mysql_module

    return open_mysql_module(settings.path("authmysqlrc"))


def _pgsql(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authpgsql import open_pgsql_module

    return open_pgsql_module(settings.path("authpgsqlrc"))


def _userdb(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.userdb_module import UserdbModule

    path = settings.userdb or settings.path("userdb")
    return UserdbModule.open(path, revalidate=settings.userdb_revalidate)


def _ldap(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authldap import open_ldap_module

    return open_ldap_module(settings.path("authldaprc"))


def _pam(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authpam import PamModule

    return PamModule(passwd_command=settings.passwd_command)


def _pwd(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.systemusers import SystemUsersModule

    return SystemUsersModule(name="authpwd", passwd_command=settings.passwd_command)


def _shadow(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.shadow import find_shadow_entry
    from couriermail.auth.backends.systemusers import SystemUsersModule

    return SystemUsersModule(
        name="authshadow",
        find_shadow=find_shadow_entry,
        passwd_command=settings.passwd_command,
    )


def _pipe(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authpipe import PipeModule
    from couriermail.auth.backends.pipechild import PipeChild, PipeTimeouts

    timeouts = PipeTimeouts(answer=settings.pipe_seconds)
    return PipeModule(PipeChild(settings.path("authProg"), timeouts))


def _custom(settings: ModuleSettings) -> AuthModule:
    from couriermail.auth.backends.authcustom import load_custom_module

    return load_custom_module(settings.custom_class)


_FACTORIES: dict[str, ModuleFactory] = {
    "authcustom": _custom,
    "authldap": _ldap,
    "authmysql": _mysql,
    "authpam": _pam,
    "authpgsql": _pgsql,
    "authpipe": _pipe,
    "authpwd": _pwd,
    "authshadow": _shadow,
    "authsqlite": _sqlite,
    "authuserdb": _userdb,
}
_EXTRAS = {"authldap": "ldap", "authmysql": "mysql", "authpgsql": "pgsql"}

MODULE_NAMES = tuple(_FACTORIES)
