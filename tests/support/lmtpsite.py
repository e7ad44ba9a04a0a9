"""An LMTP delivery agent in one directory, for tests: accounts, recipes, processes, a client.

site = LmtpSite.make(root, {"alice": uid})
with site.running():
    assert site.send("alice@example.test")[0].startswith("250 ")
"""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import attrs
from tests.support.mailsite import user_python, wait_for

from couriermail.maildir import Maildir

__all__ = ["LmtpClient", "LmtpSite", "children_of"]

PROGRAM = "from couriermail.cli.lmtpd import main; main()"
SECONDS = 30.0


class LmtpClient(smtplib.LMTP):
    """The standard library's client, which reads only one reply after a message by itself."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the session; a server that stops may have said 421 before our QUIT."""
        with contextlib.suppress(smtplib.SMTPResponseException):
            super().__exit__(exc_type, exc, traceback)

    def deliver(self, message: bytes, *recipients: str, sender: str = "s@example.org") -> list[str]:
        """Send one message; the final reply of each recipient, as `CODE TEXT`.

        A recipient that was refused at RCPT has that reply.
        """
        self.ehlo_or_helo_if_needed()
        self.mail(sender)
        answers = [self.rcpt(recipient) for recipient in recipients]
        accepted = sum(code == 250 for code, _ in answers)
        refused = self.docmd("DATA")
        if refused[0] == 354:
            self.send(message.replace(b"\n", b"\r\n") + b".\r\n")
            after = iter([self.getreply() for _ in range(accepted)])
        else:
            after = iter([refused] * accepted)
        answers = [next(after) if code == 250 else (code, text) for code, text in answers]
        return [f"{code} {text.decode()}" for code, text in answers]


@attrs.define(eq=False)
class LmtpSite:
    """One configuration directory, its accounts and, while it runs, its processes.

    Attributes:
        root: holds everything.
        accounts: uid by name.
        process: the supervisor, or None.
    """

    root: Path
    accounts: Mapping[str, int]
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def make(cls, root: Path, accounts: Mapping[str, int], **files: str) -> LmtpSite:
        """Write configuration, homes and mailboxes; `files` are control files."""
        site = cls(root, accounts)
        site.config.mkdir(parents=True)
        lines = []
        for name, uid in accounts.items():
            gid = uid if os.geteuid() == 0 else os.getgid()
            lines.append(f"{name}\tuid={uid}|gid={gid}|home={site.home(name)}\n")
            site.home(name).mkdir(parents=True)
            Maildir.create(site.home(name) / "Maildir")
            site.give_away(name)
        for name, text in {"me": "mx.example.test\n", "userdb": "".join(lines), **files}.items():
            (site.config / name).write_text(text)
        (site.config / "userdb").chmod(0o600)
        return site

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return self.root / "etc"

    @property
    def socket(self) -> Path:
        """The LMTP socket."""
        return self.root / "lmtp.sock"

    @property
    def log(self) -> Path:
        """The log, with everything that the processes wrote on standard error."""
        return self.root / "lmtpd.log"

    def home(self, account: str) -> Path:
        """An account's home directory."""
        return self.root / "home" / account

    def give_away(self, account: str) -> None:
        """As root: a home and all in it belong to its account."""
        if os.geteuid() == 0:
            uid = self.accounts[account]
            for path in (self.home(account), *self.home(account).rglob("*")):
                os.chown(path, uid, uid)

    def recipe(self, account: str, text: str) -> None:
        """Replace an account's `.mailfilter`, as an editor does."""
        new = self.home(account) / ".mailfilter.new"
        new.write_text(text)
        new.chmod(0o600)
        new.rename(self.home(account) / ".mailfilter")
        self.give_away(account)

    def messages(self, account: str, folder: str = "Maildir") -> list[bytes]:
        """Every message of a maildir, in no order."""
        return [path.read_bytes() for path in (self.home(account) / folder / "new").iterdir()]

    def start(self, *options: str) -> None:
        """Start the daemon and wait until it answers on its unix socket."""
        python, libraries = user_python() or (sys.executable, {})
        place = ("-C", str(self.config), "--unix", str(self.socket))
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [python, "-c", PROGRAM, *place, *options],
                stderr=log,
                env={**os.environ, **libraries},
            )
        process = self.process
        ready = f"LMTP on unix:{self.socket}"

        def answers() -> bool:
            assert process.poll() is None, self.log.read_text()
            return self.log.read_text().count(ready) > 0

        wait_for(answers, ready)

    def stop(self) -> int:
        """SIGTERM, then wait; the exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        process.terminate()
        return process.wait(timeout=SECONDS)

    def crash(self) -> None:
        """SIGKILL to every process, as a power failure would, disk caches aside."""
        process, self.process = self.process, None
        assert process is not None
        others = self._pids(process.pid)
        process.kill()
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others), "their end")

    @contextlib.contextmanager
    def running(self, *options: str) -> Iterator[LmtpSite]:
        """Start, and stop at the end whatever happens."""
        self.start(*options)
        try:
            yield self
        finally:
            self.stop()

    def agents(self) -> list[int]:
        """The pids of the delivery agents."""
        assert self.process is not None
        services = children_of(self.process.pid)
        return [pid for service in services for pid in children_of(service)]

    def kill_agents(self) -> None:
        """SIGKILL to every delivery agent that has begun."""
        for pid in wait_for(self.agents, "a delivery agent"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def client(self) -> LmtpClient:
        """A client on the unix socket; a context manager."""
        return LmtpClient(str(self.socket), timeout=SECONDS)

    def send(self, *recipients: str, message: bytes = b"Subject: hi\n\nbody\n") -> list[str]:
        """Send one message over a connection of its own; the reply for each recipient."""
        with self.client() as client:
            return client.deliver(message, *recipients)

    def wait_for_log(self, text: str) -> None:
        """Until a text is in the log."""
        wait_for(lambda: text in self.log.read_text(), f"{text!r} in the log")

    def _pids(self, pid: int) -> Sequence[int]:
        direct = children_of(pid)
        return [*direct, *(inner for child in direct for inner in self._pids(child))]


def children_of(pid: int) -> list[int]:
    """The pids of a process's children; none when it has ended."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]
