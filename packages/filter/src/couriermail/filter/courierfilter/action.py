r"""What a Python filter decides: a verdict, and changes to a message that passes (filter 4.24).

    >>> accept().add_header("X-Checked", "yes").remove_recipient("trap@example.com").code
    '200'
    >>> reject(550, "5.7.1 Not here.").reply()
    '550 5.7.1 Not here.\n'

An action is a value: each edit answers a new one, nothing is touched before `apply`.  Edits are
made where every mail system looks for them: in the body file and at the end of the control files
(spec filter 4.19).  The message is accepted after the filter's answer only, so a filter that fails
half way leaves a message that is not queued at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import attrs

from couriermail.filter.courierfilter.control import ControlFile, ControlRecord
from couriermail.filter.courierfilter.errors import FilterProtocolError
from couriermail.filter.courierfilter.message import FilteredMessage

__all__ = ["Action", "accept", "accept_final", "defer", "discard", "reject"]


@attrs.frozen(kw_only=True)
class Action:
    """A verdict and its edits; made by `accept()`, `reject()` and so on.

    Attributes:
        code: three digits of the reply.
        text: what the reply says; several lines are separated by LF.
        headers: changes of the header in their order: a name and its new field's value; None
            removes all fields of that name.
        body: what replaces the body, without the header; None leaves it.
        added: more recipients.
        removed: recipients that get no copy.
        is_discarded: True when none of its recipients gets it.
    """

    code: str
    text: str
    headers: tuple[tuple[str, str | None], ...] = ()
    body: bytes | None = None
    added: tuple[str, ...] = ()
    removed: frozenset[str] = frozenset()
    is_discarded: bool = False

    def add_header(self, name: str, value: str) -> Action:
        """One more field; other than ASCII is encoded (RFC 2047)."""
        return attrs.evolve(self, headers=(*self.headers, (name, value)))

    def remove_header(self, name: str) -> Action:
        """Without any field of that name, in any case of letters."""
        return attrs.evolve(self, headers=(*self.headers, (name, None)))

    def replace_body(self, body: bytes) -> Action:
        """Another body below the same header; lines end with LF."""
        return attrs.evolve(self, body=body)

    def add_recipient(self, address: str) -> Action:
        """A copy for one more address.

        Raises:
            FilterProtocolError: it is no address.
        """
        return attrs.evolve(self, added=(*self.added, _checked(address)))

    def remove_recipient(self, address: str) -> Action:
        """No copy for this address; one that is no recipient changes nothing."""
        return attrs.evolve(self, removed=self.removed | {address})

    def quarantine(self, address: str) -> Action:
        """All of it to one address, and to none of its recipients.

        Raises:
            FilterProtocolError: it is no address.
        """
        return attrs.evolve(self, is_discarded=True, added=(*self.added, _checked(address)))

    def reply(self) -> str:
        """The verdict as a filter says it."""
        *first, last = self.text.split("\n")
        return "".join(f"{self.code}-{line}\n" for line in first) + f"{self.code} {last}\n"

    def apply(self, message: FilteredMessage, *, now: Callable[[], float] = time.time) -> None:
        """Make the edits in the message's files; a refused message is left as it is.

        Args:
            message: the message that was judged.
            now: seconds since 1970; recipients that are removed are done by then.

        Raises:
            FilterProtocolError: there is a recipient to add and no control file.
            OSError: a file cannot be read or written.
            Rfc822Error: a header cannot be changed like this.
        """
        if self.code[0] in "45":
            return
        appended = self._appended(message, round(now()))
        edited = self._edited(message)
        message.close()  # nothing may be mapped while the file changes
        if edited is not None:
            with open(message.body_path, "r+b") as file:
                file.write(edited)
                file.truncate()
        for path, records in appended:
            with open(path, "ab") as file:
                file.write(ControlFile(tuple(records)).to_bytes())

    def _edited(self, message: FilteredMessage) -> bytes | None:
        """The whole message with its edits; None when it stays."""
        if not self.headers and self.body is None:
            return None
        from couriermail.rfc822 import Message

        original = Message(message.read())
        editor = original.edit()
        for name, value in self.headers:
            if value is None:
                editor.remove_field(name)
            else:
                editor.add_field(name, value)
        edited = bytes(editor)
        if self.body is None:
            return edited
        return _ended(edited[: Message(edited).body_span[0]]) + self.body

    def _appended(
        self, message: FilteredMessage, now: int
    ) -> list[tuple[str, list[ControlRecord]]]:
        """What goes to the end of which control file."""
        files = [
            (path, list(self._finished(control, now)))
            for path, control in zip(message.control_paths, message.controls, strict=True)
        ]
        if self.added and not files:
            raise FilterProtocolError("there is no control file for another recipient")
        for address in self.added:
            files[0][1].extend(
                (ControlRecord("r", address), ControlRecord("R"), ControlRecord("N"))
            )
        return [(path, records) for path, records in files if records]

    def _finished(self, control: ControlFile, now: int) -> Iterator[ControlRecord]:
        for index, recipient in enumerate(control.recipients):
            is_unwanted = self.is_discarded or recipient.address in self.removed
            if is_unwanted and not recipient.is_finished:
                yield ControlRecord("I", f"{index} R Removed by a mail filter.")
                yield ControlRecord("S", f"{index} {now}")


def accept() -> Action:
    """No objection; the next filter is asked."""
    return Action(code="200", text="Ok.")


def accept_final() -> Action:
    """Take it, and ask no other filter."""
    return Action(code="050", text="Ok.")


def reject(code: int, text: str) -> Action:
    """Refuse it; the reply goes to the client.

    Args:
        code: 400 to 499 for now, 500 to 599 for good.
        text: why; an enhanced code (`5.7.1 ...`) may stand in front.

    Raises:
        FilterProtocolError: the code does not refuse.
    """
    if not 400 <= code <= 599:
        raise FilterProtocolError(f"{code} refuses nothing: the code is 400 to 599")
    return Action(code=str(code), text="\n".join(text.splitlines()))


def defer(text: str) -> Action:
    """Refuse it for now; the sender tries again."""
    return reject(451, text)


def discard() -> Action:
    """Accept it, and give it to nobody."""
    return attrs.evolve(accept(), is_discarded=True)


def _ended(header: bytes) -> bytes:
    """A header with its empty line: without one, a body would be more of the header."""
    if header in (b"\n", b"\r\n") or header.endswith((b"\n\n", b"\n\r\n")):
        return header
    return header + (b"\n" if not header or header.endswith(b"\n") else b"\n\n")


def _checked(address: str) -> str:
    local, at, domain = address.rpartition("@")
    if not (local and at and domain and address.isprintable()) or " " in domain:
        raise FilterProtocolError(f"{address!r} is no address with a domain")
    return address
