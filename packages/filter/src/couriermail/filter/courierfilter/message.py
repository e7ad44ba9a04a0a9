"""A message as a filter's author sees it: the files of one request, read when asked for."""

from __future__ import annotations

from functools import cached_property
from typing import BinaryIO

from couriermail.filter.courierfilter.control import ControlFile, ControlRecipient
from couriermail.filter.courierfilter.protocol import FilterRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.rfc822 import Headers, Message

__all__ = ["FilteredMessage"]


class FilteredMessage:
    """One message that waits for a verdict.

    Nothing is read before it is asked for.  An `OSError` while reading is the caller's to let
    pass: the framework then answers that filters are unavailable.

    Attributes:
        body_path: the file with the whole message; lines end with LF.
        control_paths: its control files.
    """

    def __init__(self, request: FilterRequest) -> None:
        self.body_path = request.body
        self.control_paths = request.controls
        self._entity: Message | None = None

    @property
    def entity(self) -> Message:
        """The message and the tree of its parts; usable until `close`.

        Raises:
            OSError: it cannot be read.
        """
        if self._entity is None:
            from couriermail.rfc822 import Message

            self._entity = Message.open(self.body_path)
        return self._entity

    @property
    def headers(self) -> Headers:
        """Its header fields.

        Raises:
            OSError: it cannot be read.
        """
        return self.entity.headers

    def close(self) -> None:
        """Let go of the file that `entity` has mapped; it can be asked for again."""
        if self._entity is not None:
            self._entity.close()
            self._entity = None

    def open(self) -> BinaryIO:
        """The message as a file, for reading piece by piece; the caller closes it.

        Raises:
            OSError: it cannot be opened.
        """
        return open(self.body_path, "rb")

    def read(self) -> bytes:
        """The whole message.

        Raises:
            OSError: it cannot be read.
        """
        with self.open() as file:
            return file.read()

    @cached_property
    def controls(self) -> tuple[ControlFile, ...]:
        """Its control files, one for each batch of recipients."""
        return tuple(map(read_control, self.control_paths))

    @property
    def sender(self) -> str:
        """The envelope sender; empty for the null sender."""
        return self.controls[0].sender if self.controls else ""

    @property
    def auth(self) -> str:
        """The authenticated identity, or empty."""
        return next((control.auth for control in self.controls if control.auth), "")

    @property
    def envelope(self) -> ControlFile:
        """The first control file: sender, recipients, auth, source, remote IP address."""
        return self.controls[0] if self.controls else ControlFile()

    @property
    def recipients(self) -> tuple[ControlRecipient, ...]:
        """All recipients."""
        return tuple(found for control in self.controls for found in control.recipients)


def read_control(path: str) -> ControlFile:
    """One control file.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        return ControlFile.parse(file.read())
