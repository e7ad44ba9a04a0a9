"""Delivery agents over a real socket: the courierlocal process is forked for each test."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from couriermail.core import FaultPlan, install_faults
from couriermail.maildir import Maildir
from couriermail.mta.local import (
    AgentClient,
    AgentLost,
    AgentRefused,
    AgentSettings,
    LocalJob,
    LocalResult,
    serve_agents,
)
from couriermail.mta.local.preload import preload
from couriermail.mta.local.wire import encode_record

BODY = b"Subject: hello\n\nbody\n"
ALICE, BOB = 54321, 54322  # uids that need no passwd entry
OTHER = 54323


@attrs.define
class Courierlocal:
    """A running courierlocal process."""

    path: str
    pid: int
    stop_pipe: int

    def connect(self, uid: int, gid: int | None = None) -> AgentClient:
        return AgentClient.connect(
            self.path, uid=uid, gid=uid if gid is None else gid, timeout=20.0
        )

    def ask_to_end(self) -> None:
        os.write(self.stop_pipe, b"x")

    def stop(self) -> int:
        """Have it end; its exit status."""
        self.ask_to_end()
        return self.wait()

    def wait(self) -> int:
        """Until it has ended; its exit status."""
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        os.close(self.stop_pipe)
        return os.waitstatus_to_exitcode(status)


Start = Callable[..., Courierlocal]


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """As root: a directory that other uids reach.

    pytest makes the directories above its own ones private again whenever a run starts.
    """
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="couriermail-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts courierlocal processes; with `uid=` as another user, with `faults=` planned."""
    running: list[Courierlocal] = []

    def run(
        settings: AgentSettings | None = None, *, uid: int = 0, faults: str = ""
    ) -> Courierlocal:
        path = str(tmp_path / f"local{len(running)}.sock")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
        os.chmod(path, 0o666)
        listener.listen()
        stop_read, stop_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(stop_write)
                if uid:
                    preload()  # the interpreter may lie where only root can read
                    os.setgroups([])
                    os.setresgid(uid, uid, uid)
                    os.setresuid(uid, uid, uid)
                if faults:
                    install_faults([FaultPlan.from_text(faults)])
                serve_agents(listener, settings or AgentSettings(), stop=stop_read)
                status = 0
            finally:
                os._exit(status)
        listener.close()
        os.close(stop_read)
        process = Courierlocal(path, pid, stop_write)
        running.append(process)
        return process

    yield run
    for process in running:
        if process.pid:
            process.stop()


def make_home(path: Path, uid: int) -> Path:
    path.mkdir(mode=0o700)
    Maildir.create(path / "Maildir")
    if os.geteuid() == 0:
        for place in (path, *path.rglob("*")):
            os.chown(place, uid, uid)
    return path


def make_job(home: Path, key: int = 1, body: bytes | int = BODY) -> LocalJob:
    return LocalJob(
        key=key,
        recipient="rcpt@example.com",
        sender="sender@example.org",
        user="rcpt",
        home=str(home),
        size=len(BODY),
        body=body,
    )


def write_courier(home: Path, text: str) -> None:
    (home / ".courier").write_text(text)


def new_messages(home: Path) -> list[Path]:
    return list((home / "Maildir" / "new").iterdir())


def plain_uid() -> int:
    """Whom the agents of the unprivileged tests deliver for: us, but never root."""
    return os.geteuid() or ALICE


def test_a_batch_comes_back_in_the_order_of_its_jobs(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    other = make_home(tmp_path / "other", plain_uid())
    write_courier(other, "| cat\na@b\n")
    with local.connect(plain_uid()) as client:
        results = client.deliver([make_job(other, 7), make_job(home, 3), make_job(home, 5)])

    assert [result.key for result in results] == [7, 3, 5]
    assert {result.kind for result in results} == {"success"}
    assert results[0] == LocalResult(
        key=7,
        kind="success",
        lines=("Subject: hello", "body", "Message delivered."),
        forwards=("a@b",),
        enhanced="2.1.5",
    )
    assert len(new_messages(home)) == 2


def test_large_bodies_travel_as_descriptors_between_inline_ones(
    start: Start, tmp_path: Path
) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    write_courier(home, "|wc -c\n")
    files = []
    jobs = []
    for key in range(12):
        body: bytes | int = b"x" * (key + 1)
        if key % 3:
            (tmp_path / f"body{key}").write_bytes(b"x" * (100_000 + key))
            files.append((tmp_path / f"body{key}").open("rb"))
            body = files[-1].fileno()
        jobs.append(make_job(home, key, body))
    with local.connect(plain_uid()) as client:
        results = client.deliver(jobs)
    for file in files:
        file.close()

    assert [int(result.lines[0]) for result in results] == [
        100_000 + key if key % 3 else key + 1 for key in range(12)
    ]


def test_a_body_too_large_for_a_record_is_sent_as_a_file(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    write_courier(home, "|wc -c\n")
    with local.connect(plain_uid()) as client:
        [result] = client.deliver([make_job(home, body=b"x" * (17 * 1024 * 1024))])

    assert result.lines[0] == str(17 * 1024 * 1024)


def test_an_idle_agent_is_replaced_without_a_word(start: Start, tmp_path: Path) -> None:
    local = start(AgentSettings(idle_timeout=0.05))
    home = make_home(tmp_path / "home", plain_uid())
    with local.connect(plain_uid()) as client:
        first = client.deliver([make_job(home)])
        wait_until(lambda: not children_of(local.pid))
        second = client.deliver([make_job(home)])

    assert [result.kind for result in first + second] == ["success", "success"]


def test_a_killed_agent_is_lost_with_what_it_had_answered(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    killer = make_home(tmp_path / "killer", plain_uid())
    write_courier(killer, "| kill -9 $PPID\n")
    with local.connect(plain_uid()) as bystander, local.connect(plain_uid()) as client:
        with pytest.raises(AgentLost) as lost:
            client.deliver([make_job(killer, 1), make_job(home, 2)])

        assert [result.key for result in lost.value.results] == [2]
        assert lost.value.is_temporary
        assert bystander.deliver([make_job(home, 3)])[0].kind == "success"
        assert client.deliver([make_job(home, 4)])[0].kind == "success"
    assert local.stop() == 0


@pytest.mark.parametrize(
    ("point", "stored"),
    [
        ("local.before-deliver", 0),
        ("maildir.tmp-written", 0),
        ("maildir.before-rename", 0),
        ("maildir.after-directory-sync", 1),
        ("local.before-reply", 1),
    ],
)
def test_wherever_an_agent_dies_nothing_acknowledged_is_lost(
    start: Start, tmp_path: Path, point: str, stored: int
) -> None:
    local = start(faults=point)
    home = make_home(tmp_path / "home", plain_uid())
    with local.connect(plain_uid()) as client, pytest.raises(AgentLost) as lost:
        client.deliver([make_job(home)])

    assert lost.value.results == ()
    assert len(new_messages(home)) == stored
    assert local.stop() == 0


HOSTILE = {
    "kills its process group": "| kill -9 0\n",
    "kills its process group softly": "| kill 0\n",
    "closes everything": "| exec 0<&- 1>&- 2>&-; exit 75\n",
    "closes what it cannot see": '| for n in 3 4 5 6 7 8 9; do eval "exec $n<&-; exec $n>&-"; done; exit 1\n',
    "writes without end": "| yes | head -c 3000000; exit 75\n",
    "generates without end": "|| yes\n",
    "removes its home": '| rm -rf "$HOME"; exit 75\n',
    "answers in our protocol": "| printf '\\0\\0\\0\\2\\0\\0\\0\\0{}' >&2; exit 75\n",
    "generates octets": "|| head -c 4000 /dev/urandom; exit 75\n",
    "hangs": "| sleep 100\n",
    "stops itself": "| kill -STOP $$\n",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_command_concerns_nobody_else(start: Start, tmp_path: Path, case: str) -> None:
    local = start(AgentSettings(localtimeout=0.5, kill_after=0.2))
    home = make_home(tmp_path / "home", plain_uid())
    hostile = make_home(tmp_path / "hostile", plain_uid())
    write_courier(hostile, HOSTILE[case])
    with local.connect(plain_uid()) as client:
        results = client.deliver([make_job(home, 1), make_job(hostile, 2), make_job(home, 3)])
        again = client.deliver([make_job(home, 4)])

    assert [result.kind for result in results + again] == [
        "success", "deferral", "success", "success",
    ]  # fmt: skip


def test_uid_0_is_refused(start: Start) -> None:
    local = start()
    with pytest.raises(AgentRefused, match="never delivered as root"):
        local.connect(0)


def test_octets_that_are_no_records_end_only_their_agent(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    for octets in (
        b"\xff" * 100,
        encode_record({"hello": 1}),
        encode_record({"hello": 2, "uid": 1, "gid": 1}),
    ):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(local.path)
            stranger.sendall(octets)
            stranger.settimeout(20)
            while stranger.recv(1000):
                pass
    with local.connect(plain_uid()) as client:
        assert client.deliver([make_job(home)])[0].kind == "success"


def test_a_scheduler_that_dies_leaves_no_agent_behind(start: Start, tmp_path: Path) -> None:
    local = start()
    client = local.connect(plain_uid())
    assert len(children_of(local.pid)) == 1
    client.close()

    wait_until(lambda: not children_of(local.pid))


def test_stopping_lets_a_running_batch_end(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    write_courier(home, "| touch began; until test -e go; do sleep 0.02; done\n./Maildir/\n")
    with local.connect(plain_uid()) as busy, local.connect(plain_uid()) as idle:
        pid = os.fork()
        if pid == 0:
            try:
                result = busy.deliver([make_job(home)])
                (tmp_path / "kind").write_text(result[0].kind)
            finally:
                os._exit(0)
        wait_until((home / "began").exists)
        local.ask_to_end()
        wait_until(lambda: len(children_of(local.pid)) == 1)  # the idle one has gone
        (home / "go").touch()
        os.waitpid(pid, 0)
        assert local.wait() == 0
        assert (tmp_path / "kind").read_text() == "success"
        with pytest.raises(AgentLost):
            idle.deliver([make_job(home)])


def test_stopping_ends_a_command_that_outlasts_the_grace(start: Start, tmp_path: Path) -> None:
    local = start(AgentSettings(stop_grace=0.1, kill_after=0.2))
    home = make_home(tmp_path / "home", plain_uid())
    waiting = make_home(tmp_path / "waiting", plain_uid())
    write_courier(home, "./Maildir/\n| touch began; trap '' TERM; sleep 60; sleep 60\n")
    write_courier(waiting, "./Maildir/\n| touch began\n")
    with ThreadPoolExecutor(1) as thread, local.connect(plain_uid()) as client:
        answer = thread.submit(client.deliver, [make_job(home, 1), make_job(waiting, 2)])
        wait_until((home / "began").exists)
        local.ask_to_end()
        results = answer.result(timeout=20)

    assert {result.kind for result in results} == {"deferral"}
    assert {result.lines for result in results} == {("Local delivery was interrupted.",)}
    assert results[0].ledger
    assert not (waiting / "began").exists()
    assert local.wait() == 0


def test_a_command_ends_when_its_scheduler_has_gone(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    waiting = make_home(tmp_path / "waiting", plain_uid())
    write_courier(home, "| touch began; sleep 60\n")
    write_courier(waiting, "| touch began\n")
    with local.connect(plain_uid()) as client:
        client.timeout = 0.3
        with pytest.raises(AgentLost):
            client.deliver([make_job(home, 1), make_job(waiting, 2)])

    wait_until(lambda: not children_of(local.pid))
    assert not (waiting / "began").exists()


def test_nobody_listening_is_a_lost_agent(tmp_path: Path) -> None:
    with pytest.raises(AgentLost):
        AgentClient.connect(str(tmp_path / "none"), uid=ALICE, gid=ALICE, timeout=1.0)


def test_an_agent_that_says_nothing_counts_as_lost(start: Start, tmp_path: Path) -> None:
    local = start()
    home = make_home(tmp_path / "home", plain_uid())
    write_courier(home, "| sleep 5\n")
    with local.connect(plain_uid()) as client:
        client.timeout = 0.3
        with pytest.raises(AgentLost):
            client.deliver([make_job(home)])


@pytest.mark.root
def test_each_user_gets_mail_with_exactly_its_identity(start: Start, tmp_path: Path) -> None:
    local = start()
    for uid in (ALICE, BOB):
        home = make_home(tmp_path / str(uid), uid)
        write_courier(home, "./Maildir/\n| id -u; id -g; id -G; umask; pwd\n")
        with local.connect(uid, uid + 1000) as client:
            [result] = client.deliver([make_job(home)])

        group = str(uid + 1000)
        assert result.lines == (str(uid), group, group, "0077", str(home), "Message delivered.")
        [message] = new_messages(home)
        facts = message.stat()
        assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o777) == (uid, uid + 1000, 0o600)


@pytest.mark.root
def test_a_user_cannot_reach_what_belongs_to_others(start: Start, tmp_path: Path) -> None:
    local = start()
    alice, bob = make_home(tmp_path / "alice", ALICE), make_home(tmp_path / "bob", BOB)
    queue = tmp_path / "queue"
    queue.mkdir(mode=0o700)
    (queue / "body").write_bytes(BODY)
    (queue / "body").chmod(0o600)
    write_courier(alice, "./Maildir/\n")
    write_courier(
        bob,
        f"| cat {queue}/body; cat {alice}/Maildir/new/*; ls /proc/$PPID/fd; kill -0 1;"
        " cat /proc/self/fd/0 >/dev/null; echo x >/proc/self/fd/0; exit 99\n",
    )
    with (queue / "body").open("rb") as file:
        with local.connect(ALICE) as client:
            assert client.deliver([make_job(alice, 1, file.fileno())])[0].kind == "success"
        with local.connect(BOB) as client:
            [result] = client.deliver([make_job(bob, 2, file.fileno())])

    assert len(new_messages(alice)) == 1
    said = "\n".join(result.lines)
    assert "body" not in said.replace("queue/body", "")
    assert said.count("ermission denied") + said.count("not permitted") >= 4
    assert (queue / "body").read_bytes() == BODY


@pytest.mark.root
def test_an_unprivileged_process_serves_only_itself(start: Start, tmp_path: Path) -> None:
    local = start(uid=ALICE)
    home = make_home(tmp_path / "alice", ALICE)
    with local.connect(ALICE) as client:
        assert client.deliver([make_job(home)])[0].kind == "success"
    with pytest.raises(AgentRefused, match="one user only") as refused:
        local.connect(BOB)
    assert refused.value.is_temporary


@pytest.mark.root
@pytest.mark.parametrize(("trusted", "is_served"), [(frozenset[int](), False), ({OTHER}, True)])
def test_only_the_mail_system_may_ask(
    start: Start, tmp_path: Path, trusted: frozenset[int], is_served: bool
) -> None:
    local = start(AgentSettings(trusted_uids=frozenset(trusted)))
    pid = os.fork()
    if pid == 0:
        status = 3
        try:
            os.setresuid(OTHER, OTHER, OTHER)
            local.connect(ALICE).close()
            status = 0
        except AgentLost:
            status = 1
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == (0 if is_served else 1)


def children_of(pid: int) -> list[int]:
    """The processes that `pid` forked and has not reaped."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def wait_until(condition: Callable[[], bool]) -> None:
    """Until something that another process does has happened; fails after twenty seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        signal.sigtimedwait([], 0.01)
