"""authpipe: accounts from a program of the administrator that speaks authdaemond's protocol.

The program (`authProg`) reads requests from its standard input and answers on its standard
output; it is kept running.  Without an executable program the module is disabled: it refuses
everything and lists nothing.

Standard: spec auth 4.5 (authpipe), 4.1 (the protocol).
"""

from __future__ import annotations

import os
import threading

import attrs

from couriermail.auth.backends.pipechild import PipeChild
from couriermail.auth.errors import DirectoryError, InvalidLoginError
from couriermail.auth.passwd import system_uid
from couriermail.auth.wire import (
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

__all__ = ["PipeModule"]


@attrs.define(eq=False)
class PipeModule:
    """An `AuthModule` that asks a program; changes passwords and lists accounts where it does.

    Attributes:
        child: the program.
        name: the module's name in a chain.
    """

    child: PipeChild
    name: str = "authpipe"
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False, repr=False)

    def lookup(self, name: str, service: str) -> Account | None:
        """Find an account; see `Directory.lookup`.

        Raises:
            DirectoryError: the program does not answer, or with nonsense.
        """
        return _account(name, self._ask(PreRequest(name=name, service=service)))

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        """Check a name and password; see `AuthModule.login`.

        Raises:
            DirectoryError: the program does not answer, or with nonsense.
        """
        try:
            request = login_request(name, password, service)
        except InvalidLoginError:
            return None
        return _account(name, self._ask(request))

    def cram(self, response: CramResponse, service: str) -> Account | None:
        """Check a CRAM response; see `AuthModule.cram`.

        Raises:
            DirectoryError: the program does not answer, or with nonsense.
        """
        return _account(response.name, self._ask(cram_request(response, service)))

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        """Ask the program to change a password.

        Raises:
            DirectoryError: the program does not answer, or with nonsense.
        """
        reply = self._ask(PasswdRequest(service=service, name=name, old=old, new=new))
        return reply is not None and reply.is_changed

    def accounts(self) -> Iterator[Account]:
        """The accounts that the program lists, in its order.

        Raises:
            DirectoryError: the list is not complete.
        """
        reader = ListReader()
        found: list[AccountFields] = []

        def take(data: bytes) -> bool:
            found.extend(reader.receive_data(data))
            return reader.is_complete

        if self._is_enabled():
            with self._lock:
                self.child.ask(EnumerateRequest().to_bytes(), take)
        for fields in found:
            yield fields.account(fields.address or "")

    def idle(self) -> None:
        """End the program; the next request starts it."""
        self.close()

    def close(self) -> None:
        """End the program."""
        with self._lock:
            self.child.close()

    def _ask(self, request: Request) -> ReplyReader | None:
        """The program's reply; None where there is no program, or nothing to ask it."""
        try:
            octets = request.to_bytes()
        except InvalidLoginError:
            return None
        if not self._is_enabled():
            return None
        reply = ReplyReader()
        with self._lock:
            self.child.ask(octets, reply.receive_data)
        return reply

    def _is_enabled(self) -> bool:
        return os.access(self.child.path, os.X_OK)


def _account(name: str, reply: ReplyReader | None) -> Account | None:
    if reply is None or reply.is_refused:
        return None
    if reply.fields is None:
        raise DirectoryError("authpipe: the program answers another question")
    user = reply.fields.system_user
    uid = system_uid(user) if user and reply.fields.uid is None else None
    return reply.fields.account(name, uid)
