"""How the userdb commands say what went wrong: Courier's words, exit code 1.

Standard: spec auth 2.5, 2.6.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import NoReturn

__all__ = ["fail", "telling_userdb_errors"]


def fail(message: str) -> NoReturn:
    """Print a line on standard error and exit with 1."""
    sys.stderr.write(f"{message}\n")
    sys.exit(1)


@contextmanager
def telling_userdb_errors(command: str) -> Iterator[None]:
    """Turn the library's errors into messages."""
    from couriermail.auth.errors import AuthError, DuplicateNameError, UserdbLinkError

    try:
        yield
    except UserdbLinkError as error:
        fail(f"ERROR: Wrong {command} command.\n       ({error.path} is a symbolic link)")
    except DuplicateNameError as error:
        place = error.path if error.line is None else f"{error.path}, line {error.line}"
        fail(f"{error.reason}\n       ({place})")
    except AuthError as error:
        fail(str(error))
    except BrokenPipeError:
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
