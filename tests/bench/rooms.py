"""The benchmarks of single rooms: each a file beside this one that runs by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.bench.installation import ROOT

__all__ = ["ROOMS", "run_room"]

ROOMS = (
    "rfc822_parse",
    "filter_run",
    "maildir_commands",
    "maildir_delivery",
    "maildir_listing",
    "local_delivery",
    "lmtp",
    "queue_commit",
    "smtp_engine",
)


def run_room(name: str) -> list[str]:
    """What a room's benchmark prints; its error when it fails."""
    path = Path(__file__).parent / f"{name}.py"
    if not path.exists():
        return [f"{name}: not in this checkout"]
    argv = [sys.executable, "-m", f"tests.bench.{name}"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode:
        lines += [f"{name} failed with {done.returncode}:", *done.stderr.splitlines()[-3:]]
    return lines
