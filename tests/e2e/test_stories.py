"""Mail from a client to a mailbox, as people use it; every story has accounts of its own."""

from __future__ import annotations

import os
import re
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import OWNER, MailSite

from couriermail.maildir import Maildir
from couriermail.mta import load_config
from couriermail.rfc822 import Headers

ALIASES = """\
postmaster: pat
team: alice, bob, carla
solo: carla
"""
ACCOUNTS = (
    *("alice", "bob", "carla", "pat", "filtered", "forwarder", "command", "comments"),
    *("closed", "looping", "identity", "plus", "large", "bin", "several", "twice"),
)
RECIPE = """\
if (/^Subject: *urgent/)
{
    to "Maildir/.Urgent"
}
if (/^Subject: *junk/)
{
    EXITCODE = 0
    exit
}
to "Maildir"
"""


@pytest.fixture(scope="module")
def site(shared_root: Path) -> Iterator[MailSite]:
    """One running system for all stories of this file."""
    made = MailSite.make(shared_root / "site", accounts=ACCOUNTS)
    made.write_config("aliases/system", ALIASES)
    with made.running():
        yield made


def headers(message: bytes, name: str) -> list[str]:
    return [field.unfolded.decode() for field in Headers(message).fields if field.name == name]


def wait_for_mail(site: MailSite, account: str, words: bytes) -> list[bytes]:
    """Wait until a mailbox holds messages with these words; all of them."""
    return site.wait(
        lambda: [message for message in site.messages(account) if words in message],
        f"{words!r} for {account}",
    )


def test_smtp_to_maildir_adds_only_what_transport_adds(site: MailSite) -> None:
    text = (
        b"Subject:  odd   spacing\r\nX-Odd:\tvalue \r\nFrom: x@example.test\r\n\r\n..dot\r\n\r\nend"
    )
    with site.smtp() as client:
        client.sendmail("sender@example.test", ["plus@example.test"], text)
    (message,) = site.wait(lambda: site.messages("plus"), "the message")
    lines = message.split(b"\n")
    assert lines[:3] == [
        b"Delivered-To: plus@example.test",
        b"Return-Path: <sender@example.test>",
        b"Received: from client.example.test ([127.0.0.1])",
    ]
    assert lines[3] == b"  by mx.example.test with ESMTP"
    assert re.fullmatch(rb"  id [0-9A-F]{16}\.[0-9A-F]{16}\.[0-9A-F]{8}; .* [+-]\d{4}", lines[4])
    assert b"\n".join(lines[5:]) == (
        b"Subject:  odd   spacing\nX-Odd:\tvalue \nFrom: x@example.test\n"
        b"To: undisclosed-recipients: ;\n\n..dot\n\nend\n"
    )


def test_a_recipe_files_and_discards(site: MailSite) -> None:
    home = site.home("filtered")
    Maildir(str(home / "Maildir")).create_folder("Urgent")
    (home / ".mailfilter").write_text(RECIPE)
    (home / ".mailfilter").chmod(0o600)
    site.instructions("filtered", "| maildrop\n")
    for subject in ("urgent: now", "junk", "plain"):
        site.send(subject, to="filtered@example.test")
    site.wait(lambda: len(site.messages("filtered")) == 1, "the plain message")
    site.wait(lambda: site.messages("filtered", ".Urgent"), "the urgent message")
    site.wait_empty()
    assert b"Subject: plain" in site.messages("filtered")[0]
    assert len(site.messages("filtered", ".Urgent")) == 1
    assert len(site.messages("filtered")) == 1


def test_a_forward_reaches_the_other_mailbox_with_its_trace(site: MailSite) -> None:
    site.instructions("forwarder", "&bob\n./Maildir\n")
    site.send("forwarded story", to="forwarder@example.test", sender="carla@example.test")
    (copy,) = wait_for_mail(site, "bob", b"forwarded story")
    assert copy.startswith(b"Delivered-To: bob@example.test\nReturn-Path: <carla@example.test>\n")
    assert b"  (forwarded by forwarder@example.test)\n" in copy
    assert headers(copy, "Delivered-To") == ["bob@example.test", "forwarder@example.test"]
    assert len(site.messages("forwarder")) == 1


def test_a_forward_to_an_unknown_user_is_reported_with_the_original_recipient(
    site: MailSite,
) -> None:
    """Q9: the report names the address that forwarded."""
    site.instructions("forwarder", "&alice, nobody-x@localhost\n./Maildir\n", "-two")
    site.send("half forward", to="forwarder-two@example.test", sender="carla@example.test")
    (report,) = wait_for_mail(site, "carla", b"nobody-x")
    assert b"Original-Recipient: rfc822; forwarder-two@example.test" in report
    wait_for_mail(site, "alice", b"half forward")


def test_a_command_gets_the_message_and_the_documented_environment(site: MailSite) -> None:
    site.instructions(
        "command", '# a comment\n\n| cat >saved\n| echo "$SENDER $RECIPIENT $EXT" >about\n', "-x"
    )
    site.send("to a command", to="command-x@example.test", sender="carla@example.test")
    about = site.home("command") / "about"
    site.wait(lambda: about.exists() and about.read_text().endswith("\n"), "the command's file")
    assert about.read_text() == "carla@example.test command-x@example.test x\n"
    saved = (site.home("command") / "saved").read_bytes()
    assert saved.startswith(b"Received: from client.example.test")
    assert not site.messages("command")


def test_a_file_of_comments_discards(site: MailSite) -> None:
    site.instructions("comments", "# nothing\n\n# at all\n")
    site.send("into the void", to="comments@example.test")
    site.wait_empty()
    assert not site.messages("comments")
    assert re.search(r"addr=<comments@example.test>.*success: ", site.log_text())


def test_a_command_that_refuses_bounces_with_its_words(site: MailSite) -> None:
    site.instructions("closed", "| echo 'No more mail here.' >&2; exit 67\n")
    site.send("refused", to="closed@example.test", sender="carla@example.test")
    (report,) = wait_for_mail(site, "carla", b"No more mail here.")
    assert headers(report, "Content-Type")[0].startswith(
        "multipart/report; report-type=delivery-status"
    )
    assert b"Final-Recipient: rfc822; closed@example.test\nAction: failed\n" in report
    assert report.startswith(b"Delivered-To: carla@example.test\nReturn-Path: <>\n")
    assert b"\nSubject: refused\n" in report


def test_a_self_forward_is_stopped_and_reported_once(site: MailSite) -> None:
    """Q10: the first delivery succeeds, the forwarded copy fails with the loop text."""
    site.instructions("looping", "looping-again@example.test\n", "-again")
    site.send("round and round", to="looping-again@example.test", sender="pat@example.test")
    reports = wait_for_mail(site, "pat", b"round and round")
    site.wait_empty()
    assert b"Mail loop - already have my Delivered-To: header." in reports[0]
    assert len([m for m in site.messages("pat") if b"round and round" in m]) == 1


def test_an_alias_reaches_all_members_and_the_receipt_says_expanded(site: MailSite) -> None:
    text = b"From: pat@example.test\r\nSubject: to the team\r\n\r\nhello\r\n"
    with site.smtp() as client:
        client.sendmail(
            "pat@example.test", ["team@example.test"], text, rcpt_options=["NOTIFY=SUCCESS"]
        )
    for member in ("alice", "bob", "carla"):
        wait_for_mail(site, member, b"to the team")
    (report,) = wait_for_mail(site, "pat", b"team@example.test")
    assert b"Final-Recipient: rfc822; team@example.test\nAction: expanded\n" in report
    assert b"alice@" not in report.partition(b"message/delivery-status")[2].partition(b"--=")[0]


def test_an_alias_and_its_member_get_one_copy(site: MailSite) -> None:
    """Spec mta.md 18.3: duplicates between alias members and explicit recipients are merged."""
    site.send("only once", to=["team@example.test", "alice@example.test"])
    wait_for_mail(site, "carla", b"only once")
    site.wait_empty()
    assert len([m for m in site.messages("alice") if b"only once" in m]) == 1


@pytest.mark.parametrize(
    "address", ["postmaster", "postmaster@example.test", "PostMaster@Example.TEST"]
)
def test_postmaster_is_always_reached(site: MailSite, address: str) -> None:
    """RFC 5321 4.5.1: postmaster with and without a domain, in any case."""
    site.send(f"dear {address}!", to=address)
    wait_for_mail(site, "pat", f"dear {address}!".encode())


def test_unknown_users_are_refused_over_smtp(site: MailSite) -> None:
    with site.smtp() as client:
        client.mail("alice@example.test")
        assert client.rcpt("nobody-here@example.test")[0] == 550
        assert client.rcpt("x@elsewhere.test")[0] == 513
        assert client.rcpt("alice@example.test")[0] == 250
        client.rset()


def test_several_recipients_have_one_message_in_the_queue_and_a_copy_each(site: MailSite) -> None:
    site.send("for many", to=["several@example.test", "twice@example.test", "bin@example.test"])
    for account in ("several", "twice", "bin"):
        message = site.first_message(account)
        assert message.startswith(f"Delivered-To: {account}@example.test\n".encode())
    ids = {headers(site.messages(name)[0], "Received")[0] for name in ("several", "twice", "bin")}
    assert len(ids) == 1


def test_a_large_message_arrives_byte_for_byte(site: MailSite) -> None:
    line = bytes(range(32, 127)) + b"\n"
    body = (line * 12_000)[:-1] + b"\n"
    text = b"Subject: large\n\n" + body
    with site.smtp() as client:
        client.sendmail("a@example.test", ["large@example.test"], text.replace(b"\n", b"\r\n"))
    message = site.first_message("large")
    assert message.partition(b"\n\n")[2] == body


def test_a_message_above_the_limit_is_refused_at_once_and_at_its_end(site: MailSite) -> None:
    with site.smtp() as client:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            client.sendmail("a@example.test", ["alice@example.test"], b"x" * 10_500_000)
        assert refused.value.smtp_code // 100 == 5
        client.mail("a@example.test")
        client.rcpt("alice@example.test")
        code, _ = client.data(b"\r\n" + b"x" * 70 + (b"\r\n" + b"y" * 900) * 11_700)
        assert code // 100 == 5
        assert client.noop()[0] == 250


@pytest.mark.root
def test_deliveries_run_as_the_recipient_and_nobody_else(site: MailSite) -> None:
    """Spec mta.md 20.3: uid, gid and groups are exactly the user's; ENV is the documented one."""
    site.instructions("identity", "| /usr/bin/id >ID\n| /usr/bin/env >ENV\n")
    site.send("who am I", to="identity@example.test")
    written = site.home("identity") / "ENV"
    site.wait(written.exists, "the command's file")
    site.wait_empty()
    identity = (site.home("identity") / "ID").read_text()
    assert re.fullmatch(rf"uid={OWNER} gid={OWNER} groups={OWNER}\n", identity)
    names = {line.partition("=")[0] for line in written.read_text().splitlines()}
    documented = [
        "HOME",
        "USER",
        "SENDER",
        "RECIPIENT",
        "HOST",
        "LOCAL",
        "EXT",
        "EXT2",
        "EXT3",
        "EXT4",
        "DEFAULT",
        "DTLINE",
        "RPLINE",
        "UFLINE",
        "PATH",
        "SHELL",
        "MAILDIRQUOTA",
        "MAILDROPDEFAULT",
    ]
    from_the_shell = {"PWD", "SHLVL", "_", "OLDPWD"}
    of_courierd = set(load_config(str(site.config)).environment)
    assert names - from_the_shell - of_courierd <= set(documented)
    assert {"HOME", "SENDER", "RECIPIENT", "DTLINE"} <= names
    for path in (site.home("alice") / "Maildir/new").iterdir():
        assert (path.stat().st_uid, path.stat().st_mode & 0o777) == (OWNER, 0o600)


def test_the_log_has_no_traceback(site: MailSite) -> None:
    """Last in this file: none of the stories made anything fail unexpectedly."""
    site.assert_no_traceback()
    assert os.path.exists(site.log)
