"""Deliveries in this process, as this user: the pinned cases of spec mta.md 19.4 and more."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict, Unpack

import attrs
import pytest

from couriermail.core import FaultPlan, clear_faults, install_faults
from couriermail.maildir import Maildir
from couriermail.mta.local import AgentSettings, LocalJob, LocalResult, deliver_batch

BODY = b"Subject: hello\n\nFrom x\n>From y\nend\n"
DELIVERED = ("Message delivered.",)
LOOP = ("Mail loop - already have my Delivered-To: header.",)


class JobFields(TypedDict, total=False):
    """The fields of a job that tests set."""

    recipient: str
    sender: str
    home: str
    maildir: str
    quota: str
    extension: str
    default_instructions: str
    body: bytes | int
    ledger: str
    environment: Mapping[str, str]


@attrs.define
class Account:
    """A home directory and the ways to have mail delivered to it."""

    home: Path
    settings: AgentSettings = attrs.field(factory=lambda: AgentSettings(localtimeout=30.0))

    def job(self, key: int = 1, **fields: Unpack[JobFields]) -> LocalJob:
        job = LocalJob(
            key=key,
            recipient="rcpt@example.com",
            sender="sender@example.org",
            user="rcpt",
            home=str(self.home),
            size=len(BODY),
            body=BODY,
        )
        return attrs.evolve(job, **fields)

    def deliver(self, courier: str | None = None, **fields: Unpack[JobFields]) -> LocalResult:
        if courier is not None:
            (self.home / ".courier").write_text(courier)
        [result] = self.deliver_all([self.job(**fields)])
        return result

    def deliver_all(self, jobs: list[LocalJob]) -> list[LocalResult]:
        results: list[LocalResult] = []
        deliver_batch(jobs, self.settings, results.append, now=lambda: 0.0)
        return results

    def messages(self, name: str = "Maildir") -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.home / name / "new").iterdir())]


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    umask = os.umask(0o077)  # as the agent has it
    home = tmp_path / "home"
    home.mkdir()
    Maildir.create(home / "Maildir")
    yield Account(home)
    clear_faults()
    os.umask(umask)


@pytest.mark.parametrize("courier", [None, ""], ids=["absent", "empty"])
def test_without_instructions_the_default_ones_count(account: Account, courier: str | None) -> None:
    assert account.deliver(courier).lines == DELIVERED
    assert account.messages() == [
        b"Delivered-To: rcpt@example.com\nReturn-Path: <sender@example.org>\n" + BODY
    ]


def test_a_dangling_link_counts_as_no_instructions(account: Account) -> None:
    (account.home / ".courier").symlink_to("nowhere")

    assert account.deliver().kind == "success"
    assert len(account.messages()) == 1


def test_default_instructions_may_have_several_lines(account: Account) -> None:
    result = account.deliver(default_instructions="./Maildir/\na@b\n")

    assert (result.kind, result.forwards) == ("success", ("a@b",))
    assert len(account.messages()) == 1


@pytest.mark.parametrize("maildir", ["", "Maildir", "./Maildir"])
def test_empty_default_instructions_do_not_discard(account: Account, maildir: str) -> None:
    assert account.deliver(default_instructions=" \n", maildir=maildir).kind == "success"
    assert len(account.messages()) == 1


def test_only_comments_discard_the_message(account: Account) -> None:
    assert account.deliver("# only comment\n").lines == DELIVERED
    assert account.messages() == []


def test_an_mbox_file_is_private_quotes_and_separates(account: Account) -> None:
    assert account.deliver("./mbox\n./mbox\n").kind == "success"
    one = (
        b"From sender@example.org %s\nDelivered-To: rcpt@example.com\n"
        b"Return-Path: <sender@example.org>\nSubject: hello\n\n>From x\n>>From y\nend\n\n"
    )
    mbox = account.home / "mbox"
    assert mbox.stat().st_mode & 0o777 == 0o600
    dates = [
        line.split(b" ", 2)[2]
        for line in mbox.read_bytes().split(b"\n")
        if line.startswith(b"From ")
    ]
    assert mbox.read_bytes() == b"".join(one % date for date in dates)
    assert len(dates) == 2


def test_a_null_sender_is_written_as_such(account: Account) -> None:
    account.deliver(sender="")

    assert b"\nReturn-Path: <>\n" in account.messages()[0]


def test_domains_are_in_ascii_in_the_lines(account: Account) -> None:
    account.deliver(recipient="r@bücher.example", sender="s@bücher.example")

    assert account.messages()[0].startswith(
        b"Delivered-To: r@xn--bcher-kva.example\nReturn-Path: <s@xn--bcher-kva.example>\n"
    )


FAILURES = {
    "a missing directory": (
        "./nodir/mbox\n",
        "maildir.open: ./nodir/mbox: No such file or directory: No such file or directory",
    ),
    "a missing maildir": (
        "./nodir/\n",
        "maildir.open: ./nodir: No such file or directory: No such file or directory",
    ),
    "a missing maildir called Maildir": (
        "./x/Maildir\n",
        "maildir.open: ./x/Maildir: No such file or directory: No such file or directory",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_mailbox_that_cannot_be_opened_defers(account: Account, case: str) -> None:
    courier, text = FAILURES[case]

    result = account.deliver(courier)

    assert (result.kind, result.lines) == ("deferral", (text,))


def test_a_missing_maildir_of_the_default_is_created_only_if_wanted(account: Account) -> None:
    assert account.deliver(default_instructions="./New/").kind == "deferral"
    account.settings = AgentSettings(create_maildir=True)

    assert account.deliver(default_instructions="./New/").kind == "success"
    assert len(account.messages("New")) == 1
    assert account.deliver("./Own/\n").kind == "deferral"


EXTENSIONS = {
    ".courier-default": ("foo-bar.baz-x", "foo-bar.baz-x bar.baz-x x  foo-bar.baz-x"),
    ".courier-foo-default": ("foo-bar-z", "bar-z bar-z z  foo-bar-z"),
    ".courier-foo-default and nothing": ("foo-", "    foo-"),
    ".courier-foo:bar": ("foo.bar", "    foo.bar"),
}


@pytest.mark.parametrize("case", EXTENSIONS)
def test_an_extension_selects_the_file_and_sets_variables(account: Account, case: str) -> None:
    extension, expected = EXTENSIONS[case]
    name = case.removesuffix(" and nothing")
    (account.home / name).write_text('| echo "$DEFAULT $EXT2 $EXT3 $EXT4 $EXT"\n')

    result = account.deliver(extension=extension)

    assert result.lines == (expected, *DELIVERED)


UNKNOWN = {"no file": "bar", "foo-default does not serve foo": "foo", "outside": "../x"}


@pytest.mark.parametrize("case", UNKNOWN)
def test_an_extension_without_a_file_is_an_unknown_user(account: Account, case: str) -> None:
    (account.home / ".courier-foo-default").write_text("./mbox\n")

    result = account.deliver(extension=UNKNOWN[case])

    assert (result.kind, result.lines, result.untracked) == ("failure", ("Unknown user.",), False)


SEQUENCES = {
    "0 goes on": (0, "success", ("SECOND", *DELIVERED), False),
    "99 stops": (99, "success", DELIVERED, False),
    "70 fails untracked": (70, "failure", ("Command failed with exit status 70.",), True),
    **{
        f"{status} fails": (
            status,
            "failure",
            (f"Command failed with exit status {status}.",),
            False,
        )
        for status in (64, 65, 67, 68, 69, 76, 77, 78, 100, 112)
    },
    **{
        f"{status} defers": (
            status,
            "deferral",
            (f"Command ended with exit status {status}.",),
            False,
        )
        for status in (1, 66, 71, 72, 73, 74, 75, 79, 111, 255)
    },
}


@pytest.mark.parametrize("case", SEQUENCES)
def test_an_exit_status_decides_what_comes_next(account: Account, case: str) -> None:
    status, kind, lines, untracked = SEQUENCES[case]

    result = account.deliver(f"| exit {status}\n| echo SECOND\n")

    assert (result.kind, result.lines, result.untracked) == (kind, lines, untracked)


def test_death_by_a_signal_is_temporary(account: Account) -> None:
    result = account.deliver("| kill -KILL $$\n./mbox\n")

    assert (result.kind, result.lines) == ("deferral", ("Command was killed by signal 9.",))
    assert not (account.home / "mbox").exists()


def test_forwards_come_in_order_and_only_with_success(account: Account) -> None:
    courier = 'a@b.com, "Q R" <c@d.com>\n&e\n! f, g (comment)\nh i\ngroup: j, k;\n<l@m>\n'

    assert account.deliver(courier).forwards == (
        "a@b.com", "c@d.com", "e", "f", "g", "h", "i", "j", "k", "l@m",
    )  # fmt: skip
    assert account.deliver(courier + "|exit 75\n").forwards == ()


DYNAMIC = {
    "mailbox, command, forward, then the rest": (
        '|| printf "./mboxA\\n|echo dyn\\nfwd@x\\n"\n|echo after\n',
        ("success", ("dyn", "after", *DELIVERED), ("fwd@x",)),
    ),
    "99 runs what was generated and stops": (
        '|| printf "./mboxA\\n"; exit 99\n|echo after\n',
        ("success", DELIVERED, ()),
    ),
    "99 inside stops all": ('|| echo "|exit 99"\n|echo after\n', ("success", DELIVERED, ())),
    "nothing generated does nothing": (
        "|| true\n|echo after\n",
        ("success", ("after", *DELIVERED), ()),
    ),
    "standard error is no instruction": ("|| echo ./x >&2\n", ("success", ("./x", *DELIVERED), ())),
    "8191 octets are enough": (
        "|| head -c 8190 /dev/zero | tr '\\0' '#'; echo\n",
        ("success", DELIVERED, ()),
    ),
    "8192 octets are too many": (
        "|| head -c 8191 /dev/zero | tr '\\0' '#'; echo\n",
        ("deferral", ("Too many dynamic delivery instructions.",), ()),
    ),
}


@pytest.mark.parametrize("case", DYNAMIC)
def test_generated_instructions_are_obeyed(account: Account, case: str) -> None:
    courier, expected = DYNAMIC[case]

    result = account.deliver(courier)

    assert (result.kind, result.lines, result.forwards) == expected
    assert (account.home / "mboxA").exists() == ("mboxA" in courier)


def test_what_a_failed_generator_printed_is_not_obeyed(account: Account) -> None:
    assert account.deliver('|| printf "./mboxB\\n"; exit 1\n').kind == "deferral"
    assert not (account.home / "mboxB").exists()


def nest(home: Path, levels: int) -> str:
    """Instructions with that many `||` inside each other; the innermost delivers to ./deep."""
    text = "./deep\n"
    for number in range(levels):
        (home / f"level{number}").write_text(text)
        text = f"|| cat level{number}\n"
    return text


@pytest.mark.parametrize(("levels", "kind"), [(3, "success"), (4, "failure")])
def test_the_fourth_nested_generator_fails(account: Account, levels: int, kind: str) -> None:
    result = account.deliver(nest(account.home, levels))

    assert result.kind == kind
    assert (account.home / "deep").exists() == (kind == "success")
    if kind == "failure":
        assert result.lines == (
            "Maximum recursion level for dynamic delivery instructions exceeded.",
        )


def test_generators_can_be_forbidden(account: Account) -> None:
    account.settings = AgentSettings(dynamic=False)

    result = account.deliver("|| echo ./x\n")

    assert (result.kind, result.lines) == (
        "failure",
        ("Dynamic delivery instructions disabled by administrator.",),
    )


def test_a_continued_command_is_one_command(account: Account) -> None:
    assert account.deliver("|echo one \\\n two\n").lines == ("one two", *DELIVERED)


def test_a_file_that_all_may_write_defers(account: Account) -> None:
    (account.home / ".courier").write_text("./mbox")
    (account.home / ".courier").chmod(0o666)

    result = account.deliver()

    assert (result.kind, result.lines) == ("deferral", (".courier file is globally writeable.",))


def test_a_file_that_the_group_may_write_is_used(account: Account) -> None:
    (account.home / ".courier").write_text("./mbox")
    (account.home / ".courier").chmod(0o660)

    assert account.deliver().kind == "success"


@pytest.mark.parametrize(("strict", "kind"), [(False, "success"), (True, "deferral")])
def test_an_open_home_is_refused_only_when_strict(
    account: Account, strict: bool, kind: str
) -> None:
    account.home.chmod(0o1777)
    account.settings = AgentSettings(strict_home=strict)

    assert account.deliver().kind == kind


def test_a_fifo_as_instruction_file_holds_up_nothing(account: Account) -> None:
    os.mkfifo(account.home / ".courier")

    assert account.deliver().lines == ("Unable to read .courier file.",)


def test_a_directory_as_instruction_file_defers_and_leaks_nothing(account: Account) -> None:
    (account.home / ".courier").mkdir()
    before = len(os.listdir("/proc/self/fd"))

    assert account.deliver().lines == ("Unable to read .courier file.",)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_huge_instruction_file_defers(account: Account) -> None:
    assert account.deliver("#" * (1024 * 1024 + 1)).lines == (".courier file is too large.",)
    assert account.deliver("#" * (1024 * 1024)).lines == DELIVERED


def test_a_missing_home_defers(account: Account) -> None:
    assert account.deliver(home=str(account.home / "no")).lines == (
        "Unable to change to home directory.",
    )


LOOPS = {
    "the same": ("Delivered-To: rcpt@example.com\n", True),
    "the domain in another case": ("Delivered-To: rcpt@EXAMPLE.com\n", True),
    "blanks around": ("delivered-to:  rcpt@example.com \t\n", True),
    "the local part in another case": ("Delivered-To: RCPT@example.com\n", False),
    "another address": ("Delivered-To: rcpt2@example.com\n", False),
    "in the body": ("\nDelivered-To: rcpt@example.com\n", False),
    "behind other fields": ("X: y\nDelivered-To: a@b\nDelivered-To: rcpt@example.com\n\n", True),
}


@pytest.mark.parametrize("case", LOOPS)
def test_a_message_that_was_here_is_a_loop(account: Account, case: str) -> None:
    head, is_loop = LOOPS[case]

    result = account.deliver(body=head.encode() + BODY)

    assert (result.kind, result.untracked) == (("failure", True) if is_loop else ("success", False))
    assert (result.lines == LOOP) == is_loop


def test_a_loop_is_found_by_the_ascii_form_too(account: Account) -> None:
    body = b"Delivered-To: r@xn--bcher-kva.example\n\n"

    assert account.deliver(recipient="r@b\u00fccher.example", body=body).lines == LOOP


def test_the_quota_of_the_account_stops_the_tenth_message(account: Account) -> None:
    body = b"S: 1\n\n" + b"x" * 33 + b"\n"  # with the two lines 107 octets, of 1000
    lines = len("Delivered-To: rcpt@example.com\nReturn-Path: <sender@example.org>\n")
    body = body[:6] + b"x" * (107 - lines - 7) + b"\n"

    results = account.deliver_all(
        [account.job(key, body=body, quota="1000S,100C") for key in range(10)]
    )

    assert [result.kind for result in results] == ["success"] * 9 + ["deferral"]
    assert results[-1].lines == ("Maildir over quota.",)
    assert results[-1].enhanced == "4.2.2"
    first = (account.home / "Maildir" / "maildirsize").read_text().split("\n")[0]
    assert first == "1000S,100C"


def test_what_a_command_says_is_kept_up_to_4095_octets(account: Account) -> None:
    result = account.deliver("| yes 0123456 | head -c 200000 >&2\n")

    assert result.kind == "success"
    assert len("\n".join(result.lines[:-1])) <= 4095
    assert result.lines[:2] == ("0123456", "0123456")


def test_output_and_standard_error_come_together_in_order(account: Account) -> None:
    assert account.deliver("|echo a; echo b >&2; echo c\n").lines == ("a", "b", "c", *DELIVERED)


def test_a_background_child_does_not_hold_up_the_delivery(account: Account) -> None:
    started = time.monotonic()

    assert account.deliver("| sleep 20 & echo $! >pid\n").kind == "success"

    assert time.monotonic() - started < 10
    os.kill(int((account.home / "pid").read_text()), 9)


def test_a_stuck_command_is_ended_and_deferred(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    account.settings = AgentSettings(localtimeout=0.2, kill_after=0.2)

    result = account.deliver("| trap '' TERM; sleep 30; sleep 30\n")

    assert (result.kind, result.lines) == ("deferral", ("Command took too long.",))
    stuck = [record.getMessage() for record in caplog.records if "stuck" in record.getMessage()]
    assert [text.split(", ")[-1] for text in stuck] == ["sending signal 15", "sending signal 9"]


def test_the_time_is_shared_by_the_commands_of_one_delivery(account: Account) -> None:
    account.settings = AgentSettings(localtimeout=0.3, kill_after=0.2)

    assert account.deliver("| sleep 0.2\n| sleep 30\n").lines == ("Command took too long.",)


def test_waiting_for_other_deliveries_costs_no_time(account: Account) -> None:
    account.settings = AgentSettings(localtimeout=0.9, kill_after=0.2)
    (account.home / ".courier").write_text("| sleep 0.1\n./Maildir/\n| sleep 0.1\n")

    results = account.deliver_all([account.job(key) for key in range(10)])

    assert {result.kind for result in results} == {"success"}


def test_a_locked_mbox_is_given_up_when_nobody_waits(account: Account) -> None:
    (account.home / "mbox").touch()
    (account.home / ".courier").write_text("./mbox\n")
    read_end, write_end = os.pipe()
    results: list[LocalResult] = []
    lock = account.home / "mbox.lock"
    lock.write_text("1:another.host.example\n")

    cutter = threading.Timer(0.1, os.write, [write_end, b"x"])
    cutter.start()
    started = time.monotonic()
    deliver_batch([account.job()], account.settings, results.append, lifeline=read_end)
    cutter.join()
    os.close(read_end)
    os.close(write_end)

    assert time.monotonic() - started < 4
    assert results[0].kind == "deferral"
    assert lock.exists()


def test_the_message_is_a_seekable_file_for_every_command(account: Account) -> None:
    result = account.deliver("| tail -c 4 | head -c 3; exit 0\n| wc -c\n| read x; cat >copy\n")

    assert result.lines == ("end", str(len(BODY)), *DELIVERED)


def test_a_command_cannot_spoil_the_message_for_the_next(account: Account) -> None:
    result = account.deliver("| echo spoiled 1<>/dev/stdin >&0; exit 0\n| cat >copy\n")

    assert result.kind == "success"
    assert (account.home / "copy").read_bytes() == BODY


def test_a_large_message_is_read_through_its_descriptor(account: Account, tmp_path: Path) -> None:
    large = BODY + b"line of text\n" * 50_000
    (tmp_path / "body").write_bytes(large)
    (account.home / ".courier").write_text("./Maildir/\n./mbox\n| cat >copy\n|wc -c\n")
    with (tmp_path / "body").open("rb") as file:
        result = account.deliver(body=file.fileno())

    assert result.lines == (str(len(large)), *DELIVERED)
    assert account.messages()[0].endswith(large)
    assert (account.home / "copy").read_bytes() == large


def test_an_empty_message_is_delivered(account: Account, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"")
    (account.home / ".courier").write_text("./Maildir/\n|wc -c\n")
    with (tmp_path / "body").open("rb") as file:
        assert account.deliver(body=file.fileno()).lines == ("0", *DELIVERED)
    assert account.deliver(body=b"").lines == ("0", *DELIVERED)


def test_commands_see_exactly_the_documented_variables(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "x")
    account.settings = AgentSettings(
        environment={"TZ": "UTC", "COURIER_HOME": "/", "PATH": "/usr/bin:/bin", "HOME": "no"}
    )
    account.deliver(
        "| env >ENV\n",
        quota="1000000S",
        maildir="./Mail",
        environment={"DSNNOTIFY": "N", "MAXDELS": "1", "SENDER": "no"},
    )

    seen = dict(line.split("=", 1) for line in (account.home / "ENV").read_text().splitlines())
    shells_own = {"PWD", "_", "SHLVL", "OLDPWD"}
    when = seen.pop("UFLINE")
    assert when == f"From sender@example.org {time.ctime(0.0)}"
    assert {name: value for name, value in seen.items() if name not in shells_own} == {
        "DEFAULT": "",
        "DSNNOTIFY": "N",
        "DTLINE": "Delivered-To: rcpt@example.com",
        "EXT": "",
        "EXT2": "",
        "EXT3": "",
        "EXT4": "",
        "HOME": str(account.home),
        "HOST": "example.com",
        "LOCAL": "rcpt",
        "MAILDIRQUOTA": "1000000S",
        "MAILDROPDEFAULT": "./Mail",
        "PATH": "/usr/bin:/bin",
        "RECIPIENT": "rcpt@example.com",
        "RPLINE": "Return-Path: <sender@example.org>",
        "SENDER": "sender@example.org",
        "SHELL": "/bin/sh",
        "TZ": "UTC",
        "USER": "rcpt",
    }


def test_a_recipient_without_domain_has_the_host_localhost(account: Account) -> None:
    assert account.deliver('|echo "$LOCAL $HOST"\n', recipient="rcpt").lines[0] == "rcpt localhost"


def test_a_retry_skips_mailboxes_that_have_the_message(account: Account) -> None:
    courier = "./Maildir/\n./mbox\n| test -e ready || exit 75\n./second\n"
    deferred = account.deliver(courier)
    assert deferred.kind == "deferral"
    (account.home / "ready").touch()

    result = account.deliver(courier, ledger=deferred.ledger)

    assert (result.kind, result.ledger) == ("success", "")
    assert len(account.messages()) == 1
    assert (account.home / "mbox").read_bytes().count(b"Subject: hello") == 1
    assert (account.home / "second").exists()


def test_generated_mailboxes_are_in_the_ledger_by_their_place(account: Account) -> None:
    courier = "||echo ./mbox\n||echo ./mbox\n|exit 75\n"
    first = account.deliver(courier)
    second = account.deliver(courier, ledger=first.ledger)

    assert (account.home / "mbox").read_bytes().count(b"Subject: hello") == 2
    assert second.ledger == first.ledger


def test_a_changed_file_makes_the_ledger_void(account: Account) -> None:
    deferred = account.deliver("./mbox\n|exit 75\n")

    account.deliver("./mbox\n", ledger=deferred.ledger)

    assert (account.home / "mbox").read_bytes().count(b"Subject: hello") == 2


def test_a_failure_returns_no_ledger(account: Account) -> None:
    assert account.deliver("./mbox\n|exit 77\n").ledger == ""


def test_plain_deliveries_of_a_batch_come_before_slow_ones(account: Account) -> None:
    slow = account.home.parent / "slow"
    slow.mkdir()
    (slow / ".courier").write_text(f"| ls {account.home}/Maildir/new | wc -l\n")

    results = account.deliver_all([account.job(1, home=str(slow)), account.job(2), account.job(3)])

    assert [result.key for result in results] == [2, 3, 1]
    assert results[-1].lines == ("2", *DELIVERED)


def test_messages_for_one_maildir_share_the_directory_sync(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[[int], None] = os.fsync
    synced: list[str] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    results = account.deliver_all([account.job(key) for key in range(20)])

    assert {result.kind for result in results} == {"success"}
    assert synced.count(str(account.home / "Maildir" / "new")) == 1


def test_one_full_disk_does_not_concern_the_others(account: Account) -> None:
    install_faults([FaultPlan("maildir.before-rename", 2, errno.ENOSPC)])

    results = account.deliver_all([account.job(key) for key in range(3)])

    assert sorted(result.kind for result in results) == ["deferral", "success", "success"]
    assert len(account.messages()) == 2


def test_the_unforeseen_is_a_deferral_without_details(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    install_faults([FaultPlan("local.before-deliver", 1, errno.EIO)])
    with caplog.at_level(logging.ERROR):
        results = account.deliver_all([account.job(1), account.job(2)])

    assert [(result.key, result.kind) for result in results] == [(1, "deferral"), (2, "success")]
    assert results[0].lines == ("Temporary failure in local delivery.",)
    assert any(record.exc_info for record in caplog.records)


def test_a_shell_that_is_not_there_defers(account: Account) -> None:
    account.settings = AgentSettings(shell="/no/shell")

    result = account.deliver("| true\n")

    assert result.kind == "deferral"
    assert result.lines[0] == "Unable to run the command."


def test_mail_files_are_private(account: Account) -> None:
    account.deliver()

    [path] = (account.home / "Maildir" / "new").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
