"""Deliveries and commands in a home directory: spec filter 4.13 and 6.5."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from couriermail.filter import (
    BytesMessage,
    FilterError,
    FilterOutcome,
    LocalHost,
    RecipeLimitError,
    RecipeRuntimeError,
    compile_recipe,
)
from couriermail.filter.errors import OverQuotaError
from couriermail.filter.locking import LockRefresher
from couriermail.maildir import LockPolicy, Maildir
from couriermail.table import build_table

MESSAGE = b"From: a@b.example\nSubject: hello\n\nbody\nFrom me\n"


def run(home: Path, recipe: str, message: bytes = MESSAGE) -> FilterOutcome:
    host = LocalHost(home, umask=0o007)
    try:
        return compile_recipe(recipe + "\n", name="r").run(
            message, host=host, env={"DEFAULT": "./Maildir"}, sender="me@x.example"
        )
    finally:
        host.close()


def test_paths_and_commands_start_from_the_home_and_the_process_stays_put(tmp_path: Path) -> None:
    here = Path.cwd()
    Maildir.create(tmp_path / "Maildir")
    outcome = run(tmp_path, 'cc mb\ncc "|pwd >where; cat >got"\n')
    assert [delivery.kind for delivery in outcome.deliveries] == ["mbox", "pipe", "maildir"]
    assert (tmp_path / "where").read_text() == f"{tmp_path}\n"
    assert (tmp_path / "got").read_bytes() == MESSAGE
    assert len([*(tmp_path / "Maildir/new").iterdir()]) == 1
    assert Path.cwd() == here


def test_the_envelope_sender_is_in_the_from_line(tmp_path: Path) -> None:
    run(tmp_path, "to mb")
    assert (tmp_path / "mb").read_bytes().startswith(b"From me@x.example ")
    assert b"\n>From me\n" in (tmp_path / "mb").read_bytes()


@pytest.mark.parametrize("name", ["Maildir", "./Maildir", "box/", "box/."])
def test_a_missing_maildir_never_becomes_a_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeRuntimeError, match="Not a maildir"):
        run(tmp_path, f'to "{name}"')
    assert [*tmp_path.iterdir()] == []


def test_a_missing_folder_of_a_maildir_never_becomes_a_file(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "Maildir")
    with pytest.raises(RecipeRuntimeError, match="Not a maildir"):
        run(tmp_path, 'to "Maildir/.Work"')


@pytest.mark.parametrize("flags", ["XS", "R S"])
def test_134_unknown_flags_are_refused(flags: str, tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md")
    with pytest.raises(RecipeRuntimeError, match="FLAGS"):
        run(tmp_path, f'FLAGS="{flags}"\nto md')
    assert [*(tmp_path / "md/new").iterdir()] == [*(tmp_path / "md/cur").iterdir()] == []


def test_135_keywords_are_stored(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md")
    run(tmp_path, 'KEYWORDS=",a,b,,c"\nto md')
    (stored,) = [path for path in (tmp_path / "md/courierimapkeywords").iterdir()
                 if path.is_file() and not path.name.startswith(".")]  # fmt: skip
    assert {"a", "b", "c"} <= set(stored.read_text().split())


def test_136_a_full_maildir_is_an_error_that_can_be_trapped(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md")
    run(tmp_path, 'MAILDIRQUOTA="1C"\ncc md\nexception {\ncc md\n}\nexit')
    assert len([*(tmp_path / "md/new").iterdir()]) == 1
    with pytest.raises(RecipeRuntimeError, match=r"maildir over quota\."):
        run(tmp_path, "to md")


@pytest.mark.parametrize(
    ("value", "code"),
    [("", 75), ("77", 77), (" 77 ", 77), ("0", 75), ("256", 75), ("-1", 75), ("no", 75)],
)
def test_the_exit_code_of_a_full_maildir_is_the_recipes_but_never_0(
    value: str, code: int, tmp_path: Path
) -> None:
    Maildir.create(tmp_path / "md")
    with pytest.raises(OverQuotaError) as caught:
        run(tmp_path, f'QUOTA_EXITCODE="{value}"\nMAILDIRQUOTA="1C"\ncc md\ncc md')
    assert caught.value.exit_code == code
    assert len([*(tmp_path / "md/new").iterdir()]) == 1


def test_a_copy_into_a_full_maildir_can_be_a_warning_but_to_never_is(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md")
    Maildir.create(tmp_path / "other")
    start = 'QUOTA_CC_WARNS=1\nMAILDIRQUOTA="1C"\n'
    run(tmp_path, f"{start}cc md\ncc md\nto other")
    assert len([*(tmp_path / "md/new").iterdir()]) == 1
    assert len([*(tmp_path / "other/new").iterdir()]) == 1
    with pytest.raises(OverQuotaError):
        run(tmp_path, f"{start}to md")


def test_137_a_command_that_is_killed_gives_255(tmp_path: Path) -> None:
    assert run(tmp_path, 'to "|kill -9 $$"').exit_code == 255


def test_138_a_command_need_not_read_a_small_message(tmp_path: Path) -> None:
    # Courier: a race, in which the message is sometimes kept instead
    assert run(tmp_path, 'to "|exit 4"').exit_code == 4


def test_142_a_filter_that_writes_nothing_does_not_lose_the_mail(tmp_path: Path) -> None:
    with pytest.raises(RecipeRuntimeError, match="wrote nothing"):
        run(tmp_path, 'xfilter "cat >/dev/null"')


def test_142_a_filter_must_read_a_large_message(tmp_path: Path) -> None:
    large = MESSAGE + b"x" * 350_000
    with pytest.raises(RecipeRuntimeError, match="Unable to filter message"):
        run(tmp_path, 'xfilter "echo Subject: new; echo"', large)
    assert run(tmp_path, 'xfilter "tr x y"\nto mb', large).variable("SIZE") == str(len(large) + 1)


def test_143_a_shell_that_is_missing_gives_100(tmp_path: Path) -> None:
    assert run(tmp_path, 'SHELL="/nonexistent/sh"\nto "|cat"').exit_code == 100


def test_output_of_a_command_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(RecipeLimitError, match="too large"):
        run(tmp_path, "X=`head -c 2000000 /dev/zero`")


def test_a_dot_lock_is_removed_however_the_block_ends(tmp_path: Path) -> None:
    run(tmp_path, 'dotlock "l.lock" {\nsystem "test -e l.lock && touch seen"\nexit\n}')
    assert (tmp_path / "seen").exists()
    with pytest.raises(FilterError):
        run(tmp_path, 'dotlock "l.lock" {\ninclude "gone"\n}')
    assert not (tmp_path / "l.lock").exists()


def test_commands_see_the_variables_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "s")
    run(tmp_path, 'MINE="1 2"\nto "|env >got"')
    got = (tmp_path / "got").read_text().split("\n")
    assert "MINE=1 2" in got
    assert not any(line.startswith("SECRET=") for line in got)


HOSTILE = ["$(touch pwned)", "`touch pwned`", "; touch pwned", "'; touch pwned; '", '"; touch pwned; "',
           "| touch pwned", "&& touch pwned", "> pwned", "touch pwned", "a\\ttouch pwned"]  # fmt: skip
PLACES = [
    'to "|echo $MATCH1 >out"',
    "to \"|echo '$MATCH1' >out\"",
    'to "|echo \\"$MATCH1\\" >out"',
    'X="x $MATCH1"\nsystem "echo \'$X\' >out"',
    'Y=tolower($MATCH1)\nsystem "echo $Y"',
    'xfilter "cat; echo $MATCH1"',
    'system "$MATCH1"',
    "system $MATCH1",
    "to \"|echo '$MATCH1' >out\"",
    'X=`echo "$MATCH1"`\nsystem "echo $X"',
    'to "! $MATCH1"',
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_message_cannot_make_the_shell_run_its_words(
    place: str, text: str, tmp_path: Path
) -> None:
    message = b"Subject: " + text.encode() + b"\n\nbody\n"
    try:
        run(tmp_path, f"SENDMAIL=/bin/true\n/^Subject: (.*)/\n{place}\nexit", message)
    except RecipeRuntimeError:
        pass  # refusing is as good as passing it on
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "text", ["../../outside", "../outside", "/outside", "Maildir/../../outside"]
)
def test_a_quoted_header_names_only_what_the_recipe_lets_it_name(text: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    Maildir.create(home / "Maildir")
    message = b"X-Folder: " + text.encode() + b"\n\nbody\n"
    with pytest.raises(RecipeRuntimeError):
        run(home, '/^X-Folder: (.*)/\nto "./Maildir/.$MATCH1/"', message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    assert [path.name for path in home.iterdir()] == ["Maildir"]


def test_a_message_cannot_name_the_command_it_goes_to(tmp_path: Path) -> None:
    with pytest.raises(RecipeRuntimeError, match="the message itself names a command"):
        run(tmp_path, "/^Subject: (.*)/\nto $MATCH1", b"Subject: |touch pwned\n\nx\n")
    assert [*tmp_path.iterdir()] == []


def test_a_command_may_name_the_mailbox_but_no_command(tmp_path: Path) -> None:
    run(tmp_path, "to `echo mb`")
    assert (tmp_path / "mb").exists()
    with pytest.raises(RecipeRuntimeError, match="the message itself names a command"):
        run(tmp_path, "to `grep -o '|.*'`", b"X: |touch pwned\n\nx\n")


def test_162_163_a_table_is_read_with_its_fallbacks(tmp_path: Path) -> None:
    pairs = [(b"user@", b"u"), (b"example.com", b"d"), (b"net", b"n"), (b"10.1", b"net10")]
    build_table(tmp_path / "db", pairs)
    keys = ["user@x.org", "joe@a.b.example.com", "joe@a.net", "joe@a.org"]
    recipe = 'O=gdbmopen("db")\nS=gdbmstore("a","b")\n' + "".join(
        f'K{n}=gdbmfetch("{key}","D","-")\n' for n, key in enumerate(keys)
    )
    recipe += 'I=gdbmfetch("10.1.2.3","I")\nJ=gdbmfetch("10.2.2.3","I","no")\n'
    outcome = run(tmp_path, recipe + 'gdbmclose\nM=gdbmopen("none")\nexit')
    names = ["O", "S", "K0", "K1", "K2", "K3", "I", "J", "M"]
    assert [outcome.variable(name) for name in names] == [
        "0", "-1", "u", "d", "n", "-", "net10", "no", "-1"]  # fmt: skip


def test_a_header_prefix_is_part_of_the_message(tmp_path: Path) -> None:
    message = BytesMessage(MESSAGE, prefix=b"X-A: 1\n")
    host = LocalHost(tmp_path)
    outcome = compile_recipe("if (/^X-A: 1$/)\nto mb\n", name="r").run(message, host=host)
    assert outcome.variable("SIZE") == str(len(MESSAGE) + 7)
    assert b"\nX-A: 1\nFrom: a@b" in (tmp_path / "mb").read_bytes()


def test_file_modes_come_from_umask(tmp_path: Path) -> None:
    run(tmp_path, "UMASK=022\nto mb")
    assert (tmp_path / "mb").stat().st_mode & 0o777 == 0o644
    assert os.access(tmp_path / "mb", os.R_OK)


def test_88_a_command_that_fails_in_an_exception_block_does_not_end_the_recipe(
    tmp_path: Path,
) -> None:
    outcome = run(
        tmp_path, 'exception {\nto "|cat >/dev/null; exit 5"\n}\nAFTER="after $EXITCODE"\nexit'
    )
    assert (outcome.variable("AFTER"), outcome.exit_code) == ("after 5", 5)


def test_91_an_included_file_needs_no_permissions_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "inc").write_text("X=1\n")
    (tmp_path / "inc").chmod(0o666)
    assert run(tmp_path, 'include "inc"\nexit').variable("X") == "1"


def test_97_output_keeps_its_order(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as output:
        host = LocalHost(tmp_path, output=output.fileno())
        text = 'echo "1"\nsystem "echo 2"\necho "3"\nexit\n'
        compile_recipe(text, name="r").run(MESSAGE, host=host)
    assert (tmp_path / "out").read_text() == "1\n2\n3\n"


@pytest.mark.parametrize("mailbox", ["mb", "md"])
def test_131_the_final_line_end_is_added_and_the_log_counts_it(
    mailbox: str, tmp_path: Path
) -> None:
    Maildir.create(tmp_path / "md")
    run(tmp_path, f'logfile "log"\nto {mailbox}', b"Subject: x\n\nno end")
    stored = [tmp_path / "mb"] if mailbox == "mb" else [*(tmp_path / "md/new").iterdir()]
    assert b"\n\nno end\n" in stored[0].read_bytes()
    assert "(19)\n" in (tmp_path / "log").read_text()


def test_145_a_dot_lock_that_nobody_refreshes_is_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    defaults = LockPolicy.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "pause", pauses.append)
    lock = tmp_path / "l.lock"
    lock.write_text("1\n")
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    run(tmp_path, 'LOCKSLEEP=1\nLOCKTIMEOUT=2\ndotlock "l.lock" {\nX=1\n}\nexit')
    assert pauses == [1.0]
    assert not lock.exists()


def test_a_dot_lock_that_is_held_for_long_is_refreshed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    intervals: list[float] = []
    monkeypatch.setattr(LockRefresher, "start", lambda self: intervals.append(self.interval))
    run(
        tmp_path,
        'dotlock "l" {\n}\nLOCKREFRESH=10\ndotlock "l" {\n}\nLOCKREFRESH=9\ndotlock "l" {\n}\nexit',
    )
    assert intervals == [15, 10]


def test_a_refresh_makes_the_lock_young_again(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("1\n")
    os.utime(lock, (1_000_000_000, 1_000_000_000))
    refresher = LockRefresher(os.fspath(lock), 10)
    refresher.refresh()
    assert lock.stat().st_mtime > 1_000_000_000
    lock.unlink()
    refresher.refresh()  # somebody took it over: not our lock any more
    refresher.start()
    refresher.stop()
    assert not lock.exists()


def test_escaped_text_is_passed_on_as_it_was(tmp_path: Path) -> None:
    recipe = '/^Subject: (.*)/\nX=escape("$MATCH1")\nsystem "echo $X >out"\nexit'
    run(tmp_path, recipe, b"Subject: a; (b) & $c\n\nx\n")
    assert (tmp_path / "out").read_text() == "a; (b) & $c\n"
