"""filterctl, courierfilter, dupfilter, pyfilter, ratefilter as commands (spec filter 2, 4.21-4.24)."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import Done, run_ours
from tests.support.mailsite import is_alive, wait_for

from couriermail.filter.courierfilter import (
    FilterPlaces,
    FilterRequest,
    FilterUnavailableError,
    ask_filters,
)

FILTER = "#!/bin/sh\nexec 3>&-\ncat >/dev/null\n"


class Site:
    """A configuration directory with a filter of its own."""

    def __init__(self, root: Path) -> None:
        self.config = root / "etc"
        self.settings = self.config / "filters"
        programs = self.settings / "programs"
        programs.mkdir(parents=True)
        self.state = self.config / "state"
        self.program("mine")

    def program(self, name: str, text: str = FILTER) -> Path:
        path = self.settings / "programs" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def filterctl(self, *words: str) -> Done:
        return run_ours("filterctl", "-C", str(self.config), *words)

    def courierfilter(self, *words: str) -> Done:
        log = ["--log", str(self.config / "log")] if words[0] == "start" else []
        return run_ours("courierfilter", *words, "-C", str(self.config), *log)

    def active(self) -> list[str]:
        return sorted(os.listdir(self.settings / "active"))

    def log(self) -> str:
        return (self.config / "log").read_text()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.courierfilter("stop")


def test_starting_a_filter_twice_changes_nothing(site: Site) -> None:
    assert site.filterctl("start", "mine") == (0, b"", b"")
    assert site.filterctl("start", "mine") == (0, b"", b"")
    assert os.readlink(site.settings / "active/mine") == str(site.settings / "programs/mine")
    assert site.filterctl("stop", "mine") == (0, b"", b"")
    assert site.filterctl("stop", "mine") == (0, b"", b"")
    assert site.active() == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("start", "none"), "filterctl: there is no program none in .*/filters/programs\n"),
        (("start", "a/b"), "filterctl: 'a/b' is no name of a filter\n"),
        (("stop", ".."), "filterctl: '..' is no name of a filter\n"),
        (("start", "cancelmsg"), "filterctl: there is no program cancelmsg in .*\n"),
        (("start",), "(?s)Usage: .*"),
        (("start", "mine", "two"), "(?s)Usage: .*"),
        (("sing",), "(?s)Usage: .*"),
    ],
    ids=["unknown", "slash", "dots", "no-filter", "no-name", "two-names", "no-action"],
)
def test_a_mistake_is_one_message_and_ends_with_1(
    site: Site, words: tuple[str, ...], message: str
) -> None:
    done = site.filterctl(*words)
    assert done.code == 1
    assert re.fullmatch(message, done.err.decode())


def test_another_program_of_the_same_name_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other/mine"
    other.write_text(FILTER)
    other.chmod(0o755)
    site.filterctl("start", "mine")
    done = site.filterctl("--programs", str(other.parent), "start", "mine")
    assert done.code == 1
    assert b"is on already and is another program" in done.err


def test_the_list_has_the_filters_and_nothing_else(site: Site) -> None:
    (site.settings / "programs/README").touch()
    site.program(".hidden")
    assert site.filterctl("list").out.decode().splitlines()[-1:] == ["mine"]
    listed = site.filterctl("--programs", str(site.settings / "programs"), "list")
    assert listed.out == b"mine\n"


def test_190_start_stop_and_start_again(site: Site) -> None:
    site.program(
        "slow", f"#!/bin/sh\nwhile ! test -e {site.config}/go; do sleep 0.02; done\n" + FILTER
    )
    site.filterctl("start", "mine")
    assert site.courierfilter("start") == (0, b"", b"")
    pid_file = site.state / "run/courierfilter.pid"
    pid = int(pid_file.read_text())
    assert site.courierfilter("start") == (0, b"", b"")
    assert int(pid_file.read_text()) == pid

    site.filterctl("start", "slow")
    wait_for(lambda: "Starting slow" in site.log(), "the second filter")
    (site.config / "go").touch()
    status = site.filterctl("status").out.decode().splitlines()
    assert [re.sub(r" +", " ", re.sub(r"pid \d+", "pid N", line)) for line in status] == [
        "mine on pid N no socket",
        "slow on pid N no socket",
    ]
    assert site.courierfilter("restart") == (0, b"", b"")
    assert site.courierfilter("stop") == (0, b"", b"")
    assert not is_alive(pid)
    assert not pid_file.exists()
    assert site.courierfilter("stop") == (0, b"", b"")
    assert site.courierfilter("restart") == (0, b"", b"")
    assert "mine: exit status 0" in site.log()


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("dupfilter", "dupfilter-duplevel"),
        ("ratefilter", "ratefilter-maxrcpts"),
        ("pyfilter", "pyfilter-numprocs"),
    ],
)
def test_a_wrong_setting_refuses_mail_from_the_first_start_until_it_is_mended(
    site: Site, tmp_path: Path, name: str, setting: str
) -> None:
    main = f"#!{sys.executable}\nfrom couriermail.cli.{name} import main\nmain()\n"
    site.program(name, main)
    (site.settings / setting).write_text("many\n")
    (site.settings / "pyfilter").write_text(f"{tmp_path}/script.py\n")
    (tmp_path / "script.py").write_text("def filterdata(path):\n    return ''\n")
    (tmp_path / "body").write_bytes(b"Subject: a\n\nb\n")
    (tmp_path / "control").write_bytes(b"sa@b\nrc@d\nR\nN\n")
    request = FilterRequest(f"{tmp_path}/body", (f"{tmp_path}/control",))
    places = FilterPlaces(str(site.config), str(site.state))

    def answer() -> bool:
        with contextlib.suppress(FilterUnavailableError):
            return ask_filters(places.socket_paths(everybody=True), request) is None
        return False

    site.filterctl("start", name)
    assert site.courierfilter("start").code == 0
    assert places.socket_paths(everybody=True) == [f"{site.state}/filters/{name}"]
    with pytest.raises(FilterUnavailableError):
        ask_filters(places.socket_paths(everybody=True), request)
    wait_for(lambda: f"{name}: {name}: " in site.log(), "the reason in the log")
    assert f"{site.settings}/{setting}: holds no number" in site.log()
    (site.settings / setting).unlink()
    wait_for(answer, "the filter, started again")


def test_courierfilter_that_cannot_start_says_why(site: Site) -> None:
    (site.settings / "active").touch()
    done = site.courierfilter("start")
    assert done.code == 1
    assert b"it did not start: " in done.err
    assert b"filters/active: cannot be read" in done.err


@pytest.mark.parametrize("words", [("sing",), ("start", "mine")])
def test_wrong_arguments_of_courierfilter_end_with_1(site: Site, words: tuple[str, ...]) -> None:
    done = site.courierfilter(*words)
    assert done.code == 1
    assert done.err.startswith(b"Usage: ")


def test_dupfilter_can_be_tried_by_hand(site: Site, tmp_path: Path) -> None:
    (site.settings / "dupfilter-duplevel").write_text("2\n")
    (tmp_path / "D").write_text("Subject: x\n\ntext\n")
    (tmp_path / "C").write_text("sann@x\nM1.2.3\n")
    request = f"{tmp_path}/D\n{tmp_path}/C\n\n".encode()
    done = run_ours("dupfilter", "-C", str(site.config), "test", data=request * 2 + b"/none\n\n")
    assert done.out == (
        b"Ready.\n200 Ok.\n500 Duplicate message rejected.\n400 dupfilter - cannot open message\n"
    )
    assert done.code == 0


def test_pyfilter_tries_a_script_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "D").write_text("Subject: x\n\ntext\n")
    (tmp_path / "C").write_text("sann@x\nM1.2.3\nrbob@x\nR\nN\n")
    (tmp_path / "script.py").write_text(
        "from couriermail.filter.courierfilter import accept\n"
        "async def check(msg):\n"
        "    changed = accept().remove_header('To').add_header('X-A', msg.headers['Subject'])\n"
        "    changed = changed.replace_body(b'new').add_recipient('eve@x').quarantine('q@x')\n"
        "    return changed.remove_recipient('bob@x')\n"
    )
    done = run_ours("pyfilter", "--test", "script.py", "D", "C", cwd=tmp_path)
    assert done == (
        0,
        b"200 Ok.\nremove header To\nadd header X-A: x\nreplace body\nremove all recipients\n"
        b"remove recipient bob@x\nadd recipient eve@x\nadd recipient q@x\n",
        b"",
    )
    assert (tmp_path / "D").read_text() == "Subject: x\n\ntext\n"
    assert (tmp_path / "C").read_text() == "sann@x\nM1.2.3\nrbob@x\nR\nN\n"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("def filterdata(path): return 1 / 0", 75, b"ZeroDivisionError"),
        ("def filterdata(path) return 1", 1, b"script.py:1: cannot be loaded: SyntaxError"),
        ("def filterdata(path): return open('none').read()", 75, b"FileNotFoundError"),
        ("def filterdata(path): return 'what?'", 75, b"three-digit code"),
    ],
    ids=["raises", "syntax", "file", "no-reply"],
)
def test_pyfilter_says_why_a_script_failed(
    tmp_path: Path, text: str, code: int, message: bytes
) -> None:
    (tmp_path / "D").write_text("Subject: x\n\ntext\n")
    (tmp_path / "script.py").write_text(text)
    done = run_ours("pyfilter", "--test", "script.py", "D", cwd=tmp_path)
    assert (done.code, done.out) == (code, b"")
    assert message in done.err


@pytest.mark.parametrize("words", [("mine",), ("--test",), ("--test", "script.py")])
def test_wrong_arguments_of_pyfilter_end_with_2(words: tuple[str, ...]) -> None:
    done = run_ours("pyfilter", *words)
    assert done.code == 2
    assert b"--test takes a script, a body file and control files" in done.err


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (None, b"pyfilter: filters/pyfilter: not defined.\n"),
        ("/none/script.py", b"pyfilter: /none/script.py: cannot be read: No such file or dir"),
        ("no_such.module", b"pyfilter: no_such.module: cannot be loaded: ModuleNotFoundError"),
    ],
    ids=["not-defined", "no-file", "no-module"],
)
def test_pyfilter_without_its_script_ends_and_leaves_a_socket_that_refuses(
    site: Site, script: str | None, message: bytes
) -> None:
    if script is not None:
        (site.settings / "pyfilter").write_text(f"{script}\n")
    (site.state / "filters").mkdir(parents=True)
    done = run_ours("pyfilter", "-C", str(site.config))
    assert done.code == 1
    assert message in done.err
    assert done.err.count(b"\n") == 1
    assert (site.state / "filters/pyfilter").is_socket()


@pytest.mark.parametrize(
    ("command", "name", "text", "message"),
    [
        ("dupfilter", "dupfilter-duplevel", "many", b"dupfilter-duplevel: holds no number"),
        ("ratefilter", "ratefilter-maxrcpts", "many", b"ratefilter-maxrcpts: holds no number"),
        ("verifyfilter", "verifyfilter-logmode", "most", b"is neither base nor full"),
        ("ratefilter", "ratefilter-code", "200 fine", b"does not begin with a reply code"),
        ("pyfilter", "pyfilter-numprocs", "many", b"pyfilter-numprocs: holds no number"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    site: Site, command: str, name: str, text: str, message: bytes
) -> None:
    (site.settings / name).write_text(f"{text}\n")
    (site.state / "filters").mkdir(parents=True)
    done = run_ours(command, "-C", str(site.config))
    assert done.code == 1
    assert message in done.err
    assert done.err.count(b"\n") == 1
    assert (site.state / "filters" / command).is_socket()  # nothing passes unseen


@pytest.mark.parametrize("command", ["dupfilter", "pyfilter", "ratefilter", "verifyfilter"])
def test_a_filter_without_its_directories_says_so(site: Site, command: str) -> None:
    done = run_ours(command, "-C", str(site.config))
    assert done.code == 75
    assert b"cannot listen on" in done.err


@pytest.mark.parametrize(
    "command",
    ["filterctl", "courierfilter", "dupfilter", "pyfilter", "ratefilter", "verifyfilter"],
)
def test_help_has_examples_and_exit_codes(command: str) -> None:
    done = run_ours(command, "--help")
    assert done.code == 0
    assert b"Examples:" in done.out
    assert b"Exit codes:" in done.out
