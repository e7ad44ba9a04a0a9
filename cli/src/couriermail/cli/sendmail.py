"""`sendmail`: hand one message to the mail system.

A well-formed command line is read here, by a table, without typer: the command runs once per
message and must start in at most twice a bare interpreter.  `--help` and errors load the typer
app below; a test compares its options with the table.  Spec mta.md 7.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.layout import config_directory, state_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import NoReturn

    from couriermail.mta.submitclient import Answer

__all__ = ["OPTIONS_WITH_VALUE", "SWITCHES", "Request", "UsageError", "main", "read_command_line"]

# Option letters whose value is the rest of the word or the next word (spec mta.md 7.1).
OPTIONS_WITH_VALUE = {
    "f": "sender",
    "F": "full_name",
    "N": "notify",
    "R": "ret",
    "V": "envid",
    "S": "security",
    "o": "ignored",
    "C": "config",
}
# Whole words that switch something on; other words are the traditional ones that change nothing.
SWITCHES = {
    "-bcc": "bcc", "-verp": "verp", "-bp": "mailq", "-bs": "smtp", "-bv": "verify", "-n": "show",
}  # fmt: skip
IGNORED = frozenset({"-t", "-i", "-bm", "-v", "-U"})

CHUNK = 1 << 18


class UsageError(Exception):
    """A command line that cannot be understood; exit code 77 as sendmail always had it."""


class Request:
    """One command line, understood.

    Attributes:
        recipients: addresses as given; empty means "take them from the headers".
        values: value options by name.
        flags: names of the switches that were given.
    """

    __slots__ = ("flags", "recipients", "values")

    def __init__(self) -> None:
        self.recipients: list[str] = []
        self.values: dict[str, str] = {}
        self.flags: set[str] = set()


def read_command_line(argv: Sequence[str]) -> Request:
    """Read sendmail's arguments; options end at the first other word, at `-` and at `--`.

    Raises:
        UsageError: an option lacks its value or has an impossible one.
    """
    request = Request()
    position = 0
    while position < len(argv) and argv[position].startswith("-"):
        word = argv[position]
        position += 1
        if word in ("-", "--"):
            break
        if word in SWITCHES:
            request.flags.add(SWITCHES[word])
        elif word not in IGNORED and word[1:2] in OPTIONS_WITH_VALUE:
            value = word[2:]
            if not value:
                if position >= len(argv):
                    raise UsageError(f"option {word} needs a value")
                value = argv[position]
                position += 1
            request.values[OPTIONS_WITH_VALUE[word[1]]] = value
    request.recipients = list(argv[position:])
    if request.values.get("security", "NONE") not in ("NONE", "STARTTLS"):
        raise UsageError(f"invalid option -S {request.values['security']}")
    return request


def request_fields(request: Request) -> list[tuple[str, str]]:
    """The head of the submission: what the daemon needs from options and environment."""
    environment = os.environ
    values = request.values
    fields = [("module", "local")]
    if "sender" in values:
        fields.append(("from", values["sender"]))
    for name, field in (("full_name", "name"), ("security", "security"), ("envid", "envid")):
        if values.get(name):
            fields.append((field, values[name]))
    for variable in (
        "MAILSUSER", "MAILUSER", "LOGNAME", "USER", "MAILSHOST", "MAILHOST", "MAILNAME", "NAME",
    ):  # fmt: skip
        if environment.get(variable):
            fields.append((f"env.{variable}", environment[variable]))
    if values.get("notify"):
        fields.append(("notify", notify_letters(values["notify"])))
    if values.get("ret"):
        fields.append(("ret", values["ret"][0].upper()))
    fields.extend((flag, "1") for flag in sorted(request.flags))
    fields.extend(("rcpt", address) for address in request.recipients)
    return fields


def notify_letters(words: str) -> str:
    """`-N success,delay` to letters; the first letter of each word decides, N wins."""
    letters = {word.strip()[:1].upper() for word in words.split(",")} & set("NSFD")
    return "N" if "N" in letters else "".join(sorted(letters))


def read_standard_input() -> Iterator[bytes]:
    """The message, in large pieces."""
    while chunk := os.read(0, CHUNK):
        yield chunk


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    argv = sys.argv[1:]
    if "--help" in argv:
        from couriermail.cli.sendmail_app import app

        app(prog_name="sendmail")
    try:
        request = read_command_line(argv)
    except UsageError as error:
        fail(str(error), os.EX_NOPERM)
    if "mailq" in request.flags:
        from couriermail.cli.mailq import main as mailq

        sys.argv[1:] = ["-C", request.values["config"]] if "config" in request.values else []
        mailq()
    if "smtp" in request.flags:
        sys.exit(serve_smtp(request))
    if "show" in request.flags:
        from couriermail.cli.sendmail_show import show

        sys.exit(show(dict(request_fields(request)), read_standard_input()))
    leave(send(request))


def leave(code: int) -> NoReturn:
    """End at once: taking the interpreter down in order costs a fifth of the whole run."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or os.EX_IOERR  # the answer could not be shown
    os._exit(code)


def send(request: Request) -> int:
    """Submit standard input; returns the exit code (spec mta.md 7.4)."""
    from couriermail.core.errors import CouriermailError
    from couriermail.mta.submitclient import submit, verify

    state = state_directory(config_directory(request.values.get("config")))
    fields = request_fields(request)
    try:
        is_question = "verify" in request.flags
        answer = (
            verify(state, fields) if is_question else submit(state, fields, read_standard_input())
        )
    except CouriermailError as error:
        print(f"sendmail: {error}", file=sys.stderr)
        print("sendmail: Service temporarily unavailable.", file=sys.stderr)
        return os.EX_TEMPFAIL
    return report(request, answer)


def serve_smtp(request: Request) -> int:
    """Speak SMTP on standard input and output (`-bs`); returns the exit code."""
    from couriermail.core.durable import write_all
    from couriermail.core.errors import CouriermailError
    from couriermail.mta.stdinserver import serve_stdin

    try:
        serve_stdin(
            config_directory(request.values.get("config")),
            lambda: os.read(0, CHUNK),
            lambda data: write_all(1, data),
        )
    except CouriermailError as error:
        print(f"sendmail: {error}", file=sys.stderr)
        return error.exit_code
    except (OSError, KeyboardInterrupt):
        return os.EX_OSERR  # the other side is gone; what it finished is queued
    return 0


def report(request: Request, answer: Answer) -> int:
    """Tell the caller what was refused, and find the exit code."""
    for address, reply in answer.refused:
        print(reply, file=sys.stderr)
        print(f"{address}: invalid address.", file=sys.stderr)
    if "verify" in request.flags:
        sys.stdout.write(answer.reply.partition(" ")[2] + "\n")
        return 0 if answer.code < 400 else os.EX_NOUSER
    if answer.code >= 400:
        print(answer.reply, file=sys.stderr)
        print("sendmail: Unable to submit message.", file=sys.stderr)
        return os.EX_TEMPFAIL if answer.code < 500 else os.EX_NOUSER
    return os.EX_NOUSER if answer.refused else 0


def fail(message: str, code: int) -> None:
    """Print a usage error with a way on, and exit."""
    print(f"sendmail: {message}", file=sys.stderr)
    print("Try 'sendmail --help'.", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
