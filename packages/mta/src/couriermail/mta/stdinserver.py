"""`sendmail -bs`: SMTP on standard input and output (spec mta.md 7.1).

Every MAIL and RCPT is checked by the daemon over the submission socket, and the message goes the
same way.  While no daemon runs everything is accepted into the drop directory, and what cannot
be delivered is reported by mail, as for `sendmail` without `-bs`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO

import attrs

from couriermail.core import CouriermailError, Reply
from couriermail.mta.config import load_config
from couriermail.mta.submitclient import submit, submit_if_listening
from couriermail.rfc822 import domain_to_ascii
from couriermail.smtp import Limits, Mail, Rcpt, ServerConfig, Session
from couriermail.smtp.blocking import serve_streams

__all__ = ["SubmitHandler", "serve_stdin"]

CHUNK = 1 << 18
IN_MEMORY = 1 << 20  # octets of a message that need no file
NO_TRANSACTION = Reply(503, "MAIL first.", enhanced="5.5.1")
ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3} ")


def serve_stdin(
    directory: str, read: Callable[[], bytes], write: Callable[[bytes], object]
) -> None:
    """Serve one client that is trusted to relay, as the uid that the kernel reports.

    Args:
        directory: the configuration directory.
        read: waits for the client's next bytes; empty at the end.
        write: writes all of what it is given.

    Raises:
        ConfigError: the configuration cannot be used.
        OSError: the client went away.
    """
    config = load_config(directory)
    limits = Limits(recipients=config.bofh.max_recipients, message_size=config.sizelimit)
    server = ServerConfig(
        hostname=domain_to_ascii(config.me),
        banner=config.esmtp.greeting,
        limits=limits,
        line_ends="lf",
        courier=True,
    )
    serve_streams(SubmitHandler(config.state), read, write, config=server, add_cr=True)


@attrs.define(eq=False)
class SubmitHandler:
    """Joins an SMTP dialogue to the submission socket of a state directory."""

    state: str

    def mail(self, session: Session, mail: Mail) -> Reply | None:
        """Ask the daemon about the sender."""
        return self._verify([*_head(session), *_sender(mail)])

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        """Ask the daemon about the recipient."""
        if session.mail is None:
            return NO_TRANSACTION
        return self._verify([*_head(session), *_sender(session.mail), *_recipient(rcpt)])

    def data(self, session: Session) -> _Sink:
        """Where the message's bytes go."""
        fields = [*_head(session), *_sender(session.mail or Mail(reverse_path=""))]
        for rcpt in session.recipients:
            fields += _recipient(rcpt)
        return _Sink(self.state, fields)

    def _verify(self, fields: Sequence[tuple[str, str]]) -> Reply | None:
        answer = submit_if_listening(self.state, [*fields, ("verify", "1")], ())
        if answer is None:
            return None
        if answer.refused:
            return _reply(answer.refused[0][1])
        return None if answer.code < 400 else _reply(answer.reply)


def _spool() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)


@attrs.define(eq=False)
class _Sink:
    """One message: kept until its end, then submitted in one go."""

    _state: str
    _fields: list[tuple[str, str]]
    _file: IO[bytes] = attrs.field(factory=_spool, init=False)

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)

    def finish(self) -> Reply:
        with self._file as file:
            file.seek(0)
            try:
                return _reply(submit(self._state, self._fields, _chunks(file)).reply)
            except CouriermailError as error:
                return error.reply

    def discard(self) -> None:
        self._file.close()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _head(session: Session) -> list[tuple[str, str]]:
    return [("smtp", session.protocol), ("helo", session.helo)]


def _sender(mail: Mail) -> list[tuple[str, str]]:
    fields = [("from", mail.reverse_path)]
    fields += [("ret", mail.ret[:1])] if mail.ret else []
    fields += [("envid", mail.envid)] if mail.envid is not None else []
    fields += [("security", mail.security)] if mail.security else []
    flags = (("verp", mail.verp), ("smtputf8", mail.smtputf8))
    return fields + [(name, "1") for name, is_set in flags if is_set]


def _recipient(rcpt: Rcpt) -> list[tuple[str, str]]:
    fields = [("rcpt", rcpt.forward_path)]
    fields += [("rcpt.notify", rcpt.notify)] if rcpt.notify else []
    return fields + ([("rcpt.orcpt", rcpt.orcpt)] if rcpt.orcpt is not None else [])


def _reply(text: str) -> Reply:
    """A reply of the daemon as a value."""
    lines = [line[4:] for line in text.split("\n")]
    found = ENHANCED.match(lines[0])
    if found is None:
        return Reply(int(text[:3]), "\n".join(lines))
    texts = "\n".join(line.removeprefix(found.group()) for line in lines)
    return Reply(int(text[:3]), texts, enhanced=found.group().strip())
