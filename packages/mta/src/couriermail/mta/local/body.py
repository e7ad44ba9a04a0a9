"""A message's octets for one delivery: as a view to read, and as a file for commands.

A large message arrives as a descriptor and is mapped, never loaded.  A small one arrives in
memory; a command that wants it gets a fresh anonymous file each time, so that it can seek
and nothing that a command does to its input reaches the next one.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re

import attrs

from couriermail.core.durable import write_all
from couriermail.mta.local.environment import ace_address
from couriermail.rfc822 import domain_to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MessageBody", "has_visited"]

_END_OF_HEADER = re.compile(rb"\A\n|\n\n")
_DELIVERED_TO = re.compile(rb"^delivered-to:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)


@attrs.define
class MessageBody:
    """One message.

    Attributes:
        view: all its octets.
    """

    view: bytes | memoryview
    _descriptor: int | None = None

    @classmethod
    def of(cls, body: bytes | int) -> MessageBody:
        """Take a job's body.

        Raises:
            OSError: the descriptor cannot be mapped.
        """
        if isinstance(body, bytes):
            return cls(body)
        if os.fstat(body).st_size == 0:
            return cls(b"", body)
        return cls(memoryview(mmap.mmap(body, 0, access=mmap.ACCESS_READ)), body)

    @contextlib.contextmanager
    def as_file(self) -> Iterator[int]:
        """A seekable descriptor positioned at the start (spec mta.md 11.5).

        Raises:
            OSError: the system has no memory or no descriptor left.
        """
        if self._descriptor is not None:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            yield self._descriptor
            return
        descriptor = os.memfd_create("message", os.MFD_CLOEXEC)
        try:
            write_all(descriptor, self.view)
            os.lseek(descriptor, 0, os.SEEK_SET)
            yield descriptor
        finally:
            os.close(descriptor)


def has_visited(message: bytes | memoryview, recipient: str) -> bool:
    """True when the header says that the message was delivered to this recipient before.

    Courier: compares octet for octet, so that a relay which changes the domain's case or adds
    a blank defeats the check.  Here the domain's case and blanks around do not count
    (spec mta.md 11.6, 18.5).
    """
    end = _END_OF_HEADER.search(message)
    header = message if end is None else message[: end.start() + 1]
    wanted = _comparable(ace_address(recipient))
    return any(
        _comparable(value.strip().decode("utf-8", "surrogateescape")) == wanted
        for value in _DELIVERED_TO.findall(header)
    )


def _comparable(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return f"{local}@{domain_to_ascii(domain).lower()}" if at else domain
