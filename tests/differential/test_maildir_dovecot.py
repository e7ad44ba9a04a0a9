"""Dovecot's sizes in file names (`,S=`, `,W=`) and ours, in one maildir.

Dovecot may be installed, or unpacked anywhere and never installed:

    apt-get download dovecot-core dovecot-imapd
    for package in dovecot-*.deb; do dpkg -x "$package" DIRECTORY; done
    COURIERMAIL_DOVECOT=DIRECTORY pytest tests/differential/test_maildir_dovecot.py

Accepted differences:

* `,W=` without digits is 0 for Dovecot; ours reads the message, which has a size.
* a number that 64 bits cannot hold wraps round in Dovecot; for us it is none.
* `,W=` behind the flags counts for Dovecot; for us sizes stand before the first `:`, as `S=` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from couriermail.maildir import Entry, Maildir, Usage
from couriermail.maildir.names import size_of, virtual_size_of
from couriermail.maildir.quotarules import QuotaRules

ROOT = Path(os.environ.get("COURIERMAIL_DOVECOT", "/"))
DOVEADM = ROOT / "usr/bin/doveadm"
NOBODY = 65534  # Dovecot refuses to run for root
MESSAGES = [
    b"Subject: x\n\nabc\nde\n",
    b"A: b\r\n\r\nc\r\n",
    b"A: b\n\nno line end",
    b"A: b\n\r\n\r\r\n\n",
]

pytestmark = pytest.mark.skipif(
    not DOVEADM.exists() or os.geteuid() != 0 or not shutil.which("setpriv"),
    reason="peer absent: doveadm (and root, to run it as nobody)",
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for directory in (tmp_path, *tmp_path.parents):
        if directory.owner() == "root" and "pytest" in str(directory):
            directory.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    Maildir.create(home / "Maildir")
    return home


def doveadm(home: Path, *words: str, data: bytes = b"") -> bytes:
    """What a command of Dovecot says about the maildir, which belongs to nobody meanwhile."""
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    settings = [
        f"mail_location=maildir:{home}/Maildir", f"base_dir={home}/run", "stats_writer_socket_path=",
        "ssl=no", "log_path=/dev/stderr", f"mail_plugin_dir={ROOT}/usr/lib/dovecot/modules",
    ]  # fmt: skip
    libraries = f"{ROOT}/usr/lib/dovecot:{ROOT}/usr/lib/dovecot/modules"
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", str(DOVEADM), "-O",
         *(word for setting in settings for word in ("-o", setting)), *words],
        input=data, capture_output=True, timeout=30, check=True,
        env={"HOME": str(home), "USER": "nobody", "PATH": os.environ["PATH"],
             "LD_LIBRARY_PATH": libraries},
    )  # fmt: skip
    return done.stdout


def sizes_of_dovecot(home: Path) -> dict[str, tuple[int, int]]:
    """Physical and virtual size by key."""
    said = doveadm(home, "-f", "tab", "fetch", "guid size.physical size.virtual", "ALL").decode()
    _, *rows = (line.split("\t") for line in said.splitlines())
    return {key: (int(size), int(virtual)) for key, size, virtual in rows}


def entries(home: Path) -> list[Entry]:
    return sorted(Maildir(home / "Maildir"), key=lambda entry: entry.name)


@pytest.mark.parametrize("data", MESSAGES)
def test_what_dovecot_writes_is_read_and_is_what_we_count(home: Path, data: bytes) -> None:
    doveadm(home, "save", data=data)
    (entry,) = entries(home)
    stored = Path(entry.path).read_bytes()
    assert size_of(entry.name) == len(stored)
    key = Maildir(home / "Maildir", with_virtual_size=True).deliver(stored)
    assert virtual_size_of(entry.name) == virtual_size_of(key)


@pytest.mark.parametrize("data", MESSAGES)
def test_dovecot_reads_what_we_write(home: Path, data: bytes) -> None:
    box = Maildir(home / "Maildir", with_virtual_size=True)
    key = box.deliver(data)
    box.set_flags(key, "RS")
    assert sizes_of_dovecot(home) == {key: (len(data), box.entry(key).virtual_size)}


def test_names_are_read_as_dovecot_reads_them(home: Path) -> None:
    data = b"A: b\n\nbody\n"  # sizes that no name states are 11 and 14
    names = [
        "1.a,S=11,W=7", "2.a,W=9,S=11", "3.a,W=9", "4.a,S=11,W=7,W=8", "5.a,S=11,W=07",
        "6.a,S=11,W=0", "7.a,S=11,X=1,W=7,Y=2", "8.a,S=11", "9.a", "10.a,S=11,W=7x",
        "11.a,S=11,W=+7", "12.a,S=11,W= 7", "13.a,S=11,W=7_0", "14.a,SW=1,S=11,FW=1,W=8",
        "15.a,S=11,W=-7",
    ]  # fmt: skip
    for name in names:
        Path(home, "Maildir/cur", f"{name}:2,S").write_bytes(data)
    dovecot = sizes_of_dovecot(home)
    ours = {entry.key: (entry.size, entry.virtual_size) for entry in entries(home)}
    assert set(ours) == set(names)
    assert ours == dovecot


def test_flags_that_dovecot_sets_keep_both_sizes(home: Path) -> None:
    box = Maildir(home / "Maildir", with_virtual_size=True)
    key = box.deliver(MESSAGES[0], flags="S")
    doveadm(home, "flags", "add", "\\Flagged", "ALL")
    assert box.entry(key).name == f"{key}:2,FS"


def test_dovecots_quota_continues_totals_counted_by_our_rules(home: Path) -> None:
    box = Maildir(home / "Maildir")
    box.create_folder("Spam")
    box.set_quota("1000S")
    box.set_quota_rules(QuotaRules(["Spam"]))
    before = Path(box.path, "maildirsize").read_text()
    doveadm(
        home,
        "-o",
        "mail_plugins=quota",
        "-o",
        "plugin/quota=maildir:User",
        "save",
        data=MESSAGES[0],
    )
    (entry,) = entries(home)
    assert Path(box.path, "maildirsize").read_text() == f"{before}{entry.size} 1\n"
    assert box.usage == Usage(entry.size, 1)
