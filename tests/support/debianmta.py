"""Debian's courier-mta without installing it: its files, unpacked anywhere, in a namespace.

    apt-get download courier-mta && dpkg -x courier-mta_*.deb DIRECTORY

The package itself would replace the machine's mail system.  Its programs know one place for
each thing; they run in a mount namespace in which directories of the test, and the unpacked
files, lie over those places.  Root must run them.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
from tests.support.authdaemon import namespace_words
from tests.support.mailsite import wait_for

__all__ = ["DebianMta", "courier_mta_files"]

VARIABLE = "COURIERMAIL_COURIER_MTA"
PROGRAMS = "/usr/lib/courier"
SUBMIT = f"{PROGRAMS}/courier/submit"
OWNER = "courier"
SOURCE = "dns; client.example (client.example [192.0.2.1])"


def courier_mta_files() -> Path | None:
    """Where the package is unpacked: the directory that the variable names, or None."""
    named = os.environ.get(VARIABLE)
    places_exist = all(map(os.path.isdir, (PROGRAMS, "/etc/courier", "/var/lib/courier")))
    if os.geteuid() != 0 or not places_exist or shutil.which("unshare") is None:
        return None
    return Path(named) if named and Path(f"{named}{SUBMIT}").exists() else None


@attrs.frozen
class DebianMta:
    """One mail system of Debian's programs.

    Attributes:
        files: the unpacked package.
        root: a directory that the mail system's user reaches; gets `etc`, `state` and `run`.
    """

    files: Path
    root: Path

    @classmethod
    def make(cls, files: Path, root: Path, settings: Mapping[str, str]) -> DebianMta:
        """Its directories, with the package's own configuration below `settings`."""
        mta = cls(files, root)
        shutil.copytree(files / "etc/courier", mta.config, symlinks=True)
        shutil.copytree(files / "var/lib/courier", mta.state, symlinks=True)
        (root / "run").mkdir()
        for name, text in {**CONFIGURATION, **settings}.items():
            (mta.config / name).write_text(text)
        mta.give_away()
        return mta

    @property
    def config(self) -> Path:
        """What it takes for `/etc/courier`."""
        return self.root / "etc"

    @property
    def state(self) -> Path:
        """What it takes for `/var/lib/courier`."""
        return self.root / "state"

    def give_away(self) -> None:
        """Everything belongs to the mail system's user."""
        owner = pwd.getpwnam(OWNER)
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)

    def words(self, *command: str) -> list[str]:
        """A command line that runs a program of it."""
        binds = {
            self.files / PROGRAMS[1:]: PROGRAMS,
            self.config: "/etc/courier",
            self.state: "/var/lib/courier",
            self.root / "run": "/run/courier",
        }
        return [*namespace_words(binds), *command]

    @contextlib.contextmanager
    def filter_running(self, name: str) -> Iterator[str]:
        """One of its filters, started as `courierfilter` does; gives its socket."""
        words = self.words(f"{PROGRAMS}/filters/{name}")
        with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
            try:
                path = self.state / "filters" / name
                wait_for(path.exists, f"Debian's {name}")
                yield str(path)
            finally:
                process.kill()  # --kill-child ends the filter with it

    @contextlib.contextmanager
    def courierfilter_running(self) -> Iterator[None]:
        """Its `courierfilter` with the filters that are switched on."""
        keep_alive = 'exec 9<&0; "$@" </dev/null; cat <&9 >/dev/null'  # the namespace lives on
        daemon = str(self.files / "usr/sbin/courierfilter")
        words = self.words("sh", "-c", keep_alive, "sh", daemon, "start")
        with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
            try:
                wait_for((self.root / "run/courierfilter.pid").exists, "Debian's courierfilter")
                yield
            finally:
                process.kill()

    def submit(self, sender: str, recipient: str, message: str, *, module: str = "esmtp") -> str:
        """The last line that its `submit` says about a message."""
        given = f"{sender}\n{recipient}\n\n{message}"
        drop = ["setpriv", f"--reuid={OWNER}", f"--regid={OWNER}", "--clear-groups"]
        done = subprocess.run(
            self.words(*drop, SUBMIT, module, SOURCE),
            input=given.encode(),
            capture_output=True,
            check=False,
            timeout=60,
            cwd="/",
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "RELAYCLIENT": ""},
        )
        return (done.stdout or done.stderr).decode(errors="replace").splitlines()[-1]


CONFIGURATION = {
    "me": "mx.example.test\n",
    "defaultdomain": "example.test\n",
    "locals": "localhost\n",
    "enablefiltering": "esmtp\n",
}
