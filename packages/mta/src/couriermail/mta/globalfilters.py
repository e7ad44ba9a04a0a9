"""Global filters at submission: every complete message is put before them (spec mta.md 6.6).

Mail of the modules that `enablefiltering` names is asked about after its end and before its
commit; the mail system's own reports and forwards never are.  Where nothing listens, a message
costs the reading of two empty directories; where the module is not named, nothing at all.

Each message is judged in a thread of its own, up to `THREADS` at a time: a filter that hangs holds
up the messages that it was given, never the event loop.  A filter that is there and does not
answer means a temporary refusal, so that no mail passes unseen.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import attrs

from couriermail.core import CouriermailError, Reply
from couriermail.filter.courierfilter import FilterPlaces, FilterUnavailableError, ask_filters
from couriermail.filter.errors import FilterError
from couriermail.mta.filtercopy import MessageCopy, control_file, with_changes
from couriermail.queue import Queue
from couriermail.queue import Submission as NewMessage

if TYPE_CHECKING:
    from couriermail.mta.config import Config
    from couriermail.mta.submission import Origin

__all__ = ["GlobalFilters", "Judgement", "filter_places"]

log = logging.getLogger("couriermail.mta.globalfilters")

THREADS = 128
ANSWER_SECONDS = 120.0  # for each filter (spec filter 4.19)
STALE_SECONDS = 3600.0  # a copy that its process did not live to remove
WORK = ".messages"  # beside the sockets; names with a dot are no filters
NEVER_FILTERED = frozenset({"dsn"})

Judgement: TypeAlias = "list[NewMessage] | Reply"
"""The messages to queue, with what filters changed; or why the message is refused."""


def filter_places(config: Config) -> FilterPlaces:
    """Where the filters of a configuration have their sockets and settings."""
    return FilterPlaces(config.directory, config.state)


@attrs.define(eq=False)
class GlobalFilters:
    """Asks the filters of one mail system.

    Attributes:
        places: where their sockets are.
        modules: whose mail they judge.
        queue: where changed bodies are stored.
        timeout: seconds for each filter's answer.
    """

    places: FilterPlaces
    modules: frozenset[str]
    queue: Queue
    timeout: float = ANSWER_SECONDS
    _pool: ThreadPoolExecutor = attrs.field(
        factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="filter"), init=False
    )

    @classmethod
    def of(cls, config: Config, queue: Queue) -> GlobalFilters | None:
        """The filters that a configuration asks for; None when it asks for none."""
        modules = frozenset(config.enablefiltering) - NEVER_FILTERED
        if not modules:
            return None
        filters = cls(filter_places(config), modules, queue)
        filters.remove_stale(time.time())
        return filters

    @property
    def work(self) -> str:
        """Directory of the copies that filters get."""
        return f"{self.places.sockets}/{WORK}"

    def copy_for(self, module: str, queue_id: str) -> MessageCopy | None:
        """Where a message that begins is to be written as well; None when nobody asks for it."""
        if module not in self.modules or not self.places.socket_paths(everybody=True):
            return None
        with contextlib.suppress(OSError):  # the copy finds out as well, and says so at its end
            os.makedirs(self.work, 0o750, exist_ok=True)
        return MessageCopy(f"{self.work}/{queue_id}")

    def judge(
        self, copy: MessageCopy, messages: list[NewMessage], origin: Origin, *, is_local: bool
    ) -> Future[Judgement]:
        """Ask the filters about a complete message; its copy is removed in any case.

        Args:
            copy: what was written of it.
            messages: what is to be queued.
            origin: how it came in.
            is_local: a recipient has a mailbox here; mail that has none is for the filters of
                all mail only (spec filter 4.18: remote recipients count as whitelisted).
        """
        try:
            return self._pool.submit(self._judge, copy, messages, origin, is_local=is_local)
        except RuntimeError:  # closed: we are being stopped
            copy.discard()
            refused: Future[Judgement] = Future()
            refused.set_result(FilterUnavailableError().reply)
            return refused

    def close(self) -> None:
        """Ask nothing more; who waits for an answer was cut off already."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def remove_stale(self, now: float) -> None:
        """Remove copies that a killed process left behind."""
        try:
            with os.scandir(self.work) as entries:
                for entry in entries:
                    if now - entry.stat(follow_symlinks=False).st_ctime > STALE_SECONDS:
                        os.unlink(entry.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("cannot clean %s: %s", self.work, error.strerror)

    def _judge(
        self, copy: MessageCopy, messages: list[NewMessage], origin: Origin, *, is_local: bool
    ) -> Judgement:
        try:
            options = _options(origin)
            request = copy.publish([control_file(message, options) for message in messages])
            sockets = self.places.socket_paths(everybody=is_local)
            refusal = ask_filters(sockets, request, timeout=self.timeout)
            if refusal is not None:
                return refusal.reply
            return self._changed(copy, messages)
        except FilterError as error:
            log.error("%s", error)
            return FilterUnavailableError().reply
        except CouriermailError as error:  # the queue's disk
            return error.reply
        except OSError as error:
            log.error("cannot show a message to the filters: %s", error.strerror)
            return FilterUnavailableError().reply
        finally:
            copy.discard()

    def _changed(self, copy: MessageCopy, messages: Sequence[NewMessage]) -> list[NewMessage]:
        """The messages with what filters wrote into their files (spec filter 4.19)."""
        pairs = zip(messages, copy.controls(), strict=True)
        found = [with_changes(message, control) for message, control in pairs]
        return self._with_body(copy, found) if copy.is_changed else found

    def _with_body(self, copy: MessageCopy, messages: list[NewMessage]) -> list[NewMessage]:
        """The messages with the copy's body; the flags of the old one say nothing about it."""
        body = self.queue.new_body()
        eight_bit = eight_bit_header = False
        try:
            for number, chunk in enumerate(copy.body()):
                if not number:  # a header is shorter than a chunk
                    eight_bit_header = not chunk.partition(b"\n\n")[0].isascii()
                eight_bit = eight_bit or not chunk.isascii()
                body.write(chunk)
        except BaseException:
            body.discard()
            raise
        return [
            attrs.evolve(
                message,
                body=body,
                envelope=attrs.evolve(
                    message.envelope,
                    eight_bit=eight_bit,
                    smtputf8=message.envelope.smtputf8 or eight_bit_header,
                ),
            )
            for message in messages
        ]


def _options(origin: Origin) -> list[str]:
    """The saved environment (spec filter 3.8)."""
    options = ["RELAYCLIENT="] if origin.may_relay else []
    if origin.client_ip:
        options += [f"TCPREMOTEIP={origin.client_ip}", "TCPREMOTEHOST="]
    return options
