"""Debian's Courier as a peer: 127.0.0.1:25, one local domain, no look-ups.

The package is system-wide.  It is set up only by `install`, refused where a Courier of somebody
else is, and used only when our marker lies in `/etc/courier`.
"""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path

import attrs
from tests.bench.peers.debian import (
    HOME,
    MARKER,
    apt_install,
    is_installed,
    make_account,
    require_root,
    write_marker,
)
from tests.bench.peers.mailsystem import (
    ACCOUNT,
    DOMAIN,
    Endpoint,
    PeerError,
    is_open,
    run,
    wait_until,
)

__all__ = ["Courier"]

ETC = Path("/etc/courier")
PORT = 25
PACKAGES = ("courier-mta", "courier-authlib-userdb")
ESMTPD = {
    "ADDRESS": "127.0.0.1",
    "BOFHCHECKDNS": "0",
    "MAXDAEMONS": "60",
    "MAXPERC": "60",
    "MAXPERIP": "60",
    "TARPIT": "0",
    "TCPDOPTS": '"-stderrlogger=/usr/sbin/courierlogger -noidentlookup -nodnslookup"',
}
FILES = {
    "me": f"mail.{DOMAIN}\n",
    "defaultdomain": f"{DOMAIN}\n",
    "locals": f"localhost\n{DOMAIN}\nmail.{DOMAIN}\n",
    "esmtpacceptmailfor.dir/benchmark": f"{DOMAIN}\nmail.{DOMAIN}\nlocalhost\n",
    "smtpaccess/benchmark": "127\tallow,RELAYCLIENT,BOFHCHECKDNS=0\n",
}
# In the order of starting; each stops itself by its own pid file.
DAEMONS = ("authdaemond", "courier", "esmtpd")


@attrs.define
class Courier:
    """Courier 1.x of Debian's package courier-mta."""

    name: str = "Courier"
    _started: list[str] = attrs.field(factory=list, init=False)

    def why_absent(self) -> str:
        """Not installed, not ours, or somebody uses its port."""
        if not is_installed(PACKAGES[0]):
            return "not installed (--install-peers)"
        if not (ETC / MARKER).exists():
            return "installed by somebody else: left alone"
        if os.geteuid() != 0:
            return "needs root"
        return f"port {PORT} is in use" if is_open(PORT) else ""

    def install(self) -> None:
        """Install and configure it.

        Raises:
            PeerError: no root, or a Courier that is not ours is there.
        """
        require_root()
        is_ours = (ETC / MARKER).exists()
        if not is_ours and (is_installed(PACKAGES[0]) or (ETC / "userdb").exists()):
            raise PeerError(f"{ETC} belongs to a Courier of somebody else: left alone")
        apt_install(*PACKAGES)
        write_marker(ETC)
        make_account()
        self._configure()

    def remove(self) -> None:
        """Take the package away, when it is ours."""
        require_root()
        if not (ETC / MARKER).exists():
            return
        run("apt-get", "purge", "-y", "-q", PACKAGES[0])
        for name in (*FILES, "userdb", "userdb.dat", "userdbshadow.dat", MARKER):
            (ETC / name).unlink(missing_ok=True)
        _change_settings(ETC / "authdaemonrc", {"authmodulelist": '"authpam"'})  # as it comes

    def start(self) -> Endpoint:
        """Start authdaemond, courierd and esmtpd, those that do not run yet."""
        runtime = Path("/run/courier/authdaemon")
        runtime.mkdir(parents=True, exist_ok=True)
        for directory in (runtime.parent, runtime):
            directory.chmod(0o755)
            owner = pwd.getpwnam("courier")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
        for daemon in DAEMONS:
            if daemon == "authdaemond" and _authdaemond_runs():
                continue
            self._started.append(daemon)
            run(daemon, "start")
        wait_until(PORT, opened=True)
        return Endpoint(smtp_port=PORT, sendmail=("/usr/sbin/sendmail",), maildir=HOME / "test")

    def stop(self) -> None:
        """Stop what `start` started, by its own stop commands."""
        while self._started:
            run(self._started.pop(), "stop", check=False)
        wait_until(PORT, opened=False)

    def _configure(self) -> None:
        for name, text in FILES.items():
            (ETC / name).parent.mkdir(exist_ok=True)
            (ETC / name).write_text(text)
        _change_settings(ETC / "esmtpd", ESMTPD)
        _change_settings(ETC / "authdaemonrc", {"authmodulelist": '"authuserdb authpam"'})
        account = pwd.getpwnam(ACCOUNT)
        (ETC / "userdb").touch(mode=0o600)
        (ETC / "userdb").write_text(
            f"{ACCOUNT}\tuid={account.pw_uid}|gid={account.pw_gid}|home={HOME}|shell=/bin/sh\n"
        )
        aliases = ETC / "aliases" / "system"
        postmaster = f"postmaster: {ACCOUNT}-inbox@{DOMAIN}"
        aliases.write_text(re.sub(r"(?m)^postmaster:.*", postmaster, aliases.read_text()))
        for command in ("makeuserdb", "makealiases", "makesmtpaccess", "makeacceptmailfor"):
            run(command)


def _authdaemond_runs() -> bool:
    try:
        pid = int(Path("/run/courier/authdaemon/pid").read_text())
        return Path(f"/proc/{pid}/comm").read_text().startswith(("authdaemond", "courierlogger"))
    except (OSError, ValueError):
        return False


def _change_settings(path: Path, settings: dict[str, str]) -> None:
    """Change values of a shell settings file, or add them."""
    text = path.read_text()
    for key, value in settings.items():
        text, count = re.subn(rf"(?m)^{key}=.*", f"{key}={value}", text)
        text += "" if count else f"\n{key}={value}\n"
    path.write_text(text)
