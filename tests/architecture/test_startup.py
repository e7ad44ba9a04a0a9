"""Start-up is a feature: what importing a room, or a per-message command, may load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.architecture.workspace import ROOT, Distribution, imports_of, with_code

# Each costs 8 ms or more, or drags in one that does (measured against a bare interpreter).
HEAVY = [
    "asyncio",
    "attr",
    "attrs",
    "cryptography",
    "ctypes",
    "dataclasses",
    "dns",
    "email",
    "enum",
    "inspect",
    "lmdb",
    "logging",
    "pathlib",
    "re",
    "regex",
    "rich",
    "serial",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "typer",
    "typing",
    "urllib",
    "uvloop",
]

# Modules that per-message commands go through, room by room; none may load a heavy one.
LIGHT_MODULES = {
    "core": "durable errors exports faults",
    "rfc822": "gpg headers message pgp_unlock",
    "maildir": "locks maildirsize mbox quota writing",
    "filter": "recipe run",
    "mta": "submitclient submitwire",
}

# Commands that run once per message, and what none of them may load before it is needed.
# `re`, `enum` and their like are counted by the start-up benchmark instead.
MESSAGE_COMMANDS = [
    "maildrop",
    "sendmail",
    "submit",
    "deliverquota",
    "reformime",
    "reformail",
    "makemime",
    "mailbot",
    "mimegpg",
    "preline",
]
NEVER_IN_A_COMMAND = [
    "asyncio",
    "attr",
    "cryptography",
    "dns",
    "lmdb",
    "regex",
    "rich",
    "ssl",
    "typer",
    "urllib",
]

# What only reports and forwarded messages need of rfc822.
NOT_IN_A_PLAIN_ANSWER = ["delivery_status", "feedback", "forward", "report", "status_fields"]

# Third-party packages that a module of these rooms may import at its head.
EAGER_THIRD_PARTY = {
    "core": {"attrs"},
    "table": {"attrs", "lmdb"},
    "rfc822": {"attrs"},
    "maildir": {"attrs"},
    "auth": {"attrs"},
    "filter": {"attrs", "regex"},
    "smtp": {"attrs"},
    "queue": {"attrs", "lmdb"},
    "fax": {"attrs"},
    "mta": {"attrs", "lmdb"},
    "cli": {"attrs", "typer"},
}

rooms = pytest.mark.parametrize("distribution", with_code(), ids=lambda found: found.room)


def loaded_by(modules: list[str]) -> set[str]:
    """Top-level names of what importing these modules loads, beyond a bare interpreter."""
    program = (
        "import sys; bare = set(sys.modules)\n"
        f"for name in {modules!r}: __import__(name)\n"
        "print(*(name for name in sys.modules if name not in bare), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_measure_sees_what_is_loaded() -> None:
    assert {"re", "enum"} <= loaded_by(["re"])


@rooms
def test_importing_a_room_loads_nothing_heavy(distribution: Distribution) -> None:
    assert loaded_by([f"couriermail.{distribution.room}"]).intersection(HEAVY) == set()


@pytest.mark.parametrize("room", LIGHT_MODULES)
def test_modules_on_the_way_of_every_message_load_nothing_heavy(room: str) -> None:
    modules = [f"couriermail.{room}.{name}" for name in LIGHT_MODULES[room].split()]
    assert loaded_by(modules).intersection(HEAVY) == set()


def test_commands_that_run_once_per_message_start_light() -> None:
    heavy = {
        command: sorted(loaded.intersection(NEVER_IN_A_COMMAND))
        for command in MESSAGE_COMMANDS
        if (ROOT / "cli/src/couriermail/cli" / f"{command}.py").exists()
        for loaded in [loaded_by([f"couriermail.cli.{command}"])]
        if loaded.intersection(NEVER_IN_A_COMMAND)
    }
    assert heavy == {}


def test_a_recipe_that_captures_what_simple_patterns_match_loads_no_engine(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    recipe.write_text('if (/^Subject: *(.*)$/)\n{\n X="$MATCH1"\n}\necho "$X"\nexit\n')
    recipe.chmod(0o600)
    program = (
        "import sys\nfrom couriermail.cli.maildrop import main\n"
        "try: main()\nfinally: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(recipe)],
        input="Subject: hello\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    found, loaded = done.stdout.splitlines()
    assert found == "hello"
    assert set(NEVER_IN_A_COMMAND).intersection(loaded.split()) == set()


def test_an_answer_in_plain_words_loads_no_reports_and_no_maildir(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("I am away.\n")
    program = (
        "import sys\nfrom couriermail.cli.mailbot import main\n"
        "try: main()\nfinally: print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "-n", "-t", str(tmp_path / "text")],
        input="From: ann@x.example\nTo: me@y.example\nSubject: hello\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    answer, _, loaded = done.stdout.rstrip("\n").rpartition("\n")
    assert "I am away." in answer
    unneeded = {f"couriermail.rfc822.{name}" for name in NOT_IN_A_PLAIN_ANSWER}
    unneeded |= {"couriermail.maildir.entries", *NEVER_IN_A_COMMAND}
    assert unneeded.intersection(loaded.split()) == set()


@rooms
def test_optional_and_heavy_packages_are_imported_on_use(distribution: Distribution) -> None:
    allowed = {*sys.stdlib_module_names, "couriermail", *EAGER_THIRD_PARTY[distribution.room]}
    wrong = [
        f"{found.place}: {found.module}"
        for module in distribution.modules
        for found in imports_of(module)
        if found.is_eager and found.top not in allowed
    ]
    assert wrong == []
