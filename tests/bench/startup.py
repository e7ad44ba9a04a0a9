"""How long our commands take to start, against a bare interpreter of the same environment.

The commands take turns, so a slow moment hits all of them; medians of spawn to exit are compared
as ratios.  `sendmail -bv` is the start of sendmail with its round to the daemon and no message;
`deliverquota` delivers an empty message, syncs included; `maildrop` runs a recipe that keeps
what a pattern captured, and delivers nothing.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import attrs
from tests.bench.installation import Installation
from tests.bench.peers.mailsystem import RECIPIENTS
from tests.bench.ratios import Verdict

__all__ = ["Startup", "measure_startup", "startup_lines", "startup_verdict"]

BARE = "python -c pass"
SENDMAIL = "sendmail -bv"
DELIVERQUOTA = "deliverquota, one message"
MAILDROP = "maildrop, small recipe"
MOST = 2.0
MOST_MAILDROP = 2.5
_RECIPE = """\
if (/^Subject: *(.*)$/)
 TOPIC="$MATCH1"
if (/^From: (.*)@example\\.com/)
 WHO="$MATCH1"
exit
"""


@attrs.frozen(kw_only=True)
class Startup:
    """One command.

    Attributes:
        command: as it is shown.
        median_ms: spawn to exit, the middle run.
        least_ms: the fastest run.
        ratio: median of its time through the bare interpreter's of the same turn.
    """

    command: str
    median_ms: float
    least_ms: float
    ratio: float


def measure_startup(
    installation: Installation, config: Path, *, scratch: Path, runs: int = 60
) -> list[Startup]:
    """Run every command so many times, in turns.

    Args:
        installation: whose commands.
        config: configuration directory of a running system.
        scratch: an existing directory for what the commands make.
        runs: how often each.
    """
    commands = _commands(installation, config, scratch)
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, argv in commands.items():
            times[name].append(_milliseconds(argv))
        for entry in scratch.iterdir():
            _remove_maildir(entry)
    return [
        Startup(
            command=name,
            median_ms=statistics.median(found),
            least_ms=min(found),
            ratio=statistics.median(
                one / bare for one, bare in zip(found, times[BARE], strict=True)
            ),
        )
        for name, found in times.items()
    ]


def startup_lines(found: Sequence[Startup]) -> list[str]:
    """A line per command."""
    lines = ["Start of our commands, spawn to exit:"]
    lines += [
        f"  {item.command:28} median {item.median_ms:6.1f} ms, least {item.least_ms:6.1f} ms, "
        f"{item.ratio:4.2f} x a bare interpreter"
        for item in found
    ]
    return lines


def startup_verdict(found: Sequence[Startup]) -> Verdict:
    """Do sendmail, deliverquota and maildrop start as fast as they should?"""
    ratios = {item.command: item.ratio for item in found}
    most = {SENDMAIL: MOST, DELIVERQUOTA: MOST, MAILDROP: MOST_MAILDROP}
    text = (
        "sendmail and deliverquota start in at most twice a bare interpreter, "
        f"maildrop with a recipe in {MOST_MAILDROP:g} times"
    )
    figures = ", ".join(f"{ratios[name]:.2f}" for name in most)
    return Verdict(text, all(ratios[name] <= most[name] for name in most), figures)


def _commands(installation: Installation, config: Path, scratch: Path) -> dict[str, list[str]]:
    script = installation.command
    chosen = ["-C", str(config)]
    return {
        BARE: [script("python"), "-c", "pass"],
        SENDMAIL: [script("sendmail"), *chosen, "-bv", RECIPIENTS[0]],
        "sendmail, one message": [script("sendmail"), *chosen, RECIPIENTS[0]],
        DELIVERQUOTA: [script("deliverquota"), str(_inbox(scratch))],
        "maildirmake": [script("maildirmake"), str(scratch / "box")],
        MAILDROP: [script("maildrop"), str(_recipe(scratch))],
        "maildrop -v": [script("maildrop"), "-v"],
        "mailq": [script("mailq"), *chosen],
    }


def _milliseconds(argv: list[str]) -> float:
    message, away = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
    redirect = [
        (os.POSIX_SPAWN_DUP2, message, 0),
        (os.POSIX_SPAWN_DUP2, away, 1),
        (os.POSIX_SPAWN_DUP2, away, 2),
    ]
    started = time.perf_counter()
    os.waitpid(os.posix_spawn(argv[0], argv, {}, file_actions=redirect), 0)
    elapsed = time.perf_counter() - started
    os.close(message)
    os.close(away)
    return 1e3 * elapsed


def _remove_maildir(path: Path) -> None:
    for part in ("new", "cur", "tmp"):
        (path / part).rmdir()
    path.rmdir()


def _recipe(scratch: Path) -> Path:
    """A recipe beside the scratch directory."""
    recipe = scratch.with_name(f"{scratch.name}-recipe")
    recipe.write_text(_RECIPE)
    recipe.chmod(0o600)
    return recipe


def _inbox(scratch: Path) -> Path:
    """A maildir beside the scratch directory, which is emptied after every turn."""
    inbox = scratch.with_name(f"{scratch.name}-inbox")
    for part in ("new", "cur", "tmp"):
        (inbox / part).mkdir(parents=True, exist_ok=True)
    return inbox
