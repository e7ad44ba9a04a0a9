"""aiosmtpd writing durable files: the other SMTP server in Python."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import attrs
from tests.bench.installation import ROOT
from tests.bench.peers.mailsystem import Endpoint, free_port, wait_until

__all__ = ["AiosmtpdFsync"]


@attrs.define
class AiosmtpdFsync:
    """aiosmtpd and a maildir handler with fsync, in its own process.

    Attributes:
        root: an existing empty directory for it alone.
    """

    root: Path
    name: str = "aiosmtpd+fsync"
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    def why_absent(self) -> str:
        """Not installed in this environment."""
        return "" if importlib.util.find_spec("aiosmtpd") else "not installed (pip)"

    def start(self) -> Endpoint:
        """Start the process."""
        for part in ("tmp", "new", "cur"):
            (self.root / part).mkdir()
        port = free_port()
        program = [sys.executable, "-m", "tests.bench.peers.aiosmtpd_server"]
        self._process = subprocess.Popen([*program, str(port), str(self.root)], cwd=ROOT)
        wait_until(port, opened=True)
        return Endpoint(smtp_port=port, sendmail=(), maildir=self.root)

    def stop(self) -> None:
        """Stop it and wait for it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
