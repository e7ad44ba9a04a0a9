"""Debian's Postfix without installing it: its files, unpacked anywhere, as an instance of its own.

    apt-get download postfix && dpkg -x postfix_*.deb DIRECTORY

Every directory that it uses lies below one of the test's own; it listens on loopback only, logs
into a file, and ends with its master process.  Root must start it, as any Postfix.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import re
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import attrs
from tests.support.mailsite import wait_for

__all__ = ["PrivatePostfix"]

OWNER = "daemon"  # Postfix wants an unprivileged user of its own; this one runs nothing else here
SETGID_GROUP = "mail"
LIBRARIES = "usr/lib/postfix"
QUEUE = (
    "active bounce corrupt defer deferred flush hold incoming maildrop pid private public saved"
    " trace"
)
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
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
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@attrs.define(eq=False)
class PrivatePostfix:
    """One instance.

    Attributes:
        files: the directory with `usr/sbin/postfix` and the rest; `/` for an installed one.
        root: configuration, queue and log.
        port: where its SMTP server listens on 127.0.0.1.
    """

    files: Path
    root: Path
    port: int

    @classmethod
    @contextlib.contextmanager
    def running(cls, files: Path, root: Path, mailbox_transport: str) -> Iterator[PrivatePostfix]:
        """An instance that is final for `example.test` and hands its mail to a transport."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        postfix = cls(files, root, port)
        postfix._make(mailbox_transport)
        master = [str(files / LIBRARIES / "sbin/master"), "-c", str(root / "etc"), "-d"]
        with (root / "output").open("wb") as output:
            process = subprocess.Popen(
                master, env=postfix._environment(), stdout=output, stderr=output
            )
        try:
            wait_for(postfix._answers, "Postfix")
            yield postfix
        finally:
            process.terminate()
            process.wait(timeout=30)

    @property
    def log(self) -> str:
        """What it logged so far."""
        path = self.root / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def send(self, *recipients: str, subject: str) -> None:
        """Submit a message by SMTP."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as client:
            text = f"From: s@example.org\nSubject: {subject}\n\nbody\n"
            client.sendmail("s@example.org", recipients, text)

    def flush(self) -> None:
        """Try what waits, now."""
        argv = [str(self.files / "usr/sbin/postqueue"), "-c", str(self.root / "etc"), "-f"]
        subprocess.run(argv, env=self._environment(), check=True, timeout=30)

    def wait_for_log(self, pattern: str) -> None:
        """Until a line of the log matches."""
        try:
            wait_for(lambda: re.search(pattern, self.log), pattern, 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log[-3000:]}") from None

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": self._libraries}

    @property
    def _libraries(self) -> str:
        return str(self.files / LIBRARIES)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), smtplib.SMTP("127.0.0.1", self.port, timeout=5) as it:
            return it.noop()[0] == 250
        return False

    def _make(self, mailbox_transport: str) -> None:
        config, queue, data = (self.root / name for name in ("etc", "spool", "data"))
        owner, group = pwd.getpwnam(OWNER).pw_uid, grp.getgrnam(SETGID_GROUP).gr_gid
        for directory in (config, queue, data):
            directory.mkdir(parents=True)
        os.chown(data, owner, -1)
        for name in QUEUE.split():
            path = queue / name
            path.mkdir()
            path.chmod(0o730 if name == "maildrop" else 0o710 if name == "public" else 0o700)
            if name != "pid":
                os.chown(path, owner, group if name in ("maildrop", "public") else -1)
        (config / "master.cf").write_text(SERVICES.format(port=self.port))
        settings = {
            "compatibility_level": "3.6",
            "queue_directory": queue,
            "data_directory": data,
            "daemon_directory": f"{self._libraries}/sbin",
            "command_directory": self.files / "usr/sbin",
            "shlib_directory": self._libraries,
            "meta_directory": config,
            "mail_owner": OWNER,
            "setgid_group": SETGID_GROUP,
            "maillog_file": self.root / "log",
            "maillog_file_prefixes": self.root,
            "import_environment": "MAIL_CONFIG LD_LIBRARY_PATH POSTLOG_SERVICE POSTLOG_HOSTNAME",
            "myhostname": "mx.example.test",
            "mydestination": "example.test",
            "mynetworks": "127.0.0.0/8",
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "recipient_delimiter": "+",
            "alias_maps": "",
            "alias_database": "",
            "local_recipient_maps": "",
            "mailbox_transport": mailbox_transport,
            "lmtp_tls_security_level": "none",
            "smtpd_tls_security_level": "none",
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        (config / "main.cf").write_text("".join(lines))
