"""Watching a folder, with inotify and without (spec maildir 4.17)."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from couriermail.maildir import Maildir, MaildirMissingError, Watcher, watch

linux = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


class Time:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@linux
@pytest.mark.parametrize("sub", ["new", "cur", "courierimapkeywords"])
def test_creating_renaming_and_deleting_are_noticed(box: Maildir, sub: str) -> None:
    with watch(box.path) as watcher:
        assert watcher.fd >= 0
        assert not watcher.check()
        path = Path(box.path, sub, "x")
        path.touch()
        assert watcher.wait(5)
        assert not watcher.check()
        path.rename(path.with_name("y"))
        path.with_name("z").touch()
        assert watcher.wait(5)
        assert not watcher.check()  # all that happened is one change
        path.with_name("y").unlink()
        assert watcher.wait(5)
    assert watcher.fd == -1
    watcher.close()


@linux
def test_what_happens_elsewhere_is_not_noticed(box: Maildir) -> None:
    with watch(box.path) as watcher:
        Path(box.path, "tmp", "x").touch()
        assert not watcher.wait(0.01)


def test_without_inotify_the_times_tell(box: Maildir) -> None:
    with watch(box.path, use_inotify=False) as watcher:
        assert watcher.fd == -1
        assert not watcher.wait(0)
        os.utime(f"{box.path}/cur", (1, 1))
        assert watcher.check()
        assert not watcher.check()
        os.rmdir(f"{box.path}/new")
        assert watcher.wait(0)


def test_now_and_then_there_is_a_false_alarm(box: Maildir) -> None:
    clock = Time()
    watch(box.path).close()
    watcher = Watcher(box.path, clock=clock)
    assert (watcher.check(), watcher.timeout) == (False, 60)
    clock.now += 61
    assert (watcher.timeout, watcher.check(), watcher.check()) == (0, True, False)
    clock.now -= 1  # backwards counts as time that is up
    assert watcher.check()


@linux
def test_with_inotify_the_second_false_alarm_comes_after_an_hour(box: Maildir) -> None:
    clock = Time()
    with watch(box.path) as opened:
        watcher = Watcher(box.path, os.dup(opened.fd), clock=clock)
    clock.now += 60
    assert watcher.check()
    assert watcher.timeout == 3600
    watcher.close()


@pytest.mark.parametrize("use_inotify", [pytest.param(True, marks=linux), False])
def test_an_asyncio_program_can_wait(box: Maildir, use_inotify: bool) -> None:
    async def story() -> None:
        with watch(box.path, use_inotify=use_inotify) as watcher:
            waiting = asyncio.create_task(watcher.changed())
            await asyncio.sleep(0)
            assert not waiting.done()
            os.utime(f"{box.path}/cur", (1, 1))
            Path(box.path, "new", "x").touch()
            await asyncio.wait_for(waiting, 5)

    asyncio.run(story())


def test_the_keywords_directory_is_made_with_the_maildirs_mode(box: Maildir) -> None:
    os.chmod(box.path, 0o750)
    watch(box.path).close()
    assert os.stat(f"{box.path}/courierimapkeywords").st_mode & 0o777 == 0o750


def test_only_a_maildir_can_be_watched(tmp_path: Path) -> None:
    with pytest.raises(MaildirMissingError):
        watch(tmp_path)
    with pytest.raises(MaildirMissingError):
        Maildir(tmp_path / "none").watch()
