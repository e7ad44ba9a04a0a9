"""Compile a userdb into its two tables (makeuserdb), and change fields in text and tables.

    line                 main table                          shadow table
    name TAB fields      name: fields but `*pw=`, `_=<loc>`  name: the `*pw=` fields, if any
    other text           the text: `1`                       the text: `1`
    blank, #...          nothing                             nothing

`<loc>` is the file's path below the userdb and a `/`, empty for a userdb of one file.

Both tables are built and synced before the first is put in its place, and each carries the
mark of its run: a reader that finds a pair of two runs, which only a crash between the two
renames can leave, does not use it.

Courier: a line of one `.` ends the input there.  Here it is an empty record like any other
malformed line, because half of the accounts would be lost silently.

Standard: spec auth 2.6, 3.2; spec maildir 4.16.
"""

from __future__ import annotations

import os

import attrs

from couriermail.auth.errors import DuplicateNameError, UserdbError, UserdbLinkError
from couriermail.auth.userdb_edit import UserdbDocument, hold_lock, write_userdb
from couriermail.auth.userdb_files import read_file, userdb_files
from couriermail.auth.userdb_tables import RUN_KEY
from couriermail.table.build import NewTable, build_tables
from couriermail.table.errors import DuplicateKeyError, TableError
from couriermail.table.reader import MAX_KEY_BYTES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    Pairs = list[tuple[bytes, bytes]]

__all__ = ["CompiledUserdb", "change_fields", "compile_records", "compile_userdb"]

MAIN_MODE = 0o644
SHADOW_MODE = 0o600
LOCK_MODE = 0o644


@attrs.frozen(kw_only=True)
class CompiledUserdb:
    """What goes into the two tables.

    Attributes:
        main: names and fields, without passwords.
        shadow: names and password fields.
    """

    main: Pairs = attrs.field(repr=False)
    shadow: Pairs = attrs.field(repr=False)


def compile_userdb(path: str | os.PathLike[str]) -> int:
    """Make `path`.dat and `path`shadow.dat from the text at `path` (makeuserdb).

    Durable when it returns.  Fault points: those of `build_tables`.

    Args:
        path: the userdb, a file or a directory; a `/` at its end does not count.

    Returns:
        How many records the main table has.

    Raises:
        UserdbLinkError: the text or a table is a symbolic link.
        DuplicateNameError: two records have one name.
        UserdbError: missing, wrong permissions, leftovers, or the file system.  In every case
            the old tables stay in use.
    """
    name = os.fspath(path).rstrip("/") or "/"
    _require_plain(name)
    userdb_files(name)  # where there is nothing to compile, no lock file is left
    with hold_lock(f"{name}.lock", mode=LOCK_MODE):
        return _write_tables(name, _read_compiled(name, {}))


def compile_records(path: str, location: str, text: bytes) -> CompiledUserdb:
    """Sort the records of one file into the two tables.

    Args:
        path: the file, for errors.
        location: what the field `_` says; see the module.
        text: the file's text.

    Raises:
        UserdbError: a name that no table can hold.
    """
    place = b"_=" + os.fsencode(location)
    main: Pairs = []
    shadow: Pairs = []
    for number, line in enumerate(text.split(b"\n"), 1):
        name, tab, fields = line.partition(b"\t")
        if not name or line == b"." or line.startswith(b"#"):
            continue
        if len(name) > MAX_KEY_BYTES or name == RUN_KEY:
            raise UserdbError("this name cannot be stored", path=path, line=number)
        if not tab:
            main.append((name, b"1"))
            shadow.append((name, b"1"))
            continue
        public, private = _split_fields(fields)
        main.append((name, b"|".join([*public, place])))
        if private:
            shadow.append((name, b"|".join(private)))
    return CompiledUserdb(main=main, shadow=shadow)


def change_fields(path: str, name: bytes, values: Mapping[bytes, bytes]) -> None:
    """Set fields of a record in the text, and compile again where tables are in use.

    Both happen under the locks of `userdb` and `makeuserdb`; when the tables cannot be made,
    the text is put back.

    Raises:
        UserdbInputError: a value that the text cannot hold.
        UserdbError: the text has no such record, or it cannot be changed now.
    """
    target = os.path.realpath(_file_with(path, name))
    directory, base = os.path.split(target)
    with hold_lock(f"{directory}/.lock.{base}", mode=0o600):
        old = read_file(target)
        document = UserdbDocument.parse(old)
        if document.fields(name) is None:
            raise UserdbError("the record is gone", path=target)
        document.set(name, values)
        if not os.path.exists(f"{path}.dat"):
            write_userdb(target, document.to_bytes())
            return
        with hold_lock(f"{path}.lock", mode=LOCK_MODE):
            _replace_text_and_tables(path, target, old, document.to_bytes())


def _replace_text_and_tables(path: str, target: str, old: bytes, new: bytes) -> None:
    _require_plain(path)
    compiled = _read_compiled(path, {target: new})
    write_userdb(target, new)
    try:
        _write_tables(path, compiled)
    except UserdbError:
        write_userdb(target, old)
        raise


def _require_plain(path: str) -> None:
    for name in (path, f"{path}.dat", f"{path}shadow.dat"):
        if os.path.islink(name):
            raise UserdbLinkError(path=name)


def _read_compiled(path: str, replaced: Mapping[str, bytes]) -> CompiledUserdb:
    main: Pairs = []
    shadow: Pairs = []
    for file in userdb_files(path):
        text = replaced.get(os.path.realpath(file.path))
        part = compile_records(
            file.path, file.location, read_file(file.path) if text is None else text
        )
        main += part.main
        shadow += part.shadow
    return CompiledUserdb(main=main, shadow=shadow)


def _write_tables(path: str, compiled: CompiledUserdb) -> int:
    mark = (RUN_KEY, os.urandom(16).hex().encode())  # one made of the contents would tell too much
    tables = [
        NewTable(
            path=f"{path}shadow.dat",
            pairs=[*compiled.shadow, mark],
            mode=SHADOW_MODE,
            temporary=f"{path}shadow.tmp",
        ),
        NewTable(
            path=f"{path}.dat",
            pairs=[*compiled.main, mark],
            mode=MAIN_MODE,
            temporary=f"{path}.tmp",
        ),
    ]
    try:
        build_tables(tables)
    except DuplicateKeyError as error:
        raise _duplicate(path, error.key) from error
    except TableError as error:
        raise UserdbError(str(error), path=path) from error
    return len(compiled.main)


def _duplicate(path: str, key: bytes) -> UserdbError:
    """The error with the place of the second record, which the table's builder cannot know."""
    seen = False
    for file in userdb_files(path):
        for number, line in enumerate(read_file(file.path).split(b"\n"), 1):
            if line.partition(b"\t")[0] == key:
                if seen:
                    return DuplicateNameError(key, path=file.path, line=number)
                seen = True
    return DuplicateNameError(key, path=path)


def _split_fields(fields: bytes) -> tuple[list[bytes], list[bytes]]:
    public: list[bytes] = []
    private: list[bytes] = []
    for field in fields.split(b"|") if fields else []:
        name, equals, _ = field.partition(b"=")
        (private if equals and name.endswith(b"pw") else public).append(field)
    return public, private


def _file_with(path: str, name: bytes) -> str:
    start = name + b"\t"
    for file in userdb_files(path):
        if any(line.startswith(start) for line in read_file(file.path).split(b"\n")):
            return file.path
    raise UserdbError("the text has no record of this name", path=path)
