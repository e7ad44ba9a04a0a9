"""Deliveries in this process, as this user: the pinned cases of spec mta.md 19.4 and more."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.localaccount import BODY, DELIVERED, Account

from couriermail.core import FaultPlan, install_faults
from couriermail.mta.local import AgentSettings, LocalResult, deliver_batch

LOOP = ("Mail loop - already have my Delivered-To: header.",)


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
