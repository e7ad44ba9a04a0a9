"""How commands tell a person what went wrong: one clear line, the documented exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["reporting"]


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
