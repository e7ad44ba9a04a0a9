"""`maildrop`: deliver one message through recipes.

A well-formed command line is read here, by a table, without typer: the command runs once per
message.  `--help` and errors load the typer app of `couriermail.cli.maildrop_app`; a test
compares its options with the table.  Spec filter 2.1, 4.11, 4.12, 4.16.
"""

from __future__ import annotations

import os
import sys

from couriermail.cli.maildrop_identity import TEMPORARY, Identity, Refused, become
from couriermail.cli.maildrop_watchdog import Interrupted, Watchdog

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from collections.abc import Sequence

    from couriermail.core.errors import CouriermailError
    from couriermail.filter.local import LocalHost, QuotaWarning
    from couriermail.filter.message import BytesMessage
    from couriermail.filter.run import Run

__all__ = [
    "OPTIONS_WITH_VALUE",
    "STUDIES",
    "SWITCHES",
    "Request",
    "UsageError",
    "main",
    "read_command_line",
    "starting_variables",
]

# Option letters whose value is the rest of the word or the next word.
OPTIONS_WITH_VALUE = {
    "A": "headers",
    "d": "user",
    "D": "ids",
    "f": "sender",
    "M": "embedded_name",
    "t": "socket",
    "V": "verbose",
    "w": "warn_percent",
    "W": "warn_file",
}
# As the first word: what is done with a recipe instead of a delivery.
STUDIES = frozenset(("--check", "--convert-old", "--dry-run", "--explain"))
SWITCHES = {"a": "account_errors", "m": "embedded", "v": "version"}

QUOTA_WARNING_FILE = "quotawarnmsg"
SPOOL_ABOVE_BYTES = 1 << 20
UMASK = 0o007
_READ_SIZE = 1 << 16
_BAD_ARGUMENTS = "Bad command line arguments, -h for help."


class UsageError(Exception):
    """A command line that cannot be understood."""


class Request:
    """One command line, understood.

    Attributes:
        headers: header lines to put before the message.
        values: value options by name.
        flags: names of the switches that were given.
        arguments: the words after the options.
    """

    __slots__ = ("arguments", "flags", "headers", "values")

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.values: dict[str, str] = {}
        self.flags: set[str] = set()
        self.arguments: list[str] = []

    @property
    def is_delivery(self) -> bool:
        """True when mail is delivered as the system does it, in the user's home."""
        return not self.arguments or bool({"user", "ids", "embedded_name"} & self.values.keys())


def read_command_line(argv: Sequence[str]) -> Request:
    """Read the arguments; options end at the first other word and at `--`.

    Raises:
        UsageError: an unknown option, or one without its value.
    """
    request = Request()
    position = 0
    while position < len(argv) and argv[position].startswith("-"):
        word = argv[position]
        position += 1
        if word == "--":
            break
        letter = word[1:2]
        if letter in SWITCHES:
            request.flags.add(SWITCHES[letter])
            continue
        name = OPTIONS_WITH_VALUE.get(letter)
        if name is None:
            raise UsageError(_BAD_ARGUMENTS)
        value = word[2:]
        if not value:
            if position >= len(argv):
                raise UsageError(_BAD_ARGUMENTS)
            value = argv[position]
            position += 1
        if name == "headers":
            request.headers.append(value)
        else:
            request.values[name] = value
    request.arguments = list(argv[position:])
    return request


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command and exit with its status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] in (["-h"], ["--help"]):
        from couriermail.cli.maildrop_app import app

        app(["--help"], prog_name="maildrop")
    if arguments and arguments[0] in STUDIES:
        from couriermail.cli.maildrop_study import study

        study(arguments)
    sys.exit(_run(arguments))


def _run(arguments: list[str]) -> int:
    from couriermail.core.errors import CouriermailError

    try:
        request = read_command_line(arguments)
        if "version" in request.flags:
            return _print_version()
        _refuse_unavailable(request)
        return _deliver(request)
    except UsageError as error:
        _say(str(error))
    except Refused as error:
        if str(error):
            _say(f"maildrop: {error}")
        return error.exit_code
    except CouriermailError as error:
        _explain(error)
        return _status_of(error)
    except OSError as error:
        _say(f"maildrop: {error}")
    except RecursionError:
        _say("maildrop: the recipe is nested too deeply.")
    return TEMPORARY


def _print_version() -> int:
    from couriermail.cli.version import VERSION

    print(f"maildrop (couriermail) {VERSION}")
    print("Maildir quotas, dot-locks and MIME patterns are always available.")
    return 0


def _refuse_unavailable(request: Request) -> None:
    if "socket" in request.values:
        raise Refused("The option -t is not available.")
    if "user" in request.values and "ids" in request.values:
        raise Refused("Cannot use both -d and -D options.")


def _status_of(error: CouriermailError) -> int:
    from couriermail.filter.errors import OverQuotaError

    return error.exit_code if isinstance(error, OverQuotaError) else TEMPORARY


def _explain(error: CouriermailError) -> None:
    from couriermail.filter.mailfilter import complaint

    text = complaint(error)
    if text:
        _say(text)


def _say(text: str) -> None:
    os.write(2, text.encode("utf-8", "surrogateescape") + b"\n")


# -- what ----------------------------------------------------------------------------------


def _deliver(request: Request) -> int:
    from couriermail.cli.layout import config_directory

    config = config_directory()
    os.umask(UMASK)
    identity = become(user=request.values.get("user"), ids=request.values.get("ids"), config=config)
    is_delivery = request.is_delivery
    if is_delivery:
        _enter_home(request, identity)
    watchdog = Watchdog(owns_group=is_delivery)
    try:
        with watchdog:
            return _filter(request, identity, config)
    except Interrupted as interruption:
        _say(f"maildrop: {interruption}")
        return TEMPORARY
    finally:
        watchdog.hang_up()


def _enter_home(request: Request, identity: Identity) -> None:
    from couriermail.filter.access import check_home

    if "user" not in request.values or identity.uid == 0:
        identity.home = os.environ.get("HOME") or identity.home
    check_home(identity.home, identity.uid)
    os.chdir(identity.home)


def _filter(request: Request, identity: Identity, config: str) -> int:
    from couriermail.filter import mailfilter
    from couriermail.filter.recipe import start_run

    message = _read_message(request.headers)
    is_judging = "embedded" in request.flags or "embedded_name" in request.values
    name, arguments = _filter_name(request)
    sender = request.values.get("sender")
    if sender is None:
        sender = mailfilter.return_path(message)
    run = start_run(
        message,
        host=_host(request, identity, config),
        variables=starting_variables(request, identity, name, arguments, sender),
        imports=dict(os.environb),
        sender=os.fsencode(sender or ""),
        embedded=is_judging,
        trusted_recipes=f"{config}/maildroprcs/",
        is_delivery=request.is_delivery,
    )
    run.note_plainly(2, f"Message envelope sender={sender or 'MAILER-DAEMON'}")
    if is_judging:
        _judge(run, request, identity, name)
    elif request.is_delivery:
        _deliver_to_user(run, identity, config)
    else:
        _run_file(run, identity, name)
    return run.outcome().exit_code


def _filter_name(request: Request) -> tuple[str, list[str]]:
    if "embedded_name" in request.values:
        from couriermail.filter.mailfilter import embedded_candidates

        return embedded_candidates(request.values["embedded_name"])[0], request.arguments
    if request.is_delivery:
        return ".mailfilter", request.arguments
    return request.arguments[0], request.arguments[1:]


def _run_file(run: Run, identity: Identity, name: str, *, judges: bool = False) -> None:
    from couriermail.filter.mailfilter import load_user_recipe, run_recipes

    run.note_plainly(2, f"maildrop: Attempting {name}")
    recipe = load_user_recipe(
        os.getcwd(), name, identity.uid, embedded=judges, on_token=run.token_trace()
    )
    if recipe is None:
        raise Refused("Unable to open filter file, errno=2.")
    run_recipes(run, [recipe], delivers_default=not judges)


def _judge(run: Run, request: Request, identity: Identity, name: str) -> None:
    if "embedded_name" not in request.values:
        _run_file(run, identity, name, judges=True)
        return
    from couriermail.filter.mailfilter import load_embedded_recipe, run_recipes

    embedded_name = request.values["embedded_name"]
    recipe = load_embedded_recipe(
        identity.home, embedded_name, identity.uid, on_token=run.token_trace()
    )
    if recipe is not None:
        run_recipes(run, [recipe], delivers_default=False)


def _deliver_to_user(run: Run, identity: Identity, config: str) -> None:
    from couriermail.filter.mailfilter import load_site_recipe, load_user_recipe

    site = load_site_recipe(f"{config}/maildroprc", on_token=run.token_trace())
    if site is not None and run.execute(site.program):
        return
    run.note_plainly(2, "maildrop: Attempting .mailfilter")
    own = load_user_recipe(identity.home, ".mailfilter", identity.uid, on_token=run.token_trace())
    if own is not None and run.execute(own.program):
        return
    run.deliver_default()


def _host(request: Request, identity: Identity, config: str) -> LocalHost:
    from couriermail.filter.local import LocalHost

    return LocalHost(
        identity.home if request.is_delivery else os.getcwd(),
        output=1,
        diagnostics=2,
        umask=UMASK,
        quota_warning=_quota_warning(request.values, config),
    )


def _quota_warning(values: dict[str, str], config: str) -> QuotaWarning | None:
    """What `-w` and `-W` ask for; the text is looked for only when it is needed."""
    percent = values.get("warn_percent")
    if percent is None:
        return None
    from couriermail.filter.local import QuotaWarning

    if not percent.isdecimal():
        raise UsageError(_BAD_ARGUMENTS)
    paths = (values.get("warn_file"), f"{config}/{QUOTA_WARNING_FILE}")
    return QuotaWarning(int(percent), tuple(path for path in paths if path))


def starting_variables(
    request: Request, identity: Identity, name: str, arguments: list[str], sender: str | None
) -> dict[bytes, bytes]:
    """The variables that recipes start with (spec filter 4.11).

    Args:
        request: the command line.
        identity: for whom the recipes run.
        name: the filter file, as given.
        arguments: the words behind it.
        sender: the envelope sender, or None.
    """
    from couriermail.filter.mailfilter import call_variables

    found = _imported(is_delivery=request.is_delivery)
    found[b"HOME"] = os.fsencode(identity.home)
    found[b"LOGNAME"] = os.fsencode(identity.name)
    found[b"SHELL"] = os.fsencode(identity.interpreter)
    found[b"DEFAULT"] = os.environb.get(b"MAILDROPDEFAULT") or b"./Maildir"
    found[b"MAILDIRQUOTA"] = os.fsencode(identity.quota)
    if identity.mailbox:
        found[b"DEFAULT"] = os.fsencode(identity.mailbox)
    if request.is_delivery and "user" not in request.values:
        for key in (b"LOGNAME", b"SHELL", b"MAILDIRQUOTA"):
            found[key] = os.environb.get(key) or found[key]
    found[b"VERBOSE"] = os.fsencode(request.values.get("verbose", "0"))
    found.update(call_variables(name, arguments, sender))
    return found


def _imported(*, is_delivery: bool) -> dict[bytes, bytes]:
    if not is_delivery:
        reset = (b"PATH", b"SENDMAIL", b"UMASK", b"LOCKEXT", b"LOCKSLEEP", b"LOCKTIMEOUT")
        dropped = (*reset, b"LOCKREFRESH", b"EXITCODE")
        return {key: value for key, value in os.environb.items() if key not in dropped}
    from couriermail.filter.mailfilter import locale_variables

    return locale_variables(os.environb)


def _read_message(headers: list[str]) -> BytesMessage:
    """Read standard input; CR before LF is taken away (spec filter 4.9, item 8)."""
    from couriermail.filter.message import BytesMessage

    prefix = b"".join(os.fsencode(line.rstrip("\n")) + b"\n" for line in headers)
    pieces: list[bytes] = []
    size = 0
    while size <= SPOOL_ABOVE_BYTES and (piece := os.read(0, _READ_SIZE)):
        pieces.append(piece)
        size += len(piece)
    data = b"".join(pieces)
    if size <= SPOOL_ABOVE_BYTES:
        return BytesMessage(data.replace(b"\r\n", b"\n"), prefix=prefix)
    return BytesMessage(_spool(data), prefix=prefix)


def _spool(data: bytes) -> mmap.mmap:
    """Put a large message into a file without a name, and map that."""
    import mmap
    import tempfile

    with tempfile.TemporaryFile() as file:
        while data:
            following = os.read(0, SPOOL_ABOVE_BYTES)
            if data.endswith(b"\r") and following:
                following = b"\r" + following
                data = data[:-1]
            file.write(data.replace(b"\r\n", b"\n"))
            data = following
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
