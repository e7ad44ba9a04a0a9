"""The chain of back ends that authdaemond asks, and the rules of who answers.

    request    ACCEPTED      REJECTED     FAILED
    PRE, AUTH  the account   next module  close without a reply
    PASSWD     OK            next module  FAIL
    ENUMERATE  every module's list; one that breaks off ends the reply without its marker

Nobody accepts: FAIL.  A module that cannot answer ends the search, because asking on could let
in somebody else of the same name.

Standard: spec auth 4.1 (rules 1, 2 and 6), 4.9.
"""

from __future__ import annotations

import asyncio
import logging

import attrs

from couriermail.auth.daemon_module import ACCEPTED, FAILED, LISTED, ModuleService, printable
from couriermail.auth.daemon_worker import WorkerPool
from couriermail.auth.errors import DirectoryError, InvalidLoginError, ModuleMissingError
from couriermail.auth.throttle import LoginThrottle
from couriermail.auth.wire import ANY_MODULE, AuthRequest, EnumerateRequest, PasswdRequest
from couriermail.auth.wire_replies import LIST_END, REFUSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import TypeAlias

    from couriermail.auth.authdaemonrc import AuthdaemonSettings
    from couriermail.auth.module import AuthModule
    from couriermail.auth.wire import Request

    ModuleLoader: TypeAlias = Callable[[str, AuthdaemonSettings], AuthModule | None]
    Send: TypeAlias = Callable[[bytes], Awaitable[None]]

__all__ = ["ModuleChain", "install_modules"]

# Below the 30 seconds that clients wait for a reply (spec auth 7).
REQUEST_SECONDS = 25.0

_log = logging.getLogger("couriermail.auth.daemon")


@attrs.define(eq=False, kw_only=True)
class ModuleChain:
    """Back ends in the order in which they are asked, each with its workers.

    Attributes:
        pools: the workers of each back end.
        time_limit: seconds for a whole request; for a list, between two pieces of it.
        debug_level: as in `AuthdaemonSettings`.
        throttle: counts failed logins per client address; who has too many gets no answer, as
            when a back end is down.  None: nobody is held up.
    """

    pools: tuple[WorkerPool, ...]
    time_limit: float = REQUEST_SECONDS
    debug_level: int = 0
    throttle: LoginThrottle | None = None

    async def answer(self, request: Request, send: Send) -> None:
        """Send the reply to a request; nothing is sent when it cannot be said now.

        Args:
            request: what a client asks.
            send: sends octets to the client.

        Raises:
            OSError: of `send`, which ends the answer.
        """
        self._log_request(request)
        try:
            request.to_bytes()
        except InvalidLoginError:
            await send(REFUSED)  # rule 2; a control character is in nobody's name
            return
        if isinstance(request, EnumerateRequest):
            await self._list(request, send)
            return
        if self._is_held_up(request):
            return
        try:
            reply = await asyncio.wait_for(self._decide(request), self.time_limit)
        except TimeoutError:
            _log.error("no module answered within %g seconds", self.time_limit)
            reply = REFUSED if isinstance(request, PasswdRequest) else b""
        is_login = isinstance(request, AuthRequest | PasswdRequest)
        if is_login and reply == REFUSED and self.throttle is not None:
            self.throttle.record_failure(request.remote)
        if reply:
            await send(reply)

    def retire(self) -> None:
        """Answer what was asked already, then end all workers."""
        for pool in self.pools:
            pool.retire()

    async def wait_closed(self, seconds: float) -> None:
        """Wait until all workers have ended; kill those that take longer."""
        await asyncio.gather(*(pool.wait_closed(seconds) for pool in self.pools))

    @property
    def descriptors(self) -> list[int]:
        """The daemon's descriptors of all workers."""
        return [number for pool in self.pools for number in pool.descriptors]

    def _is_held_up(self, request: Request) -> bool:
        is_login = isinstance(request, AuthRequest | PasswdRequest)
        return is_login and self.throttle is not None and self.throttle.is_blocked(request.remote)

    async def _decide(self, request: Request) -> bytes:
        """The reply to PRE, AUTH or PASSWD; empty when there is none."""
        for pool in self._asked(request):
            frame = await pool.ask(request, _no_parts)
            if frame.kind == ACCEPTED:
                return frame.data
            if frame.kind == FAILED:
                # Rule 2: a change of password always gets a reply.
                return REFUSED if isinstance(request, PasswdRequest) else b""
        self._debug("FAIL, all modules rejected")
        return REFUSED

    async def _list(self, request: EnumerateRequest, send: Send) -> None:
        for pool in self.pools:
            frame = await pool.ask(request, send)
            if frame.kind != LISTED:
                return  # rule 6: the missing marker tells the client
        await send(LIST_END)

    def _asked(self, request: Request) -> Iterable[WorkerPool]:
        chosen = getattr(request, "module", ANY_MODULE)
        return (pool for pool in self.pools if chosen in (ANY_MODULE, pool.name))

    def _log_request(self, request: Request) -> None:
        if isinstance(request, AuthRequest):
            what = f"auth request, service={request.service}, authtype={request.authtype}"
        elif isinstance(request, PasswdRequest):
            what = f"password change request, service={request.service}, userid={request.name}"
        elif isinstance(request, EnumerateRequest):
            what = "account list request"
        else:
            what = f"userid lookup request: {request.name}"
        self._debug("received %s", printable(what))

    def _debug(self, text: str, *values: object) -> None:
        if self.debug_level:
            _log.debug(text, *values)


def install_modules(
    settings: AuthdaemonSettings,
    load: ModuleLoader,
    foreign: Callable[[], Iterable[int]],
    *,
    time_limit: float = REQUEST_SECONDS,
) -> ModuleChain:
    """The chain that the settings describe; workers are not started yet.

    Each module is loaded here once to see whether it can be, and again in each worker, so that
    no two processes share a connection.  A name that nobody knows, or whose library is not
    installed, is skipped (spec auth 1, 3.3), loudly where the settings list it.  A module that
    cannot work now stays in the chain and makes requests fail temporarily: skipping it would
    tell that its accounts do not exist.

    Args:
        settings: which modules, and what they all get.
        load: gives a module by name, or None when there is none of that name.
        foreign: see `WorkerPool`.
        time_limit: see `ModuleChain`.

    Raises:
        DirectoryError: no listed module is left: every account would be unknown.
    """
    _log.info('modules="%s", daemons=%d', " ".join(settings.modules), settings.workers)
    pools = [
        WorkerPool(
            service=_service(name, settings, load),
            size=settings.workers,
            time_limit=time_limit,
            foreign=foreign,
        )
        for name in dict.fromkeys(settings.modules)
        if _is_installed(name, settings, load)
    ]
    if not settings.modules:  # somebody's own word
        _log.error("%s: authmodulelist is empty; everybody is refused", settings.path)
    elif not pools:
        # Courier: starts, and tells every client that there is no such user.
        raise DirectoryError(f"{settings.path}: no module of authmodulelist can be used")
    return ModuleChain(
        pools=tuple(pools),
        time_limit=time_limit,
        debug_level=settings.debug_level,
        throttle=_throttle(settings),
    )


def _throttle(settings: AuthdaemonSettings) -> LoginThrottle | None:
    if not settings.login_failures:
        return None
    return LoginThrottle(failures=settings.login_failures, seconds=settings.login_failure_seconds)


def _is_installed(name: str, settings: AuthdaemonSettings, load: ModuleLoader) -> bool:
    _log.info("Installing %s", name)
    try:
        module = load(name, settings)
    except ModuleMissingError as error:
        _log.log(logging.ERROR if settings.are_listed else logging.INFO, "%s; skipped", error)
        return False
    except DirectoryError as error:
        _log.error("%s: cannot be used now: %s", name, error)
        return True
    if module is None:
        return False  # the loader has said why
    module.close()
    _log.info("Installation complete: %s", name)
    return True


def _service(name: str, settings: AuthdaemonSettings, load: ModuleLoader) -> ModuleService:
    def load_again() -> AuthModule:
        module = load(name, settings)
        if module is None:
            raise DirectoryError("the module is gone")
        return module

    return ModuleService(
        name=name,
        load=load_again,
        default_options=settings.default_options,
        debug_level=settings.debug_level,
    )


async def _no_parts(data: bytes) -> None:
    raise DirectoryError("a list in place of a decision")
