"""How fast recipes decide: ours in process, and Debian's maildrop as a process per message.

Ten header patterns (none of the first nine matches) and one body pattern on a 3 KB message.
First ours only decides; Debian's runs the same recipe with `exit` at the end, so that it delivers
nothing either.  Then both deliver each message to a maildir, ours one by one and without sharing
syncs: as it does, message and directory forced to the disk, and once more with the syncs of
Debian's, which forces the message only (a crash may take its name).  Prints medians of several
rounds, which all take in turns, and the ratios.

    python tests/bench/filter_run.py [--messages 3000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from couriermail.filter import DecisionHost, Recipe, compile_recipe
from couriermail.filter.local import LocalHost
from couriermail.maildir import Maildir

RECIPE = r"""
if (/^From:.*spammer@example\.com/)
 X=1
if (/^Subject:.*viagra/)
 X=2
if (/^(to|cc):.*list-one@/)
 X=3
if (/^List-Id:.*<python-dev/)
 X=4
if (/^X-Spam-Level: \*\*\*\*\*/)
 X=5
if (/^Sender: owner-[a-z]+@/)
 X=6
if (/^Received:.*from [0-9.]+ by evil/)
 X=7
if (/^X-Mailer: (foo|bar) [0-9]+/)
 X=8
if (/^Delivered-To: nobody/)
 X=9
if (/^Subject: *(.*) again$/)
 X="$MATCH1"
if (/unsubscribe +here/:b)
 X=11
exit
"""

KEEPING_RECIPE = RECIPE.removesuffix("exit\n")


def message(number: int) -> bytes:
    """A 3 KB message with the header of an ordinary one."""
    head = (
        "Return-Path: <alice@example.com>\n"
        "Received: from mx1.example.com (mx1.example.com [192.0.2.1]) by mail.example.net\n"
        "  with ESMTPS id 000000000012; Tue, 24 Nov 2026 14:00:00 +0000\n"
        "Received: from laptop (laptop [192.0.2.9]) by mx1.example.com with ESMTPSA;\n"
        "  Tue, 24 Nov 2026 13:59:58 +0000\n"
        "From: Alice Example <alice@example.com>\nTo: Bob <bob@example.net>\n"
        f"Subject: number {number} and again\nDate: Tue, 24 Nov 2026 13:59:57 +0000\n"
        f"Message-ID: <{number}@example.com>\nX-Mailer: Pigeon 1.0\n\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog and runs away from it.\n"
    return head + line * ((3072 - len(head)) // len(line))


def ours(recipe: Recipe, messages: list[bytes]) -> float:
    """Messages per second."""
    host = DecisionHost()
    started = time.perf_counter()
    for each in messages:
        recipe.run(each, host=host, env={"DEFAULT": "./Maildir"})
    return len(messages) / (time.perf_counter() - started)


def peer(directory: Path, messages: list[bytes]) -> float:
    """Messages per second, one process each."""
    path = directory / "recipe"
    path.write_text(RECIPE)
    path.chmod(0o600)
    started = time.perf_counter()
    for each in messages:
        subprocess.run(["maildrop", str(path)], input=each, check=True, cwd=directory)
    return len(messages) / (time.perf_counter() - started)


def ours_with_the_syncs_of_the_peer(directory: Path, messages: list[bytes]) -> float:
    """Messages per second, each stored, its directory not synced; no setting of ours does that."""
    with patch("couriermail.maildir.delivery.sync_directory_entry", lambda _directory: None):
        return ours_delivered(directory, messages)


def ours_delivered(directory: Path, messages: list[bytes]) -> float:
    """Messages per second, each stored and synced."""
    recipe = compile_recipe(KEEPING_RECIPE, name="recipe")
    host = LocalHost(str(directory))
    started = time.perf_counter()
    for each in messages:
        recipe.run(each, host=host, env={"DEFAULT": f"{directory}/ours"})
    return len(messages) / (time.perf_counter() - started)


def peer_delivered(directory: Path, messages: list[bytes]) -> float:
    """Messages per second, one process each, stored as maildrop stores."""
    path = directory / "keeping"
    path.write_text(f'DEFAULT="{directory}/theirs"\n{KEEPING_RECIPE}')
    path.chmod(0o600)
    started = time.perf_counter()
    for each in messages:
        subprocess.run(["maildrop", str(path)], input=each, check=True, cwd=directory)
    return len(messages) / (time.perf_counter() - started)


def compare_deliveries(directory: Path, messages: list[bytes], count: int) -> None:
    """Both with the delivery, in turns; what was said to be delivered must be there."""
    for name in ("ours", "theirs"):
        Maildir.create(directory / name)
    durable, alike, theirs = [], [], []
    for _ in range(count):
        durable.append(ours_delivered(directory, messages))
        theirs.append(peer_delivered(directory, messages))
        alike.append(ours_with_the_syncs_of_the_peer(directory, messages))
    for name, times in (("ours", 2 * count), ("theirs", count)):
        stored = sum(1 for _ in (directory / name / "new").iterdir())
        assert stored == times * len(messages), (name, stored)
    print(f"with delivery, maildrop               {statistics.median(theirs):7.0f} /s")
    for title, mine in (("message and directory", durable), ("message, as maildrop's", alike)):
        ratios = sorted(a / b for a, b in zip(mine, theirs, strict=True))
        print(
            f"with delivery, in process, synced: {title:22} {statistics.median(mine):7.0f} /s, "
            f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
        )


def main() -> None:
    """Run both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    messages = [message(number) for number in range(chosen.messages)]
    recipe = compile_recipe(RECIPE, name="recipe")
    assert recipe.run(messages[7], host=DecisionHost()).variable("X") == "number 7 and"
    print(f"recipe, in process      {statistics.median(rounds(chosen, recipe, messages)):9.0f} /s")
    if shutil.which("maildrop") is None:
        sys.exit("maildrop is not installed: no comparison")
    with tempfile.TemporaryDirectory() as name:
        few = messages[:200]
        theirs = [peer(Path(name), few) for _ in range(chosen.rounds)]
        compare_deliveries(Path(name), few, chosen.rounds)
    print(f"maildrop, per process   {statistics.median(theirs):9.0f} /s")
    mine = statistics.median(rounds(chosen, recipe, messages))
    print(f"ratio                   {mine / statistics.median(theirs):9.1f}")


def rounds(chosen: argparse.Namespace, recipe: Recipe, messages: list[bytes]) -> list[float]:
    """One figure per round."""
    return [ours(recipe, messages) for _ in range(chosen.rounds)]


if __name__ == "__main__":
    main()
