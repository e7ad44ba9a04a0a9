"""`mailbot`: answer one message, if a program may answer it.

A well-formed command line is read here, by a table, without typer: the command runs once per
message.  `--help` loads the typer app; a test keeps the two in step.  What no answer is given
to ends here as soon as its header was looked at.

Exit codes: 0 answered, or left unanswered on purpose; that of the mail program; 64 options that
do not fit together; 65 unknown character set; 66 the text cannot be read; 74 input or output
failed; 75 wrong options, the list of answers cannot be used, the mail program cannot be run.
Spec filter 2.2, 4.17.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.message_io import CommandError, map_input, run_filter, write_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from mmap import mmap

    from couriermail.filter.autoreply import AutoreplyDecision
    from couriermail.rfc822.address import Address

    Data = bytes | mmap

__all__ = [
    "FEEDBACK_OPTION",
    "FORMATS",
    "OPTIONS_WITH_VALUE",
    "SWITCHES",
    "Request",
    "main",
    "read_command_line",
]

# Letters whose value is the rest of the word or the next word.
OPTIONS_WITH_VALUE = {
    "A": "fields",
    "c": "charset",
    "d": "history",
    "D": "days",
    "F": "separator",
    "l": "drafts",
    "m": "mime_file",
    "M": "dsn_recipient",
    "r": "recipients",
    "R": "feedback_type",
    "s": "subject",
    "S": "salutation",
    "t": "text_file",
    "T": "format",
}
SWITCHES = {"a": "full_message", "e": "envelope", "n": "print", "N": "no_quote"}
FEEDBACK_OPTION = "--feedback-"
NO_SAFETY = "--no-safety"
FORMATS = (
    "reply", "replyall", "replylist", "replydsn", "replydraft",
    "forward", "forwardatt", "feedback", "replyfeedback",
)  # fmt: skip
MAIL_PROGRAM = ("sendmail", "-f", "")

_OWN_FIELDS = ("from", "reply-to", "sender", "x-loop")
_FEEDBACK_FORMATS = ("feedback", "replyfeedback")
_USAGE = "Invalid arguments, --help shows them."
_MOST_DAYS = 36_500


class Request:
    """One command line, understood.

    Attributes:
        values: texts of the options by name.
        flags: names of the switches that were given, and `no_safety`.
        fields: name and value of the header fields of `-A`.
        feedback: name and value of further fields of a feedback report.
        sender: the address of `-f`; empty when `$SENDER` is meant, None without `-f`.
        command: the mail program with its arguments.
    """

    __slots__ = ("command", "feedback", "fields", "flags", "sender", "values")

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.flags: set[str] = set()
        self.fields: list[tuple[str, str]] = []
        self.feedback: list[tuple[str, str]] = []
        self.sender: str | None = None
        self.command: list[str] = []

    @property
    def format(self) -> str:
        """What is made of the message."""
        return "replydsn" if "dsn_recipient" in self.values else self.values.get("format", "reply")

    @property
    def days(self) -> int:
        """How long nobody gets a second answer."""
        return min(int(self.values.get("days", "1")[:9]), _MOST_DAYS)

    @property
    def recipients(self) -> list[str] | None:
        """The addresses of `-r`."""
        listed = self.values.get("recipients")
        return (
            None if listed is None else [word for word in map(str.strip, listed.split(",")) if word]
        )

    @property
    def own_addresses(self) -> list[str]:
        """Whom the answers come from, as far as the command line says."""
        texts = [value for name, value in self.fields if name.lower() in _OWN_FIELDS]
        texts += self.recipients or ()
        if "dsn_recipient" in self.values:
            texts.append(self.values["dsn_recipient"])
        if not texts:
            return []
        from couriermail.rfc822.address import parse_addresses

        return [address.addr_spec for text in texts for address in parse_addresses(text)]


def read_command_line(argv: Sequence[str]) -> Request:
    """Read the words after the command's name; options end at the first other word and at `--`.

    Raises:
        CommandError: an unknown option, a missing value, or options that exclude each other.
    """
    request = Request()
    rest = list(argv)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        _read_option(request, word, rest)
    request.command = rest or list(MAIL_PROGRAM)
    _check(request)
    return request


def _read_option(request: Request, word: str, rest: list[str]) -> None:
    letter, glued = word[1], word[2:]
    if word == NO_SAFETY:
        request.flags.add("no_safety")
    elif word.startswith(FEEDBACK_OPTION):
        request.feedback.append((_field_word(word.removeprefix(FEEDBACK_OPTION)), _next(rest)))
    elif letter == "f":
        request.sender = glued  # the next word is never its value
    elif letter in SWITCHES and not glued:
        request.flags.add(SWITCHES[letter])
    elif letter not in OPTIONS_WITH_VALUE:
        raise CommandError(_USAGE, os.EX_TEMPFAIL)
    else:
        value = glued or _next(rest)
        if letter == "A":
            request.fields.append(_field(value))
        else:
            request.values[OPTIONS_WITH_VALUE[letter]] = value


def _next(rest: list[str]) -> str:
    if not rest:
        raise CommandError(_USAGE, os.EX_TEMPFAIL)
    return rest.pop(0)


def _field(text: str) -> tuple[str, str]:
    """Name and value of a header field; what would become two is refused."""
    name, colon, value = text.rstrip("\n").partition(":")
    lines = value.split("\n")
    is_one = all(line[:1] in (" ", "\t") and line.strip() for line in lines[1:])
    if not colon or not name.isascii() or set(name) & set(" \t\n") or "\r" in value or not is_one:
        raise CommandError(f"not a header field: {name[:40]!r}", os.EX_USAGE)
    return name, value.strip(" \t")


def _field_word(name: str) -> str:
    if not name or not name.isascii() or not name.replace("-", "").isalnum():
        raise CommandError(_USAGE, os.EX_TEMPFAIL)
    return name


def _check(request: Request) -> None:
    values = request.values
    days = values.get("days", "1")
    is_wrong = (
        request.values.get("format", "reply") not in FORMATS
        or not (days.isascii() and days.isdigit())
        or {"text_file", "mime_file"} <= values.keys()
        or (request.format == "replydraft" and "drafts" not in values)
    )
    if is_wrong:
        raise CommandError(_USAGE, os.EX_TEMPFAIL)
    if "feedback_type" in values:
        if request.format not in _FEEDBACK_FORMATS:
            text = "-R needs -T feedback or -T replyfeedback"
            raise CommandError(text, os.EX_USAGE)
        _field_word(values["feedback_type"])


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    if sys.argv[1:2] in (["--help"], ["-h"]):
        from couriermail.cli.mailbot_app import app

        app(["--help"], prog_name="mailbot")
    run_filter("mailbot", _run)


def _run() -> int:
    from couriermail.core.errors import CouriermailError

    try:
        return _respond(read_command_line(sys.argv[1:]))
    except CouriermailError as error:
        raise CommandError(str(error), error.exit_code) from error


def _respond(request: Request) -> int:
    """Looks at the message, and answers it unless something speaks against it."""
    _check_charset(request.values.get("charset", "utf-8"))
    text = _read_text(request)
    data = _read_message()
    decision = _decide(request, data)
    if decision.obstacle is not None:
        return 0
    if request.format == "replydraft":
        from couriermail.cli.mailbot_answer import read_newest_draft

        draft = read_newest_draft(request.values["drafts"])
        if draft is None:
            return 0
        text = draft
    if "history" not in request.values:
        return _answer(request, text, data, decision)
    return _answer_once(request, text, data, decision)


def _answer_once(request: Request, text: bytes, data: Data, decision: AutoreplyDecision) -> int:
    import time

    from couriermail.filter.autoreply_history import AutoreplyHistory

    history = AutoreplyHistory(request.values["history"], days=request.days)
    claim = history.claim(decision.senders, time.time())
    if claim is None:
        return 0
    code = 1
    try:
        code = _answer(request, text, data, decision)
    finally:
        if code != 0:  # spec filter 7.7: nobody got an answer, so the next message gets one
            history.withdraw(claim)
    return code


def _answer(request: Request, text: bytes, data: Data, decision: AutoreplyDecision) -> int:
    """Makes the answer and hands it over; the exit code."""
    from couriermail.cli.mailbot_answer import compose_answer

    chunks = compose_answer(request, text, data, decision)
    if "print" in request.flags:
        try:
            for chunk in chunks:
                write_out(chunk)
        except CommandError as error:
            raise CommandError(str(error), os.EX_IOERR) from error
        return 0
    from couriermail.cli.programs import Program

    try:
        program = Program(request.command, os.environ)
    except CommandError as error:
        raise CommandError(str(error), os.EX_TEMPFAIL) from error
    for chunk in chunks:
        program.write(chunk)
    return program.finish()


def _check_charset(charset: str) -> None:
    if charset.lower() == "utf-8":
        return
    from couriermail.rfc822.charset import find_codec

    if find_codec(charset) is None:
        raise CommandError(f"Unknown charset: {charset}", os.EX_DATAERR, is_bare=True)


def _read_text(request: Request) -> bytes:
    path = request.values.get("mime_file") or request.values.get("text_file")
    if path is None:
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CommandError(f"{path}: {reason}", os.EX_NOINPUT) from error


def _read_message() -> Data:
    try:
        return map_input()
    except CommandError as error:
        raise CommandError(str(error), os.EX_IOERR) from error


def _decide(request: Request, data: Data) -> AutoreplyDecision:
    from couriermail.filter.autoreply import (
        MOST_HEADER_BYTES,
        AutoreplyRules,
        decide_autoreply,
    )
    from couriermail.rfc822.headers import Headers, find_body

    rules = AutoreplyRules(
        own_addresses=request.own_addresses,
        wanted_recipients=request.recipients,
        answer_to=_chosen_recipients(request.sender),
        envelope_sender=os.environ.get("SENDER"),
        prefer_envelope="envelope" in request.flags,
        is_careful="no_safety" not in request.flags,
    )
    # One octet more shows that the header is too large.
    body = find_body(data, 0, min(len(data), MOST_HEADER_BYTES + 1))[1]
    return decide_autoreply(Headers(bytes(data[:body])), rules)


def _chosen_recipients(sender: str | None) -> list[Address] | None:
    """The address of `-f`, which is `$SENDER` when it stands alone."""
    address = os.environ.get("SENDER") if sender == "" else sender
    if address is None:
        return None
    from couriermail.rfc822.address import parse_addresses

    return [found for found in parse_addresses(address) if found.local_part]


if __name__ == "__main__":
    main()
