"""Dry runs: the same decisions as real deliveries, and nothing touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.filter import (
    DryRunTotals,
    FilterError,
    LocalHost,
    MessageSource,
    MessageSourceError,
    compile_recipe,
    dry_run,
)
from couriermail.maildir import Maildir, deliver_mbox

ROOT = Path(__file__).resolve().parents[3]
MESSAGES = ROOT / "examples/messages"
RECIPE = ROOT / "examples/recipes/mailfilter"
FOLDERS = ["", ".Bounces", ".Lists", ".Digests", ".Friends", ".Spam", ".Large", ".Attachments", ".Urgent"]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in FOLDERS:
        Maildir.create(tmp_path / "Maildir" / name)
    return tmp_path


def snapshot(path: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(one): (
            one.stat().st_mode,
            one.stat().st_mtime_ns,
            one.read_bytes() if one.is_file() else b"",
        )
        for one in path.rglob("*")
    }


def delivered(home: Path) -> dict[str, int]:
    """Messages by folder."""
    return {
        str(folder): count
        for folder in (home / "Maildir" / name for name in FOLDERS)
        if (count := len([*(folder / "new").iterdir(), *(folder / "cur").iterdir()]))
    }


def test_the_example_recipe_goes_the_same_ways_in_a_dry_run_and_in_earnest(home: Path) -> None:
    recipe = compile_recipe(RECIPE.read_bytes(), name="mailfilter")
    env = {"HOME": str(home)}
    before, totals = snapshot(home), DryRunTotals()
    decisions = [*dry_run(recipe, MESSAGES, home=home, env=env)]
    assert snapshot(home) == before
    for decision in decisions:
        totals.add(decision)
    for stored, decision in zip(MessageSource(MESSAGES), decisions, strict=True):
        real = recipe.run(stored.message, host=LocalHost(home), env=env)
        assert real.deliveries == decision.deliveries, stored.label
        assert real.exit_code == decision.exit_code
    assert (totals.messages, totals.failed, totals.uncertain) == (27, 0, 0)
    assert {str(Path(place)): count for place, count in totals.ranked()} == delivered(home)
    assert len(totals.destinations) >= 5


BAD_PLACES = ["none/mbox", "Maildir/.None", "none/", "dir", "Maildir/new", "mbox", "Maildir/"]


@pytest.mark.parametrize("place", BAD_PLACES)
@pytest.mark.parametrize("flags", ["S", "Z"])
def test_a_delivery_fails_in_a_dry_run_where_it_fails_in_earnest(
    home: Path, place: str, flags: str
) -> None:
    (home / "dir").mkdir()
    recipe = compile_recipe(f'FLAGS="{flags}"\nto "{place}"\n', name="r")
    message = b"Subject: x\n\nb\n"
    (home / "m.eml").write_bytes(message)
    (decision,) = dry_run(recipe, home / "m.eml", home=home)
    try:
        real = recipe.run(message, host=LocalHost(home))
        assert decision.deliveries == real.deliveries
        assert decision.error == ""
    except FilterError:
        assert (decision.exit_code, decision.deliveries) == (75, ())
        assert "Unable to" in decision.error


GREEDY = """\
logfile "log"
log "text"
X=`touch backtick`
xfilter "touch xfilter; cat"
system "touch system"
cc "|touch pipe"
cc "! a@b"
cc "mbox"
dotlock "dot.lock" {
  X=gdbmopen("table","C")
  X=gdbmstore("k","v")
}
flock "flock" {
  to "Maildir"
}
"""


def test_nothing_is_run_written_or_locked(home: Path) -> None:
    recipe = compile_recipe(GREEDY, name="r")
    (home / "m.eml").write_bytes(b"Subject: x\n\nb\n")
    before = snapshot(home)
    (decision,) = dry_run(recipe, home / "m.eml", home=home, env={"SENDMAIL": "/bin/touch sent"})
    assert snapshot(home) == before
    assert decision.destinations == ("|touch pipe", "! a@b", "mbox", "Maildir")
    assert decision.unrun == (b"touch backtick", b"touch xfilter; cat", b"touch system")


def test_commands_are_run_on_request_but_never_deliveries(home: Path) -> None:
    recipe = compile_recipe(GREEDY, name="r")
    (home / "m.eml").write_bytes(b"Subject: x\n\nb\n")
    (decision,) = dry_run(recipe, home / "m.eml", home=home, runs_commands=True)
    made = {one.name for one in home.iterdir()} - {"Maildir", "m.eml"}
    assert made == {"backtick", "xfilter", "system"}
    assert decision.unrun == ()


def test_a_message_is_kept_when_the_recipe_fails(home: Path) -> None:
    (home / "m.eml").write_bytes(b"Subject: x\n\nb\n")
    recipe = compile_recipe('cc "mbox"\ninclude "none"\n', name="r")
    (decision,) = dry_run(recipe, home / "m.eml", home=home)
    assert decision.destinations == ("mbox", "(kept, to be tried again)")
    assert decision.as_json() == {
        "message": str(home / "m.eml"),
        "deliveries": [{"kind": "mbox", "target": "mbox", "verb": "cc"}],
        "exit_code": 75,
        "is_default": False,
        "error": "Unable to open include file. (r:2:1)",
        "commands_not_run": [],
    }


def test_all_folders_of_a_maildir_are_read(home: Path) -> None:
    box = Maildir.open(home / "Maildir")
    box.deliver(b"Subject: one\n\n")
    box.folder("Spam").deliver(b"Subject: two\n\n", flags="S")
    recipe = compile_recipe('/^Subject: (.*)/\nto "box-$MATCH1"\n', name="r")
    decisions = [*dry_run(recipe, home / "Maildir", home=home)]
    assert [one.destinations for one in decisions] == [("box-one",), ("box-two",)]
    assert decisions[1].label.startswith(".Spam/cur/")


def test_a_message_that_vanishes_is_left_out(home: Path) -> None:
    box = Maildir.open(home / "Maildir")
    for number in range(2):
        box.deliver(b"Subject: %d\n\n" % number)
    source = MessageSource(home / "Maildir")
    os.unlink(next(iter(box.scan().values())).path)
    assert (source.weight, len([*source])) == (2, 1)


def test_an_mbox_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = [b"Subject: a\n\nFrom me\n>From you\n", b"Subject: b\r\n\r\nx\r\n", b"Subject: c\n\n"]
    for message in written:
        deliver_mbox(tmp_path / "mbox", message, sender="s@x.example")
    stored = [*MessageSource(tmp_path / "mbox")]
    assert [b"".join(map(bytes, one.message.chunks())) for one in stored] == [
        one.replace(b"\r\n", b"\n") for one in written
    ]
    assert [one.sender for one in stored] == ["s@x.example"] * 3
    assert sum(one.weight for one in stored) == MessageSource(tmp_path / "mbox").weight


@pytest.mark.parametrize("name", ["none", "empty-directory", "pipe"])
def test_where_there_are_no_messages_that_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty-directory").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MessageSourceError) as caught:
        [*MessageSource(tmp_path / name)]
    assert caught.value.exit_code == 66
