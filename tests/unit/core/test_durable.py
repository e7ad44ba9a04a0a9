"""Durable writes, fault points, clocks, errors and lazy exports of the core room."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import couriermail.core
from couriermail.core import (
    ConfigError,
    CouriermailError,
    FaultPlan,
    LimitExceededError,
    ManualClock,
    MissingExtraError,
    ParseError,
    Reply,
    StorageError,
    SystemClock,
    clear_faults,
    create_exclusive,
    install_faults,
    lazy_exports,
    reach,
    sync_directory,
    sync_file,
    write_atomically,
)


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    write_atomically(target, [b"ne", b"w"], mode=0o640)
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("point", "content"),
    [
        ("durable.before-sync", "old"),
        ("durable.before-rename", "old"),
        ("durable.after-rename", "new"),
    ],
)
def test_killed_anywhere_the_file_is_the_old_or_the_new_one(
    tmp_path: Path, point: str, content: str
) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    program = (
        "import sys\n"
        "from couriermail.core import FaultPlan, install_faults, write_atomically\n"
        "install_faults([FaultPlan(sys.argv[2])])\n"
        "write_atomically(sys.argv[1], [b'new'])\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(target), point], check=False)
    assert child.returncode == -signal.SIGKILL
    assert target.read_text() == content


@pytest.mark.parametrize("point", ["durable.before-sync", "durable.before-rename"])
def test_a_full_disk_is_a_storage_error_and_leaves_no_litter(tmp_path: Path, point: str) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    install_faults([FaultPlan(point, error=28)])
    try:
        with pytest.raises(StorageError) as caught:
            write_atomically(target, [b"new"])
    finally:
        clear_faults()
    assert (caught.value.is_full, caught.value.reply.code, caught.value.exit_code) == (
        True,
        452,
        75,
    )
    assert os.listdir(tmp_path) == ["file"]
    assert target.read_text() == "old"


def test_a_missing_directory_is_a_storage_error_without_lack_of_space(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        write_atomically(tmp_path / "none" / "file", [b"new"])
    assert (caught.value.is_full, caught.value.reply.code) == (False, 432)


def test_an_exclusive_file_is_new_and_its_mode_exact(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = create_exclusive(path, 0o664)
    sync_file(descriptor)
    os.close(descriptor)
    sync_directory(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o664
    with pytest.raises(FileExistsError):
        create_exclusive(path)


def strikes(plan: FaultPlan, arrivals: int) -> list[bool]:
    install_faults([plan])
    struck = []
    try:
        for _ in range(arrivals):
            try:
                reach(plan.point)
                struck.append(False)
            except OSError as error:
                struck.append(error.errno == plan.error)
    finally:
        clear_faults()
    return struck


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x:1:28", [True, False, False, False]),
        ("x:3:5", [False, False, True, False]),
        ("x:2:28+", [False, True, True, True]),
    ],
)
def test_a_fault_strikes_when_its_time_has_come(text: str, expected: list[bool]) -> None:
    assert strikes(FaultPlan.from_text(text), 4) == expected


def test_a_fault_without_errno_kills() -> None:
    plan = FaultPlan.from_text("queue.before-commit:3")
    assert (plan.point, plan.after, plan.error, plan.repeat) == ("queue.before-commit", 3, 0, False)
    reach("queue.before-commit")


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(2.5)
    assert (clock.now(), clock.monotonic()) == (102.5, 2.5)


def test_the_system_clock_moves_forward() -> None:
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.now() > 1_700_000_000


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (CouriermailError("x"), "554 5.0.0 Transaction failed."),
        (ParseError("x", offset=3), "501 5.5.2 Syntax error."),
        (LimitExceededError("x", limit="size", maximum=1), "552 5.3.4 A limit was exceeded."),
        (StorageError("x", path="p"), "432 4.3.0 Service temporarily unavailable."),
        (ConfigError("x"), "451 4.3.5 Service temporarily unavailable."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_offers_a_generic_reply(error: CouriermailError, reply: str) -> None:
    assert str(error.reply) == reply
    assert error.is_temporary == error.reply.is_temporary_failure


def test_a_configuration_error_names_its_place() -> None:
    assert str(ConfigError("bad", path="f", line=3, column=9)) == "f:3:9: bad"
    assert str(ConfigError("bad")) == "bad"
    assert "pip install 'couriermail-auth[ldap]'" in str(
        MissingExtraError("couriermail-auth", "ldap")
    )


def test_a_reply_of_several_lines_repeats_code_and_enhanced_code() -> None:
    reply = Reply(250, "one\ntwo", enhanced="2.0.0")
    assert reply.to_bytes() == b"250-2.0.0 one\r\n250 2.0.0 two\r\n"
    assert reply.is_success
    assert Reply(550, "no").is_permanent_failure


def test_a_lazy_package_imports_a_name_on_first_use() -> None:
    program = (
        "import sys, couriermail.core as core\n"
        "assert 'couriermail.core.faults' not in sys.modules\n"
        "assert 'reach' in dir(core)\n"
        "assert core.reach is core.reach\n"
        "assert 'couriermail.core.faults' in sys.modules\n"
        "assert 'couriermail.core.clock' not in sys.modules\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_lazy_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        couriermail.core.no_such_name  # type: ignore[attr-defined]  # noqa: B018
    find, list_names = lazy_exports("couriermail.core", {"reply": ("Reply",)})
    assert find("Reply") is Reply
    assert "Reply" in list_names()
