"""The end of a submission: a complete message passes its filters and is committed (spec mta 6.6).

First the recipients' filters where they were put off, then the global ones, then the recipients'
content filters, then the queue.  Nothing is acknowledged before the commit: who is killed in
between has promised nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING

import attrs

from couriermail.core import CouriermailError, Reply

if TYPE_CHECKING:
    from couriermail.mta.filtercopy import MessageCopy
    from couriermail.mta.globalfilters import GlobalFilters, Judgement
    from couriermail.mta.screening import Screening
    from couriermail.mta.submissionvalues import Origin
    from couriermail.queue import BodyWriter, Queue
    from couriermail.queue import Submission as NewMessage

__all__ = ["SERVICE_UNAVAILABLE", "Conclusion"]

SERVICE_UNAVAILABLE = Reply(432, "Service temporarily unavailable.", enhanced="4.3.0")


@attrs.define(eq=False)
class Conclusion:
    """One complete message on its way into the queue.

    Attributes:
        queue: where it goes.
        filters: the global filters; None for none.
        origin: how it came in.
        accepted: the reply once it is durable.
        body: its octets; discarded unless they are committed.
        copy: what the global filters read; None when they are not asked.
        done: the reply.
        answers: behind `done`, one for each recipient of an EXDATA client where they differ.
    """

    queue: Queue
    filters: GlobalFilters | None
    origin: Origin
    accepted: Reply = attrs.field(kw_only=True)
    body: BodyWriter | bytes = attrs.field(kw_only=True)
    copy: MessageCopy | None = attrs.field(kw_only=True)
    done: Future[Reply] = attrs.field(factory=Future, init=False)
    answers: tuple[Reply, ...] = attrs.field(default=(), init=False)

    def judge(self, messages: list[NewMessage], *, is_local: bool) -> None:
        """Queue the messages, once the global filters let them pass.

        Args:
            messages: what is to be queued.
            is_local: somebody here gets it who wants it filtered (`GlobalFilters.judge`).
        """
        judging = self._ask_global(messages, is_local=is_local)
        if judging is None:
            self._commit(messages)
        else:
            judging.add_done_callback(self._judged)

    def screen(
        self,
        screening: Screening,
        settle: Callable[[], Judgement],
        mailboxes: Callable[[], Sequence[Sequence[str]]],
    ) -> None:
        """Queue the message for those whose filters let it pass; they are asked in a thread.

        Args:
            screening: whose filters.
            settle: asks about the recipients that were put off; the messages, or a refusal.
            mailboxes: behind `settle`, those of each message's recipients.
        """

        def ask() -> Judgement:
            messages = settle()
            if isinstance(messages, Reply):
                return messages
            judging = self._ask_global(messages, is_local=not screening.is_whitelisted)
            judgement = messages if judging is None else judging.result()
            if isinstance(judgement, Reply):
                return judgement
            self._keep_body(judgement)
            screened = screening.judge(judgement, mailboxes())
            if screening.has_exdata and screened.verdicts.has_refusal:
                self.answers = screened.verdicts.replies(self.accepted)
            return screened.refusal or screened.messages

        screening.start(ask).add_done_callback(self._judged)

    def _ask_global(
        self, messages: list[NewMessage], *, is_local: bool
    ) -> Future[Judgement] | None:
        if self.copy is None or self.filters is None:
            return None
        return self.filters.judge(self.copy, messages, self.origin, is_local=is_local)

    def _judged(self, future: Future[Judgement]) -> None:
        """All filters have spoken, or could not."""
        try:
            judgement = future.result()
        except CancelledError:  # we are being stopped
            self._refuse(SERVICE_UNAVAILABLE)
        except CouriermailError as error:
            self._refuse(error.reply)
        except BaseException as error:
            self._forget()
            self.done.set_exception(error)
        else:
            if isinstance(judgement, Reply):
                self._refuse(judgement)
            else:
                self._keep_body(judgement)
                self._commit(judgement)

    def _keep_body(self, messages: list[NewMessage]) -> None:
        """A global filter may have changed the octets: then ours are not needed."""
        body = messages[0].body
        if body is not self.body:
            self._discard_body()
            self.body = body

    def _commit(self, messages: list[NewMessage]) -> None:
        def committed(future: Future[None]) -> None:
            error = future.exception()
            if error is None:
                self.done.set_result(self.accepted)
                return
            self.answers = ()
            if isinstance(error, CouriermailError):
                self.done.set_result(error.reply)
            else:
                self.done.set_exception(error)

        try:
            self.queue.submit_soon(messages).add_done_callback(committed)
        except CouriermailError as error:
            self.answers = ()
            self.done.set_result(error.reply)

    def _refuse(self, reply: Reply) -> None:
        self._forget()
        self.done.set_result(reply)

    def _forget(self) -> None:
        self._discard_body()
        if self.copy is not None:
            self.copy.discard()

    def _discard_body(self) -> None:
        if not isinstance(self.body, bytes):
            self.body.discard()
