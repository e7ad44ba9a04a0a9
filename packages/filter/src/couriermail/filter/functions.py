"""The built-in functions (spec filter 4.6).

Each takes the run and its arguments unevaluated, because one of them, `gdbmfetch`, evaluates
its default only when it is needed.
"""

from __future__ import annotations

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.values import MessageText, marked_slice, to_integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.filter.run import Run

    Value = Callable[[Run], bytes]
    Arguments = tuple[Value, ...]

__all__ = ["FUNCTIONS", "MAX_FALLBACKS"]

MAX_FALLBACKS = 64
"""How many shorter keys `gdbmfetch` tries (spec filter 4.6)."""

_ESCAPED = frozenset(b"|!$()[]\\+*?.&;`'-~<>^{}\"")
_RECIPIENT_FIELDS = (b"to", b"cc", b"resent-to", b"resent-cc")


def _length(run: Run, arguments: Arguments) -> bytes:
    return b"%d" % len(arguments[0](run))


def _substr(run: Run, arguments: Arguments) -> bytes:
    text, *numbers = [argument(run) for argument in arguments]
    start = to_integer(numbers[0])
    if not 0 <= start <= len(text):
        return b""
    count = to_integer(numbers[1]) if len(numbers) > 1 else -1
    # Courier: 2.x crashes on a negative count, later ones take it as no limit
    end = len(text) if count < 0 else min(len(text), start + count)
    return marked_slice(text, start, end)


def _tolower(run: Run, arguments: Arguments) -> bytes:
    text = arguments[0](run)
    return text.marked(text.lower()) if isinstance(text, MessageText) else text.lower()


def _toupper(run: Run, arguments: Arguments) -> bytes:
    text = arguments[0](run)
    return text.marked(text.upper()) if isinstance(text, MessageText) else text.upper()


def _escape(run: Run, arguments: Arguments) -> bytes:
    text = arguments[0](run)
    pieces = [b"\\%c" % char if char in _ESCAPED else b"%c" % char for char in text]
    escaped = b"".join(pieces)
    if not isinstance(text, MessageText):
        return escaped
    # Escaped signs are safe in a command.  Line ends, which are not escaped, end one; and the
    # first plain byte tells `safe_command` when the text would name a command.
    plain = [at for at, char in enumerate(escaped) if char in b"\r\n"]
    before = 0
    for piece in pieces:
        if len(piece) == 1:
            plain.append(before)
            break
        before += 2
    return MessageText.ranges(escaped, tuple((at, at + 1) for at in sorted(set(plain))))


def _time(run: Run, arguments: Arguments) -> bytes:
    return b"%d" % int(run.host.now())


def _getaddr(run: Run, arguments: Arguments) -> bytes:
    text = arguments[0](run)
    found = b"".join(address + b"\n" for address in _addresses(text))
    return MessageText.whole(found) if isinstance(text, MessageText) else found


def _hasaddr(run: Run, arguments: Arguments) -> bytes:
    wanted = arguments[0](run).lower()
    from couriermail.rfc822 import Headers

    for field in Headers(run.message.header_block()):
        if field.key in _RECIPIENT_FIELDS and any(
            address.lower() == wanted for address in _addresses(field.unfolded)
        ):
            return b"1"
    return b"0"


def _addresses(text: bytes) -> list[bytes]:
    from couriermail.rfc822 import parse_addresses

    found = (address.addr for address in parse_addresses(text))
    return [address.encode("utf-8", "surrogateescape") for address in found if address]


def _lookup(run: Run, arguments: Arguments) -> bytes:
    text, path, *options = [argument(run) for argument in arguments]
    shown = path.decode("utf-8", "replace")
    try:
        content = run.host.read_file(bytes(path))
    except OSError:
        raise RecipeRuntimeError(f"Unable to open {shown}.") from None
    from couriermail.filter.search import CompiledPattern, PatternError

    case_sensitive = bool(options) and b"D" in options[0]
    for line in content.replace(b"\r", b"\n").split(b"\n"):
        source = line.lstrip(b" \t")
        if not source or source.startswith(b"#"):
            continue
        try:
            pattern = CompiledPattern(
                source, case_sensitive=case_sensitive, seconds=run.limits.match_seconds
            )
            found = pattern.first_in(text)
        except PatternError:
            wrong = source.decode("utf-8", "replace")
            raise RecipeRuntimeError(f"Bad pattern in {shown}: {wrong}") from None
        if found is not None:
            run.note_match(found, is_foreign=isinstance(text, MessageText))
            return b"1"
    return b"0"


def _gdbmopen(run: Run, arguments: Arguments) -> bytes:
    path, *modes = [argument(run) for argument in arguments]
    mode = "R"
    for letter in (modes[0] if modes else b"").upper().decode("latin-1"):
        mode = letter if letter in "RWCN" else mode
    if run.embedded and mode != "R":
        raise RecipeRuntimeError("Open gdbm file for write in embedded mode not allowed.")
    run.close_database()
    run.database = run.host.open_database(bytes(path), mode)
    return b"-1" if run.database is None else b"0"


def _gdbmclose(run: Run, arguments: Arguments) -> bytes:
    run.close_database()
    return b""


def _gdbmstore(run: Run, arguments: Arguments) -> bytes:
    key, value = arguments[0](run), arguments[1](run)
    if run.database is None:
        return b"-1"
    return b"0" if run.database.store(bytes(key), bytes(value)) else b"-1"


def _gdbmfetch(run: Run, arguments: Arguments) -> bytes:
    key = bytes(arguments[0](run))
    options = arguments[1](run)[:1].upper() if len(arguments) > 1 else b""
    if run.database is not None:
        for candidate in _candidates(key, options):
            value = run.database.fetch(candidate)
            if value is not None:
                return MessageText.whole(value)
    return arguments[2](run) if len(arguments) > 2 else b""


def _candidates(key: bytes, options: bytes) -> list[bytes]:
    """The key and, with option D or I, the shorter ones (spec maildir 4.16)."""
    keys = [key]
    if options == b"D":
        user, at, domain = key.rpartition(b"@")
        if at:
            keys.append(user + b"@")
        while domain:
            keys.append(domain)
            domain = domain.partition(b".")[2]
    elif options == b"I":
        while b"." in key:
            key = key.rpartition(b".")[0]
            keys.append(key)
    return list(dict.fromkeys(keys))[:MAX_FALLBACKS]


FUNCTIONS: dict[str, Callable[[Run, Arguments], bytes]] = {
    "escape": _escape,
    "gdbmclose": _gdbmclose,
    "gdbmfetch": _gdbmfetch,
    "gdbmopen": _gdbmopen,
    "gdbmstore": _gdbmstore,
    "getaddr": _getaddr,
    "hasaddr": _hasaddr,
    "length": _length,
    "lookup": _lookup,
    "substr": _substr,
    "time": _time,
    "tolower": _tolower,
    "toupper": _toupper,
}
