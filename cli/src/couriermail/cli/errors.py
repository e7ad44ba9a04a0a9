"""How commands tell a person what went wrong: one clear line, the documented exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reporting", "usage_errors_end_with"]


@contextmanager
def reporting(program: str) -> Iterator[None]:
    """Turn our errors, an interrupt and a closed pipe into a message and an exit code."""
    from couriermail.core import CouriermailError

    try:
        yield
    except CouriermailError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)  # the reader has seen enough
    except KeyboardInterrupt:
        sys.exit(130)


@contextmanager
def usage_errors_end_with(code: int) -> Iterator[None]:
    """Run a typer app whose wrong arguments are documented to end with another code than 2."""
    try:
        yield
    except SystemExit as ended:
        if ended.code == 2:  # click.UsageError
            sys.exit(code)
        raise
