"""Started by root with a mail user: who runs as whom, and mail still flows (spec mta.md 2)."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.mailsite import OWNER, MailSite

MakeSite = Callable[..., MailSite]
MAIL_USER = "mail"


def ids(pid: int) -> tuple[set[str], set[str], set[str]]:
    """Uids, gids and groups of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {line.partition(":")[0]: set(line.split()[1:]) for line in lines}
    return found["Uid"], found["Gid"], found["Groups"]


@pytest.mark.root
def test_only_the_process_that_forks_agents_keeps_root(make_site: MakeSite) -> None:
    try:
        user = pwd.getpwnam(MAIL_USER)
    except KeyError:
        pytest.skip(f"no user named {MAIL_USER}")
    toml = f'[mta]\nmailuser = "{MAIL_USER}"\n[queue]\nmin_free = 1048576\n'
    site = make_site(**{"couriermail.toml": toml})
    os.chown(site.config / "userdb", user.pw_uid, user.pw_gid)
    site.instructions("alice", "| maildrop\n")
    (site.home("alice") / ".mailfilter").write_text('to "Maildir"\n')
    (site.home("alice") / ".mailfilter").chmod(0o600)
    site.give_away()
    site.instructions("bob", "| exit 67\n", "-closed")
    site.start()
    site.send("as the mail user")
    assert site.sendmail("-f", "bob", "alice", message=b"Subject: by sendmail\n\n").returncode == 0
    site.send("bounced", to="bob-closed@example.test", sender="bob@example.test")
    site.wait(lambda: len(site.messages("alice")) == 2, "two messages")
    assert b"Action: failed" in site.first_message("bob")

    pids = site.pids()
    me = {str(user.pw_uid)}
    for name in ("esmtpd", "courierd"):
        assert ids(pids[name]) == (me, {str(user.pw_gid)}, {str(user.pw_gid)}), name
    assert ids(pids["courierlocal"])[0] == {"0"}
    for agent in site.agents():
        assert ids(agent) == ({str(OWNER)}, {str(OWNER)}, set())
    for path in (site.state / "queue").iterdir():
        assert path.stat().st_uid == user.pw_uid
    done = site.command("mailq")
    assert done.returncode == 0
    site.wait_empty()
    site.assert_no_traceback()
