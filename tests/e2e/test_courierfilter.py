"""A mail system with global filters: a story from `filterctl start` to a filter that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import MailSite, wait_for

UNAVAILABLE = (432, b"4.3.0 Mail filters temporarily unavailable.")

OWN_FILTER = f"""\
#!{sys.executable}
from couriermail.filter.courierfilter import run_filter

def judge(message):
    if b"garbage please" in message.read():
        return "what?"
    if any(r.address.startswith("bob@") for r in message.recipients):
        return "550-Bob does not\\n550 want mail."
    return "200 Ok."

run_filter(judge)
"""

PYFILTER = f"""\
#!{sys.executable}
from couriermail.cli.pyfilter import main
main()
"""

SCRIPT = """\
from couriermail.filter.courierfilter import accept, discard, reject

async def check(msg):
    subject = msg.headers.get("Subject")
    if subject == "refuse":
        return reject(550, "5.7.1 Not here.")
    if subject == "crash":
        raise RuntimeError("a mistake in the script")
    if subject == "drop":
        return discard()
    if subject == "quarantine":
        return accept().quarantine("bob@example.test")
    return accept().add_header("X-Checked", msg.envelope.sender)
"""


@pytest.fixture
def site(make_site: Callable[..., MailSite]) -> Iterator[MailSite]:
    """A running mail system whose SMTP and local mail is filtered, without filters yet."""
    settings = {
        "enablefiltering": "esmtp local\n",
        "filters/dupfilter-duplevel": "2\n",
        "filters/ratefilter-maxrcpts": "2\n",
        "filters/ratefilter-minuid": "0\n",
        "filters/programs/own": OWN_FILTER,
    }
    made = make_site(**settings)
    (made.config / "filters/programs/own").chmod(0o755)
    try:
        with made.running():
            yield made
    finally:
        filter_command(made, "courierfilter", "stop")


def filter_command(site: MailSite, program: str, *words: str) -> str:
    """Run one of the filter commands; what it says."""
    done = site.command(program, *words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def start_filters(site: MailSite, *names: str) -> None:
    for name in names:
        filter_command(site, "filterctl", "start", name)
    filter_command(site, "courierfilter", "start", "--log", str(site.root / "filters.log"))


def refusal(site: MailSite, subject: str = "hello", **more: str) -> tuple[int, bytes] | None:
    """What the server says to a message; None when it takes it."""
    try:
        site.send(subject, **more)
    except smtplib.SMTPDataError as error:
        text = error.smtp_error
        return error.smtp_code, text if isinstance(text, bytes) else text.encode()
    return None


def filter_pid(site: MailSite, name: str) -> int:
    """The process of a filter, 0 while there is none."""
    lines = filter_command(site, "filterctl", "status").splitlines()
    [line] = [line for line in lines if line.split()[0] == name]
    return int(line.partition("pid ")[2].split()[0]) if "pid " in line else 0


def test_filters_judge_mail_before_it_is_accepted(site: MailSite) -> None:
    assert refusal(site, "no filter") is None
    start_filters(site, "dupfilter", "own")

    # The second copy is refused, and a user's own filter has its say.
    assert refusal(site) is None
    assert refusal(site) == (500, b"5.0.0 Duplicate message rejected.")
    assert refusal(site, "for bob", to="bob@example.test") == (
        550,
        b"5.0.0 Bob does not\n5.0.0 want mail.",
    )
    assert refusal(site, "odd", body="garbage please") == (
        432,
        b"4.0.0 Mail filters temporarily unavailable.",
    )

    # Local mail is filtered as well; sendmail says so.
    done = site.sendmail("bob@example.test", message=b"Subject: local\n\nmail\n")
    assert done.returncode != 0
    assert "550" in done.stderr + done.stdout

    # Switched off, it is not asked any more.
    filter_command(site, "filterctl", "stop", "own")
    wait_for(lambda: not (site.state / "filters/own").exists(), "the end of own")
    assert refusal(site, "for bob at last", to="bob@example.test") is None

    filter_command(site, "courierfilter", "stop")
    assert refusal(site) is None
    site.wait(lambda: len(site.messages("alice")) == 3, "alice's mail")
    site.wait(lambda: len(site.messages("bob")) == 1, "bob's mail")
    assert os.listdir(site.state / "filters/.messages") == []
    site.assert_no_traceback()


def test_ratefilter_limits_a_local_sender(site: MailSite) -> None:
    start_filters(site, "ratefilter")
    done = [
        site.sendmail("alice@example.test", message=f"Subject: {number}\n\n".encode())
        for number in range(3)
    ]
    assert [found.returncode for found in done[:2]] == [0, 0]
    assert done[2].returncode != 0
    assert "administrative limit" in done[2].stderr + done[2].stdout
    assert refusal(site, "strangers are not limited") is None


def test_pyfilter_runs_a_users_script_and_its_failures_hold_the_mail(site: MailSite) -> None:
    script = site.config / "script.py"
    script.write_text(SCRIPT.replace("async def check(msg):", "async def check(msg)"))
    site.write_config("filters/programs/pyfilter", PYFILTER)
    (site.config / "filters/programs/pyfilter").chmod(0o755)
    site.write_config("filters/pyfilter", f"{script}\n")

    # A script that cannot be loaded: nothing passes, the log says where it is wrong.
    start_filters(site, "pyfilter")
    assert refusal(site, "too early") == UNAVAILABLE
    log = site.root / "filters.log"
    wait_for(lambda: "script.py:3: cannot be loaded: SyntaxError" in log.read_text(), "the reason")

    # Mended, it is found when the filter is started again.
    script.write_text(SCRIPT)
    wait_for(lambda: refusal(site, "fine") is None, "mail that passes")
    assert refusal(site, "refuse") == (550, b"5.7.1 Not here.")
    assert refusal(site, "crash") == (432, b"4.0.0 Mail filters temporarily unavailable.")
    wait_for(lambda: "RuntimeError: a mistake in the script" in log.read_text(), "the traceback")
    assert refusal(site, "drop") is None
    assert refusal(site, "quarantine") is None

    # Broken while it runs: again nothing passes.
    script.write_text("def broken(")
    assert refusal(site, "too late") == (432, b"4.0.0 Mail filters temporarily unavailable.")

    site.wait_empty()
    [fine] = site.messages("alice")
    assert b"\nSubject: fine\n" in fine
    assert b"\nX-Checked: bob@example.test\n" in fine
    [aside] = site.messages("bob")
    assert b"\nSubject: quarantine\n" in aside
    site.assert_no_traceback()


def test_a_filter_that_dies_or_hangs_holds_the_mail_until_it_is_back(site: MailSite) -> None:
    start_filters(site, "own")
    pid = filter_pid(site, "own")
    assert refusal(site, "one") is None

    os.kill(pid, signal.SIGKILL)
    assert refusal(site, "two") == UNAVAILABLE
    wait_for(lambda: filter_pid(site, "own") not in (0, pid), "its new start")
    wait_for(lambda: refusal(site, "three") is None, "mail that passes again")

    # While it hangs, the server answers everybody else.
    pid = filter_pid(site, "own")
    os.kill(pid, signal.SIGSTOP)
    with site.smtp() as waiting:
        waiting.mail("bob@example.test")
        waiting.rcpt("alice@example.test")
        waiting.putcmd("DATA")
        assert waiting.getreply()[0] == 354
        waiting.send(b"Subject: four\r\n\r\ntext\r\n.\r\n")
        with site.smtp() as other:
            assert other.noop()[0] == 250
        os.kill(pid, signal.SIGCONT)
        assert waiting.getreply()[0] == 250
    site.assert_no_traceback()


def test_a_kill_of_the_supervisor_leaves_no_filter(site: MailSite) -> None:
    start_filters(site, "own")
    pid = filter_pid(site, "own")
    supervisor = int((site.state / "run/courierfilter.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not _exists(pid), "the filter's end: its life line is cut")
    assert refusal(site) == UNAVAILABLE  # the socket stays: no mail passes unseen
    with contextlib.suppress(FileNotFoundError):
        Path(site.state / "run/courierfilter.pid").unlink()
    start_filters(site)
    assert refusal(site) is None


def _exists(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except OSError:
        return False
