"""One back end answers one request, inside a worker process of authdaemond.

What goes back to the daemon is a sequence of frames: a kind, a length and octets.

    ACCEPTED   the whole reply for the client; the last frame
    REJECTED   the next module is asked; the last frame
    FAILED     it cannot be said now, no other module is asked; the last frame
    PART       a piece of a list of accounts, more follows
    LISTED     the list of this module is complete; the last frame

Standard: spec auth 4.1 (rules 1-6), 4.2, 4.9.
"""

from __future__ import annotations

import logging
import struct

import attrs

from couriermail.auth.account import AccountOptions
from couriermail.auth.errors import AuthError, DirectoryError, WireError
from couriermail.auth.module import AccountLister, PasswordChanger
from couriermail.auth.wire import AuthRequest, EnumerateRequest, PasswdRequest, PreRequest
from couriermail.auth.wire_replies import CHANGED, AccountFields, list_heading, list_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from couriermail.auth.account import Account
    from couriermail.auth.module import AuthModule
    from couriermail.auth.wire import Request

__all__ = [
    "ACCEPTED",
    "FAILED",
    "FRAME_HEADER",
    "LISTED",
    "PART",
    "REJECTED",
    "Frame",
    "ModuleService",
    "printable",
]

ACCEPTED, REJECTED, FAILED, PART, LISTED = b"A", b"R", b"F", b"P", b"L"
FRAME_HEADER = struct.Struct("!cI")
LIST_PART_BYTES = 64 * 1024

_log = logging.getLogger("couriermail.auth.daemon")


@attrs.frozen
class Frame:
    """One piece of an answer.

    Attributes:
        kind: one of the constants of this module.
        data: octets for the client.
    """

    kind: bytes
    data: bytes = attrs.field(default=b"", repr=False)

    def to_bytes(self) -> bytes:
        """The frame as it goes to the daemon."""
        return FRAME_HEADER.pack(self.kind, len(self.data)) + self.data


@attrs.define(eq=False, kw_only=True)
class ModuleService:
    """A back end, loaded when it is first needed, and how its answers look on the wire.

    Attributes:
        name: the module's name, such as `authuserdb`.
        load: makes the module; a `DirectoryError` of it is the answer to the request, and the
            next request tries again.
        default_options: options of accounts that do not have them.
        debug_level: 2 logs passwords, 1 logs requests, 0 neither.
    """

    name: str
    load: Callable[[], AuthModule]
    default_options: AccountOptions = attrs.field(factory=AccountOptions)
    debug_level: int = 0
    _module: AuthModule | None = attrs.field(default=None, init=False)

    def answer(self, request: Request) -> Iterator[Frame]:
        """The frames that answer a request; never raises because of the back end."""
        try:
            module = self._loaded()
            if isinstance(request, EnumerateRequest):
                yield from self._list(module)
            else:
                yield self._decide(module, request)
        except DirectoryError as error:
            _log.error("%s: %s", self.name, error)
            yield self._failed()
        except AuthError as error:
            yield self._rejected(str(error))
        except Exception:
            _log.exception("%s: failed", self.name)  # a bug in one module is not an answer
            yield self._failed()

    def idle(self) -> None:
        """Let the module give up what costs resources."""
        if self._module is not None:
            self._module.idle()

    def close(self) -> None:
        """Let the module give up everything."""
        module, self._module = self._module, None
        if module is not None:
            module.close()

    def _loaded(self) -> AuthModule:
        if self._module is None:
            self._module = self.load()
        return self._module

    def _decide(self, module: AuthModule, request: Request) -> Frame:
        if isinstance(request, PasswdRequest):
            return self._change_password(module, request)
        self._debug("%s: trying this module", self.name)
        if isinstance(request, PreRequest):
            account = module.lookup(request.name, request.service)
        elif isinstance(request, AuthRequest):
            account = _log_in(module, request)
        else:
            raise WireError("a list is no decision")
        return self._rejected() if account is None else self._accepted(account)

    def _change_password(self, module: AuthModule, request: PasswdRequest) -> Frame:
        if not isinstance(module, PasswordChanger):
            return Frame(REJECTED)
        self._debug("%s: trying this module", self.name)
        changed = module.change_password(request.name, request.old, request.new, request.service)
        return Frame(ACCEPTED, CHANGED) if changed else self._rejected()

    def _list(self, module: AuthModule) -> Iterator[Frame]:
        if not isinstance(module, AccountLister):
            yield Frame(LISTED)
            return
        yield Frame(PART, list_heading(self.name))
        part = bytearray()
        try:
            for account in module.accounts():
                part += self._list_line(account)
                if len(part) >= LIST_PART_BYTES:
                    yield Frame(PART, bytes(part))
                    part.clear()
        except DirectoryError:
            yield Frame(PART, bytes(part))  # the client gets what there is, without the end
            raise
        yield Frame(PART, bytes(part))
        yield Frame(LISTED)

    def _list_line(self, account: Account) -> bytes:
        try:
            return list_line(self._with_defaults(account))
        except WireError as error:
            _log.error("%s: an account is not listed: %s", self.name, error)
            return b""

    def _accepted(self, account: Account) -> Frame:
        fields = AccountFields.of(self._with_defaults(account))
        frame = Frame(ACCEPTED, fields.to_bytes())
        self._log_account(fields)
        return frame

    def _with_defaults(self, account: Account) -> Account:
        options = account.options.with_defaults(self.default_options)
        return attrs.evolve(account, options=options)

    def _log_account(self, fields: AccountFields) -> None:
        shown = ", ".join(
            f"{label}={_shown(getattr(fields, name))}" for label, name in _LOGGED.items()
        )
        self._debug("Authenticated: %s", shown)
        if self.debug_level >= 2:
            _log.debug(
                "Authenticated: clearpasswd=%s, passwd=%s",
                _shown(fields.clear_password),
                _shown(fields.password),
            )

    def _rejected(self, reason: str = "") -> Frame:
        if reason:
            self._debug("%s: %s", self.name, reason)
        self._debug("%s: REJECT - try next module", self.name)
        return Frame(REJECTED)

    def _failed(self) -> Frame:
        self._debug("%s: TEMPFAIL - no more modules will be tried", self.name)
        return Frame(FAILED)

    def _debug(self, text: str, *values: object) -> None:
        if self.debug_level:
            _log.debug(text, *values)


def printable(text: str) -> str:
    """A text for the log: everything that is not printable ASCII is a dot (spec auth 4.9)."""
    octets = text.encode("utf-8", "surrogateescape")
    return "".join(chr(octet) if 32 <= octet < 127 else "." for octet in octets)


# Names that log readers of Courier know -> fields.
_LOGGED = {
    "sysusername": "system_user",
    "sysuserid": "uid",
    "sysgroupid": "gid",
    "homedir": "home",
    "address": "address",
    "fullname": "full_name",
    "maildir": "maildir",
    "quota": "quota",
    "options": "options",
}


def _shown(value: str | int | None) -> str:
    return "<null>" if value is None else printable(str(value))


def _log_in(module: AuthModule, request: AuthRequest) -> Account | None:
    response = request.cram()
    if response is not None:
        return module.cram(response, request.service)
    credentials = request.credentials()
    if credentials is None:
        return None  # another authtype, or no password: every module refuses it
    name, password = credentials
    account = module.login(name, password, request.service, remote=request.remote)
    # Rule 4: who logged in with a password gets it back, for servers that log in elsewhere.
    return None if account is None else attrs.evolve(account, clear_password=password, scram=None)
