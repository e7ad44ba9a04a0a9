"""The client of authdaemond, ours or Courier's: accounts and logins over its socket.

Each question is one connection.  The client is a `Directory` and an `AuthModule`, so whatever
works with a userdb also works with a daemon that somebody else runs.

    OK         the account
    REJECT     None: FAIL is the whole reply
    TEMPFAIL   `DirectoryError`: no daemon, no reply in time, or one that is cut short

Standard: spec auth 4.1 (client rules), 4.8, 5.
"""

from __future__ import annotations

import os
import socket
import time

import attrs

from couriermail.auth.authdaemonrc import ClientTimeouts
from couriermail.auth.errors import (
    DaemonUnavailableError,
    DirectoryError,
    InvalidLoginError,
    WireError,
)
from couriermail.auth.passwd import system_uid
from couriermail.auth.wire import (
    AuthRequest,
    EnumerateRequest,
    PasswdRequest,
    PreRequest,
    cram_request,
    login_request,
)
from couriermail.auth.wire_replies import ListReader, ReplyReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.auth.account import Account
    from couriermail.auth.module import CramResponse
    from couriermail.auth.wire import Request
    from couriermail.auth.wire_replies import AccountFields

__all__ = ["AuthDaemonClient"]

EXTERNAL = "EXTERNAL"
READ_BYTES = 65536


def _as_text(path: str | os.PathLike[str]) -> str:
    return os.fspath(path)


@attrs.frozen(kw_only=True, eq=False)
class AuthDaemonClient:
    """Asks an authdaemond.  Holds no connection; safe to share between threads.

    Attributes:
        path: the daemon's socket.
        remote: the IP address of the client on whose behalf all questions are, or None
            (`TCPREMOTEIP`).
        timeouts: how long to wait.
        name: the name in a chain of modules.
    """

    path: str = attrs.field(converter=_as_text)
    remote: str | None = None
    timeouts: ClientTimeouts = attrs.field(factory=ClientTimeouts)
    name: str = "authdaemon"

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account; see `Directory.lookup`.  A name that cannot be said is nobody's.

        Raises:
            DirectoryError: the daemon cannot answer now.
        """
        try:
            fields = self.ask(PreRequest(name=name, service=service, remote=self.remote))
        except InvalidLoginError:
            return None
        return _account(fields, name)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password; see `AuthModule.login`.

        What cannot be said, such as a control character, is refused unasked.

        Raises:
            DirectoryError: the daemon cannot answer now.
        """
        remote = self.remote if remote is None else remote
        try:
            fields = self.ask(login_request(name, password, service, remote=remote))
        except InvalidLoginError:
            return None
        return _account(fields, name)

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Check a CRAM response; see `AuthModule.cram`.

        Raises:
            DirectoryError: the daemon cannot answer now.
        """
        request = cram_request(response, service, remote=self.remote)
        return _account(self.ask(request), response.name)

    def generic(self, service: str, authtype: str, data: bytes) -> AccountFields | None:
        """Check what a SASL exchange gave, as it is.

        `EXTERNAL` means that somebody else has checked the identity: the account is looked up.

        Args:
            service: who asks.
            authtype: `login`, a `cram-` type, or `EXTERNAL`.
            data: what belongs to it.

        Raises:
            DirectoryError: the daemon cannot answer now.
            InvalidLoginError: a control character; the daemon is not asked.
        """
        if authtype == EXTERNAL:
            identity = data.decode("utf-8", "surrogateescape")
            return self.ask(PreRequest(name=identity, service=service, remote=self.remote))
        request = AuthRequest(service=service, authtype=authtype, data=data, remote=self.remote)
        return self.ask(request)

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Change a password; see `PasswordChanger.change_password`.

        Raises:
            DirectoryError: the daemon cannot answer now; the password may have been changed.
            InvalidLoginError: a control character; the daemon is not asked.
        """
        # Courier's clients send no address before PASSWD and ENUMERATE.
        reader = self._converse(PasswdRequest(service=service, name=name, old=old, new=new))
        return reader.is_changed

    def accounts(self) -> Iterator[Account]:
        """Every account, in the daemon's order; see `AccountLister.accounts`.

        Raises:
            DirectoryError: the list is not complete; what had arrived was given before.
        """
        reader = ListReader()
        with self._connect(EnumerateRequest()) as connection:
            while not reader.is_complete:
                data = _receive(connection, self.timeouts.read_list)
                if not data:
                    raise DirectoryError("authdaemond's list broke off")
                for fields in reader.receive_data(data):
                    yield fields.account(fields.address or "")

    def idle(self) -> None:
        """Do nothing: no connection is held."""

    def close(self) -> None:
        """Do nothing: no connection is held."""

    def ask(self, request: PreRequest | AuthRequest) -> AccountFields | None:
        """The fields of the reply to a request; None when it is refused.

        Raises:
            DirectoryError: the daemon cannot answer now.
            InvalidLoginError: a control character; the daemon is not asked.
        """
        reader = self._converse(request)
        if reader.is_changed:
            raise WireError("authdaemond said OK where an account was asked for")
        return reader.fields

    def _converse(self, request: Request) -> ReplyReader:
        reader = ReplyReader()
        with self._connect(request) as connection:
            deadline = time.monotonic() + self.timeouts.read
            while not reader.is_complete:
                data = _receive(connection, deadline - time.monotonic())
                if not data:
                    raise DirectoryError("authdaemond gave no whole reply")
                reader.receive_data(data)
        return reader

    def _connect(self, request: Request) -> socket.socket:
        """A connection on which the request has been sent."""
        octets = request.to_bytes()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self.timeouts.connect)
            connection.connect(self.path)
            connection.settimeout(self.timeouts.write)
            connection.sendall(octets)
        except OSError as error:
            connection.close()
            raise DaemonUnavailableError(self.path, error) from error
        return connection


def _receive(connection: socket.socket, seconds: float) -> bytes:
    connection.settimeout(max(seconds, 0.001))  # 0 would mean: do not wait at all
    try:
        return connection.recv(READ_BYTES)
    except TimeoutError as error:
        raise DirectoryError("authdaemond did not answer in time") from error
    except OSError as error:
        raise DirectoryError(f"authdaemond: {error.strerror}") from error


def _account(fields: AccountFields | None, name: str) -> Account | None:
    if fields is None:
        return None
    uid = None
    if fields.uid is None and fields.system_user:
        uid = system_uid(fields.system_user)
    return fields.account(name, uid)
