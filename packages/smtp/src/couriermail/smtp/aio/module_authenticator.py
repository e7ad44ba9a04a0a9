"""Authentication modules of `couriermail.auth` as the authenticator of a server.

Modules block: they read files and ask daemons and databases.  So they are asked in threads of
their own, and the event loop serves other clients meanwhile.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import attrs

from couriermail.auth import ScramSecrets
from couriermail.smtp.authenticator import DECOY_KEY_BYTES, Authenticator
from couriermail.smtp.session import Credentials, Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from couriermail.auth import Account, AuthModule, CramResponse, LoginThrottle, ScramSecret

__all__ = ["module_authenticator"]


def module_authenticator(
    modules: Sequence[AuthModule],
    *,
    service: str = "esmtp",
    threads: int = 1,
    domain: str = "",
    decoy_key: bytes | None = None,
    throttle: LoginThrottle | None = None,
) -> Authenticator:
    """An `Authenticator` that asks modules in order; the identity is the account's address.

    The first module that knows the login answers.  One that cannot answer ends the search,
    because asking on could let in somebody else of the same name (spec auth 4.1).

    Args:
        modules: `UserdbModule`, `AuthDaemonClient` and their like; at least one.
        service: who asks (`Directory.lookup`).
        threads: how many logins are checked at a time.  More than one only for modules that are
            safe to share between threads.
        domain: see `Authenticator`.
        decoy_key: makes SCRAM's salts where none is stored; one that outlives the process keeps
            a restart from telling which names exist.  None takes a new one.
        throttle: see `Authenticator`.
    """
    key = decoy_key or os.urandom(DECOY_KEY_BYTES)
    pool = ThreadPoolExecutor(threads, "smtp-auth")
    chain = _Chain(tuple(modules), service, pool, ScramSecrets(key))
    return Authenticator(
        password=chain.password,
        cram=chain.cram,
        scram=chain.scram,
        external=chain.external,
        domain=domain,
        decoy_key=key,
        throttle=throttle,
    )


@attrs.frozen(eq=False)
class _Chain:
    _modules: tuple[AuthModule, ...]
    _service: str
    _threads: ThreadPoolExecutor
    _secrets: ScramSecrets

    def password(self, session: Session, credentials: Credentials) -> asyncio.Future[str | None]:
        remote = session.peer.host or None
        return self._ask(
            # Courier ignores the authorization identity (spec smtp 8): nobody acts as another.
            lambda module: module.login(
                credentials.username, credentials.password, self._service, remote=remote
            )
        )

    def cram(self, _session: Session, response: CramResponse) -> asyncio.Future[str | None]:
        return self._ask(lambda module: module.cram(response, self._service))

    def scram(self, _session: Session, name: str) -> asyncio.Future[ScramSecret | None]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, self._secret, name)

    def external(self, _session: Session, identity: str) -> asyncio.Future[str | None]:
        return self._ask(lambda module: module.lookup(identity, self._service))

    def _ask(self, ask: Callable[[AuthModule], Account | None]) -> asyncio.Future[str | None]:
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._threads, self._address, ask)

    def _address(self, ask: Callable[[AuthModule], Account | None]) -> str | None:
        account = self._first(ask)
        return None if account is None else account.address

    def _secret(self, name: str) -> ScramSecret | None:
        account = self._first(lambda module: module.lookup(name, self._service))
        return self._secrets.of(account, name)

    def _first(self, ask: Callable[[AuthModule], Account | None]) -> Account | None:
        for module in self._modules:
            account = ask(module)
            if account is not None:
                return account
        return None
