"""AUTH_MKHOMEDIR_SKEL: the first mail for an account makes its home (spec mta 3.3, 11.2)."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.lmtpsite import LmtpSite
from tests.support.mailsite import OWNER, MailSite

from couriermail.maildir import Maildir

MakeSite = Callable[..., MailSite]
NEIGHBOUR = OWNER + 1


def make_skeleton(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o750)
    Maildir.create(path / "Maildir")
    (path / ".profile").write_text("umask 077\n")
    (path / ".profile").chmod(0o640)
    return path


def add_account(config: Path, name: str, home: Path, uid: int) -> None:
    gid = uid if os.geteuid() == 0 else os.getgid()
    with (config / "userdb").open("a") as file:
        file.write(f"{name}\tuid={uid}|gid={gid}|home={home}\n")


def facts(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, stat.S_IMODE(found.st_mode)


@pytest.mark.root
def test_the_first_mail_makes_the_homes_of_accounts_that_share_a_uid(make_site: MakeSite) -> None:
    site = make_site()
    skeleton = make_skeleton(site.root / "skel")
    site.write_config("courierd", f"AUTH_MKHOMEDIR_SKEL={skeleton}\n")
    for name, uid in (("carol", OWNER), ("dave", OWNER), ("erin", NEIGHBOUR)):
        add_account(site.config, name, site.home(name), uid)
    site.start()
    site.send("first", to=[f"{name}@example.test" for name in ("carol", "dave", "erin", "alice")])
    for name, uid in (("carol", OWNER), ("dave", OWNER), ("erin", NEIGHBOUR)):
        assert b"Subject: first" in site.first_message(name)
        home = site.home(name)
        assert facts(home) == (uid, 0o750)
        assert facts(home / ".profile") == (uid, 0o640)
        assert {path.stat().st_uid for path in home.rglob("*")} == {uid}
    assert not (site.home("alice") / ".profile").exists()  # hers was there
    assert sorted(os.listdir(site.root / "home")) == ["alice", "bob", "carol", "dave", "erin"]
    site.wait_empty()
    assert site.log_text().count(f"from {skeleton}") == 3
    site.assert_no_traceback()


@pytest.mark.root
def test_a_home_that_cannot_be_made_defers_the_mail_and_the_log_says_why(
    make_site: MakeSite,
) -> None:
    site = make_site()
    skeleton = make_skeleton(site.root / "skel")
    site.write_config("courierd", f"AUTH_MKHOMEDIR_SKEL={skeleton}\n")
    home = site.root / "away" / "carol"
    add_account(site.config, "carol", home, OWNER)
    add_account(site.config, "dave", site.home("dave"), OWNER)
    site.start()
    site.send("late", to=["carol@example.test", "dave@example.test"])
    site.first_message("dave")  # the other account of that uid does not wait
    reason = f"no home, the mail is deferred: {home}: cannot be made from {skeleton}: No such file"
    site.wait(lambda: reason in site.log_text(), "the reason")
    site.wait(lambda: "The home directory cannot be made." in site.log_text(), "the deferral")
    assert site.queued()
    (site.root / "away").mkdir()
    site.wait(lambda: list(home.glob("Maildir/new/*")), "the mail at a later attempt")
    site.wait_empty()
    shutil.rmtree(home)  # a home that vanished while the system runs is made again
    site.send("again", to="carol@example.test")
    site.wait(lambda: list(home.glob("Maildir/new/*")), "mail in a new home")
    site.assert_no_traceback()


@pytest.mark.root
def test_the_lmtp_agent_makes_homes_too(root: Path) -> None:
    site = LmtpSite.make(root / "lmtp", {"alice": OWNER})
    skeleton = make_skeleton(site.root / "skel")
    (site.config / "courierd").write_text(f"AUTH_MKHOMEDIR_SKEL={skeleton}\n")
    add_account(site.config, "carol", site.home("carol"), NEIGHBOUR)
    add_account(site.config, "dave", site.root / "away" / "dave", NEIGHBOUR)
    with site.running():
        [carol, dave, alice] = site.send(
            *(f"{name}@example.test" for name in ("carol", "dave", "alice"))
        )
    assert carol.startswith("250 ")
    assert alice.startswith("250 ")
    assert dave == "451 4.3.0 The home directory cannot be made."
    assert facts(site.home("carol")) == (NEIGHBOUR, 0o750)
    assert len(site.messages("carol")) == 1


@pytest.mark.root
@pytest.mark.parametrize("has_skeleton", [True, False])
def test_maildrop_makes_the_home_of_its_user(root: Path, *, has_skeleton: bool) -> None:
    config = root / "etc"
    config.mkdir()
    (config / "userdb").touch(0o600)
    skeleton = make_skeleton(root / "skel")
    (skeleton / ".mailfilter").write_text('to "./Maildir"\n')
    (skeleton / ".mailfilter").chmod(0o600)
    (root / "home").mkdir()
    add_account(config, "carol", root / "home" / "carol", OWNER)
    if not has_skeleton:
        shutil.rmtree(skeleton)
    run = "from couriermail.cli.maildrop import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, "-d", "carol"],
        input=b"Subject: first\n\nbody\n",
        env={
            **os.environ,
            "COURIERMAIL_CONFIG": str(config),
            "AUTH_MKHOMEDIR_SKEL": str(skeleton),
        },
        capture_output=True,
        timeout=60,
        check=False,
    )
    if not has_skeleton:
        assert done.returncode == 75
        assert b"carol: cannot be made from" in done.stderr
        assert os.listdir(root / "home") == []
        return
    assert (done.returncode, done.stderr) == (0, b"")
    assert facts(root / "home" / "carol") == (OWNER, 0o750)
    assert len(list((root / "home" / "carol").glob("Maildir/new/*"))) == 1
