"""Debian packages as peers: who may install them, and the marker that says a peer is ours.

The benchmark configures system-wide programs.  So it touches a configuration only when a marker
file of its own lies there, and writes the marker only where no such mail system was before.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tests.bench.peers.mailsystem import ACCOUNT, PeerError, run

__all__ = [
    "MARKER",
    "apt_install",
    "is_installed",
    "make_account",
    "remove_account",
    "require_root",
]

MARKER = "couriermail-benchmark"
MARKER_TEXT = """\
This mail system was installed and configured by the couriermail benchmark.
`python -m tests.bench --remove-peers` takes it away; without this file it is left alone.
"""
HOME = Path("/var/lib/couriermail-benchmark")


def require_root() -> None:
    """Refuse without root.

    Raises:
        PeerError: we are somebody else.
    """
    if os.geteuid() != 0:
        raise PeerError("peers are set up as root only")


def is_installed(package: str) -> bool:
    """True when dpkg has the package configured."""
    status = run("dpkg-query", "-W", "-f", "${db:Status-Status}", package, check=False)
    return status == "installed"


def apt_install(*packages: str) -> None:
    """Install packages without a question and without what is merely recommended."""
    run("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)


def write_marker(directory: Path) -> None:
    """Say that this configuration is the benchmark's."""
    (directory / MARKER).write_text(MARKER_TEXT)


def make_account() -> Path:
    """The peers' mailbox account with its home; made once."""
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        run("useradd", "-r", "-d", HOME, "-s", "/bin/sh", ACCOUNT)
    HOME.mkdir(mode=0o755, exist_ok=True)
    for name in ("Maildir", "test", "postfix", "bounces"):
        for part in ("new", "cur", "tmp"):
            (HOME / name / part).mkdir(parents=True, exist_ok=True)
            (HOME / name).chmod(0o700)
    (HOME / ".courier-test-default").write_text("./test\n")
    (HOME / ".courier").write_text("./bounces\n")
    (HOME / ".courier-inbox").write_text("./Maildir\n")
    account = pwd.getpwnam(ACCOUNT)
    for path in (HOME, *HOME.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    return HOME


def remove_account() -> None:
    """Take the account and its home away."""
    run("userdel", ACCOUNT, check=False)
    run("rm", "-rf", HOME)
