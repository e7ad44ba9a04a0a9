"""Recipient filters in a running mail system: spec filter 4.18, pinned cases 180-185 end to end.

The SMTP server and filterd are processes of their own, of the accounts' user or started by root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.support.filters import running_filter
from tests.support.mailsite import OWNER, MailSite, kill, reachable_directory, user_python
from tests.support.recipientfilters import FILTER, asked, set_filter

from couriermail.filter.courierfilter import FilterPlaces

MAIL_USER = "mail"
ACCOUNTS = ("tess", "tess2", "bob")
SYSTEMS = [
    pytest.param("user", id="as an ordinary user"),
    pytest.param("mailuser", id="started by root", marks=pytest.mark.root),
]
ENHANCED = re.compile(r"^(\d{3}[ -])\d\.\d+\.\d+ ")


@pytest.fixture(scope="module", params=SYSTEMS)
def site(request: pytest.FixtureRequest) -> Iterator[MailSite]:
    """A running system with filters for SMTP and local mail."""
    with reachable_directory() as root:
        made = make_site(root, request.param)
        with made.running():
            yield made
        made.assert_no_traceback()


def make_site(root: Path, system: str) -> MailSite:
    run_as, toml = None, "[queue]\nmin_free = 1048576\n"
    if system == "user" and os.geteuid() == 0:
        run_as = OWNER
        if user_python() is None:
            pytest.skip("the interpreter lies in a directory that only root can read")
    if system == "mailuser":
        toml += f'[mta]\nmailuser = "{MAIL_USER}"\n'
    files = {
        "enablefiltering": "esmtp local\n",
        "maildropfilter": f"{root}/site/etc/filter\n",
        "aliasfilteracct": f"{root}/site/home/bob\n",
        "aliases": "team: tess, tess2\nrole: tess\n",
        "couriermail.toml": toml,
        "filter": FILTER,
    }
    site = MailSite.make(root / "site", accounts=ACCOUNTS, files=files, run_as=run_as)
    (site.config / "filter").chmod(0o755)
    if system == "mailuser":
        os.chown(site.config / "userdb", pwd.getpwnam(MAIL_USER).pw_uid, -1)
    return site


@pytest.fixture(autouse=True)
def fresh_homes(request: pytest.FixtureRequest) -> None:
    """No filters, no mail, also none of the test before."""
    if "site" not in request.fixturenames:
        return
    site: MailSite = request.getfixturevalue("site")
    site.wait_empty()
    for account in ACCOUNTS:
        home = site.home(account)
        shutil.rmtree(home / ".filters", ignore_errors=True)
        (home / ".asked").unlink(missing_ok=True)
        for path in (home / "Maildir" / "new").iterdir():
            path.unlink()


def judge(site: MailSite, account: str, **scripts: str) -> None:
    for name, script in scripts.items():
        set_filter(site.home(account), name, script)
    site.give_away()


def ask_content(site: MailSite, account: str, script: str) -> None:
    judge(site, account, rcptfilter="exit 99", smtpfilter=script)


def say(client: smtplib.SMTP, command: str) -> list[str]:
    """The lines of the answer, without their enhanced codes."""
    client.send(f"{command}\r\n".encode())
    return answer(client)


def answer(client: smtplib.SMTP) -> list[str]:
    reader = client.file
    assert reader is not None
    lines: list[str] = []
    while not lines or lines[-1][3:4] == "-":
        lines.append(reader.readline().decode().rstrip("\r\n"))
    return [ENHANCED.sub(r"\1", line) for line in lines]


def name_recipients(
    client: smtplib.SMTP, names: Sequence[str], *, exdata: bool = True
) -> list[list[str]]:
    """MAIL and RCPTs; the answers to these."""
    assert say(client, "MAIL FROM:<bob@example.test>" + " EXDATA" * exdata)[0].startswith("250 ")
    return [say(client, f"RCPT TO:<{name}@example.test>") for name in names]


def send(
    site: MailSite, names: Sequence[str], *, exdata: bool = True, subject: str = "judged"
) -> list[str]:
    """Send one message; the answer to its end, the queue's id as `ID`."""
    with site.smtp() as client:
        for reply in name_recipients(client, names, exdata=exdata):
            assert reply == ["250 Ok."]
        assert say(client, "DATA")[0].startswith("354")
        lines = say(client, f"Subject: {subject}\r\n\r\ntext\r\n.")
        return [re.sub(r"[0-9A-F]{16}\.[0-9A-F]{8}$", "ID", line) for line in lines]


def delivered(site: MailSite) -> dict[str, int]:
    """Messages in each mailbox once the queue is empty."""
    site.wait_empty()
    return {account: len(site.messages(account)) for account in ACCOUNTS}


# The pinned cases


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("go away", ["511 go away"], id="180-no code"),
        pytest.param("450 later", ["450 later"], id="180-code"),
        pytest.param("550-one\n550 two", ["550-one", "550 two"], id="180-two lines"),
        pytest.param("250 ok", ["511 ok"], id="180-code of a success"),
        pytest.param("", ["571 Delivery not authorized, message refused."], id="180-no text"),
    ],
)
def test_a_recipient_is_refused(site: MailSite, text: str, lines: list[str]) -> None:
    judge(site, "tess", rcptfilter=f"printf '%s' '{text}'; exit 1")
    with site.smtp() as client:
        assert name_recipients(client, ["tess", "tess2"]) == [lines, ["250 Ok."]]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("", ["558-450-tess:", "558 450 Access denied."], id="181-no text"),
        pytest.param("550 spam", ["558-550-tess:", "558 550 spam"], id="181-code"),
        pytest.param("spam\nmore", ["558-450-tess:", "558-450-spam", "558 450 more"], id="181-two"),
    ],
)
def test_a_message_is_refused(site: MailSite, text: str, lines: list[str]) -> None:
    ask_content(site, "tess", f"printf '%s' '{text}'; exit 1")
    assert send(site, ["tess"]) == lines
    assert delivered(site) == {"tess": 0, "tess2": 0, "bob": 0}


@pytest.mark.parametrize(
    ("scripts", "lines", "who"),
    [
        pytest.param(
            ("echo 550 spam; exit 1", "exit 0"),
            ["558-550-tess:", "558-550 spam", "558 250 Ok. ID"],
            "tess2",
            id="182-first refused",
        ),
        pytest.param(
            ("exit 0", "echo 550-a; echo 550 b; exit 1"),
            ["558-250 Ok. ID", "558-550-tess2:", "558-550-a", "558 550 b"],
            "tess",
            id="182-second refused",
        ),
    ],
)
def test_one_of_two_refuses_the_message(
    site: MailSite, scripts: tuple[str, str], lines: list[str], who: str
) -> None:
    """The other one gets it, and the sender no report: the client was told."""
    ask_content(site, "tess", scripts[0])
    ask_content(site, "tess2", scripts[1])
    assert send(site, ["tess", "tess2"]) == lines
    assert delivered(site) == {"tess": 0, "tess2": 0, "bob": 0} | {who: 1}


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        pytest.param("exit 99", "exit 0", "are", id="183-99 then 0"),
        pytest.param("exit 0", "exit 99", "are not", id="183-0 then 99"),
    ],
)
def test_recipients_must_agree(site: MailSite, first: str, second: str, word: str) -> None:
    judge(site, "tess", rcptfilter=first)
    judge(site, "tess2", rcptfilter=second)
    refusal = f"412 You {word} whitelisted by this recipient, please try again later."
    with site.smtp() as client:
        assert name_recipients(client, ["tess", "tess2"]) == [["250 Ok."], [refusal]]


@contextlib.contextmanager
def global_filter(site: MailSite, reply: str, *, mode: str = "") -> Iterator[FilterPlaces]:
    places = FilterPlaces(str(site.config), str(site.state))
    for name in ("etc/filters/active", "etc/state/filters", "etc/state/allfilters"):
        (site.root / name).mkdir(parents=True, exist_ok=True)
        (site.root / name).chmod(0o777)
    name = "all" if mode else "some"
    if mode:
        site.write_config(f"filters/{name}-mode", f"{mode}\n")
    with running_filter(places, name, reply):
        directory = places.all_sockets if mode else places.sockets
        os.chmod(f"{directory}/{name}", 0o666)
        yield places


def test_184_global_filters_see_what_is_not_whitelisted(site: MailSite) -> None:
    with global_filter(site, "500 No way."), global_filter(site, "200 Ok.", mode="all"):
        judge(site, "tess", rcptfilter="exit 99", smtpfilter="exit 0")
        assert send(site, ["tess"]) == ["500 No way."]
        judge(site, "tess", rcptfilter="exit 0")
        assert send(site, ["tess"]) == ["250 Ok. ID"]
    assert delivered(site) == {"tess": 1, "tess2": 0, "bob": 0}


def test_185_only_0_accepts_a_message(site: MailSite) -> None:
    ask_content(site, "tess", "exit 99")
    assert send(site, ["tess"]) == ["558-450-tess:", "558 450 Access denied."]


# Clients without EXDATA


def test_without_exdata_the_sender_hears_by_mail_who_refused(site: MailSite) -> None:
    ask_content(site, "tess", "echo 550 spam; exit 1")
    ask_content(site, "tess2", "exit 0")
    assert send(site, ["tess", "tess2"], exdata=False) == ["250 Ok. ID"]
    assert delivered(site) == {"tess": 0, "tess2": 1, "bob": 1}
    (report,) = site.messages("bob")
    assert b"Final-Recipient: rfc822; tess@example.test\nAction: failed" in report
    assert b"550 5.7.1 spam" in report
    assert b"tess2@" not in report


def test_without_exdata_the_refusal_of_all_is_the_reply(site: MailSite) -> None:
    ask_content(site, "tess", "echo 550 spam; exit 1")
    assert send(site, ["tess"], exdata=False) == ["550 spam"]
    assert delivered(site) == {"tess": 0, "tess2": 0, "bob": 0}


@pytest.mark.peer("swaks")
def test_swaks_is_refused(site: MailSite) -> None:
    judge(site, "tess", rcptfilter="echo 550 go away; exit 1")
    done = subprocess.run(
        ["swaks", "--server", f"127.0.0.1:{site.port}", "--helo", "client.example.test",
         "--from", "bob@example.test", "--to", "tess@example.test,tess2@example.test"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "<** 550 5.7.1 go away" in done.stdout
    assert done.returncode == 0, done.stdout
    assert delivered(site) == {"tess": 0, "tess2": 1, "bob": 0}


# Who is asked, and how


def test_the_program_is_called_as_the_spec_says(site: MailSite) -> None:
    ask_content(site, "tess", "cat >$HOME/seen; exit 0")
    site.instructions("tess", "./Maildir\n", "-lists")
    judge(site, "tess", **{"rcptfilter-lists": "exit 99"})
    assert send(site, ["tess", "tess-lists"]) == ["250 Ok. ID"]
    start = f"{site.uid}/{site.uid} [] [127.0.0.1] [bob@example.test] [] []"
    end = f"SENDER=bob@example.test DEFAULT=./Maildir uid={site.uid}"
    calls = asked(site.home("tess"))
    names = ["rcptfilter", "rcptfilter-lists"]
    assert calls[:2] == [f"{name} {start} {end}" for name in names]
    names = ["smtpfilter", "smtpfilter-lists"]  # in any order: they run together
    assert sorted(calls[2:]) == [f"{name} {start} {end}" for name in names]
    seen = (site.home("tess") / "seen").read_text()
    assert seen.startswith("Received: from client.example.test")
    assert seen.endswith("\n\ntext\n")


def test_aliases_are_judged_by_the_alias_account(site: MailSite) -> None:
    judge(site, "tess", rcptfilter="exit 1")
    judge(site, "bob", **{"rcptfilter-alias-role@example.test": "echo 550 closed; exit 1"})
    with site.smtp() as client:
        answers = name_recipients(client, ["role", "team"])
    assert answers == [["550 closed"], ["250 Ok."]]
    assert asked(site.home("tess")) == []


# Local mail


def test_sendmail_reports_refused_recipients(site: MailSite) -> None:
    judge(site, "tess", rcptfilter="echo 550 go away; exit 1")
    text = b"Subject: local\n\ntext\n"
    done = site.sendmail("-f", "bob", "tess", "tess2", message=text)
    assert "550 go away" in done.stdout + done.stderr
    assert "tess: invalid address." in done.stderr
    assert done.returncode == 67
    assert delivered(site) == {"tess": 0, "tess2": 1, "bob": 0}
    assert site.sendmail("-f", "bob", "tess", message=text).returncode == 67
    verified = site.sendmail("-bv", "tess", "tess2", message=b"")
    assert "tess2... deliverable" in verified.stdout
    assert "go away" in verified.stdout + verified.stderr


def test_smtp_on_standard_input_is_judged_too(site: MailSite) -> None:
    judge(site, "tess", rcptfilter="echo 550 go away; exit 1")
    dialogue = (
        b"EHLO here\nMAIL FROM:<bob@example.test>\nRCPT TO:<tess@example.test>\n"
        b"RCPT TO:<tess2@example.test>\nDATA\nSubject: x\n\ntext\n.\nQUIT\n"
    )
    done = site.sendmail("-bs", message=dialogue)
    assert "550 5.7.1 go away" in done.stdout.splitlines()
    assert delivered(site) == {"tess": 0, "tess2": 1, "bob": 0}


RCPT_RECIPE = """\
import SENDER
import TCPREMOTEIP
if ("$SENDER" eq "spammer@example.test")
{
  echo "550 Not from $TCPREMOTEIP"
  EXITCODE=1
  exit
}
EXITCODE=99
"""
CONTENT_RECIPE = """\
if (/^Subject:.*lottery/)
{
  echo "550-No lotteries"
  echo "550 thank you"
  EXITCODE=1
}
"""


def our_maildrop(site: MailSite) -> Path:
    """Our `maildrop`, by an interpreter that an ordinary user can run where one is to run it."""
    found = user_python()
    if site.run_as is None or found is None:
        return Path(sys.executable).parent / "maildrop"
    python, environment = found
    settings = " ".join(f"{name}='{value}'" for name, value in environment.items())
    program = "from couriermail.cli.maildrop import main; main()"
    site.write_config("maildrop.sh", f'#!/bin/sh\n{settings} exec {python} -c "{program}" "$@"\n')
    (site.config / "maildrop.sh").chmod(0o755)
    return site.config / "maildrop.sh"


@pytest.mark.parametrize("system", SYSTEMS)
def test_users_judge_with_recipes_of_our_maildrop(system: str) -> None:
    with reachable_directory() as root:
        site = make_site(root, system)
        site.write_config("maildropfilter", f"{our_maildrop(site)}\n")
        recipes = site.home("tess") / ".mailfilters"
        recipes.mkdir(mode=0o700)
        for name, text in {"rcptfilter": RCPT_RECIPE, "smtpfilter": CONTENT_RECIPE}.items():
            (recipes / name).write_text(text)
            (recipes / name).chmod(0o600)
        site.give_away()
        with site.running():
            with site.smtp() as client:
                assert say(client, "MAIL FROM:<spammer@example.test>")[0].startswith("250 ")
                assert say(client, "RCPT TO:<tess@example.test>") == ["550 Not from 127.0.0.1"]
            refusal = ["558-550-tess:", "558-550-No lotteries", "558 550 thank you"]
            assert send(site, ["tess"], subject="win the lottery") == refusal
            assert send(site, ["tess"], subject="dinner") == ["250 Ok. ID"]
            assert delivered(site) == {"tess": 1, "tess2": 0, "bob": 0}
            site.assert_no_traceback()


def test_what_was_left_while_it_was_down_is_judged_too() -> None:
    """Nobody is there to hear of a refusal: the sender gets a report."""
    with reachable_directory() as root:
        site = make_site(root, "user")
        judge(site, "tess", rcptfilter="echo 550 go away; exit 1")
        ask_content(site, "tess2", "echo 550 spam; exit 1")
        with site.running():
            pass
        text = b"Subject: meanwhile\n\ntext\n"
        assert site.sendmail("-f", "bob", "tess", "tess2", "bob", message=text).returncode == 0
        with site.running():
            site.wait(lambda: len(site.messages("bob")) == 2, "the message and the report")
            assert delivered(site) == {"tess": 0, "tess2": 0, "bob": 2}
            (report,) = [found for found in site.messages("bob") if b"Action: failed" in found]
            assert b"go away" in report
            assert b"spam" in report
            site.assert_no_traceback()


# Trouble


def test_pipelined_answers_keep_their_order_and_nobody_else_waits(site: MailSite) -> None:
    """One filter waits for us; its client's answers wait behind it, other clients do not."""
    door = site.home("tess") / "door"
    door.unlink(missing_ok=True)
    os.mkfifo(door)
    judge(site, "tess", rcptfilter='read word <"$HOME/door"; echo "550 $word"; exit 1')
    with site.smtp() as slow:
        slow.send(
            b"MAIL FROM:<bob@example.test>\r\nRCPT TO:<tess@example.test>\r\n"
            b"RCPT TO:<stranger@example.test>\r\nRCPT TO:<tess2@example.test>\r\nDATA\r\n"
            b"Subject: pipelined\r\n\r\ntext\r\n.\r\n"
        )
        site.wait(lambda: asked(site.home("tess")), "the filter")
        assert send(site, ["tess2"], subject="meanwhile") == ["250 Ok. ID"]
        door.write_text("opened\n")
        answers = [answer(slow)[0] for _ in range(6)]
    codes = [line[:3] for line in answers]
    assert codes == ["250", "550", "550", "250", "354", "250"]
    assert answers[1:3] == ["550 opened", "550 User <stranger> unknown"]
    door.unlink()
    assert delivered(site) == {"tess": 0, "tess2": 2, "bob": 0}


def test_a_client_that_leaves_while_a_filter_thinks(site: MailSite) -> None:
    door = site.home("tess") / "door"
    door.unlink(missing_ok=True)
    os.mkfifo(door)
    judge(site, "tess", rcptfilter='read word <"$HOME/door"; exit 0')
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.sendall(b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<tess@example.test>\r\nDATA\r\n")
        site.wait(lambda: asked(site.home("tess")), "the filter")
    door.write_text("opened\n")
    door.unlink()
    assert send(site, ["tess2"]) == ["250 Ok. ID"]
    assert delivered(site) == {"tess": 0, "tess2": 1, "bob": 0}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_crash_while_a_filter_judges_loses_and_doubles_nothing(system: str) -> None:
    """Killed behind the message, before its reply: the client has it still and sends it again."""
    with reachable_directory() as root:
        site = make_site(root, system)
        door = site.home("tess") / "door"
        os.mkfifo(door)
        ask_content(site, "tess", 'read word <"$HOME/door"; exit 0')
        with site.running():
            client = site.smtp()
            assert name_recipients(client, ["tess"]) == [["250 Ok."]]
            assert say(client, "DATA")[0].startswith("354")
            client.send(b"Subject: first\r\n\r\ntext\r\n.\r\n")
            site.wait(lambda: len(asked(site.home("tess"))) == 2, "the content filter")
            site.crash()
            with contextlib.suppress(ConnectionError):
                assert client.sock is not None
                # whoever is killed last may still say that the filter did not answer
                assert client.sock.recv(100)[:8] in (b"", b"558-450-")
            client.close()
            site.start()
            assert not site.queued()
            ask_content(site, "tess", "exit 0")
            assert send(site, ["tess"], subject="again") == ["250 Ok. ID"]
            site.wait_empty()
            (message,) = site.messages("tess")
            assert b"Subject: again" in message
        for pid in filter_processes(site):  # nobody was left to end the one that waits
            kill(pid)


@contextlib.contextmanager
def waiting_filter(system: str) -> Iterator[MailSite]:
    """A running system in which a client waits for a filter that hangs."""
    with reachable_directory() as root:
        site = make_site(root, system)
        os.mkfifo(site.home("tess") / "door")
        judge(site, "tess", rcptfilter='read word <"$HOME/door"')
        with site.running():
            client = site.smtp()
            assert say(client, "MAIL FROM:<bob@example.test>")[0].startswith("250 ")
            client.send(b"RCPT TO:<tess@example.test>\r\n")
            site.wait(lambda: bool(filter_processes(site)), "the filter")
            yield site
            client.close()


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_filter_ends_with_the_server_that_waits_for_it(system: str) -> None:
    """Nobody else would look at its time."""
    with waiting_filter(system) as site:
        os.kill(site.pids()["esmtpd"], signal.SIGKILL)
        site.wait(lambda: not filter_processes(site), "its end")


@pytest.mark.slow  # ten seconds are what messages in flight are given
def test_a_stop_waits_for_a_filter_and_then_ends_it() -> None:
    with waiting_filter("user") as site:
        site.stop()
        assert "killing it" not in site.log.read_text()
        assert not filter_processes(site)


def filter_processes(site: MailSite) -> list[int]:
    """Filters of the site that still run."""
    program = str(site.config / "filter").encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if program in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found
