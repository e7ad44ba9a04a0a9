from __future__ import annotations

import select
from collections.abc import Callable
from pathlib import Path

from couriermail.queue import Queue, QueueSettings
from couriermail.queue.trigger import Trigger

Submit = Callable[..., str]


def test_mail_wakes_the_scheduler(queue: Queue, submit: Submit) -> None:
    descriptor = queue.trigger_fd()
    assert queue.read_trigger() == ()

    submit()

    assert select.select([descriptor], [], [], 5)[0] == [descriptor]
    assert queue.read_trigger() == ("",)


def test_commands_arrive_as_lines(queue: Queue) -> None:
    queue.trigger_fd()

    assert queue.notify("FLUSH")
    assert queue.notify("STOP")

    assert queue.read_trigger() == ("FLUSH", "STOP")


def test_nobody_listening_is_no_error(queue: Queue, submit: Submit) -> None:
    assert not queue.notify()
    submit()


def test_a_full_pipe_is_no_error(tmp_path: Path) -> None:
    trigger = Trigger(str(tmp_path))
    trigger.open_reader()
    while trigger.notify("x" * 4000):
        pass

    assert not trigger.notify("x" * 4000)
    assert trigger.drain()
    trigger.close()


def test_the_fifo_is_for_owner_and_group(queue: Queue, tmp_path: Path) -> None:
    queue.trigger_fd()

    assert (tmp_path / "queue" / "trigger").stat().st_mode & 0o777 == 0o660


def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    trigger = Trigger(str(tmp_path))
    trigger.open_reader()
    with (tmp_path / "trigger").open("wb", buffering=0) as pipe:
        pipe.write(b"FLU")
        assert trigger.drain() == ()
        pipe.write(b"SH\n")
    assert trigger.drain() == ("FLUSH",)
    trigger.close()


def test_settings_have_the_documented_defaults() -> None:
    settings = QueueSettings()

    assert (settings.inline_max, settings.commit_batch) == (65536, 64)
    assert (settings.min_free, settings.min_inodes) == (64 << 20, 1000)
