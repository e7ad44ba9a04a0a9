"""A small mail site in one directory: configuration, accounts, recipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs

from couriermail.maildir import Maildir

__all__ = ["ALICE_RECIPE", "Site", "System"]

UNPRIVILEGED_UID = 20001  # who owns the mailboxes when the demo runs as root

ALICE_RECIPE = """\
# Alice files by header patterns; what matches nothing goes to her inbox.
if (/^Content-Type: *multipart\\/report/)
{
    to "Maildir/.Reports"
}
if (/^Content-Type: *multipart/)
{
    to "Maildir/.Multipart"
}
if (/^Subject:.*=\\?/)
{
    to "Maildir/.Encoded"
}
to "Maildir"
"""

ACCOUNTS = ("alice", "bob", "carol", "dave")
ALICE_FOLDERS = ("Reports", "Multipart", "Encoded")


@attrs.frozen
class Site:
    """The directory, and who owns the mailboxes."""

    root: Path
    uid: int
    gid: int

    @classmethod
    def make(cls, root: Path) -> Site:
        """Write configuration and accounts for alice, bob, carol and dave.

        Alice has a maildrop recipe, bob a plain mailbox, carol's mailbox is closed (her mail
        bounces), dave's is busy at first (his mail waits in the queue).
        """
        me = os.getuid()
        site = cls(root, me or UNPRIVILEGED_UID, os.getgid() or UNPRIVILEGED_UID)
        root.chmod(0o755)
        site._write_config()
        for name in ACCOUNTS:
            site.home(name).mkdir(parents=True)
            Maildir.create(str(site.home(name) / "Maildir"))
        box = Maildir(str(site.home("alice") / "Maildir"))
        for folder in ALICE_FOLDERS:
            box.create_folder(folder)
        (site.home("alice") / ".mailfilter").write_text(ALICE_RECIPE)
        (site.home("alice") / ".mailfilter").chmod(0o600)
        (site.home("alice") / ".courier").write_text("| maildrop\n")
        (site.home("carol") / ".courier").write_text(
            "| echo 'This mailbox is closed.' >&2; exit 67\n"
        )
        site.make_busy("dave")
        site._give_away()
        return site

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return self.root / "etc"

    def home(self, name: str) -> Path:
        """An account's home directory."""
        return self.root / "home" / name

    def make_busy(self, name: str) -> None:
        """Let an account's mail wait."""
        (self.home(name) / ".courier").write_text("| echo 'Try again later.' >&2; exit 75\n")

    def make_free(self, name: str) -> None:
        """Let it through again."""
        (self.home(name) / ".courier").write_text("./Maildir/\n")

    def _write_config(self) -> None:
        self.config.mkdir()
        files = {
            "me": "mail.demo.test\n",
            "defaultdomain": "demo.test\n",
            "locals": "localhost\ndemo.test\nmail.demo.test\n",
            "esmtpacceptmailfor": "demo.test\nmail.demo.test\n",
            "esmtpd": "ADDRESS=127.0.0.1\nPORT=0\nMAXPERIP=50\n",
        }
        for name, text in files.items():
            (self.config / name).write_text(text)
        userdb = "".join(
            f"{name}\tuid={self.uid}|gid={self.gid}|home={self.home(name)}\n" for name in ACCOUNTS
        )
        (self.config / "userdb").write_text(userdb)
        (self.config / "userdb").chmod(0o600)

    def _give_away(self) -> None:
        """As root: the homes belong to the accounts, and deliveries run as them."""
        if os.getuid() == 0:
            for path in (self.root / "home").rglob("*"):
                os.chown(path, self.uid, self.gid)


@attrs.define
class System:
    """`courier start` for a site, as a person would type it."""

    site: Site
    log: Path

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of our commands on the site's configuration."""
        program, *rest = arguments
        path = Path(sys.executable).parent / program
        argv = [str(path), "-C", str(self.site.config), *rest]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def start(self) -> None:
        """Start in the background; returns when the system answers."""
        done = self.command("courier", "start", "--log", str(self.log))
        if done.returncode:
            raise SystemExit(f"courier start failed: {done.stderr}{self.log_text()}")

    def status(self) -> dict[str, object]:
        """What runs."""
        found = json.loads(self.command("courier", "status", "--json").stdout)
        assert isinstance(found, dict)
        return found

    @property
    def smtp_port(self) -> int:
        """Where the SMTP server listens."""
        listening = self.status()["listening"]
        assert isinstance(listening, list)
        return int(str(listening[0]).rpartition(":")[2])

    def stop(self) -> None:
        """Stop; the supervisor's own pid is used if the command cannot do it."""
        if self.command("courier", "stop").returncode:
            pid = self.status().get("pid")
            if isinstance(pid, int) and pid:
                os.kill(pid, signal.SIGKILL)

    def log_text(self) -> str:
        """The log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
