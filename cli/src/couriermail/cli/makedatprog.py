"""`makedatprog text|- tmpfile datfile`: compile lines up to a `.` into a table (maildir 2.8).

Exit codes: 0 done, 1 anything else; then the old table is untouched.
"""

from __future__ import annotations

import sys

__all__ = ["main"]

USAGE = "Usage: makedatprog textfile tmpfile datfile"


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.makedat_apps import makedatprog

        makedatprog(["--help"], prog_name="makedatprog")
    from couriermail.cli.userdb_errors import fail

    if len(words) != 3:
        fail(USAGE)
    source, temporary, target = words
    from couriermail.table.build import build_table
    from couriermail.table.errors import TableError
    from couriermail.table.source import read_terminated

    try:
        text = _read(source)
        pairs = [(record.key, record.value) for record in read_terminated(text, source)]
        build_table(target, pairs, temporary=temporary)
    except (OSError, TableError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        fail(f"{source}: {reason}" if reason else str(error))


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read()
    with open(source, "rb") as file:
        return file.read()


if __name__ == "__main__":
    main()
