"""Our own mail system in a fresh directory, set up as the peers are."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import attrs
from tests.bench.installation import Installation
from tests.bench.peers.mailsystem import ACCOUNT, DOMAIN, Endpoint, PeerError, wait_until

from couriermail.maildir import Maildir

__all__ = ["Ours", "Running"]

UNPRIVILEGED_UID = 20001  # who owns the mailbox when the benchmark runs as root
ESMTPD = "ADDRESS=127.0.0.1\nPORT=0\nMAXDAEMONS=60\nMAXPERIP=60\nMAXPERC=60\n"


@attrs.frozen
class Running:
    """Our processes: the supervisor's pid or 0, services by name, addresses of the SMTP server."""

    pid: int
    services: dict[str, int]
    listening: list[str]


@attrs.define
class Ours:
    """couriermail, as `courier -C DIR start` runs it.

    Attributes:
        root: an existing empty directory for it alone.
        installation: whose commands are used.
    """

    root: Path
    installation: Installation
    name: str = "ours"

    def why_absent(self) -> str:
        """It is always there."""
        return ""

    @property
    def config(self) -> Path:
        """The configuration directory."""
        return self.root / "etc"

    def start(self) -> Endpoint:
        """Write the site and start it."""
        home = self._write_site()
        done = self._courier("start", "--log", str(self.root / "log"))
        if done.returncode:
            raise PeerError(f"courier start failed: {done.stderr.strip()}")
        port = int(self.status().listening[0].rpartition(":")[2])
        wait_until(port, opened=True)
        sendmail = (self.installation.command("sendmail"), "-C", str(self.config))
        scheduler = self.status().services["courierd"]
        return Endpoint(
            smtp_port=port, sendmail=sendmail, maildir=home / "test", scheduler=scheduler
        )

    def stop(self) -> None:
        """Stop it; by the supervisor's own pid when the command cannot."""
        if not self.config.exists() or self._courier("stop").returncode == 0:
            return
        with contextlib.suppress(PeerError, ProcessLookupError):  # it never started, or ended
            if pid := self.status().pid:
                os.kill(pid, signal.SIGKILL)

    def status(self) -> Running:
        """What `courier status` says.

        Raises:
            PeerError: it says nothing that can be read.
        """
        done = self._courier("status", "--json")
        try:
            found = json.loads(done.stdout)
            return Running(found["pid"], found["services"], found["listening"])
        except (ValueError, KeyError) as error:
            raise PeerError(f"courier status failed: {done.stderr.strip()[-200:]}") from error

    def _courier(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [self.installation.command("courier"), "-C", str(self.config), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def _write_site(self) -> Path:
        uid, gid = os.getuid() or UNPRIVILEGED_UID, os.getgid() or UNPRIVILEGED_UID
        home = self.root / "home"
        self.root.chmod(0o755)
        self.config.mkdir()
        files = {
            "me": f"mail.{DOMAIN}\n",
            "defaultdomain": f"{DOMAIN}\n",
            "locals": f"localhost\n{DOMAIN}\nmail.{DOMAIN}\n",
            "esmtpacceptmailfor": f"{DOMAIN}\nmail.{DOMAIN}\n",
            "esmtpd": ESMTPD,
            "userdb": f"{ACCOUNT}\tuid={uid}|gid={gid}|home={home}\n",
        }
        for name, text in files.items():
            (self.config / name).write_text(text)
        (self.config / "userdb").chmod(0o600)
        home.mkdir()
        for box in ("Maildir", "test"):
            Maildir.create(str(home / box))
        (home / ".courier-test-default").write_text("./test\n")
        if os.getuid() == 0:
            for path in (home, *home.rglob("*")):
                os.chown(path, uid, gid)
        return home
