"""One run of a filter program, with the rights that the tests have (spec filter 4.18)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.filter.rcptfilter import FilterAccount, FilterCall, FilterResult
from couriermail.mta.rcptfilter.program import FilterProgram
from couriermail.mta.rcptfilter.runner import AccountFilterRunner

MESSAGE = b"Subject: hello\n\nbody\n"
MakeProgram = Callable[..., FilterProgram]


@pytest.fixture
def program(tmp_path: Path) -> MakeProgram:
    """Makes a filter program of shell commands."""

    def make(text: str, *, mode: int = 0o700, timeout: float = 30.0) -> FilterProgram:
        path = tmp_path / "filter"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)
        return FilterProgram(str(path), timeout=timeout, kill_after=0.2)

    return make


@pytest.fixture
def call(tmp_path: Path) -> FilterCall:
    home = tmp_path / "home"
    home.mkdir()
    account = FilterAccount(uid=os.geteuid(), gid=os.getegid(), home=str(home), quota="9S")
    environment = {"TCPREMOTEIP": "192.0.2.1", "PATH": "/usr/bin:/bin", "BLOCK2": "x"}
    return FilterCall(account=account, name="rcptfilter", sender="s@x", environment=environment)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("code", [0, 1, 75, 99, 255])
def test_the_exit_status_and_both_outputs_are_the_result(
    code: int, program: MakeProgram, call: FilterCall
) -> None:
    made = program(f"echo out; echo err >&2; exit {code}")
    assert made.run(call) == FilterResult(code, b"out\nerr\n")


def test_it_is_called_as_the_spec_says(program: MakeProgram, call: FilterCall) -> None:
    made = program('for word; do echo "<$word>"; done; env; pwd; cat')
    words, _, rest = made.run(call).output.partition(b"<>\n<>\n")
    ids = f"{os.geteuid()}/{os.getegid()}"
    assert words.decode() == f"<-D>\n<{ids}>\n<-M>\n<rcptfilter>\n<>\n<192.0.2.1>\n<s@x>\n"
    *variables, directory = rest.decode().splitlines()
    shell_adds = ("PWD=", "SHLVL=", "_=", "OLDPWD=")
    found = {line for line in variables if not line.startswith(shell_adds)}
    assert found == {f"{name}={value}" for name, value in call.variables.items()}
    assert directory == call.account.home


def test_the_message_is_its_standard_input(
    program: MakeProgram, call: FilterCall, tmp_path: Path
) -> None:
    (tmp_path / "message").write_bytes(MESSAGE)
    with (tmp_path / "message").open("rb") as message:
        assert program("cat; exit 1").run(call, message.fileno()) == FilterResult(1, MESSAGE)


def test_output_is_bounded_and_the_rest_is_read_away(
    program: MakeProgram, call: FilterCall
) -> None:
    result = program("head -c 300000 /dev/zero | tr '\\0' x; exit 1").run(call)
    assert result == FilterResult(1, b"x" * 2047)


def test_its_time_is_bounded_and_its_whole_group_ends(
    program: MakeProgram, call: FilterCall, tmp_path: Path
) -> None:
    made = program(
        f"trap '' TERM; sh -c 'echo $$ > {tmp_path}/child; exec sleep 600' & echo no; wait",
        timeout=1.0,
    )
    assert made.run(call) == FilterResult(None, b"no\n")
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: is_gone(child))


def test_a_child_that_keeps_the_output_open_keeps_nobody_waiting(
    program: MakeProgram, call: FilterCall, tmp_path: Path
) -> None:
    made = program(f"sleep 600 & echo $! > {tmp_path}/child; echo no; exit 1", timeout=300.0)
    started = time.monotonic()
    assert made.run(call) == FilterResult(1, b"no\n")
    assert time.monotonic() - started < 200.0
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_nobody_waiting_any_more_ends_it(
    program: MakeProgram, call: FilterCall, tmp_path: Path
) -> None:
    read, write = os.pipe()
    os.close(write)
    try:
        made = program(f"echo $$ > {tmp_path}/self; exec sleep 600", timeout=300.0)
        assert made.run(call, lifeline=read).exit_code is None
    finally:
        os.close(read)


def test_death_by_a_signal_is_no_verdict(program: MakeProgram, call: FilterCall) -> None:
    assert program("echo 550 no; kill -9 $$").run(call).exit_code is None


def test_what_cannot_be_executed_accepts(
    program: MakeProgram, call: FilterCall, caplog: pytest.LogCaptureFixture
) -> None:
    made = program("exit 1", mode=0o600)
    assert made.run(call) == FilterResult(0)
    assert FilterProgram("/nonexistent/filter").run(call) == FilterResult(0)
    Path(made.path).write_text("#!/nonexistent/sh\n")
    Path(made.path).chmod(0o700)
    assert made.run(call) == FilterResult(0)
    assert caplog.text.count("cannot run") == 3


def test_a_home_that_is_not_there_now_puts_off(
    program: MakeProgram, call: FilterCall, caplog: pytest.LogCaptureFixture
) -> None:
    Path(call.account.home).rmdir()
    assert program("exit 0").run(call) == FilterResult(None)
    assert "cannot enter the home" in caplog.text


def test_it_gets_no_descriptors_of_ours(program: MakeProgram, call: FilterCall) -> None:
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        found = program("ls /proc/self/fd | wc -l").run(call)
    finally:
        os.close(read)
        os.close(write)
    assert found.output.strip() == b"4"  # three, and the directory that ls reads


def test_nobody_elses_filter_runs_without_the_helper(
    program: MakeProgram, call: FilterCall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = AccountFilterRunner(program("exit 0"), str(tmp_path / "none"))
    account = FilterAccount(uid=os.geteuid() + 4242, gid=4242, home=call.account.home)
    other = FilterCall(account=account, name="rcptfilter", sender="")
    assert runner.run(other) == FilterResult(None)
    assert "filterd" in caplog.text


def test_the_runner_never_runs_a_filter_as_root(
    program: MakeProgram, call: FilterCall, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runner = AccountFilterRunner(program(f"touch {tmp_path}/ran"), str(tmp_path / "none"))
    account = FilterAccount(uid=0, gid=0, home=call.account.home)
    assert runner.run(FilterCall(account=account, name="rcptfilter", sender="")).exit_code is None
    assert "never" in caplog.text
    assert not (tmp_path / "ran").exists()
