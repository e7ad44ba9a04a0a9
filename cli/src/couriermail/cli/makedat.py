"""`makedat`: compile a text file into a lookup table (spec maildir 2.8, 4.16).

Exit codes: 0 done, 1 anything else; then the old table is untouched.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OPTIONS_WITH_VALUE", "SWITCHES", "main", "read_command_line"]

OPTIONS_WITH_VALUE = ("-src", "-file", "-tmp", "-hup")
REQUIRED = OPTIONS_WITH_VALUE[:3]
SWITCHES = ("-cidr",)


def read_command_line(words: Sequence[str]) -> dict[str, str]:
    """Values by option; a switch that is given has an empty one.

    Raises:
        ValueError: an unknown word, or a required option is missing.
    """
    found: dict[str, str] = {}
    for word in words:
        option, equals, value = word.partition("=")
        if option not in (OPTIONS_WITH_VALUE if equals else SWITCHES):
            raise ValueError(word)
        found[option] = value
    if not all(found.get(option) for option in REQUIRED):
        raise ValueError(words)
    return found


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.makedat_apps import makedat

        makedat(["--help"], prog_name="makedat")
    from couriermail.cli.userdb_errors import fail

    try:
        options = read_command_line(words)
    except ValueError:
        usage = f"{sys.argv[0]} -src=src -file=file -tmp=tmpfile -hup=hupfile [-cidr]"
        fail(f"Usage: {usage}")
    from couriermail.table.build import compile_table
    from couriermail.table.errors import DuplicateKeyError, TableError

    try:
        compile_table(
            options["-src"],
            options["-file"],
            cidr="-cidr" in options,
            temporary=options["-tmp"],
        )
    except DuplicateKeyError as error:
        place = error.path if error.line is None else f"{error.path}, line {error.line}"
        fail(f"{error}\n       ({place})")
    except TableError as error:
        fail(str(error))
    if options.get("-hup"):
        hang_up(options["-hup"])


def hang_up(path: str) -> None:
    """Send SIGHUP to the process whose number is in a file, if the file exists.

    The table is in its place by then: what is wrong with the file is told, and no failure.
    """
    import signal

    try:
        with open(path, "rb") as file:
            number = int(file.read(32).split(None, 1)[0])
        if number > 0:
            os.kill(number, signal.SIGHUP)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, IndexError, OverflowError) as error:
        sys.stderr.write(f"makedat: nobody was told: {path}: {error}\n")


if __name__ == "__main__":
    main()
