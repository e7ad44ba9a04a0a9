"""`deliverquota`: its command line, messages and exit codes (spec maildir 2.2, 6)."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from tests.support.commands import Done, run_ours

from couriermail.cli import deliverquota
from couriermail.cli.deliverquota import UsageError, read_command_line
from couriermail.cli.deliverquota_app import app
from couriermail.maildir import Maildir
from couriermail.maildir.names import size_of

MESSAGE = b"Subject: x\n\nabcde\n"
TEMPLATE = b"From: postmaster\nSubject: full\n\nfull\n"


@pytest.fixture
def box(tmp_path: Path) -> Maildir:
    return Maildir.create(tmp_path / "md")


def deliver(tmp_path: Path, *words: str, data: bytes = MESSAGE) -> Done:
    return run_ours("deliverquota", *words, data=data, cwd=tmp_path)


def deliver_by_pipe(tmp_path: Path, *words: str) -> Done:
    done = subprocess.run(
        [sys.executable, "-m", "couriermail.cli.deliverquota", *words],
        input=MESSAGE, capture_output=True, check=False, cwd=tmp_path, timeout=30,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def size_lines(tmp_path: Path, maildir: str = "md") -> list[str]:
    text = (tmp_path / maildir / "maildirsize").read_text()
    return [" ".join(line.split()) for line in text.splitlines()]


USAGE = (73, b"", b"Usage: deliverquota [-c] [-w percent] maildir\n")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        pytest.param([], USAGE, id="pinned-no-words"),
        pytest.param(["-w", "101", "md"], USAGE, id="pinned-percent-too-large"),
        pytest.param(["-w", "-2", "md"], USAGE, id="pinned-percent-too-small"),
        pytest.param(["-w", "-1", "md"], (0, b"", b""), id="pinned-percent-never"),
        pytest.param(["-w", "x", "md"], USAGE, id="no-number"),
        pytest.param(["-w"], USAGE, id="no-value"),
        pytest.param(["-c", "-W"], USAGE, id="no-file"),
        pytest.param([""], USAGE, id="empty-maildir"),
        pytest.param(["--over-quota-status", "0", "md"], USAGE, id="status-success"),
        pytest.param(
            ["nosuch"], (75, b"", b"nosuch: No such file or directory\n"), id="pinned-missing"
        ),
        pytest.param(
            ["md/.Sub"], (75, b"", b"md/.Sub: No such file or directory\n"), id="no-folder"
        ),
        pytest.param(["msg"], (75, b"", b"msg: Not a directory\n"), id="a-file"),
        pytest.param(["-c", "msg"], (75, b"", b"msg: Not a directory\n"), id="create-at-a-file"),
        pytest.param(["-x", "md"], (75, b"", b"-x: No such file or directory\n"), id="unknown"),
    ],
)
def test_the_answer_to_a_command_line(
    tmp_path: Path, box: Maildir, words: list[str], answer: tuple[int, bytes, bytes]
) -> None:
    (tmp_path / "msg").write_bytes(MESSAGE)
    assert deliver(tmp_path, *words) == answer
    assert len(os.listdir(f"{box.path}/new")) == (1 if answer[0] == 0 else 0)
    assert os.listdir(f"{box.path}/tmp") == []


def test_a_message_is_stored_with_its_size_and_the_mode_of_the_umask(
    tmp_path: Path, box: Maildir
) -> None:
    old = os.umask(0o027)
    try:
        assert deliver(tmp_path, "md") == (0, b"", b"")
    finally:
        os.umask(old)
    (path,) = Path(box.path, "new").iterdir()
    assert path.read_bytes() == MESSAGE
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    host = os.uname().nodename
    assert path.name.endswith(f".{host},S=18")
    assert "_" not in path.name.removesuffix(f".{host},S=18")  # one message per process


@pytest.mark.parametrize("give", [deliver, deliver_by_pipe])
def test_the_size_with_crlf_line_ends_is_stated_when_asked(
    tmp_path: Path, box: Maildir, give: object
) -> None:
    assert callable(give)
    assert give(tmp_path, "--virtual-size", "-w", "-1", "md") == (0, b"", b"")
    (name,) = os.listdir(f"{box.path}/new")
    assert name.endswith(",S=18,W=21")


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 5_000_000])
@pytest.mark.parametrize("by_pipe", [False, True])
def test_any_size_is_stored_as_it_is(
    tmp_path: Path, box: Maildir, size: int, by_pipe: bool
) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    if by_pipe:
        done = subprocess.run(
            [sys.executable, "-m", "couriermail.cli.deliverquota", "md"],
            input=data, check=False, cwd=tmp_path, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0
    else:
        assert deliver(tmp_path, "md", data=data).code == 0
    (path,) = Path(box.path, "new").iterdir()
    assert path.read_bytes() == data
    assert size_of(path.name) == (size or None)


def test_pinned_a_quota_of_three_refuses_the_fourth(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "q", quota="3C")
    for _ in range(3):
        assert deliver(tmp_path, "q") == (0, b"", b"")
    assert size_lines(tmp_path, "q") == ["3C", "0 0", "18 1", "18 1", "18 1"]
    over = (75, b"Mail quota exceeded.\n", b"")
    assert deliver(tmp_path, "q") == over
    assert size_lines(tmp_path, "q") == ["3C", "54 3"]
    assert deliver_by_pipe(tmp_path, "q") == over
    assert os.listdir(tmp_path / "q/tmp") == []


def test_the_exit_code_over_quota_can_be_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Maildir.create(tmp_path / "q", quota="1S")
    assert deliver(tmp_path, "--over-quota-status", "69", "q").code == 69
    assert read_command_line("/x/deliverquota.maildrop", ["q"]).over_quota_status == 77
    assert read_command_line("/x/deliverquota", ["q"]).over_quota_status == 75
    chosen = read_command_line("deliverquota.maildrop", ["--over-quota-status", "75", "q"])
    assert chosen.over_quota_status == 75


def test_pinned_the_second_word_sets_a_quota_first(tmp_path: Path, box: Maildir) -> None:
    assert deliver(tmp_path, "md", "40S") == (0, b"", b"")
    assert size_lines(tmp_path) == ["40S", "0 0", "18 1"]
    assert deliver(tmp_path, "md", "40S") == (0, b"", b"")
    assert size_lines(tmp_path) == ["40S", "0 0", "18 1", "18 1"]
    assert deliver(tmp_path, "md", "400S") == (0, b"", b"")
    assert size_lines(tmp_path) == ["400S", "36 2", "18 1"]
    assert deliver(tmp_path, "md", "400S") == (0, b"", b"")
    assert size_lines(tmp_path) == ["400S", "36 2", "18 1", "18 1"]
    assert deliver(tmp_path, "md", "NOQUOTA") == (0, b"", b"")
    warned = deliver(tmp_path, "md", "100X")
    assert warned == (0, b"", b"WARN: quota string '100X' not parseable\n")
    assert size_lines(tmp_path)[0] == "400S"


def test_pinned_a_missing_maildir_is_created_with_its_parents(tmp_path: Path) -> None:
    assert deliver(tmp_path, "-c", "auto/x/y").code == 0
    made = ["auto", "auto/x", "auto/x/y", *(f"auto/x/y/{name}" for name in ("cur", "new", "tmp"))]
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in made} == {0o700}
    assert deliver(tmp_path, "-c", "auto/x/y/").code == 0
    assert len(os.listdir(tmp_path / "auto/x/y/new")) == 2


def test_a_maildir_without_some_of_its_directories_is_completed(tmp_path: Path) -> None:
    (tmp_path / "half/cur").mkdir(parents=True, mode=0o755)
    assert deliver(tmp_path, "half").code == 75
    assert deliver(tmp_path, "-c", "half").code == 0
    assert sorted(os.listdir(tmp_path / "half")) == ["cur", "new", "tmp"]


def test_rules_that_cannot_be_read_are_named_and_the_message_waits(
    tmp_path: Path, box: Maildir
) -> None:
    box.set_quota("100S")
    os.mkdir(f"{box.path}/maildirquotaexclude")
    done = deliver(tmp_path, "md")
    assert done == (74, b"", b"md/maildirquotaexclude: Is a directory\n")
    assert os.listdir(f"{box.path}/new") == os.listdir(f"{box.path}/tmp") == []


def test_an_excluded_folder_takes_mail_of_a_full_maildir(tmp_path: Path, box: Maildir) -> None:
    box.create_folder("Spam")
    (tmp_path / "md/maildirquotaexclude").write_text("Spam\n")
    box.set_quota("18S")
    assert [deliver(tmp_path, place).code for place in ("md", "md", "md/.Spam")] == [0, 75, 0]
    signature = box.quota_rules.signature
    assert size_lines(tmp_path) == ["18S", f"18 1 {signature}"]


def warnings_in(tmp_path: Path, maildir: str = "md") -> list[Path]:
    return list((tmp_path / maildir / "new").glob("*_warn.*"))


@pytest.mark.parametrize("give", [deliver, deliver_by_pipe])
@pytest.mark.parametrize(("percent", "count"), [("-1", 0), ("0", 1), ("50", 1), ("51", 0)])
def test_the_warning_counts_the_message_however_it_came(
    tmp_path: Path, give: object, percent: str, count: int
) -> None:
    # Courier: a message that comes as a file is not counted.
    assert callable(give)
    Maildir.create(tmp_path / "md", quota="2C")
    (tmp_path / "t").write_bytes(TEMPLATE)
    assert give(tmp_path, "-w", percent, "-W", "t", "md") == (0, b"", b"")
    found = warnings_in(tmp_path)
    assert len(found) == count
    assert all(path.read_bytes().endswith(b">\n" + TEMPLATE) for path in found)


def test_a_refused_message_is_warned_of_once(tmp_path: Path) -> None:
    Maildir.create(tmp_path / "md", quota="1S")
    (tmp_path / "t").write_bytes(TEMPLATE)
    for _ in range(2):
        assert deliver(tmp_path, "-w", "0", "-W", "t", "md").code == 75
    (warning,) = (tmp_path / "md/new").iterdir()
    assert "_warn." in warning.name


def test_the_systems_text_is_used_where_none_is_given_or_it_cannot_be_read(
    tmp_path: Path, box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COURIERMAIL_CONFIG", str(tmp_path))
    assert deliver(tmp_path, "-w", "0", "-W", "nofile", "md").code == 0
    assert warnings_in(tmp_path) == []
    (tmp_path / "quotawarnmsg").write_bytes(TEMPLATE)
    assert deliver(tmp_path, "-w", "0", "-W", "nofile", "md").code == 0
    assert len(warnings_in(tmp_path)) == 1


def test_a_warning_that_fails_does_not_fail_the_message(tmp_path: Path, box: Maildir) -> None:
    (tmp_path / "t").write_bytes(TEMPLATE)
    os.symlink(tmp_path / "elsewhere", f"{box.path}/quotawarn")
    done = deliver(tmp_path, "-w", "0", "-W", "t", "md")
    assert done.code == 0
    assert done.err.startswith(b"md: quota warning: ")
    assert len(os.listdir(f"{box.path}/new")) == 1


@pytest.mark.parametrize("data", [b"", MESSAGE], ids=["empty", "not empty"])
def test_an_input_that_cannot_be_read_is_said(tmp_path: Path, box: Maildir, data: bytes) -> None:
    (tmp_path / "msg").write_bytes(data)
    with (tmp_path / "msg").open("ab") as write_only:
        done = subprocess.run(
            [sys.executable, "-m", "couriermail.cli.deliverquota", "md"],
            stdin=write_only, capture_output=True, check=False, cwd=tmp_path, timeout=30,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (74, b"read: Bad file descriptor\n")
    assert os.listdir(f"{box.path}/new") == os.listdir(f"{box.path}/tmp") == []


@pytest.mark.parametrize("words", [[], ["-w"], ["-c"], ["-w", "1e1", "m"], ["-W", "f"]])
def test_lines_that_cannot_be_understood(words: list[str]) -> None:
    with pytest.raises(UsageError):
        read_command_line("deliverquota", words)


def test_the_typer_app_declares_the_same_options() -> None:
    command = typer.main.get_command(app)
    declared = {name for parameter in command.params for name in parameter.opts}
    ours = {*deliverquota.OPTIONS_WITH_VALUE, *deliverquota.SWITCHES}
    assert declared - {"maildir", "quota", "--help"} == ours


def test_help_shows_examples_and_a_delivery_imports_nothing_heavy(
    tmp_path: Path, box: Maildir
) -> None:
    assert b"deliverquota -c -w 90 Maildir < message" in deliver(tmp_path, "--help").out
    code = (
        "import sys; from couriermail.cli.deliverquota import run, read_command_line;"
        "run(read_command_line('d', ['-w', '0', '-W', 'no', 'md', '1000S']));"
        "heavy = {'typer','attrs','attr','typing','re','socket','ctypes','logging','tempfile'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0]={sys.path!r}; {code}"],
        input=MESSAGE, capture_output=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == b"[]\n"
    assert len(os.listdir(f"{box.path}/new")) == 1
