"""Our maildrop run in process judges as the program does (spec filter 4.18, 4.12)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from couriermail.filter.rcptfilter import FilterAccount, FilterCall, FilterResult
from couriermail.mta.rcptfilter.maildrop import OwnMaildrop, is_own_maildrop
from couriermail.mta.rcptfilter.program import FilterProgram

SCRIPT = "#!{python}\nimport sys\nfrom couriermail.cli.maildrop import main\nsys.exit(main())\n"
MESSAGE = b"Return-Path: <s@x.example>\nSubject: hello\nTo: tess@example.com\n\nbody\n"
NAMES = [
    "HOME", "LOGNAME", "SHELL", "DEFAULT", "MAILDIRQUOTA", "FROM", "HOSTNAME", "MAILFILTER",
    "VERBOSE", "PATH", "UMASK", "LC_TIME", "LANG", "SENDER", "TCPREMOTEIP", "BLOCK2", "SENDMAIL",
    "LOCKEXT", "SIZE", "LINES", "1", "2", "3", "4", "5", "6", "EXITCODE",
]  # fmt: skip


@attrs.frozen
class Both:
    """The program, and what stands in its place, in one home."""

    home: Path
    config: Path
    program: FilterProgram
    own: OwnMaildrop

    def recipe(self, text: str, name: str = "rcptfilter", mode: int = 0o600) -> None:
        path = self.home / ".mailfilters" / name
        path.write_text(text)
        path.chmod(mode)

    def call(self, name: str = "rcptfilter", **environment: str) -> FilterCall:
        return FilterCall(
            account=FilterAccount(
                uid=os.geteuid(), gid=os.getegid(), home=str(self.home), maildir="./M", quota="9S"
            ),
            name=name,
            sender="s@x",
            environment={
                "PATH": "/usr/bin:/bin",
                "LC_TIME": "C",
                "COURIERMAIL_CONFIG": str(self.config),
                "TCPREMOTEIP": "192.0.2.1",
                "TCPREMOTEHOST": "h.example",
                "BOUNCE": "b1",
                **environment,
            },
        )

    def results(
        self, call: FilterCall, message: bytes | None = MESSAGE
    ) -> tuple[FilterResult, FilterResult]:
        """Of the program and of what stands in its place."""
        if message is None:
            return self.program.run(call), self.own.run(call)
        path = self.home.parent / "message"
        path.write_bytes(message)
        with path.open("rb") as first, path.open("rb") as second:
            return self.program.run(call, first.fileno()), self.own.run(call, second.fileno())


@pytest.fixture
def both(tmp_path: Path) -> Both:
    home, config = tmp_path / "home", tmp_path / "etc"
    (home / ".mailfilters").mkdir(parents=True)
    (config / "maildroprcs").mkdir(parents=True)
    for path in (home, home / ".mailfilters"):
        path.chmod(0o700)
    script = tmp_path / "maildrop"
    script.write_text(SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    return Both(home, config, FilterProgram(str(script)), OwnMaildrop(str(config)))


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param("EXITCODE=99\n", id="exitcode"),
        pytest.param('EXITCODE="-1"\n', id="negative"),
        pytest.param('echo "550-one"\necho "550 two"\nEXITCODE=1\nexit\n', id="text"),
        pytest.param("".join(f'echo "{name}=${name}"\n' for name in NAMES), id="variables"),
        pytest.param(
            "".join(f'import {name}\necho "{name}=${name}"\n' for name in NAMES[:-7]), id="imports"
        ),
        pytest.param('if (/^Subject: *(.*)/)\n{\n  echo "550 $MATCH1"\n}\n', id="header"),
        pytest.param("if (/^body/:b)\n{\n  EXITCODE=5\n}\n", id="body"),
        pytest.param("", id="empty"),
        pytest.param('to "x"\n', id="to"),
        pytest.param("if (\n", id="syntax"),
        pytest.param('include "nosuch"\n', id="include-missing"),
        pytest.param('exception {\ninclude "nosuch"\n}\nEXITCODE=3\n', id="trapped"),
        pytest.param('VERBOSE="4"\nif (1)\n{\n  EXITCODE=7\n}\n', id="trace"),
        pytest.param("(" * 3000 + "\n", id="deep"),
        pytest.param('X="a"\nwhile (1)\n{\n  X="$X$X"\n}\n', id="limit"),
        pytest.param('ECHO="\xe4"\necho "$ECHO"\nEXITCODE=1\n', id="utf-8"),
    ],
)
@pytest.mark.parametrize("message", [None, MESSAGE, MESSAGE.replace(b"\n", b"\r\n")])
def test_a_recipe_comes_to_the_same(recipe: str, message: bytes | None, both: Both) -> None:
    both.recipe(recipe)
    expected, found = both.results(both.call(), message)
    assert found == expected
    assert b"Traceback" not in found.output


@pytest.mark.parametrize(
    ("place", "mode"),
    [(".", 0o1700), (".", 0o702), (".mailfilters", 0o755), (".mailfilters/rcptfilter", 0o640)],
)
def test_rights_are_asked_for_in_the_same_way(place: str, mode: int, both: Both) -> None:
    both.recipe("EXITCODE=9\n")
    (both.home / place).chmod(mode)
    expected, found = both.results(both.call())
    assert found == expected
    assert found.exit_code == 75


def test_the_same_files_are_tried(both: Both) -> None:
    assert both.results(both.call("rcptfilter-a.b")) == (FilterResult(0), FilterResult(0))
    for number, name in enumerate(("default", "rcptfilter-default", "rcptfilter-a:b"), 1):
        both.recipe(f'echo "$MAILFILTER"\nEXITCODE={number}\n', name)
        wanted = FilterResult(number, b"rcptfilter-a:b\n")
        assert both.results(both.call("rcptfilter-a.b")) == (wanted, wanted)


def test_the_administrators_recipes_may_run_commands(both: Both) -> None:
    (both.config / "maildroprcs" / "ok").write_text(
        'system "echo out; echo err >&2; cat; pwd; umask; ls /proc/self/fd | wc -l"\n'
        "X=`cat`\nEXITCODE=$RETURNCODE\necho $X\n"
    )
    both.recipe(f'include "{both.config}/maildroprcs/ok"\n')
    expected, found = both.results(both.call())
    assert found == expected
    assert found.output.startswith(f"out\nerr\n{both.home}\n".encode())


def test_what_a_command_leaves_behind_is_told_to_end(both: Both) -> None:
    (both.config / "maildroprcs" / "ok").write_text(
        'system "sleep 600 >/dev/null 2>&1 & echo $!"\n'
    )
    both.recipe(f'include "{both.config}/maildroprcs/ok"\n')
    for result in both.results(both.call()):
        pid = int(result.output)
        deadline = time.monotonic() + 20.0
        while not is_gone(pid):
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_recipe_that_never_ends_is_ended(both: Both) -> None:
    both.recipe("while (1)\n{\n  X=1\n}\n")
    own = OwnMaildrop(str(both.config), timeout=0.3, kill_after=0.2)
    assert own.run(both.call()).exit_code is None


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize(
    ("change", "is_ours"),
    [
        (lambda text: text, True),
        (lambda text: text.replace("#!", "#!/usr/bin/env "), False),
        (lambda text: text.replace("cli.maildrop", "cli.mailbot"), False),
        (lambda text: "\x7fELF" + text, False),
    ],
    ids=["ours", "other-interpreter", "other-command", "binary"],
)
def test_only_our_own_program_is_replaced(
    change: Callable[[str], str], is_ours: bool, both: Both
) -> None:
    path = Path(both.program.path)
    path.write_text(change(path.read_text()))
    assert is_own_maildrop(str(path)) is is_ours
    assert not is_own_maildrop(str(path.parent / "nosuch"))
    assert not is_own_maildrop("/usr/bin/env")
