"""Many marked messages through a mail system that is being killed, and the account of them.

Every *attempt* to send has a mark of its own, `NUMBER.ATTEMPT`.  An attempt is acknowledged by
`250` or by sendmail's exit code 0; a number without an acknowledged attempt is sent again.  So
an acknowledged mark must arrive at least once, and a mark that arrives twice was doubled by the
mail system and by nobody else.
"""

from __future__ import annotations

import re
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterable

import attrs
from tests.support.mailsite import MailSite

__all__ = ["Account", "Traffic"]

MARK = re.compile(rb"^X-Mark: (\d+\.\d+)$", re.MULTILINE)
LARGE = 70_000  # octets: beyond the queue's `inline_max`, so that the body becomes a file
PAUSE = 0.05  # seconds before an attempt is repeated


@attrs.frozen(kw_only=True)
class Account:
    """What became of the traffic.

    Attributes:
        acknowledged: attempts that the system took.
        repeated: attempts beyond the first of each number.
        lost: acknowledged marks that did not arrive.
        broken: marks that arrived with another text than was sent.
        doubled: copies beyond the first of each mark.
        recorded_twice: deliveries that were recorded as done and then done again.
    """

    acknowledged: int
    repeated: int
    lost: tuple[str, ...]
    broken: tuple[str, ...]
    doubled: int
    recorded_twice: tuple[str, ...]


@attrs.define(eq=False)
class Traffic:
    """Sends messages number 0 to `count` - 1 until each has been acknowledged.

    Attributes:
        site: the mail system.
        count: messages.
        sessions: SMTP connections at once.
        by_command: how many of the messages go in by `sendmail`.
        accounts: recipients, in turn.
        seconds: after this the senders give up.
        last_error: why the last failed attempt failed.
    """

    site: MailSite
    count: int
    sessions: int = 6
    by_command: int = 20
    accounts: tuple[str, ...] = ("alice", "bob")
    seconds: float = 90.0
    last_error: str = attrs.field(default="", init=False)
    _acknowledged: set[str] = attrs.field(factory=set, init=False)
    _attempts: Counter[int] = attrs.field(factory=Counter, init=False)
    _lock: threading.Lock = attrs.field(factory=threading.Lock, init=False)
    _threads: list[threading.Thread] = attrs.field(factory=list, init=False)
    _end: float = attrs.field(default=0.0, init=False)

    def start(self) -> None:
        """Begin to send, in threads."""
        self._end = time.monotonic() + self.seconds
        shares = [
            range(self.by_command + start, self.count, self.sessions)
            for start in range(self.sessions)
        ]
        self._threads = [
            threading.Thread(target=self._send_by_smtp, args=(share,)) for share in shares
        ]
        if self.by_command:
            numbers = range(self.by_command)
            self._threads.append(threading.Thread(target=self._send_by_command, args=(numbers,)))
        for thread in self._threads:
            thread.start()

    @property
    def is_done(self) -> bool:
        """True when every sender has ended."""
        return not any(thread.is_alive() for thread in self._threads)

    def has_acknowledged(self, number: float) -> bool:
        """True when that many attempts have been acknowledged."""
        return len(self._acknowledged) >= number

    def join(self) -> None:
        """Wait until every sender has ended.

        Raises:
            AssertionError: not every number was acknowledged in time.
        """
        for thread in self._threads:
            thread.join()
        missing = self.count - len(self._acknowledged)
        said = self.site.everything_said()
        assert missing == 0, f"{missing} never acknowledged, {self.last_error}\n{said}"

    def account(self) -> Account:
        """Compare what was acknowledged with what lies in the mailboxes."""
        copies: Counter[str] = Counter()
        broken = []
        for name in self.accounts:
            for message in self.site.messages(name):
                found = MARK.search(message)
                mark = found[1].decode() if found else "?"
                copies[mark] += 1
                if not message.endswith(text_of(mark)):
                    broken.append(mark)
        successes = Counter(
            re.findall(r"id=(\S+?),from=\S*,addr=(\S+?),.*success: ", self.site.log_text())
        )
        return Account(
            acknowledged=len(self._acknowledged),
            repeated=sum(self._attempts.values()) - len(self._attempts),
            lost=tuple(sorted(self._acknowledged - set(copies))),
            broken=tuple(broken),
            doubled=sum(count - 1 for count in copies.values()),
            recorded_twice=tuple(" ".join(key) for key, times in successes.items() if times > 1),
        )

    def _send_by_smtp(self, numbers: Iterable[int]) -> None:
        client: smtplib.SMTP | None = None
        for number in numbers:
            while time.monotonic() < self._end:
                mark = self._next_mark(number)
                try:
                    if client is None:
                        client = self.site.smtp()
                    wire = letter(mark).replace(b"\n", b"\r\n")
                    client.sendmail("s@example.test", [self._recipient(number)], wire)
                except (OSError, smtplib.SMTPException) as error:
                    self.last_error = repr(error)[:200]
                    if client is not None:
                        client.close()
                    client = None
                    time.sleep(PAUSE)
                else:
                    self._acknowledge(mark)
                    break
        if client is not None:
            client.close()

    def _send_by_command(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            while time.monotonic() < self._end:
                mark = self._next_mark(number)
                done = self.site.sendmail(
                    "-f", "s@example.test", self._recipient(number), message=letter(mark)
                )
                if done.returncode == 0:
                    self._acknowledge(mark)
                    break
                assert done.returncode == 75, done
                time.sleep(PAUSE)

    def _next_mark(self, number: int) -> str:
        with self._lock:
            self._attempts[number] += 1
            return f"{number}.{self._attempts[number]}"

    def _acknowledge(self, mark: str) -> None:
        with self._lock:
            self._acknowledged.add(mark)

    def _recipient(self, number: int) -> str:
        return f"{self.accounts[number % len(self.accounts)]}@example.test"


def text_of(mark: str) -> bytes:
    """The body that belongs to a mark; every twentieth is large."""
    line = f"this is {mark}\n".encode()
    is_large = mark.partition(".")[0].endswith("7") and mark.partition(".")[0][-2:] in ("07", "57")
    return line * (LARGE // len(line) if is_large else 3)


def letter(mark: str) -> bytes:
    """The message that belongs to a mark."""
    return f"From: s@example.test\nX-Mark: {mark}\n\n".encode() + text_of(mark)
