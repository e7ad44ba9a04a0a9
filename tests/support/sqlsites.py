"""A table of accounts in each SQL engine, and the module that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs

from couriermail.auth.backends.sqlmodule import SqlModule
from couriermail.auth.modules import ModuleSettings, load_module
from couriermail.auth.passwords import hash_password

MARKER = "##NAME: MARKER:0\n"
COLUMNS = (
    "id", "crypt", "clear", "uid", "gid", "home", "maildir", "quota", "name", "options",
    "defaultdelivery", "scram",
)  # fmt: skip
FIELDS = {
    "USER_TABLE": "passwd",
    "CRYPT_PWFIELD": "crypt",
    "CLEAR_PWFIELD": "clear",
    "NAME_FIELD": "name",
    "MAILDIR_FIELD": "maildir",
    "QUOTA_FIELD": "quota",
    "AUXOPTIONS_FIELD": "options",
    "DEFAULTDELIVERY": "defaultdelivery",
}


@attrs.define(eq=False, kw_only=True)
class SqlSite:
    """An engine with an empty table `passwd`.

    Attributes:
        engine: `sqlite`, `mysql` or `pgsql`.
        folder: where its rc file lies.
        connection: the engine's own settings, with their prefix.
        execute: runs a statement with bound values, `?` for each, and gives the rows.
        stop: makes the engine unreachable.
        start: makes it reachable again.
    """

    engine: str
    folder: Path
    connection: dict[str, str]
    execute: Callable[..., list[tuple[object, ...]]]
    stop: Callable[[], None]
    start: Callable[[], None]
    _modules: list[SqlModule] = attrs.field(factory=list, init=False)

    @property
    def rc(self) -> Path:
        """The module's settings file."""
        return self.folder / f"auth{self.engine}rc"

    def write_rc(self, *, plain: dict[str, str] | None = None, **changes: str | None) -> None:
        """Write the settings: the usual ones with changes (None: left out)."""
        prefix = f"{self.engine.upper()}_"
        settings = {**FIELDS, **changes}
        lines = {prefix + name: value for name, value in settings.items() if value is not None}
        lines |= self.connection | (plain or {})
        self.rc.write_text(MARKER + "".join(f"{name} {value}\n" for name, value in lines.items()))
        self.rc.chmod(0o640)

    def module(self, *, plain: dict[str, str] | None = None, **changes: str | None) -> SqlModule:
        """The module with these settings."""
        self.write_rc(plain=plain, **changes)
        module = load_module(f"auth{self.engine}", ModuleSettings(config_dir=str(self.folder)))
        assert isinstance(module, SqlModule)
        self._modules.append(module)
        return module

    def close(self) -> None:
        """Close the modules; the engine runs again, whatever the test did."""
        for module in self._modules:
            module.close()
        if self.engine != "sqlite":
            self.start()

    def add(self, login: str, password: str | None = "secret", /, **changes: object) -> None:
        """Add an account with both forms of its password."""
        row = {
            "id": login,
            "crypt": None if password is None else hash_password(password, "md5"),
            "clear": password,
            "uid": 1001,
            "gid": 1002,
            "home": f"/home/{login}",
            "maildir": "./Maildir",
            "quota": "1000S,10C",
            "name": "A Name",
            "options": "disableimap=0,group=staff",
            "defaultdelivery": "|deliver",
            "scram": None,
            **changes,
        }
        marks = ", ".join("?" * len(COLUMNS))
        self.execute(f"INSERT INTO passwd VALUES ({marks})", *(row[name] for name in COLUMNS))

    def stored(self, name: str) -> tuple[str, str]:
        """The clear password and the hash of an account."""
        [(clear, crypt)] = self.execute("SELECT clear, crypt FROM passwd WHERE id = ?", name)
        return str(clear), str(crypt)
