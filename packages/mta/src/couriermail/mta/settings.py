"""`couriermail.toml`: settings that Courier's control files have no place for.

The file is optional and never required (spec mta 3.8)::

    [paths]
    state = "/var/lib/courier"       # queue, sockets, locks; default: see `Config.state`

    [mta]
    mailuser = "courier"
    dsn_early = true

    [queue]
    min_free = 67108864

Every table is a frozen class below, every key one of its attributes; a key that is not is an
error with a suggestion.
"""

from __future__ import annotations

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from couriermail.mta.controlfiles import Problems

    _Table = TypeVar("_Table", "PathSettings", "MtaSettings", "QueueTuning")

__all__ = [
    "FILE_NAME",
    "MtaSettings",
    "PathSettings",
    "QueueTuning",
    "Settings",
    "read_settings",
    "suggestion",
]

FILE_NAME = "couriermail.toml"


@attrs.frozen(kw_only=True)
class PathSettings:
    """Table `[paths]`; relative paths are relative to the configuration directory.

    Attributes:
        state: directory of queue, sockets and locks ("" = the default of `Config.state`).
        templates: directory of the report texts ("" = the configuration directory).
    """

    state: str = ""
    templates: str = ""


@attrs.frozen(kw_only=True)
class MtaSettings:
    """Table `[mta]`.

    Attributes:
        mailuser: user that owns the queue and serves the aliases' programs ("" = whoever runs).
        mailgroup: its group.
        dsn_early: report failures when a message is first deferred, not only at its end.
        dsn_expanded: say `Action: expanded` for an alias with several members.
        create_maildir: create a missing maildir that the default delivery names.
        ledger: remember finished instructions, so that a retry does not repeat them.
        strict_home: defer delivery into a home that others may write to.
        local_extensions: False delivers exact local parts only, never `user-ext`.
        shell: program that runs the commands of dot files.
        mbox_lock: `fcntl`, `lockf` or `flock`.
        delivery_nice: how much the delivery agents yield to accepting mail (nice(2), 0-19): a
            peer or a `sendmail` waits for us, a queued message does not.
        log_json: log structured lines beside the plain ones.
        login_failures: failed SMTP logins that a client address may have at once; 0 = any number.
        login_failure_seconds: time in which as many are forgiven.
        auth_in_clear: SMTP clients may send their password (PLAIN, LOGIN) without TLS too.
        exdata_fallback: when some recipients' content filters refuse a message of a client that
            cannot be told which: `accept` it for the others and report the refusals to the
            sender by mail, or `reject` it for all ("spec filter 4.18").
        filter_min_id: recipients' filters are run for no uid and no gid below this; never for 0.
    """

    mailuser: str = ""
    mailgroup: str = ""
    dsn_early: bool = True
    dsn_expanded: bool = True
    create_maildir: bool = False
    ledger: bool = True
    strict_home: bool = False
    local_extensions: bool = True
    shell: str = "/bin/sh"
    mbox_lock: str = attrs.field(
        default="fcntl", validator=attrs.validators.in_(("fcntl", "lockf", "flock"))
    )
    delivery_nice: int = attrs.field(
        default=10, validator=attrs.validators.and_(attrs.validators.ge(0), attrs.validators.le(19))
    )
    log_json: bool = False
    login_failures: int = attrs.field(default=20, validator=attrs.validators.ge(0))
    login_failure_seconds: int = attrs.field(default=300, validator=attrs.validators.ge(1))
    auth_in_clear: bool = False
    exdata_fallback: str = attrs.field(
        default="accept", validator=attrs.validators.in_(("accept", "reject"))
    )
    filter_min_id: int = attrs.field(default=100, validator=attrs.validators.ge(1))


@attrs.frozen(kw_only=True)
class QueueTuning:
    """Table `[queue]`.

    Attributes:
        min_free: bytes that stay free; 0 = the larger of 64 MiB and twice `sizelimit`.
        min_inodes: inodes that stay free.
        retrycompat: `verified` (what Courier does) or `manual` (what its manual says).
        retryjitter: per cent by which a retry may come later than the timetable says.
    """

    min_free: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    min_inodes: int = attrs.field(default=1000, validator=attrs.validators.ge(0))
    retrycompat: str = attrs.field(
        default="verified", validator=attrs.validators.in_(("verified", "manual"))
    )
    retryjitter: int = attrs.field(
        default=0, validator=attrs.validators.and_(attrs.validators.ge(0), attrs.validators.le(100))
    )


@attrs.frozen(kw_only=True)
class Settings:
    """The whole file."""

    paths: PathSettings = PathSettings()
    mta: MtaSettings = MtaSettings()
    queue: QueueTuning = QueueTuning()


def read_settings(text: str | None, *, path: str, problems: Problems) -> Settings:
    """Read the text of `couriermail.toml`; what is wrong is collected, defaults replace it.

    Args:
        text: the file's text, or None when there is none.
        path: its name, for error messages.
        problems: where errors go.
    """
    if text is None:
        return Settings()
    import tomllib  # a system without the file does not pay for it

    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.error(f"is not TOML: {error}", path=path)
        return Settings()
    reader = _TableReader(text, path, problems)
    reader.check_names("", tables, ("paths", "mta", "queue"))
    return Settings(
        paths=reader.table("paths", tables, PathSettings),
        mta=reader.table("mta", tables, MtaSettings),
        queue=reader.table("queue", tables, QueueTuning),
    )


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the known name that looks most like `name`, or ""."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {close[0]!r}?" if close else ""


@attrs.frozen
class _TableReader:
    text: str
    path: str
    problems: Problems

    def check_names(self, table: str, found: Mapping[str, object], known: Iterable[str]) -> None:
        names = tuple(known)
        for name in found:
            if name not in names:
                place = f"[{table}] " if table else "table "
                self._error(
                    name, f"{place}{name!r} is not a known setting{suggestion(name, names)}"
                )

    def table(self, name: str, tables: Mapping[str, object], make: Callable[..., _Table]) -> _Table:
        defaults = make()
        found = tables.get(name)
        if found is None:
            return defaults
        if not isinstance(found, dict):
            self._error(name, f"{name} must be a table: [{name}]")
            return defaults
        known = {
            field.name: getattr(defaults, field.name) for field in attrs.fields(type(defaults))
        }
        self.check_names(name, found, known)
        values: dict[str, object] = {}
        for key, default in known.items():
            if key in found and self._has_type(key, found[key], type(default)):
                values[key] = found[key]
        return self._make(name, values, make)

    def _has_type(self, key: str, value: object, wanted: type) -> bool:
        if type(value) is wanted:  # `True` is no number here
            return True
        words = {bool: "true or false", int: "a whole number", str: "a text"}
        self._error(key, f"{key} must be {words[wanted]}")
        return False

    def _make(self, name: str, values: dict[str, object], make: Callable[..., _Table]) -> _Table:
        """Build the table; one value out of its range costs that value, not the others."""
        good: dict[str, object] = {}
        for key, value in values.items():
            try:
                make(**{key: value})
            except ValueError:
                self._error(key, f"[{name}] {key} cannot be {value!r}")
            else:
                good[key] = value
        return make(**good)

    def _error(self, key: str, message: str) -> None:
        self.problems.error(message, path=self.path, line=self._line_of(key))

    def _line_of(self, key: str) -> int | None:
        for number, line in enumerate(self.text.split("\n"), start=1):
            if line.strip().strip("[").lstrip().startswith(key):
                return number
        return None
