"""`sendmail -n`: print the message as it would be submitted (spec mta.md 7.1, 7.3)."""

from __future__ import annotations

import os
import sys

from couriermail.core.durable import write_all
from couriermail.mta.fromheader import SenderIdentity, rewrite_from
from couriermail.mta.submitserver import peer_of
from couriermail.rfc822 import HeaderReader
from couriermail.rfc822.errors import HeaderLimitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["show"]


def show(fields: Mapping[str, str], chunks: Iterable[bytes]) -> int:
    """Print the message with sendmail's rules for From applied; returns the exit code.

    Args:
        fields: the head of the submission.
        chunks: the message.
    """
    peer = peer_of(os.geteuid())
    identity = SenderIdentity.of(fields, user=peer.user, full_name=peer.full_name)
    reader = HeaderReader()
    try:
        for chunk in chunks:
            if reader.is_complete:
                write_all(1, chunk)
            elif reader.feed(chunk):
                write_all(1, rewrite_from(reader.headers, identity).raw + reader.rest)
        if not reader.is_complete:
            reader.close()
            write_all(1, rewrite_from(reader.headers, identity).raw)
    except HeaderLimitError as error:
        print(f"sendmail: {error}", file=sys.stderr)
        return os.EX_DATAERR
    except BrokenPipeError:
        return os.EX_IOERR  # whoever read it has seen enough
    return 0
