"""The whole story as an ordinary user: one directory, one uid, no root anywhere (ADR 1)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mailsite import OWNER, MailSite, is_alive, user_python


@pytest.fixture
def site(root: Path) -> Iterator[MailSite]:
    """A site that belongs to an ordinary user and is run by it."""
    run_as = OWNER if os.geteuid() == 0 else None
    if run_as is not None and user_python() is None:
        pytest.skip("the interpreter lies in a directory that only root can read")
    made = MailSite.make(root / "site", run_as=run_as)
    with made.running():
        yield made


def test_everything_runs_as_an_ordinary_user(site: MailSite) -> None:
    assert site.process is not None
    for pid in (site.process.pid, *site.pids().values()):
        status = Path(f"/proc/{pid}/status").read_text()
        uids = next(line for line in status.splitlines() if line.startswith("Uid:"))
        assert uids.split()[1:] == [str(site.uid)] * 4
        groups = next(line for line in status.splitlines() if line.startswith("Groups:"))
        assert os.geteuid() != 0 or groups.split()[1:] == []


def test_the_whole_story_without_root(site: MailSite) -> None:
    """SMTP and sendmail in; recipe, forward, bounce out; queue commands; restart; drop files."""
    box = site.home("alice") / "Maildir"
    recipe = site.home("alice") / ".mailfilter"
    recipe.write_text('if (/^Subject: *stop/)\n{\n    EXITCODE = 67\n    exit\n}\nto "Maildir"\n')
    recipe.chmod(0o600)
    site.instructions("alice", "| maildrop\n")
    site.instructions("bob", "./Maildir\n&alice\n", "-copy")

    site.send("by SMTP")
    assert site.sendmail("-f", "bob", "alice", message=b"Subject: by sendmail\n\n").returncode == 0
    site.send("by forward", to="bob-copy@example.test")
    site.wait(lambda: len(site.messages("alice")) == 3, "three messages for alice")
    site.send("stop this")
    report = site.wait(
        lambda: [text for text in site.messages("bob") if b"Action: failed" in text], "the bounce"
    )[0]
    assert b"Subject: stop this" in report
    assert {path.stat().st_uid for path in box.glob("new/*")} == {site.uid}

    assert site.command("mailq").stdout.splitlines()[-1] == "   0 messages."
    assert site.command("courier", "status").returncode == 0
    services = site.pids()
    site.stop()
    assert not any(map(is_alive, services.values()))
    assert site.sendmail("-f", "bob", "alice", message=b"Subject: meanwhile\n\n").returncode == 0
    site.start()
    site.wait(lambda: len(site.messages("alice")) == 4, "the message left meanwhile")
    site.wait_empty()
    site.assert_no_traceback()


def test_mail_for_another_uid_waits_and_nothing_runs_as_root(site: MailSite) -> None:
    """An agent that is asked for another uid than its own answers a temporary failure."""
    users = site.config / "userdb"
    with users.open("a") as file:
        for name, uid in (("other", site.uid + 1), ("wheel", 0)):
            file.write(f"{name}\tuid={uid}|gid={uid}|home={site.home('bob')}\n")
    site.give_away()
    site.stop()
    site.start()
    site.sendmail("-f", "bob", "other", "wheel", message=b"Subject: not mine\n\n")
    site.wait(lambda: "status: deferred" in site.log_text(), "a deferral of the other uid's mail")
    site.wait(site.queued, "a queued message")
    states = {state.recipient.address: state.state for state in site.queued()[0].states}
    assert states["other@example.test"] == "pending"
    assert states["wheel@example.test"] != "success"
    assert not site.messages("bob") or b"not mine" not in site.messages("bob")[0].split(b"\n\n")[0]
