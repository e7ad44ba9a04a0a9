"""Postfix as a peer, unpacked beside Courier: the two packages conflict.

Debian's package goes into a directory of our own.  Postfix insists on `/etc/postfix` and
`/usr/lib/postfix`, so these become symbolic links into it, and are refused where they exist.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import attrs
from tests.bench.peers.debian import HOME, MARKER, make_account, require_root, write_marker
from tests.bench.peers.mailsystem import DOMAIN, Endpoint, PeerError, is_open, run, wait_until

__all__ = ["Postfix"]

ROOT = Path("/opt/couriermail-benchmark/postfix")
SPOOL = Path("/var/spool/couriermail-benchmark")
PORT = 2525
LINKS = {
    Path("/etc/postfix"): ROOT / "etc/postfix",
    Path("/usr/lib/postfix"): ROOT / "usr/lib/postfix",
}
MAIN_CF = f"""\
compatibility_level = 3.6
queue_directory = {SPOOL}/spool
data_directory = {SPOOL}/data
command_directory = {ROOT}/usr/sbin
daemon_directory = {ROOT}/usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
sendmail_path = {ROOT}/usr/sbin/sendmail
mailq_path = {ROOT}/usr/sbin/sendmail
newaliases_path = {ROOT}/usr/sbin/sendmail
mail_owner = postfix
setgid_group = postdrop
myhostname = pf.{DOMAIN}
mydomain = {DOMAIN}
myorigin = {DOMAIN}
mydestination = {DOMAIN}, pf.{DOMAIN}, localhost
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
disable_dns_lookups = yes
smtpd_peername_lookup = no
recipient_delimiter = -
home_mailbox = postfix/
alias_maps =
alias_database =
biff = no
smtp_tls_security_level = none
smtpd_recipient_restrictions = permit_mynetworks, reject
"""
# name, type, private, unprivileged, chroot, wakeup, limit, command: Debian's values, no chroot.
MASTER_CF = f"""\
127.0.0.1:{PORT} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@attrs.define
class Postfix:
    """Postfix 3.x of Debian's package postfix."""

    name: str = "Postfix"
    _is_started: bool = attrs.field(default=False, init=False)

    def why_absent(self) -> str:
        """Not unpacked, or somebody uses its port."""
        if not (ROOT / "etc/postfix" / MARKER).exists():
            elsewhere = Path("/etc/postfix/main.cf").exists()
            return "installed by somebody else" if elsewhere else "not installed (--install-peers)"
        if os.geteuid() != 0:
            return "needs root"
        return f"port {PORT} is in use" if is_open(PORT) else ""

    def install(self) -> None:
        """Unpack and configure it.

        Raises:
            PeerError: no root, or a Postfix that is not ours is there.
        """
        require_root()
        for link, target in LINKS.items():
            if os.path.lexists(link) and (not link.is_symlink() or link.readlink() != target):
                raise PeerError(f"{link} belongs to a Postfix of somebody else: left alone")
        self._unpack()
        make_account()
        self._configure()
        write_marker(ROOT / "etc/postfix")

    def remove(self) -> None:
        """Take it away, when it is ours."""
        require_root()
        if not (ROOT / "etc/postfix" / MARKER).exists():
            return
        for link, target in LINKS.items():
            if link.is_symlink() and link.readlink() == target:
                link.unlink()
        for directory in (ROOT, SPOOL):
            shutil.rmtree(directory, ignore_errors=True)
        run("userdel", "postfix", check=False)
        run("groupdel", "postdrop", check=False)

    def start(self) -> Endpoint:
        """Start master."""
        self._is_started = True
        run(ROOT / "usr/sbin/postfix", "-c", "/etc/postfix", "start")
        wait_until(PORT, opened=True)
        sendmail = (str(ROOT / "usr/sbin/sendmail"),)
        return Endpoint(smtp_port=PORT, sendmail=sendmail, maildir=HOME / "postfix")

    def stop(self) -> None:
        """Stop master, if we started it."""
        if self._is_started:
            self._is_started = False
            run(ROOT / "usr/sbin/postfix", "-c", "/etc/postfix", "stop", check=False)

    def _unpack(self) -> None:
        ROOT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
            Path(name).chmod(0o777)  # apt fetches as its own user
            run("apt-get", "-q", "download", "postfix")
            (package,) = Path(name).glob("postfix_*.deb")
            run("dpkg", "-x", package, ROOT)

    def _configure(self) -> None:
        run("groupadd", "-r", "-f", "postdrop")
        if not run("id", "-u", "postfix", check=False).strip().isdigit():
            run("useradd", "-r", "-M", "-d", "/nonexistent", "-s", "/usr/sbin/nologin", "postfix")
        for link, target in LINKS.items():
            if not link.is_symlink():
                link.symlink_to(target)
        for name in ("spool", "data"):
            (SPOOL / name).mkdir(parents=True, exist_ok=True)
        shutil.chown(SPOOL / "data", "postfix", "postfix")
        etc = ROOT / "etc/postfix"
        (etc / "main.cf").write_text(MAIN_CF)
        (etc / "master.cf").write_text(MASTER_CF)
        maps = etc / "dynamicmaps.cf"
        if not maps.exists():
            shutil.copy(ROOT / "usr/share/postfix/dynamicmaps.cf", maps)
        for name in ("postdrop", "postqueue"):
            program = ROOT / "usr/sbin" / name
            shutil.chown(program, group="postdrop")
            program.chmod(0o2755)
        for command in ("set-permissions", "check"):
            run(ROOT / "usr/sbin/postfix", "-c", "/etc/postfix", command, check=False)
