"""The `sendmail` command against a running system (spec mta.md 7, 19.1)."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import MailSite

ACCOUNTS = (
    "bob",
    "carla",
    "dora",
    "p1",
    "p2",
    "p3",
    "plain",
    "dots",
    "sender",
    "bcc",
    "pat",
    "verp",
)
ME = pwd.getpwuid(os.geteuid())


@pytest.fixture(scope="module")
def site(shared_root: Path) -> Iterator[MailSite]:
    """One running system for all commands of this file."""
    made = MailSite.make(shared_root / "site", accounts=ACCOUNTS)
    made.write_config("aliases/system", f"postmaster: pat\n{ME.pw_name}: sender\n")
    with made.running():
        yield made


def only_message(site: MailSite, account: str) -> bytes:
    """The one message that an account has got."""
    message = site.first_message(account)
    assert len(site.messages(account)) == 1
    return message


def header_after_received(message: bytes) -> bytes:
    """The header behind our `Received:` field."""
    return message.partition(b"\n\n")[0].split(b"\n", 6)[-1] + b"\n"


def test_p1_recipients_from_the_header_and_what_is_added(site: MailSite) -> None:
    """P1: `echo "To: p1" | sendmail`."""
    env = {"LOGNAME": "alice", "NAME": "Alice A. Tester"}
    done = site.sendmail(message=b"To: p1\n", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = only_message(site, "p1").decode()
    found = re.fullmatch(
        r"Delivered-To: p1@example\.test\n"
        r"Return-Path: <alice@example\.test>\n"
        r"Received: from localhost \(localhost \[127\.0\.0\.1\]\)\n"
        rf"  \(uid {os.geteuid()}\)\n"
        r"  by mx\.example\.test with local\n"
        r"  id ([0-9A-F]{16})\.([0-9A-F]{16})\.([0-9A-F]{8}); (.*)\n"
        r"To: p1@example\.test\n"
        r'From: "Alice A\. Tester" <alice@example\.test>\n'
        r"Message-ID: <courier\.(.*)@mx\.example\.test>\n"
        r"Date: (.*)\n"
        r"\n",
        text,
    )
    assert found, text
    assert found[5] == f"{found[2]}.{found[3]}"
    assert found[6] == found[4]


def test_p1_the_log_says_so_in_four_lines(site: MailSite) -> None:
    site.sendmail("-f", "a@example.test", "p1", message=b"Subject: log\n\n")
    site.wait_empty()
    queue_id = re.findall(r"newmsg,id=(\S+):", site.log_text())[-1]
    lines = [line.split("]: ", 1)[1] for line in site.log_text().splitlines() if queue_id in line]
    home = site.home("p1")
    assert lines[0] == f"newmsg,id={queue_id}: dns; localhost (localhost [127.0.0.1])"
    assert lines[1] == (
        f"started,id={queue_id},from=<a@example.test>,module=local,"
        f"host=p1!!{site.uid}!{home.stat().st_gid}!{home}!!,addr=<p1>"
    )
    assert re.fullmatch(
        rf"id={queue_id},from=<a@example\.test>,addr=<p1@example\.test>,size=\d+,"
        r"success: Message delivered\.",
        lines[2],
    )
    assert lines[3:] == [f"completed,id={queue_id}"]


def test_p2_addresses_are_completed_and_the_rest_is_left_alone(site: MailSite) -> None:
    message = (
        b"From: Foo <foo>\nTo: bob, unk, a@b.org\n"
        b'Cc: (comment) "Bob B" <bob@localhost>, grp: x@y.org, z;\n'
        b"Reply-To: q\nSender: s@LOCALHOST\nErrors-To: foo\nReturn-Path: <x@y>\n"
        b"Bcc: hidden@h.org\nX-Eight: caf\xe9\n\nbody \xff\n"
    )
    assert site.sendmail("p2", message=message, env={}).returncode == 0
    found = only_message(site, "p2")
    for line in (
        b"From: Foo <foo@example.test>\n",
        b"To: bob@example.test, unk@example.test, a@b.org\n",
        b"z@example.test",
        b"Reply-To: q@example.test\n",
        b"Sender: s@LOCALHOST\n",
        b"Errors-To: foo\n",
        b"Old-Return-Path: <x@y>\n",
        b"Bcc: hidden@h.org\n",
        b"X-Eight: caf\xe9\n",
        b"\n\nbody \xff\n",
    ):
        assert line in found, line
    assert b"mime" not in found.lower()


def test_p3_what_is_missing_is_appended_in_this_order(site: MailSite) -> None:
    """P3: From by sendmail; Message-ID, Date, To by submission."""
    assert site.sendmail("p3", message=b"Subject: x\n\n", env={"USER": "u"}).returncode == 0
    names = re.findall(
        rb"^([A-Z][A-Za-z-]+):", header_after_received(only_message(site, "p3")), re.M
    )
    assert names == [b"Subject", b"From", b"Message-ID", b"Date", b"To"]


@pytest.mark.parametrize(
    ("arguments", "message", "code", "said"),
    [
        ([], b"Subject: x\n\n", 67, "511 Headers specify no receipients."),
        (["bob", "@foo"], b"Subject: p4\n\n", 67, "500 Invalid address\n@foo: invalid address."),
        (["-S", "foo", "bob"], b"\n", 77, "sendmail: invalid option -S foo"),
        (["-f"], b"\n", 77, "option -f needs a value"),
        (["-t"], b"To: bob, @foo\n\n", 67, "sendmail: Unable to submit message."),
        (["-f", "a@@b", "bob"], b"\n", 67, "517 Syntax error."),
    ],
    ids=["no recipients", "one bad of two", "level", "value", "bad in header", "sender"],
)
def test_p4_refusals(
    site: MailSite, arguments: list[str], message: bytes, code: int, said: str
) -> None:
    done = site.sendmail(*arguments, message=message)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_p4_the_good_recipient_beside_a_bad_one_gets_the_mail(site: MailSite) -> None:
    done = site.sendmail("dora", "@foo", message=b"Subject: good half\n\n")
    assert done.returncode == 67
    assert b"good half" in only_message(site, "dora")


def test_p4_q5_an_unknown_local_user_bounces_to_the_sender(site: MailSite) -> None:
    done = site.sendmail("-f", "carla", "nosuchlocal", message=b"Subject: lost\n\nbody\n")
    assert done.returncode == 0
    report = only_message(site, "carla")
    for words in (
        b"<nosuchlocal@example.test>:\n",
        b" <<< 550 5.1.1 User <nosuchlocal> unknown\n",  # ours: with the status (18.7)
        b"Final-Recipient: rfc822; nosuchlocal@example.test\nAction: failed\nStatus: 5.1.1\n",
        b"Diagnostic-Code: unknown; 550 5.1.1 User <nosuchlocal> unknown\n",
        b"Subject: lost\n",
        b"\nbody\n",
    ):
        assert words in report, words


def test_q7_failures_of_the_null_sender_go_to_postmaster(site: MailSite) -> None:
    assert (
        site.sendmail("-f", "", "nosuchlocal", message=b"Subject: from nobody\n\n").returncode == 0
    )
    report = only_message(site, "pat")
    assert report.startswith(b"Delivered-To: pat@example.test\nReturn-Path: <#@[]>\n")
    assert b"Subject: from nobody" in report


def test_options_end_at_the_first_other_word(site: MailSite) -> None:
    arguments = ("-i", "-oem", "-bm", "-t", "-v", "-f", "x@example.test", "--", "plain")
    assert site.sendmail(*arguments, message=b"Subject: many\n\n").returncode == 0
    assert b"Return-Path: <x@example.test>" in only_message(site, "plain")


def test_a_lone_dot_does_not_end_the_message(site: MailSite) -> None:
    assert site.sendmail("dots", message=b"Subject: d\n\n.\n..\nend\n").returncode == 0
    assert only_message(site, "dots").endswith(b"\n\n.\n..\nend\n")


def test_an_empty_environment_names_the_caller_by_its_passwd_entry(site: MailSite) -> None:
    assert site.sendmail("bcc", message=b"Subject: env\n\n", env={}).returncode == 0
    message = only_message(site, "bcc").decode()
    assert f"Return-Path: <{ME.pw_name}@example.test>" in message
    assert f"{ME.pw_name}@example.test" in re.findall(r"^From: (.*)$", message, re.M)[0]


def test_bcc_recipients_of_the_header_stay_hidden(site: MailSite) -> None:
    message = b"To: bob\nBcc: carla\nSubject: hidden copy\n\n"
    assert site.sendmail("-t", message=message).returncode == 0

    def copy() -> list[bytes]:
        return [text for text in site.messages("carla") if b"hidden copy" in text]

    (found,) = site.wait(copy, "the hidden copy")
    assert b"bcc" not in found.lower()


def test_bv_says_who_can_be_reached(site: MailSite) -> None:
    done = site.sendmail("-bv", "bob", message=b"")
    assert (done.returncode, done.stdout) == (0, "bob... deliverable\n")
    done = site.sendmail("-bv", "bob", "@foo", message=b"")
    assert done.returncode == 67


def test_q11_verp_names_the_recipient_in_the_sender_of_each(site: MailSite) -> None:
    """Q11: SENDER and Return-Path carry the encoded sender, and so does a forwarded copy."""
    site.instructions("verp", '| echo "$SENDER $RPLINE" >about\n./Maildir\n&dora\n', "-x")
    words = ("-verp", "-f", "list@example.com", "verp-x", "carla")
    assert site.sendmail(*words, message=b"Subject: verped\n\n").returncode == 0

    def copy(account: str) -> bytes:
        (found,) = site.wait(
            lambda: [text for text in site.messages(account) if b"verped" in text], account
        )
        return found

    own = "list-verp+2Dx=example.test@example.com"
    assert f"\nReturn-Path: <{own}>\n".encode() in copy("verp")
    assert f"\nReturn-Path: <{own}>\n".encode() in copy("dora")
    assert b"\nReturn-Path: <list-carla=example.test@example.com>\n" in copy("carla")
    about = (site.home("verp") / "about").read_text()
    assert about == f"{own} Return-Path: <{own}>\n"


def test_n_prints_the_rewritten_message_and_sends_nothing(site: MailSite) -> None:
    site.wait_empty()
    before = site.log_text().count("newmsg")
    done = site.sendmail(
        "-n", "bob",
        message=b"From: Al <a@old.test>\nSubject: x\n\nbody\n",
        env={"MAILUSER": "al", "MAILHOST": "new.test"},
    )  # fmt: skip
    expected = "From: Al <al@new.test>\nSubject: x\n\nbody\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")
    assert site.log_text().count("newmsg") == before


def test_crlf_input_arrives_with_lf(site: MailSite) -> None:
    assert site.sendmail("-t", message=b"To: bob\r\nSubject: crlf\r\n\r\nbody\r\n").returncode == 0

    def copy() -> list[bytes]:
        return [text for text in site.messages("bob") if b"Subject: crlf\n" in text]

    (found,) = site.wait(copy, "the message")
    assert b"\r" not in found.partition(b"\n\n")[0]


def test_a_killed_sendmail_leaves_nothing(site: MailSite) -> None:
    """Q12: half a message is not a message."""
    site.wait_empty()
    before = site.log_text().count("newmsg")
    process = subprocess.Popen(
        site.argv("sendmail", "bob"), stdin=subprocess.PIPE, env=site.environment()
    )
    assert process.stdin is not None
    process.stdin.write(b"Subject: half\n\n" + b"x\n" * 200_000)
    process.stdin.flush()
    process.kill()
    process.wait()
    process.stdin.close()
    assert site.sendmail("bob", message=b"Subject: whole\n\n").returncode == 0
    site.wait(lambda: site.log_text().count("newmsg") == before + 1, "the whole message")
    site.wait_empty()
    assert not [text for text in site.messages("bob") if b"Subject: half" in text]


def test_the_log_has_no_traceback(site: MailSite) -> None:
    site.assert_no_traceback()


def test_a_daemon_that_took_the_mail_spares_the_way_through_the_drop(site: MailSite) -> None:
    """What writes drop files is half a millisecond of imports, paid once per message."""
    env = {"PYTHONPROFILEIMPORTTIME": "1"}
    done = site.sendmail("dora", message=b"Subject: hello\n\n", env=env)
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "couriermail.mta.submitclient" in loaded
    assert "couriermail.mta.submitdrop" not in loaded
