"""A whole mail system in one directory, for tests: configuration, accounts, processes, mailboxes.

    with reachable_directory() as root:
        site = MailSite.make(root, accounts=("alice", "bob"))
        with site.running():
            site.send("hello", to="alice@example.test")
            site.wait(lambda: site.messages("alice"), "alice's message")

Everything is done as a person would do it: by the installed commands and over sockets.  Processes
are waited for and killed by their own pid.  As root the mailboxes belong to `OWNER`, which needs
no passwd entry; `run_as` starts the system itself as such a user.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import attrs

from couriermail.maildir import Maildir
from couriermail.mta import load_config
from couriermail.mta.queuelist import list_queue
from couriermail.queue import Summary

__all__ = ["OWNER", "MailSite", "reachable_directory", "user_python", "wait_for"]

OWNER = 54321  # uid and gid of the mailboxes when the tests run as root
DEADLINE = 45.0  # seconds; generous, the machine may be busy
POLL = 0.02

_T = TypeVar("_T")


def wait_for(condition: Callable[[], _T], what: str, seconds: float = DEADLINE) -> _T:
    """Poll until the condition is true and return its value.

    Raises:
        AssertionError: it did not become true in time.
    """
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(POLL)
    return value


@contextlib.contextmanager
def reachable_directory() -> Iterator[Path]:
    """A temporary directory that other uids reach: pytest's own is private to its user."""
    with tempfile.TemporaryDirectory(prefix="couriermail-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def user_python() -> tuple[str, dict[str, str]] | None:
    """An interpreter that an ordinary user can run, and the environment that it needs.

    The one that runs the tests may lie in root's home; the system's own of the same version
    then serves as well.  None when there is none.
    """
    paths = [path for path in sys.path if path and os.path.isdir(path)]
    ours = [path for path in paths if "site-packages" in path or path.endswith("/src")]
    version = f"python3.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        real = os.path.realpath(python)
        if os.access(real, os.X_OK) and all(map(_is_open_to_all, (real, *ours))):
            return real, {"PYTHONPATH": os.pathsep.join(ours)}
    return None


def _is_open_to_all(path: str) -> bool:
    parents = [path, *map(str, Path(path).parents)]
    return all(os.stat(item).st_mode & 0o005 == 0o005 for item in parents)


@attrs.define(eq=False)
class MailSite:
    """One configuration directory, its accounts and, while it runs, its processes.

    Attributes:
        root: holds `etc`, `home` and the log.
        uid: owner of the mailboxes.
        run_as: uid that starts the system; None for the tests' own.
        process: the supervisor, None while the system is down.
        state_path: the state directory, if `couriermail.toml` names one.
    """

    root: Path
    uid: int
    run_as: int | None = None
    process: subprocess.Popen[bytes] | None = None
    state_path: Path | None = None
    _ready_seen: int = attrs.field(default=0, init=False)

    @classmethod
    def make(
        cls,
        root: Path,
        *,
        accounts: Sequence[str] = ("alice", "bob"),
        files: Mapping[str, str] | None = None,
        run_as: int | None = None,
    ) -> MailSite:
        """Write the configuration; `files` adds to it or replaces files of it."""
        uid = run_as or (OWNER if os.geteuid() == 0 else os.getuid())
        site = cls(root, uid, run_as)
        site.config.mkdir(parents=True)
        userdb = "".join(
            f"{name}\tuid={uid}|gid={uid if os.geteuid() == 0 else os.getgid()}"
            f"|home={site.home(name)}\n"
            for name in accounts
        )
        for name, text in {**CONFIGURATION, "userdb": userdb, **(files or {})}.items():
            site.write_config(name, text)
        (site.config / "userdb").chmod(0o600)
        for name in accounts:
            site.home(name).mkdir(parents=True)
            Maildir.create(str(site.home(name) / "Maildir"))
        site.give_away()
        return site

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return self.root / "etc"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.state_path or self.config / "state"

    @property
    def log(self) -> Path:
        """The log of all processes."""
        return self.root / "courier.log"

    @property
    def output(self) -> Path:
        """Standard output and error of the supervisor."""
        return self.root / "courier.out"

    def home(self, account: str) -> Path:
        """An account's home directory."""
        return self.root / "home" / account

    def write_config(self, name: str, text: str) -> None:
        """Write one file of the configuration directory."""
        path = self.config / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def instructions(self, account: str, text: str, extension: str = "") -> None:
        """Write an account's dot-courier file."""
        path = self.home(account) / f".courier{extension}"
        path.write_text(text)
        self.give_away()

    def give_away(self) -> None:
        """As root: the homes belong to the accounts, and all to the user that starts it."""
        if os.geteuid() != 0:
            return
        top = self.root if self.run_as is not None else self.root / "home"
        for path in (top, *top.rglob("*")):
            if path != self.root / "home" or self.run_as is not None:
                os.chown(path, self.uid, self.uid)

    # Commands

    def argv(self, program: str, *arguments: str) -> list[str]:
        """A command line for one of our programs on this configuration."""
        rest = ["-C", str(self.config), *arguments]
        found = user_python() if self.run_as is not None else None
        if found is not None:
            module = "couriermail.cli." + program
            return [found[0], "-c", f"from {module} import main; main()", *rest]
        return [str(Path(sys.executable).parent / program), *rest]

    def environment(self) -> dict[str, str]:
        """A small environment, the same for everything that is started."""
        found = user_python() if self.run_as is not None else None
        return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **(found[1] if found else {})}

    def command(
        self,
        program: str,
        *arguments: str,
        input: bytes = b"",
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run one of our programs to its end."""
        done = subprocess.run(
            self.argv(program, *arguments),
            input=input,
            capture_output=True,
            check=False,
            timeout=DEADLINE,
            env=self.environment() if env is None else dict(env),
            cwd="/",
            user=self.run_as,
            group=self.run_as,
            extra_groups=[] if self.run_as is not None else None,
        )
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def sendmail(
        self, *arguments: str, message: bytes, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `sendmail` with a message on standard input."""
        return self.command("sendmail", *arguments, input=message, env=env)

    # Processes

    def start(self, *options: str, program: str = "courier") -> None:
        """`courier start -f` as a child of ours; returns when SMTP answers."""
        assert self.process is None, "it runs already"
        words = ("start", "-f") if program == "courier" else ()
        with self.output.open("ab") as output:
            self._ready_seen = self._times_ready()
            self.process = subprocess.Popen(
                self.argv(program, *words, "--log", str(self.log), *options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment(),
                cwd="/",
                user=self.run_as,
                group=self.run_as,
                extra_groups=[] if self.run_as is not None else None,
            )
        if self.run_as is not None and os.geteuid() == 0:
            os.chown(self.output, self.run_as, self.run_as)
        wait_for(self._is_ready, f"a running mail system:\n{self.everything_said()}")

    def _times_ready(self) -> int:
        return self.output.read_bytes().count(b"SMTP on ") if self.output.exists() else 0

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"it ended at its start:\n{self.everything_said()}")
        return self._times_ready() > self._ready_seen

    @contextlib.contextmanager
    def running(self, *options: str) -> Iterator[MailSite]:
        """Start, and stop at the end whatever happens."""
        try:
            self.start(*options)
            yield self
        finally:
            self.stop()

    def stop(self) -> None:
        """SIGTERM to the supervisor, then wait; nothing if it is down."""
        if self.process is None:
            return
        process, self.process = self.process, None
        children = self.pids() if process.poll() is None else {}
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            for pid in children.values():
                kill(pid)
            raise AssertionError(f"it did not stop:\n{self.everything_said()}") from None

    def crash(self) -> None:
        """SIGKILL to every process at once, as a power failure would, disk caches aside."""
        assert self.process is not None
        kill(self.process.pid)  # first, so that it starts nothing behind our back
        self.process.wait()
        victims = [*self.pids().values(), *self.agents()]
        for pid in victims:
            kill(pid)
        self.process = None
        for pid in victims:
            wait_for_end(pid)

    def kill_supervisor(self) -> None:
        """SIGKILL to the supervisor alone; its services end by themselves."""
        assert self.process is not None
        services = self.pids()
        self.process.kill()
        self.process.wait()
        self.process = None
        for pid in services.values():
            wait_for_end(pid)

    def status(self) -> dict[str, object]:
        """What the supervisor wrote about itself; empty while it is down."""
        try:
            found = json.loads((self.state / "run" / "courier.json").read_bytes())
        except (OSError, ValueError):
            return {}
        assert isinstance(found, dict)
        return found

    def pids(self) -> dict[str, int]:
        """The services' pids by name."""
        services = self.status().get("services", {})
        assert isinstance(services, dict)
        return {str(name): int(pid) for name, pid in services.items()}

    def agents(self) -> list[int]:
        """The delivery agents' pids."""
        pid = self.pids().get("courierlocal", 0)
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return [int(word) for word in text.split()]

    # Mail

    @property
    def port(self) -> int:
        """Where the SMTP server listens now; 0 while it is down."""
        ports = re.findall(rb"SMTP on \S+:(\d+)", self.output.read_bytes())
        return int(ports[-1]) if ports else 0

    def smtp(self) -> smtplib.SMTP:
        """A client that has said EHLO."""
        client = smtplib.SMTP("127.0.0.1", self.port, "client.example.test", timeout=DEADLINE)
        client.ehlo()
        return client

    def raw(self) -> socket.socket:
        """A bare connection to the SMTP port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def send(
        self,
        subject: str,
        *,
        to: str | Sequence[str] = "alice@example.test",
        sender: str = "bob@example.test",
        body: str = "text",
        headers: str = "",
    ) -> None:
        """Send one message by SMTP."""
        text = f"From: {sender}\r\nSubject: {subject}\r\n{headers}\r\n{body}\r\n"
        recipients = [to] if isinstance(to, str) else list(to)
        with self.smtp() as client:
            refused = client.sendmail(sender, recipients, text.encode())
        assert not refused

    def messages(self, account: str, folder: str = "") -> list[bytes]:
        """Every message in a mailbox (or one of its folders), oldest first."""
        box = self.home(account) / "Maildir" / folder
        paths = sorted(box.glob("new/*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in paths]

    def first_message(self, account: str, folder: str = "") -> bytes:
        """Wait for a mailbox's first message."""
        return self.wait(lambda: self.messages(account, folder), f"mail for {account}")[0]

    def queued(self) -> list[Summary]:
        """What is in the queue now."""
        if not (self.state / "queue").is_dir():
            return []
        return list(list_queue(load_config(str(self.config))))

    def wait_empty(self, seconds: float = DEADLINE) -> None:
        """Wait until the queue is empty."""
        self.wait(lambda: not self.queued(), "an empty queue", seconds)

    def wait(self, condition: Callable[[], _T], what: str, seconds: float = DEADLINE) -> _T:
        """`wait_for`, with the log in the complaint."""
        try:
            return wait_for(condition, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.everything_said()}") from None

    def log_text(self) -> str:
        """The log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def assert_no_traceback(self) -> None:
        """Nothing in the log is a traceback: it would be a bug, whatever caused it."""
        before, mark, after = self.log_text().partition("Traceback")
        assert not mark, f"{before[-300:]}{mark}{after[:3000]}"

    def everything_said(self) -> str:
        """Output and the end of the log, for complaints."""
        said = self.output.read_text(errors="replace") if self.output.exists() else ""
        return f"--- output\n{said[-3000:]}--- log\n{self.log_text()[-3000:]}"


def kill(pid: int) -> None:
    """SIGKILL, if it still lives."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_end(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    wait_for(lambda: not is_alive(pid), f"the end of process {pid}")


def is_alive(pid: int) -> bool:
    """True while a process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


CONFIGURATION = {
    "me": "mx.example.test\n",
    "defaultdomain": "example.test\n",
    "locals": "localhost\nexample.test\nmx.example.test\n",
    "esmtpacceptmailfor": "example.test\nmx.example.test\n",
    "esmtpd": "ADDRESS=127.0.0.1\nPORT=0\nMAXPERIP=60\nMAXDAEMONS=60\n",
    "retryalpha": "1\n",
    "retrygamma": "1\n",
    "retrymaxdelta": "1\n",
    "couriermail.toml": "[queue]\nmin_free = 1048576\n",
}
