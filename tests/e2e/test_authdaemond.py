"""Stories of our authdaemond: signals, workers that die or hang, many clients at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
from tests.support.authdaemon import (
    RunningDaemon,
    children_of,
    exchange,
    running_daemon,
    wait_until,
)

from couriermail.auth import (
    Account,
    AccountOptions,
    AuthDaemonClient,
    AuthdaemonSettings,
    AuthModule,
    ClientTimeouts,
    CramResponse,
    DaemonLimits,
    DirectoryError,
    InvalidLoginError,
    listen_on,
)
from couriermail.auth.daemon_chain import install_modules
from couriermail.auth.rcfile import RcFileError


def account(name: str, home: str = "", options: str = "") -> Account:
    return Account(
        name=name,
        address=name,
        uid=1001,
        gid=1001,
        home=home or f"/home/{name}",
        options=AccountOptions(options),
    )


@attrs.define
class MemoryModule:
    """Knows names that begin with its letter; `hang`, `crash` and `broken` after it misbehave."""

    name: str
    letter: str
    gate: str = ""  # a file: whoever hangs goes on when it exists

    def lookup(self, name: str, service: str) -> Account | None:
        if not name.startswith(self.letter):
            return None
        self._misbehave(name[1:])
        return account(name)

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        found = self.lookup(name, service)
        return found if password == "secret" else None

    def cram(self, response: CramResponse, service: str) -> Account | None:
        return None

    def idle(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _misbehave(self, how: str) -> None:
        if how == "hang":
            while not os.path.exists(self.gate):
                time.sleep(0.005)
        elif how == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        elif how == "broken":
            raise DirectoryError("out of order")
        elif how == "bug":
            raise ZeroDivisionError


@attrs.define
class ListingModule(MemoryModule):
    """Can also list and change; its list breaks off where its letter is `x`."""

    def accounts(self) -> Iterator[Account]:
        yield account(f"{self.letter}1")
        yield account(f"{self.letter}2", home="/evil\nroot\t0\t0\t/")
        if self.letter == "x":
            raise DirectoryError("gone")
        yield account(f"{self.letter}3")

    def change_password(self, name: str, old: str, new: str, service: str) -> bool:
        if name == "broken":
            raise DirectoryError("out of order")
        return name.startswith(self.letter) and old == "secret"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


@pytest.fixture
def start(tmp_path: Path, gate: Path) -> Iterator[Callable[..., RunningDaemon]]:
    """Starts a daemon with the modules `a` (in memory), `b` (listing) and `x` (breaks off)."""
    running = ExitStack()

    def load(name: str, settings: AuthdaemonSettings) -> AuthModule | None:
        if name == "down":
            raise DirectoryError("its settings are broken")
        if name in ("b", "x"):
            return ListingModule(name, name, str(gate))
        return MemoryModule(name, name, str(gate)) if name == "a" else None

    def begin(
        modules: str = "a b",
        workers: int = 2,
        limits: DaemonLimits | None = None,
        login_failures: int = 0,
    ) -> RunningDaemon:
        (tmp_path / "modules").write_text(modules)

        def configure() -> AuthdaemonSettings:
            words = (tmp_path / "modules").read_text().split()
            if "bad" in words:
                raise RcFileError("bad line", path="authdaemonrc", line=1)
            return AuthdaemonSettings(
                modules=tuple(words),
                workers=workers,
                debug_level=1,
                default_options=AccountOptions("x=1"),
                login_failures=login_failures,
                login_failure_seconds=86_400,
            )

        return running.enter_context(running_daemon(tmp_path, load, configure, limits=limits))

    with running:
        yield begin
        gate.touch()  # what still hangs may end


Start = Callable[..., RunningDaemon]


def test_modules_are_asked_in_order_until_one_knows(start: Start) -> None:
    client = start("a b").client()
    found = client.lookup("b1", "imap")
    assert found == account("b1", options="x=1")
    assert client.lookup("c1", "imap") is None
    logged_in = client.login("b1", "secret", "imap")
    assert logged_in is not None
    assert logged_in.clear_password == "secret"
    assert client.login("b1", "wrong", "imap") is None


def test_an_address_with_too_many_failed_logins_gets_no_answer(start: Start) -> None:
    daemon = start("a b", login_failures=2)

    def log_in(remote: bytes, password: bytes) -> bytes:
        body = b"imap\nlogin\nb1\n" + password + b"\n"
        meta = b"TCPREMOTEIP=" + remote + b"\n" if remote else b""
        return exchange(daemon.path, meta + b"AUTH %d\n" % len(body) + body)

    guesser = b"192.0.2.7"
    assert [log_in(guesser, b"guess") for _ in range(2)] == [b"FAIL\n", b"FAIL\n"]
    assert log_in(guesser, b"secret") == b""  # a temporary failure, not a wrong password
    for other in (b"192.0.2.8", b"127.0.0.1", b""):
        assert log_in(other, b"secret").startswith(b"UID=1001\n")
    assert exchange(daemon.path, b"TCPREMOTEIP=192.0.2.7\nPRE . imap b1\n").startswith(b"UID=")
    assert "192.0.2.7: too many failed logins" in daemon.log.read_text()


def test_one_module_can_be_asked_alone(start: Start) -> None:
    path = start("a b").path
    assert exchange(path, b"PRE a imap b1\n") == b"FAIL\n"
    assert exchange(path, b"PRE b imap b1\n").startswith(b"UID=1001\n")
    assert exchange(path, b"PRE c imap b1\n") == b"FAIL\n"


def test_a_module_that_cannot_answer_ends_the_search_silently(start: Start) -> None:
    daemon = start("a b")
    for name in (b"abroken", b"abug"):
        assert exchange(daemon.path, b"PRE . imap " + name + b"\n") == b""
    assert daemon.client().lookup("a1", "imap") is not None
    log = daemon.log.read_text()
    assert "a: TEMPFAIL - no more modules will be tried" in log
    assert "ZeroDivisionError" in log


def test_a_module_that_cannot_be_loaded_is_no_unknown_user(start: Start) -> None:
    daemon = start("down b")
    assert exchange(daemon.path, b"PRE . imap b1\n") == b""
    with pytest.raises(DirectoryError):
        daemon.client().lookup("b1", "imap")


def test_what_sasl_gave_is_asked_as_it_is(start: Start) -> None:
    client = start("a b").client()
    checked = client.generic("imap", "login", b"b1\nsecret\n")
    assert checked is not None
    assert checked.clear_password == "secret"
    # Somebody else has checked the identity: it is looked up.
    external = client.generic("imap", "EXTERNAL", b"b1")
    assert external is not None
    assert external.clear_password is None
    assert client.generic("imap", "PLAIN", b"b1\nsecret\n") is None


def test_an_unknown_module_is_skipped(start: Start) -> None:
    assert start("nomod b").client().lookup("b1", "imap") is not None


def test_a_worker_that_crashes_is_replaced_and_nobody_else_notices(start: Start) -> None:
    daemon = start()
    assert exchange(daemon.path, b"PRE . imap acrash\n") == b""
    assert daemon.client().lookup("a1", "imap") is not None
    assert "status -9" in daemon.log.read_text()


def test_killing_every_idle_worker_loses_no_request(start: Start) -> None:
    daemon = start()
    for _ in range(3):
        for pid in children_of(daemon.pid):
            os.kill(pid, signal.SIGKILL)
        assert daemon.client().login("a1", "secret", "imap") is not None
        assert daemon.client().change_password("b1", "secret", "new", "imap")


def test_killing_the_daemon_ends_its_workers(start: Start) -> None:
    daemon = start()
    assert daemon.client().lookup("a1", "imap") is not None
    workers = children_of(daemon.pid)
    assert len(workers) == 2
    daemon.signal(signal.SIGKILL)
    assert daemon.wait() == -signal.SIGKILL

    def have_ended() -> bool:
        return not any(_is_running(pid) for pid in workers)

    wait_until(have_ended, "the end of the workers")


def test_a_daemon_of_a_test_ends_when_the_test_run_is_killed(start: Start, tmp_path: Path) -> None:
    told = tmp_path / "pids"
    runner = os.fork()
    if runner == 0:
        daemon = start()
        pids = [daemon.pid, *children_of(daemon.pid)]
        (tmp_path / "new").write_text(" ".join(map(str, pids)))
        (tmp_path / "new").rename(told)
        signal.pause()
        os._exit(1)
    wait_until(told.exists, "the daemon of the other run")
    os.kill(runner, signal.SIGKILL)
    os.waitpid(runner, 0)
    pids = [int(word) for word in told.read_text().split()]
    assert len(pids) == 3
    wait_until(lambda: not any(map(_is_running, pids)), "the end of daemon and workers")


def _is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_slow_module_does_not_hold_up_others(start: Start, gate: Path) -> None:
    daemon = start("b a", workers=1)
    path = daemon.path
    with ThreadPoolExecutor(4) as pool:
        hanging = [pool.submit(exchange, path, b"PRE . imap ahang\n") for _ in range(3)]
        wait_until(lambda: daemon.log.read_text().count("lookup request: ahang") == 3, "hang")
        for _ in range(5):
            assert daemon.client().lookup("b1", "imap") is not None
        assert not any(each.done() for each in hanging)
        gate.touch()
        assert all(each.result().startswith(b"UID=1001\n") for each in hanging)


def test_a_module_that_never_answers_costs_its_time_limit_only(start: Start) -> None:
    daemon = start("a b", workers=1, limits=DaemonLimits(request_seconds=0.1))
    assert exchange(daemon.path, b"PRE . imap ahang\n") == b""
    assert daemon.client().lookup("a1", "imap") is not None
    assert "no module answered within 0.1 seconds" in daemon.log.read_text()


def test_a_client_that_says_nothing_is_dropped(start: Start) -> None:
    daemon = start("a", limits=DaemonLimits(read_seconds=0.05))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.settimeout(10)
        silent.connect(str(daemon.path))
        silent.sendall(b"PRE . im")
        assert silent.recv(100) == b""


def test_a_list_has_every_module_and_no_forged_line(start: Start) -> None:
    reply = exchange(start("a b").path, b"ENUMERATE\n")
    lines = b"b1\t1001\t1001\t/home/b1\t\tx=1\nb3\t1001\t1001\t/home/b3\t\tx=1\n"
    assert reply == b"# b\n\n" + lines + b".\n"


def test_a_list_that_breaks_off_has_no_end_marker(start: Start) -> None:
    daemon = start("x b")
    assert exchange(daemon.path, b"ENUMERATE\n") == b"# x\n\nx1\t1001\t1001\t/home/x1\t\tx=1\n"
    with pytest.raises(DirectoryError):
        list(daemon.client().accounts())


def test_a_change_of_password_is_always_answered(start: Start) -> None:
    daemon = start("a b")
    assert exchange(daemon.path, b"PASSWD imap\tb1\tsecret\tnew\n") == b"OK\n"
    assert exchange(daemon.path, b"PASSWD imap\tb1\twrong\tnew\n") == b"FAIL\n"
    assert exchange(daemon.path, b"PASSWD imap\tbroken\tsecret\tnew\n") == b"FAIL\n"
    assert exchange(daemon.path, b"PASSWD imap\tb\x011\tsecret\tnew\n") == b"FAIL\n"


def test_sighup_reads_the_settings_and_answers_what_was_asked_before(
    start: Start, gate: Path, tmp_path: Path
) -> None:
    daemon = start("a")
    with ThreadPoolExecutor(1) as pool:
        asked_before = pool.submit(exchange, daemon.path, b"PRE . imap ahang\n")
        wait_until(lambda: "request: ahang" in daemon.log.read_text(), "the request")
        (tmp_path / "modules").write_text("b")
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: 'modules="b"' in daemon.log.read_text(), "the reload")
        wait_until(lambda: daemon.client().lookup("b1", "imap") is not None, "the new chain")
        assert daemon.client().lookup("a1", "imap") is None
        gate.touch()
        assert asked_before.result().startswith(b"UID=1001\n")
    wait_until(lambda: len(children_of(daemon.pid)) == 1, "the end of the old workers")


def test_settings_that_cannot_be_read_change_nothing(start: Start, tmp_path: Path) -> None:
    daemon = start("a")
    (tmp_path / "modules").write_text("bad")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "authdaemonrc:1: bad line" in daemon.log.read_text(), "the complaint")
    assert daemon.client().lookup("a1", "imap") is not None


def test_sigterm_answers_what_was_asked_and_ends(start: Start, gate: Path) -> None:
    daemon = start("a")
    with ThreadPoolExecutor(1) as pool:
        asked_before = pool.submit(exchange, daemon.path, b"PRE . imap ahang\n")
        wait_until(lambda: "request: ahang" in daemon.log.read_text(), "the request")
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not _accepts(daemon.path), "the end of accepting")
        gate.touch()
        assert asked_before.result().startswith(b"UID=1001\n")
    assert daemon.wait() == 0


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
        except ConnectionRefusedError:
            return False
        return True


def test_sigterm_does_not_wait_for_who_hangs(start: Start) -> None:
    daemon = start("a", limits=DaemonLimits(stop_seconds=0.1))
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(exchange, daemon.path, b"PRE . imap ahang\n")
        wait_until(lambda: "request: ahang" in daemon.log.read_text(), "the request")
        daemon.signal(signal.SIGTERM)
        assert daemon.wait() == 0
        assert hanging.result() == b""


def test_two_hundred_logins_at_once_are_all_answered(start: Start) -> None:
    client = start("a b", workers=5).client()
    barrier = threading.Barrier(200)

    def log_in(number: int) -> bool:
        barrier.wait()
        password = "secret" if number % 2 else "wrong"
        return client.login(f"b{number}", password, "imap") is not None

    with ThreadPoolExecutor(200) as pool:
        assert list(pool.map(log_in, range(200))) == [bool(number % 2) for number in range(200)]


def test_more_clients_than_there_is_room_wait_their_turn(start: Start) -> None:
    client = start("a", limits=DaemonLimits(connections=2)).client()
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: client.lookup("a1", "imap"), range(20)))
    assert None not in found


def test_passwords_are_in_no_log_below_level_two(start: Start) -> None:
    daemon = start("a b")
    assert daemon.client().login("b1", "secret", "imap") is not None
    daemon.client().change_password("b1", "secret", "hidden", "imap")
    log = daemon.log.read_text()
    assert "Authenticated: sysusername=<null>, sysuserid=1001, sysgroupid=1001" in log
    assert f"request of process {os.getpid()}, uid={os.geteuid()}" in log
    assert "secret" not in log
    assert "hidden" not in log


def test_a_client_without_a_daemon_fails_temporarily(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    client = AuthDaemonClient(path=path)
    with pytest.raises(DirectoryError, match=r"s_connect\(\) failed: No such file"):
        client.lookup("john", "imap")
    listen_on(str(path)).close()
    with pytest.raises(DirectoryError, match="Connection refused"):
        client.lookup("john", "imap")


@pytest.mark.parametrize("name", ["jo\0hn", "john\n", "\x7f", " john"], ids=repr)
def test_a_name_that_cannot_be_said_is_nobodys(tmp_path: Path, name: str) -> None:
    client = AuthDaemonClient(path=tmp_path / "no daemon is asked")
    assert client.lookup(name, "imap") is None
    assert client.login("john", "secret\n", "imap") is None
    with pytest.raises(InvalidLoginError):
        client.generic("imap", "EXTERNAL", name.encode())


def test_a_client_does_not_wait_for_ever(tmp_path: Path) -> None:
    listener = listen_on(str(tmp_path / "socket"))
    timeouts = ClientTimeouts(read=0.02, read_list=0.02)
    client = AuthDaemonClient(path=tmp_path / "socket", timeouts=timeouts)
    with pytest.raises(DirectoryError, match="in time"):
        client.lookup("john", "imap")
    with pytest.raises(DirectoryError, match="in time"):
        list(client.accounts())
    listener.close()


def test_a_chain_without_modules_is_no_chain() -> None:
    settings = AuthdaemonSettings(modules=("nomod",), path="rc")
    with pytest.raises(DirectoryError, match="rc: no module of authmodulelist can be used"):
        install_modules(settings, lambda name, settings: None, list)
