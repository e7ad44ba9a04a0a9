"""`makeuserdb [-f file]`: compile a userdb into its tables (spec auth 2.6).

Exit codes: 0 done, 1 anything else; then nothing was changed.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "read_command_line"]

USAGE = "Usage: makeuserdb [-f file]"


def read_command_line(words: Sequence[str]) -> str | None:
    """The file named, or None for the system's userdb.

    Raises:
        ValueError: words that do not belong there.
    """
    rest = list(words)
    file = None
    if rest and rest[0].startswith("-f"):
        file = rest.pop(0)[2:] or (rest.pop(0) if rest else "")
    if rest or file == "":
        raise ValueError(USAGE)
    return file


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.userdb_apps import makeuserdb

        makeuserdb(["--help"], prog_name="makeuserdb")
    from couriermail.cli.userdb_errors import fail, telling_userdb_errors

    try:
        file = read_command_line(words)
    except ValueError as error:
        fail(str(error))
    with telling_userdb_errors("makeuserdb"):
        from couriermail.auth.userdb_compile import compile_userdb
        from couriermail.cli.layout import config_directory

        compile_userdb(file or f"{config_directory()}/userdb")


if __name__ == "__main__":
    main()
