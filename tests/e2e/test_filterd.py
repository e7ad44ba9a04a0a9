"""filterd over a real socket: other users' filters, hostile requests, time (spec filter 4.18)."""

from __future__ import annotations

import array
import json
import os
import pwd
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from tests.support.guards import end_with
from tests.support.mailsite import OWNER, MailSite, is_alive, user_python, wait_for

from couriermail.filter.rcptfilter import (
    FilterAccount,
    FilterCall,
    FilterResult,
    Standing,
    judge_content,
    judge_recipient,
    recipient_filter_name,
)
from couriermail.mta.local.preload import preload
from couriermail.mta.local.wire import RecordReader, encode_record
from couriermail.mta.rcptfilter import (
    AccountFilterRunner,
    FilterProgram,
    HelperSettings,
    serve_filters,
)
from couriermail.mta.rcptfilter.maildrop import OwnMaildrop
from couriermail.mta.rcptfilter.wire import encode_call

IS_ROOT = os.geteuid() == 0
UID = OWNER if IS_ROOT else os.geteuid()
GID = OWNER if IS_ROOT else os.getegid()
STRANGER = 54399
MAILDROP = "from couriermail.cli.maildrop import main; main()"


@attrs.define
class Helper:
    """A running filterd and the directory that it works in."""

    root: Path
    pid: int
    stop_pipe: int

    @property
    def path(self) -> str:
        return str(self.root / "filter.sock")

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def marker(self) -> Path:
        """Made by the filter whenever it runs."""
        return self.home / "marker"

    def call(self, name: str = "rcptfilter", **environment: str) -> FilterCall:
        account = FilterAccount(uid=UID, gid=GID, home=str(self.home), quota="9S")
        return FilterCall(account=account, name=name, sender="s@x", environment=environment)

    def run(self, call: FilterCall, message: int | None = None) -> FilterResult:
        """Through the helper, also where we are the user ourselves."""
        program = FilterProgram("/nonexistent", timeout=60.0)
        runner = AccountFilterRunner(program, self.path)
        return runner.ask_helper(call, message)

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(30.0)
        connection.connect(self.path)
        return connection

    def stop(self) -> int:
        os.write(self.stop_pipe, b"x")
        _, status = os.waitpid(self.pid, 0)
        os.close(self.stop_pipe)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


Start = Callable[..., Helper]


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Starts filterd with a filter of shell commands."""
    running: list[Helper] = []

    def run(text: str, *, timeout: float = 60.0, in_process: bool = False) -> Helper:
        program = root / "filter"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
        home = root / "home"
        home.mkdir(mode=0o700)
        if IS_ROOT:
            os.chown(home, UID, GID)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(root / "filter.sock"))
        os.chmod(root / "filter.sock", 0o666)
        listener.listen()
        own = OwnMaildrop(str(root / "etc"))
        executed = FilterProgram(str(program), timeout=timeout, kill_after=0.2)
        settings = HelperSettings(
            program=own if in_process else executed, minimum_id=100 if IS_ROOT else 1
        )
        stop_read, stop_write = os.pipe()
        us = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                end_with(us)
                os.close(stop_write)
                preload()
                serve_filters(listener, settings, stop=stop_read)
                status = 0
            finally:
                os._exit(status)
        listener.close()
        os.close(stop_read)
        running.append(Helper(root, pid, stop_write))
        return running[-1]

    yield run
    for helper in running:
        if helper.pid:
            assert helper.stop() == 0


def own_words(result: FilterResult) -> list[str]:
    return result.output.decode().splitlines()


@pytest.mark.root
def test_a_filter_is_its_user_and_nobody_else(start: Start) -> None:
    helper = start("id -u; id -g; id -G; umask; pwd; env; exit 99")
    result = helper.run(helper.call(TCPREMOTEIP="192.0.2.1", LD_PRELOAD="/x.so", PYTHONPATH="/x"))
    ids, variables = own_words(result)[:5], own_words(result)[5:]
    assert ids == [str(UID), str(GID), str(GID), "0077", str(helper.home)]
    assert {"TCPREMOTEIP=192.0.2.1", "SENDER=s@x", "MAILDIRQUOTA=9S"} <= set(variables)
    assert not [line for line in variables if line.startswith(("LD_", "PYTHON"))]
    assert result.exit_code == 99


def test_a_filter_reads_the_message_of_another_user(start: Start) -> None:
    helper = start("cat; exit 1")
    message = helper.root / "message"
    message.write_bytes(b"Subject: secret\n\n")
    message.chmod(0o600)
    with message.open("rb") as file:
        found = helper.run(helper.call("smtpfilter"), file.fileno())
    assert found == FilterResult(1, b"Subject: secret\n\n")


def test_every_filter_is_shown_the_whole_message_read_only(start: Start) -> None:
    helper = start("cat; echo more >&0; exit 1")
    runner = AccountFilterRunner(FilterProgram(str(helper.root / "filter")), helper.path)
    path = helper.root / "message"
    path.write_bytes(b"Subject: x\n\nbody\n")
    with path.open("r+b") as message:
        message.seek(5)
        for _ in range(2):
            result = runner.run(helper.call(), message.fileno())
            assert result.exit_code == 1
            assert result.output.startswith(path.read_bytes())
        assert message.tell() == 5
    assert path.read_bytes() == b"Subject: x\n\nbody\n"


def test_a_filter_reads_a_message_that_has_no_name(start: Start) -> None:
    helper = start("cat; exit 1")
    runner = AccountFilterRunner(FilterProgram(str(helper.root / "filter")), helper.path)
    memory = os.memfd_create("message")
    try:
        os.write(memory, b"Subject: x\n")
        assert runner.run(helper.call(), memory) == FilterResult(1, b"Subject: x\n")
    finally:
        os.close(memory)


def test_at_rcpt_there_is_nothing_to_read(start: Start) -> None:
    helper = start("cat; echo end; exit 1")
    assert helper.run(helper.call()) == FilterResult(1, b"end\n")


def test_output_is_bounded(start: Start) -> None:
    helper = start("head -c 300000 /dev/zero | tr '\\0' x; exit 1")
    assert helper.run(helper.call()) == FilterResult(1, b"x" * 2047)


def test_a_filter_that_hangs_is_killed(start: Start) -> None:
    helper = start("trap '' TERM; echo $$ > pid; while :; do sleep 1; done", timeout=0.5)
    assert helper.run(helper.call()) == FilterResult(None)
    assert not is_alive(int((helper.home / "pid").read_text()))


def test_a_client_that_goes_away_ends_its_filter(start: Start) -> None:
    helper = start("echo $$ > pid; exec sleep 600", timeout=500.0)
    with helper.connect() as connection:
        connection.sendall(encode_call(helper.call(), has_message=False))
        pid = helper.home / "pid"
        wait_for(lambda: pid.exists() and pid.read_text().endswith("\n"), "the filter")
    wait_for(lambda: not is_alive(int(pid.read_text())), "its end")


def test_the_end_of_the_system_ends_its_filters(start: Start) -> None:
    helper = start("echo $$ > pid; exec sleep 600", timeout=500.0)
    with helper.connect() as connection:
        connection.sendall(encode_call(helper.call(), has_message=False))
        pid = helper.home / "pid"
        wait_for(lambda: pid.exists() and pid.read_text().endswith("\n"), "the filter")
        assert helper.stop() == 0
        (answer,) = RecordReader().feed(connection.recv(65536))
    assert answer.head == {"exit": None}
    assert not is_alive(int(pid.read_text()))


def test_a_program_that_is_not_there_accepts(start: Start) -> None:
    helper = start("exit 1")
    (helper.root / "filter").unlink()
    assert helper.run(helper.call()) == FilterResult(0)


def test_a_child_that_is_killed_takes_only_its_own_request_along(start: Start) -> None:
    helper = start(
        "echo $$ > pid; echo $PPID > parent; [ ! -f wait ] || exec sleep 600; exit 99",
        timeout=500.0,
    )
    (helper.home / "wait").touch()
    parent = helper.home / "parent"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(helper.run, helper.call())
        wait_for(lambda: parent.exists() and parent.read_text().endswith("\n"), "the filter")
        (helper.home / "wait").unlink()
        os.kill(int(parent.read_text()), signal.SIGKILL)
        assert waiting.result(30.0) == FilterResult(None)
    os.kill(int((helper.home / "pid").read_text()), signal.SIGKILL)  # nobody is left to do so
    assert helper.run(helper.call()) == FilterResult(99)


def test_many_are_served_at_the_same_time(start: Start) -> None:
    helper = start("cat; exit 1")
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: helper.run(helper.call()), range(64)))
    assert results == [FilterResult(1)] * 64


# -- hostile requests ----------------------------------------------------------------------


def request(helper: Helper, **changes: object) -> bytes:
    """The record of a good request, with some of its fields changed; None leaves one out."""
    (record,) = RecordReader().feed(encode_call(helper.call(), has_message=False))
    head = {**record.head, **changes}
    return encode_record({name: value for name, value in head.items() if value is not None})


def answer_to(helper: Helper, data: bytes, descriptors: tuple[int, ...] = ()) -> bytes:
    """All that filterd says to these octets."""
    with helper.connect() as connection:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))
        connection.sendmsg([data], [rights] if descriptors else [])
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while received := connection.recv(65536):
                answer += received
        except ConnectionResetError:  # it left what it had not read
            pass
        return answer


HOSTILE: list[dict[str, object]] = [
    {"uid": 0}, {"gid": 0}, {"uid": 99}, {"gid": 99}, {"uid": -1}, {"gid": -1},
    {"uid": 2**32 - 1}, {"gid": 2**32 - 1}, {"uid": 2**64}, {"uid": -(2**63)}, {"uid": "4242"},
    {"uid": True}, {"uid": 4242.0}, {"uid": None}, {"gid": None}, {"gid": []},
    {"name": "../../bin/sh"}, {"name": "a/b"}, {"name": ".hidden"}, {"name": ".."}, {"name": ""},
    {"name": "x" * 5000}, {"name": "a\0b"}, {"name": "a\nb"}, {"name": 7}, {"name": None},
    {"name": "\ud800"}, {"home": "home"}, {"home": ""}, {"home": "/a\0b"}, {"home": None},
    {"home": "/nonexistent"}, {"sender": "a\0"}, {"sender": None}, {"maildir": 1}, {"quota": {}},
    {"environment": []}, {"environment": {"A": 1}}, {"environment": {"A=B": "c"}},
    {"environment": {"": ""}}, {"environment": {"A": "\0"}}, {"environment": {"A": "\udcff\ud8ff"}},
    {"filter": 2}, {"filter": None}, {"filter": "1"}, {"message": True},
    {"environment": {"A": "x" * 300_000}},
]  # fmt: skip


def test_hostile_requests_run_nothing_and_end_nothing(start: Start) -> None:
    helper = start("touch marker; exit 99")
    for changes in HOSTILE:
        if not IS_ROOT and changes in ({"uid": 99}, {"gid": 99}):
            continue
        answer = answer_to(helper, request(helper, **changes))
        (record,) = RecordReader().feed(answer)
        assert "refused" in record.head or record.head == {"exit": None}, changes
        assert not helper.marker.exists(), changes
    assert helper.run(helper.call()) == FilterResult(99)
    assert helper.marker.exists()


GARBAGE = [
    b"", b"\0", b"GET / HTTP/1.0\r\n\r\n", b"\xff" * 4096, struct.pack("!II", 2**31, 0),
    struct.pack("!II", 2, 1) + b"{}x", struct.pack("!II", 4, 0) + b"nope",
    struct.pack("!II", 2, 0) + b"[]", struct.pack("!II", 2, 0) + b"{}",
    struct.pack("!II", 100_000, 0) + b"[" * 100_000, struct.pack("!II", 10, 0) + b"{",
    encode_record({"hello": 1, "uid": 4242, "gid": 4242}), json.dumps({"filter": 1}).encode(),
]  # fmt: skip


def test_garbage_runs_nothing_and_ends_nothing(start: Start) -> None:
    helper = start("touch marker; exit 99")
    for data in GARBAGE:
        answer_to(helper, data)
    answer_to(helper, request(helper) * 2)  # more than one request
    answer_to(helper, request(helper) + b"\0")
    answer_to(helper, request(helper), (0,))  # a descriptor that nobody asked for
    answer_to(helper, request(helper, message=True), (0, 0, 0))
    answer_to(helper, request(helper)[:-1])
    assert not helper.marker.exists()
    assert helper.run(helper.call()) == FilterResult(99)


@pytest.mark.root
def test_strangers_are_not_answered(start: Start) -> None:
    helper = start("touch marker; exit 99")
    us = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            end_with(us)
            data = request(helper)
            os.setresgid(STRANGER, STRANGER, STRANGER)
            os.setresuid(STRANGER, STRANGER, STRANGER)
            try:
                status = 0 if answer_to(helper, data) == b"" else 2
            except BrokenPipeError:
                status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not helper.marker.exists()


@pytest.mark.root
def test_a_filter_cannot_become_root_again(start: Start) -> None:
    python = user_python()
    if python is None:
        pytest.skip("no interpreter that other users may run")
    code = "import os, sys\ntry: os.setresuid(0, 0, 0)\nexcept OSError: sys.exit(42)"
    helper = start(f"exec {python[0]} -c '{code}'")
    assert helper.run(helper.call()).exit_code == 42


# -- maildrop ------------------------------------------------------------------------------


def maildrop_program(root: Path) -> str:
    """The text of a filter that is our maildrop, for a user who may run it."""
    found = (
        user_python() if IS_ROOT else (sys.executable, {"PYTHONPATH": os.pathsep.join(sys.path)})
    )
    if found is None:
        pytest.skip("the interpreter lies in a directory that only root can read")
    python, environment = found
    exports = " ".join(f"{name}={value}" for name, value in environment.items())
    return (
        f"export {exports} PYTHONDONTWRITEBYTECODE=1 COURIERMAIL_CONFIG={root}/etc\n"
        f"exec {python} -c '{MAILDROP}' \"$@\""
    )


def write_recipe(helper: Helper, name: str, text: str, mode: int = 0o600) -> None:
    directory = helper.home / ".mailfilters"
    directory.mkdir(exist_ok=True, mode=0o700)
    (directory / name).write_text(text)
    (directory / name).chmod(mode)
    if IS_ROOT:
        for path in (directory, directory / name):
            os.chown(path, UID, GID)


@pytest.mark.parametrize("in_process", [False, True], ids=["executed", "in-process"])
def test_our_maildrop_judges_by_the_users_recipes(
    in_process: bool, start: Start, root: Path
) -> None:
    helper = start(maildrop_program(root), in_process=in_process)
    assert helper.run(helper.call()) == FilterResult(0)  # no recipe: whitelisted

    write_recipe(
        helper,
        "rcptfilter-lists-default",
        'import SENDER\nif ("$SENDER" eq "s@x")\n{\n  EXITCODE=99\n  exit\n}\n',
    )
    write_recipe(
        helper,
        "rcptfilter",
        'echo "450 $1 $2 $3 $4 $5"\nEXITCODE=1\n',
    )
    lists = helper.call(recipient_filter_name("lists-a.b"))
    assert judge_recipient(helper.run(lists)) is Standing.FILTERED
    environment = {"TCPREMOTEHOST": "h", "TCPREMOTEIP": "1.2.3.4", "BOUNCE": "b", "BOUNCE2": "c"}
    refused = judge_recipient(helper.run(helper.call(**environment)))
    assert not isinstance(refused, Standing)
    assert (refused.code, refused.text) == (450, "h 1.2.3.4 s@x b c")

    write_recipe(
        helper,
        "smtpfilter-default",
        'if (/^Subject: *spam/)\n{\n  echo "550 No $MATCH here."\n  EXITCODE=1\n}\n',
    )
    for subject, text in (("spam", "No Subject: spam here."), ("ham", None)):
        message = root / "message"
        message.write_text(f"Subject: {subject}\n\nbody\n")
        with message.open("rb") as file:
            refusal = judge_content(helper.run(helper.call("smtpfilter-x"), file.fileno()))
        assert (refusal and refusal.text) == text


@pytest.mark.parametrize("in_process", [False, True], ids=["executed", "in-process"])
def test_our_maildrop_refuses_recipes_that_others_may_change(
    in_process: bool, start: Start, root: Path
) -> None:
    helper = start(maildrop_program(root), in_process=in_process)
    write_recipe(helper, "rcptfilter", "EXITCODE=99\n", mode=0o620)
    result = helper.run(helper.call())
    assert result.exit_code == 75
    assert b"Cannot have world/group permissions" in result.output


# -- the mail system -----------------------------------------------------------------------


@pytest.mark.root
def test_the_mail_system_runs_filterd_as_root_for_its_user_alone(
    make_site: Callable[..., MailSite],
) -> None:
    user = pwd.getpwnam("mail")
    toml = '[mta]\nmailuser = "mail"\nmailgroup = "mail"\n[queue]\nmin_free = 1048576\n'
    site = make_site(**{"couriermail.toml": toml, "maildropfilter": "/bin/false\n"})
    os.chown(site.config / "userdb", user.pw_uid, user.pw_gid)
    site.start()
    path = site.state / "filter.sock"
    facts = path.stat()
    assert (facts.st_mode & 0o777, facts.st_uid, facts.st_gid) == (0o660, user.pw_uid, user.pw_gid)
    pid = site.pids()["filterd"]
    uids = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "Uid:" in line
    )
    assert uids.split()[1:] == ["0"] * 4
    home = site.home("alice")
    call = FilterCall(
        account=FilterAccount(uid=OWNER, gid=OWNER, home=str(home)), name="rcptfilter", sender=""
    )
    runner = AccountFilterRunner(FilterProgram("/nonexistent"), str(path))
    assert runner.run(call) == FilterResult(1)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.pids().get("filterd", pid) != pid, "another filterd")
    assert runner.run(call) == FilterResult(1)
    site.stop()
    assert not path.exists()


def test_without_a_filter_there_is_no_filterd(make_site: Callable[..., MailSite]) -> None:
    site = make_site()
    (site.state).mkdir(exist_ok=True)
    (site.state / "filter.sock").write_bytes(b"")  # of a start that had one
    site.start()
    assert "filterd" not in site.pids()
    assert not (site.state / "filter.sock").exists()
