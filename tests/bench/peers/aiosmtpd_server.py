"""aiosmtpd with a handler that stores one durable file per recipient; a process of its own.

    python -m tests.bench.peers.aiosmtpd_server PORT MAILDIR

What a careful user of aiosmtpd writes: temporary file, fsync, rename into `new`, in the event
loop.  The directory is not synced, so it does less than our queue promises.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session

__all__ = ["FsyncHandler", "main"]


class FsyncHandler:
    """Stores messages in a maildir and syncs each file."""

    def __init__(self, maildir: str) -> None:
        self._maildir = maildir
        self._numbers = itertools.count()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Store one copy per recipient, then answer."""
        content = envelope.original_content or b""
        for _ in envelope.rcpt_tos:
            self._store(content)
        return "250 OK"

    def _store(self, content: bytes) -> None:
        name = f"{os.getpid()}.{next(self._numbers)}"
        temporary = f"{self._maildir}/tmp/{name}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(temporary, f"{self._maildir}/new/{name}")


async def main(port: int, maildir: str) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    handler = FsyncHandler(maildir)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="aiosmtpd.bench.test"), "127.0.0.1", port, backlog=256
    )
    async with server:
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
