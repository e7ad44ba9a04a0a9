"""Requests to authdaemond: bytes to values and values to bytes, without any I/O.

    request  = *( key "=" value LF ) command          ; only TCPREMOTEIP is used
    PRE 1*SP module 1*SP service 1*SP userid LF       ; who is this
    AUTH SP length LF service LF authtype LF authdata ; does this login fit
    PASSWD SP service TAB userid TAB old TAB new LF   ; change a password
    ENUMERATE [SP] LF                                 ; who is there

Text on the wire has no declared charset: values are text whose odd bytes are surrogates
(`os.fsencode` gives them back), as everywhere in this room.  The same grammar serves
authdaemond, its clients and authpipe's programs.

Bounds: one line and one AUTH body, both limited; work is linear in the input.  The same
requests come out however the input is split.  Replies are in `wire_replies`.

Standard: spec auth 4.1.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

import attrs

from couriermail.auth.errors import InvalidLoginError, WireError
from couriermail.auth.module import CramResponse
from couriermail.auth.sasl import CRAM_MECHANISMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

__all__ = [
    "ANY_MODULE",
    "AuthRequest",
    "EnumerateRequest",
    "PasswdRequest",
    "PreRequest",
    "Request",
    "RequestLimits",
    "RequestParser",
    "cram_request",
    "has_control_characters",
    "login_request",
]

ANY_MODULE = "."
LOGIN = "login"
CRAM_PREFIX = "cram-"
CRAM_ALGORITHMS = frozenset(CRAM_MECHANISMS.values())
REMOTE = "TCPREMOTEIP"
MAX_REMOTE = 39  # characters of the longest IPv6 address


@attrs.frozen(kw_only=True)
class PreRequest:
    """Who is this name?

    Attributes:
        name: the login name; the rest of the line, blanks included.
        service: who asks, such as `imap`.
        module: the one module to ask, or `.` for all.
        remote: the client's IP address, or None.
    """

    name: str
    service: str
    module: str = ANY_MODULE
    remote: str | None = None

    def to_bytes(self) -> bytes:
        """The request as it goes to authdaemond.

        Raises:
            InvalidLoginError: a control character, or blanks that would move the words: before
                a name, or in a service or module, which must not be empty either.
        """
        words_hold = self.module and self.service and " " not in self.module + self.service
        if not words_hold or self.name.startswith(" "):
            # `PRE . imap  john` asks for john: another account than " john".
            raise InvalidLoginError("blanks that a lookup cannot express")
        line = f"PRE {self.module} {self.service} {self.name}"
        return _meta(self.remote) + _line(line, self.name, self.service, self.module)


@attrs.frozen(kw_only=True)
class AuthRequest:
    """Does this login fit?

    Attributes:
        service: who asks, such as `imap`.
        authtype: `login`, `cram-md5`, `cram-sha1` or `cram-sha256`, matched literally.
        data: what belongs to the authtype, as lines.
        remote: the client's IP address, or None.
    """

    service: str
    authtype: str
    data: bytes = attrs.field(repr=False)
    remote: str | None = None

    def credentials(self) -> tuple[str, str] | None:
        """Name and password of a `login`; None where there is no password, or no login."""
        name, separator, rest = self.data.partition(b"\n")
        if self.authtype != LOGIN or not separator:
            return None
        return _text(name), _text(rest.partition(b"\n")[0])

    def cram(self) -> CramResponse | None:
        """The decoded response of a `cram-` type; None where it is malformed, or no CRAM."""
        algorithm = self.authtype.removeprefix(CRAM_PREFIX)
        if not self.authtype.startswith(CRAM_PREFIX) or algorithm not in CRAM_ALGORITHMS:
            return None
        challenge, separator, rest = self.data.partition(b"\n")
        try:
            decoded = a2b_base64(challenge, strict_mode=True)
            response = a2b_base64(rest.partition(b"\n")[0], strict_mode=True)
        except ValueError:
            return None
        # RFC 2195 2: user name, a blank, the digest; names may hold blanks themselves.
        name, blank, digest = response.rpartition(b" ")
        if not separator or not blank:
            return None
        return CramResponse(
            algorithm=algorithm,
            challenge=decoded,
            name=_text(name),
            digest=_text(digest).lower(),
        )

    def to_bytes(self) -> bytes:
        """The request as it goes to authdaemond.

        Raises:
            InvalidLoginError: a control character in the service or type, or too much data.
        """
        _refuse_controls(self.service, self.authtype)
        body = _bytes(f"{self.service}\n{self.authtype}\n") + self.data
        if len(body) > RequestLimits().max_auth_body:
            raise InvalidLoginError("login data is too long")
        return _meta(self.remote) + b"AUTH %d\n" % len(body) + body


@attrs.frozen(kw_only=True)
class PasswdRequest:
    """Change a password.

    Attributes:
        service: whose password, such as `imap`.
        name: the login name.
        old: the password until now.
        new: the password from now on.
        remote: the client's IP address, or None.
    """

    service: str
    name: str
    old: str = attrs.field(repr=False)
    new: str = attrs.field(repr=False)
    remote: str | None = None

    @property
    def is_clean(self) -> bool:
        """True when no field holds a control character: else it is refused (4.1, rule 2)."""
        fields = (self.service, self.name, self.old, self.new)
        return not any(map(has_control_characters, fields))

    def to_bytes(self) -> bytes:
        """The request as it goes to authdaemond.

        Raises:
            InvalidLoginError: a control character; also TAB, which separates the fields.
        """
        fields = (self.service, self.name, self.old, self.new)
        _refuse_controls(*fields)
        return _meta(self.remote) + _bytes("PASSWD " + "\t".join(fields) + "\n")


@attrs.frozen
class EnumerateRequest:
    """Who is there?

    Attributes:
        remote: the client's IP address, or None.
    """

    remote: str | None = None

    def to_bytes(self) -> bytes:
        """The request as it goes to authdaemond."""
        return _meta(self.remote) + b"ENUMERATE\n"


if TYPE_CHECKING:
    Request: TypeAlias = PreRequest | AuthRequest | PasswdRequest | EnumerateRequest
else:
    Request = (PreRequest, AuthRequest, PasswdRequest, EnumerateRequest)


def login_request(
    name: str, password: str, service: str, *, remote: str | None = None
) -> AuthRequest:
    """The request that checks a name and password.

    Raises:
        InvalidLoginError: a control character in either.
    """
    _refuse_controls(name, password)
    data = _bytes(f"{name}\n{password}\n")
    return AuthRequest(service=service, authtype=LOGIN, data=data, remote=remote)


def cram_request(response: CramResponse, service: str, *, remote: str | None = None) -> AuthRequest:
    """The request that checks a CRAM response."""
    answer = b2a_base64(_bytes(f"{response.name} {response.digest}"))
    return AuthRequest(
        service=service,
        authtype=CRAM_PREFIX + response.algorithm,
        data=b2a_base64(response.challenge) + answer,
        remote=remote,
    )


def has_control_characters(text: str) -> bool:
    """Tell whether a text holds an ASCII control character; no login name or password may."""
    return any(character < " " or character == "\x7f" for character in text)


@attrs.frozen(kw_only=True)
class RequestLimits:
    """What a request may cost (spec auth 4.1).

    Attributes:
        max_line: octets of one line without its LF.
        max_auth_body: octets after the AUTH line.
        max_meta_lines: lines before the command; Courier sends one.
    """

    max_line: int = 8190
    max_auth_body: int = 8191
    max_meta_lines: int = 64


@attrs.define(eq=False)
class RequestParser:
    """Reads requests from bytes that arrive in any portions.

    Attributes:
        limits: what one request may cost.
    """

    limits: RequestLimits = RequestLimits()
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _searched: int = attrs.field(default=0, init=False)
    _body_size: int | None = attrs.field(default=None, init=False)
    _remote: str | None = attrs.field(default=None, init=False)
    _meta_lines: int = attrs.field(default=0, init=False)

    def receive_data(self, data: bytes) -> None:
        """Take what arrived; ask `next_request` until it gives None before taking more."""
        self._buffer += data

    def next_request(self) -> Request | None:
        """The next request, or None while it is incomplete.

        Raises:
            WireError: this is no request; authdaemond closes the connection without a word.
        """
        while self._body_size is None:
            line = self._next_line()
            if line is None:
                return None
            if _is_meta(line):
                self._take_meta(line)
                continue
            request = self._take_command(line)
            if request is not None:
                return self._complete(request)
        return self._take_body(self._body_size)

    def _next_line(self) -> bytes | None:
        end = self._buffer.find(b"\n", self._searched)
        size = len(self._buffer) if end < 0 else end
        if size > self.limits.max_line:
            raise WireError("the line is too long")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        return self._take(end + 1)[:-1]

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._searched = 0
        return taken

    def _take_meta(self, line: bytes) -> None:
        self._meta_lines += 1
        if self._meta_lines > self.limits.max_meta_lines:
            raise WireError("too many lines before the command")
        key, _, value = line.partition(b"=")
        if key == REMOTE.encode():
            self._remote = _text(value[:MAX_REMOTE])

    def _take_command(self, line: bytes) -> Request | None:
        """The request that this line is; None for AUTH, whose body follows."""
        word, _, rest = line.partition(b" ")
        if word == b"PRE":
            return _read_pre(rest)
        if word == b"PASSWD":
            return _read_passwd(rest)
        if word == b"ENUMERATE":
            return EnumerateRequest()
        if word == b"AUTH":
            self._body_size = self._read_size(rest)
            return None
        raise WireError("unknown command")

    def _read_size(self, digits: bytes) -> int:
        if not digits.isdigit() or len(digits) > 6 or int(digits) > self.limits.max_auth_body:
            raise WireError("bad AUTH length")
        return int(digits)

    def _take_body(self, size: int) -> Request | None:
        if len(self._buffer) < size:
            return None
        service, _, rest = self._take(size).partition(b"\n")
        authtype, separator, data = rest.partition(b"\n")
        if not separator:
            raise WireError("AUTH without service and type")
        return self._complete(
            AuthRequest(service=_text(service), authtype=_text(authtype), data=data)
        )

    def _complete(self, request: Request) -> Request:
        request = attrs.evolve(request, remote=self._remote)
        self._remote, self._body_size, self._meta_lines = None, None, 0
        return request


def _is_meta(line: bytes) -> bool:
    """Tell whether the first of blank and `=` in the line is `=`."""
    return b"=" in line.partition(b" ")[0]


def _read_pre(rest: bytes) -> PreRequest:
    module, _, rest = rest.lstrip(b" ").partition(b" ")
    service, blank, rest = rest.lstrip(b" ").partition(b" ")
    if not blank:
        raise WireError("PRE with too few words")
    return PreRequest(module=_text(module), service=_text(service), name=_text(rest.lstrip(b" ")))


def _read_passwd(rest: bytes) -> PasswdRequest:
    fields = rest.split(b"\t")
    if len(fields) < 4:
        raise WireError("PASSWD with too few fields")
    service, name, old, new = map(_text, fields[:4])
    return PasswdRequest(service=service, name=name, old=old, new=new)


def _meta(remote: str | None) -> bytes:
    return b"" if remote is None else _line(f"{REMOTE}={remote}", remote)


def _line(text: str, *parts: str) -> bytes:
    _refuse_controls(*parts)
    return _bytes(f"{text}\n")


def _refuse_controls(*parts: str) -> None:
    if any(map(has_control_characters, parts)):
        raise InvalidLoginError("a control character in a login")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
