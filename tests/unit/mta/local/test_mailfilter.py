"""`| maildrop` in an instruction file: the user's recipe without a program."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from couriermail.filter import Recipe, compile_recipe
from couriermail.maildir import Maildir
from couriermail.mta.local import AgentSettings, LocalJob, LocalResult, deliver_batch
from couriermail.mta.local.recipes import RecipeCache

BODY = b"Subject: hello\n\nbody\n"
HEADER = b"Delivered-To: rcpt@example.com\nReturn-Path: <sender@example.org>\n"
DELIVERED = ("Message delivered.",)


@attrs.define
class Account:
    """A home with a maildir and a folder, and an instruction file that says `| maildrop`."""

    home: Path
    settings: AgentSettings = attrs.field(factory=lambda: AgentSettings(localtimeout=30.0))
    recipes: RecipeCache = attrs.field(factory=RecipeCache)

    def recipe(self, text: str, mode: int = 0o600) -> None:
        (self.home / ".mailfilter").write_text(text)
        (self.home / ".mailfilter").chmod(mode)

    def job(self, key: int = 1, ledger: str = "", quota: str = "") -> LocalJob:
        return LocalJob(
            key=key,
            recipient="rcpt@example.com",
            sender="sender@example.org",
            user="rcpt",
            home=str(self.home),
            quota=quota,
            extension="",
            size=len(BODY),
            body=BODY,
            ledger=ledger,
        )

    def deliver_all(self, jobs: list[LocalJob]) -> list[LocalResult]:
        results: list[LocalResult] = []
        deliver_batch(jobs, self.settings, results.append, recipes=self.recipes, now=lambda: 0.0)
        return results

    def deliver(self, recipe: str | None = None, ledger: str = "", quota: str = "") -> LocalResult:
        if recipe is not None:
            self.recipe(recipe)
        [result] = self.deliver_all([self.job(ledger=ledger, quota=quota)])
        return result

    def messages(self, name: str = "Maildir") -> list[bytes]:
        return [path.read_bytes() for path in (self.home / name / "new").iterdir()]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    umask = os.umask(0o077)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    Maildir.create(home / "Maildir").create_folder("Work")
    (home / ".courier").write_text("| maildrop\n")
    yield Account(home)
    os.umask(umask)


@pytest.fixture
def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The children that were made."""
    made: list[int] = []
    real = os.fork

    def fork() -> int:
        pid = real()
        made.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", fork)
    return made


def test_without_a_recipe_the_mail_goes_to_the_default(account: Account, forks: list[int]) -> None:
    assert account.deliver().lines == DELIVERED
    assert account.messages() == [HEADER + BODY]
    assert forks == []


STRAIGHT = {
    "choosing a folder": 'if (/^Subject: hello/)\n to "Maildir/.Work/"\n',
    "the lines of the delivery can be matched": 'if (/^Delivered-To: rcpt@example/)\n to "Maildir/.Work"\n',
    "an imported variable": 'import RECIPIENT\nif ($RECIPIENT eq "rcpt@example.com")\n to "Maildir/.Work"\n',
}


@pytest.mark.parametrize("case", STRAIGHT)
def test_a_recipe_that_only_chooses_needs_no_child(
    account: Account, forks: list[int], case: str
) -> None:
    assert account.deliver(STRAIGHT[case]).lines == DELIVERED
    assert account.messages("Maildir/.Work") == [HEADER + BODY]
    assert account.messages() == []
    assert forks == []


def test_copies_of_recipes_share_the_syncs_of_the_batch(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.recipe('cc "Maildir/.Work"\n')
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    results = account.deliver_all([account.job(key) for key in range(10)])

    assert {result.kind for result in results} == {"success"}
    assert sorted(Path(path).parent.name for path in synced) == [".Work", "Maildir"]
    assert len(account.messages()) == len(account.messages("Maildir/.Work")) == 10


STATUSES = {
    "0": ("EXITCODE=0\nexit\n", "success", DELIVERED),
    "99": ("EXITCODE=99\nexit\n", "success", DELIVERED),
    "77": ("EXITCODE=77\nexit\n", "failure", ("Command failed with exit status 77.",)),
    "75": ("EXITCODE=75\nexit\n", "deferral", ("Command ended with exit status 75.",)),
    "77 with words": ('echo "go away"\nEXITCODE=77\nexit\n', "failure", ("go away",)),
}


@pytest.mark.parametrize("case", STATUSES)
def test_the_exit_status_means_what_a_command_s_means(account: Account, case: str) -> None:
    recipe, kind, lines = STATUSES[case]
    result = account.deliver(recipe)

    assert (result.kind, result.lines) == (kind, lines)
    assert account.messages() == []


REAL = {
    "a command": ('to "| cat >copy"\n', "copy"),
    "a back-quoted command": ("X=`touch copy`\n", "copy"),
    "a filter": ('xfilter "tee copy"\n', "copy"),
    "an mbox": ("to ./copy\n", "copy"),
    "a log": ("logfile copy\n", "copy"),
    "an error that is trapped": ("exception {\n to ./no/such\n}\nto ./copy\n", "copy"),
    "a loop": ("N=0\nwhile ($N < 3)\n{\n N=$N+1\n}\nto ./copy\n", "copy"),
}


@pytest.mark.parametrize("case", REAL)
def test_a_recipe_that_does_more_is_run_in_a_child(
    account: Account, forks: list[int], case: str
) -> None:
    recipe, made = REAL[case]

    assert account.deliver(recipe).kind == "success"
    assert (account.home / made).exists()
    assert len(forks) == 1


def test_flags_and_keywords_reach_the_maildir(account: Account) -> None:
    assert account.deliver('FLAGS="S"\nto ./Maildir\n').kind == "success"

    [path] = (account.home / "Maildir" / "cur").iterdir()
    assert path.name.endswith(":2,S")


def test_a_planned_recipe_that_turns_out_to_act_acts_once(account: Account) -> None:
    account.deliver('cc ./Maildir\ncc "| echo x >>count"\nto ./Maildir\n')

    assert (account.home / "count").read_text() == "x\n"
    assert len(account.messages()) == 2


REFUSED = {
    "group may read": (0o640, "to ./Maildir\n", "Cannot have world/group permissions"),
    "world may write": (0o602, "to ./Maildir\n", "Cannot have world/group permissions"),
    "a syntax error": (0o600, "if (\n", ".mailfilter:"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_unsafe_or_broken_recipe_defers(account: Account, case: str) -> None:
    mode, recipe, words = REFUSED[case]
    account.recipe(recipe, mode)

    result = account.deliver()

    assert result.kind == "deferral"
    assert words in result.lines[0]
    assert account.messages() == []


def test_a_directory_is_no_recipe(account: Account) -> None:
    (account.home / ".mailfilter").mkdir()

    assert account.deliver().lines == ("mailfilter file isn't a regular file.",)


@pytest.mark.parametrize(
    ("mode", "words"),
    [(0o777, "world writable"), (0o1700, "held while the home directory is sticky")],
)
def test_an_open_or_sticky_home_defers(account: Account, mode: int, words: str) -> None:
    account.home.chmod(mode)

    result = account.deliver()

    assert result.kind == "deferral"
    assert words in result.lines[0]


@pytest.mark.root
def test_a_recipe_or_home_of_somebody_else_defers(account: Account) -> None:
    account.recipe("to ./Maildir\n")
    os.chown(account.home / ".mailfilter", 54321, 54321)
    assert account.deliver().lines == ("mailfilter file is owned by the wrong user.",)
    os.chown(account.home, 54321, 54321)
    assert account.deliver().lines == ("Home directory owned by wrong user.",)


HOSTILE = {
    "kills its group": 'to "| kill -9 0"\n',
    "hangs": "X=`sleep 60`\n",
    "loops without end": "while (1)\n{\n X=1\n}\n",
    "waits for a lock for ever": 'flock "lock"\n{\n X=1\n}\n',
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_recipe_defers_itself_only(account: Account, case: str) -> None:
    import fcntl

    account.settings = AgentSettings(localtimeout=0.5, kill_after=0.2)
    with (account.home / "lock").open("wb") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        assert account.deliver(HOSTILE[case]).kind == "deferral"
    assert account.deliver("to ./Maildir\n").kind == "success"


def test_a_recipe_is_compiled_once_for_each_version(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[bytes] = []

    def compile_and_note(text: bytes, *, name: str) -> Recipe:
        compiled.append(text)
        return compile_recipe(text, name=name)

    monkeypatch.setattr("couriermail.mta.local.recipes.compile_recipe", compile_and_note)
    account.deliver("to ./Maildir\n")
    account.deliver()
    account.deliver('to "Maildir/.Work"\n')
    account.deliver()

    assert compiled == [b"to ./Maildir\n", b'to "Maildir/.Work"\n']
    assert len(account.messages()) == len(account.messages("Maildir/.Work")) == 2


def test_the_administrator_s_recipe_comes_first(account: Account, tmp_path: Path) -> None:
    rc = tmp_path / "maildroprc"
    rc.write_text('if (/^Subject: hello/)\n to "Maildir/.Work"\n')
    account.settings = AgentSettings(maildroprc=str(rc))
    account.deliver("to ./Maildir\n")
    rc.write_text("X=1\n")
    account.deliver()

    assert len(account.messages()) == len(account.messages("Maildir/.Work")) == 1


def test_the_configured_command_means_the_recipe_too(account: Account, forks: list[int]) -> None:
    account.settings = AgentSettings(maildrop_command="/opt/maildrop")
    (account.home / ".courier").write_text("|/opt/maildrop\n")

    assert account.deliver('to "Maildir/.Work"\n').kind == "success"
    assert len(account.messages("Maildir/.Work")) == 1


def test_the_quota_of_the_account_counts(account: Account) -> None:
    assert account.deliver("to ./Maildir\n", quota="10S").lines == ("Maildir over quota.",)
    assert account.deliver("logfile l\nto ./Maildir\n", quota="10S").lines == (
        "maildrop: maildir over quota. (.mailfilter:2:1)",
        "Command ended with exit status 75.",
    )


def test_a_retry_skips_copies_that_are_stored(account: Account) -> None:
    (account.home / "Maildir" / ".Full").mkdir()
    Maildir(account.home / "Maildir").set_quota("100000S")
    recipe = 'cc "Maildir/.Work"\nMAILDIRQUOTA="10S"\nto ./Maildir\n'
    first = account.deliver(recipe)
    assert first.kind == "deferral"

    second = account.deliver(recipe, ledger=first.ledger)

    assert second.kind == "deferral"
    assert len(account.messages("Maildir/.Work")) == 1


def test_an_unforeseen_error_in_the_child_is_logged_and_deferred(
    account: Account, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("couriermail.mta.local.mailfilter.LocalHost", fail)
    with caplog.at_level(logging.CRITICAL):
        result = account.deliver("logfile l\n")

    assert (result.kind, result.lines) == ("deferral", ("Command ended with exit status 75.",))
