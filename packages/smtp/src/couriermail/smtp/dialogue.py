"""Joins one engine and one handler: asks the right hook about each event.

Still without I/O: a shell calls `run` after it fed the engine, waits for what `run` gives it (only
hooks that return awaitables make it give something; a plain method costs a call) and then calls
`run` again.  Errors of hooks become replies here: a `CouriermailError` its own,
anything else 451 and a traceback in the log.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from couriermail.core import CouriermailError, Reply
from couriermail.smtp import events, replies
from couriermail.smtp.engine import ServerEngine
from couriermail.smtp.session import DataSink, Handler, Session

if TYPE_CHECKING:
    import asyncio

    from couriermail.smtp.authenticator import Authenticator
    from couriermail.smtp.exchange import AuthExchange

__all__ = ["Dialogue", "Hooks"]

logger = logging.getLogger("couriermail.smtp")

# What a hook may answer: a reply, several (LMTP, EXDATA), an identity (AUTH) or nothing.
Answer = Reply | Sequence[Reply] | str | None
Outcome = Answer | Awaitable[Answer]


@attrs.frozen(kw_only=True)
class Hooks:
    """A handler's methods, looked up once for all sessions; the optional ones may be None."""

    rcpt: Callable[[Session, events.Rcpt], Outcome]
    data: Callable[[Session], DataSink]
    authenticator: Authenticator | None
    connect: Callable[[Session], Outcome] | None
    helo: Callable[[Session, str], Outcome] | None
    mail: Callable[[Session, events.Mail], Outcome] | None
    vrfy: Callable[[Session, str], Outcome] | None
    expn: Callable[[Session, str], Outcome] | None
    reset: Callable[[Session], Outcome] | None
    disconnect: Callable[[Session], Outcome] | None

    @classmethod
    def of(cls, handler: Handler, authenticator: Authenticator | None = None) -> Hooks:
        """The hooks that `handler` has."""
        names = ("connect", "helo", "mail", "vrfy", "expn", "reset", "disconnect")
        return cls(
            rcpt=handler.rcpt,
            data=handler.data,
            authenticator=authenticator,
            **{name: getattr(handler, name, None) for name in names},
        )


@attrs.define
class Dialogue:
    """One session between an engine and a handler."""

    engine: ServerEngine
    hooks: Hooks
    _event: events.Event | None = None
    _sink: DataSink | None = None
    _sink_failure: Reply | None = None
    _exchange: AuthExchange | None = None

    def run(self) -> Awaitable[Answer] | None:
        """Serve events until none is left (None) or a hook wants to be awaited.

        Give the awaitable to `wait`, then call `run` again.
        """
        engine, calls = self.engine, _CALLS
        while (event := engine.next_event()) is not None:
            call = calls.get(type(event))
            try:
                outcome = None if call is None else call(self, event)
            except Exception as error:
                outcome = self._failure(event, error)
            if outcome is None or isinstance(outcome, Reply | str | Sequence):
                self._settle(event, outcome)
            else:
                self._event = event
                return outcome
        return None

    async def wait(self, outcome: Awaitable[Answer]) -> None:
        """Wait for what a hook returned and take it as the hook's answer."""
        event = self._event
        if event is None:
            return
        answer: Answer
        try:
            answer = await outcome
        except Exception as error:
            answer = self._failure(event, error)
        except BaseException:  # cancelled at shutdown
            self._discard()
            raise
        self._event = None
        self._settle(event, answer)

    def take(self, future: asyncio.Future[Answer]) -> None:
        """Take the result of a future that a hook returned, which is done, as its answer."""
        event = self._event
        if event is None:
            return
        if future.cancelled():  # at shutdown
            self._discard()
            return
        error = future.exception()
        if error is None:
            answer = future.result()
        elif isinstance(error, Exception):
            answer = self._failure(event, error)
        else:
            self._discard()
            raise error
        self._event = None
        self._settle(event, answer)

    # Events to hooks

    def _on_connect(self, _event: events.Event) -> Outcome:
        hook = self.hooks.connect
        return None if hook is None else hook(self.engine.session)

    def _on_helo(self, event: events.Helo) -> Outcome:
        hook = self.hooks.helo
        return None if hook is None else hook(self.engine.session, event.name)

    def _on_mail(self, event: events.Mail) -> Outcome:
        hook = self.hooks.mail
        return None if hook is None else hook(self.engine.session, event)

    def _on_rcpt(self, event: events.Rcpt) -> Outcome:
        return self.hooks.rcpt(self.engine.session, event)

    def _on_vrfy(self, event: events.Vrfy) -> Outcome:
        hook = self.hooks.vrfy
        return None if hook is None else hook(self.engine.session, event.argument)

    def _on_expn(self, event: events.Expn) -> Outcome:
        hook = self.hooks.expn
        return None if hook is None else hook(self.engine.session, event.argument)

    def _on_data_start(self, _event: events.Event) -> Outcome:
        self._sink_failure = None
        self._sink = self.hooks.data(self.engine.session)
        return None

    def _on_data_chunk(self, event: events.DataChunk) -> Outcome:
        return None if self._sink is None else self._sink.write(event.data)

    def _on_data_end(self, _event: events.Event) -> Outcome:
        if self._sink is None:
            return self._sink_failure or replies.LOCAL_ERROR
        return self._sink.finish()

    def _on_data_discarded(self, _event: events.Event) -> Outcome:
        self._discard()
        return None

    def _on_reset(self, _event: events.Event) -> Outcome:
        hook = self.hooks.reset
        return None if hook is None else hook(self.engine.session)

    def _on_closed(self, _event: events.Event) -> Outcome:
        hook = self.hooks.disconnect
        return None if hook is None else hook(self.engine.session)

    def _on_auth(self, event: events.Auth) -> Outcome:
        if self.hooks.authenticator is None:
            return replies.AUTH_FAILED
        throttle = self.hooks.authenticator.throttle
        if throttle is not None and throttle.is_blocked(self.engine.session.peer.host):
            return replies.AUTH_HELD_UP
        from couriermail.smtp.exchange import AuthExchange  # most sessions have no AUTH

        self._exchange = AuthExchange.start(
            event.mechanism,
            self.engine.session,
            self.hooks.authenticator,
            hostname=self.engine.config.hostname,
        )
        return self._exchange.step(event.initial)

    def _on_auth_response(self, event: events.AuthResponse) -> Outcome:
        if self._exchange is None:
            return replies.AUTH_FAILED
        return self._exchange.step(event.response)

    # Answers to the engine

    def _settle(self, event: events.Event, answer: Answer) -> None:
        engine = self.engine
        if type(event) is events.DataEnd:
            self._sink = None
        if engine.pending is not event:  # informative event, or the client is gone
            return
        if answer is None or type(answer) is Reply:
            if answer is None and isinstance(event, _AUTH_EVENTS):
                answer = replies.AUTH_FAILED
            elif answer is None and type(event) is events.DataEnd:
                answer = self._no_answer()
            if answer is not None and answer.code == replies.AUTH_FAILED.code:
                self._count_failure(event)
            engine.reply(answer)
        elif isinstance(answer, str):
            self._settle_identity(event, answer)
        else:
            self._settle_each(answer)

    def _settle_identity(self, event: events.Event, identity: str) -> None:
        if isinstance(event, _AUTH_EVENTS):
            self.engine.accept_auth(identity)
        else:
            logger.error("a hook answered %s with text", type(event).__name__)
            self.engine.reply(replies.LOCAL_ERROR)

    def _count_failure(self, event: events.Event) -> None:
        hooks = self.hooks.authenticator
        if isinstance(event, _AUTH_EVENTS) and hooks is not None and hooks.throttle is not None:
            hooks.throttle.record_failure(self.engine.session.peer.host)

    def _settle_each(self, answer: Reply | Sequence[Reply]) -> None:
        if isinstance(answer, Reply):
            return self.engine.reply(answer)
        try:
            self.engine.reply_each(answer)
        except CouriermailError:
            logger.exception("the replies of finish() do not fit the recipients")
            self.engine.reply(replies.LOCAL_ERROR)

    def _no_answer(self) -> Reply:
        logger.error("finish() returned no reply")
        return replies.LOCAL_ERROR

    def _failure(self, event: events.Event, error: Exception) -> Reply:
        """Turn what a hook raised into a reply; the peer learns nothing else."""
        if isinstance(error, CouriermailError):
            reply = error.reply
            logger.info("%s refused: %s", type(event).__name__, type(error).__name__)
        else:
            reply = replies.LOCAL_ERROR
            logger.error("a hook failed at %s", type(event).__name__, exc_info=error)
        if isinstance(event, events.DataChunk | events.DataEnd):
            self._sink_failure = reply
            self._discard()
        return reply

    def _discard(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.discard()
        except Exception:
            logger.exception("discard() failed")


_AUTH_EVENTS = (events.Auth, events.AuthResponse)

_CALLS: Mapping[type, Callable[..., Outcome]] = {
    events.Connected: Dialogue._on_connect,
    events.Helo: Dialogue._on_helo,
    events.Mail: Dialogue._on_mail,
    events.Rcpt: Dialogue._on_rcpt,
    events.Vrfy: Dialogue._on_vrfy,
    events.Expn: Dialogue._on_expn,
    events.Auth: Dialogue._on_auth,
    events.AuthResponse: Dialogue._on_auth_response,
    events.DataStart: Dialogue._on_data_start,
    events.DataChunk: Dialogue._on_data_chunk,
    events.DataEnd: Dialogue._on_data_end,
    events.DataDiscarded: Dialogue._on_data_discarded,
    events.Reset: Dialogue._on_reset,
    events.Closed: Dialogue._on_closed,
}
