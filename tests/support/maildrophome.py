"""A home directory for maildrop: what both programs find in it and what is compared afterwards."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["PLAIN_MESSAGE", "files_of", "make_home"]

PLAIN_MESSAGE = b"""From: Alice <alice@example.com>
To: Bob <bob@example.com>, carol@example.net
Cc: dave@example.org
Subject: Hello World
Message-ID: <1@x>
X-Num: 5

body line one
body line two
From me
>From y
 From z
"""


def make_home(home: Path, recipes: dict[str, str], *, patterns: bytes) -> None:
    """Make a home with a maildir `md`, recipes by name and the list of patterns `list`."""
    for name in ("md/new", "md/tmp", "md/cur"):
        (home / name).mkdir(parents=True)
    (home / "list").write_bytes(patterns)
    for name, text in recipes.items():
        (home / name).write_text(text, encoding="utf-8", newline="")
        (home / name).chmod(0o600)


def files_of(home: Path, *, except_for: str) -> dict[str, bytes]:
    """Contents by name and mode; maildir names and dates are left out.

    Messages of one maildir are counted in the order of their contents: names of the same second
    sort by process number and counters, which mean nothing.

    Args:
        home: the directory.
        except_for: regular expression of names that are left out.
    """
    found: dict[str, bytes] = {}
    named = ((str(path.relative_to(home)), path) for path in home.rglob("*"))
    files = [
        (os.path.dirname(name), path.read_bytes(), path.stat().st_mode & 0o777, path.name)
        for name, path in named
        if path.is_file() and not re.fullmatch(except_for, name)
    ]
    for directory, content, mode, file in sorted(files):
        name = f"{directory}/{file}".removeprefix("/")
        if directory.endswith(("/new", "/cur")):
            name = f"{directory}/*{file[file.index(',S=') :]}"
            name += f"#{sum(other.startswith(name) for other in found)}"
        dated = re.sub(rb"(?m)^(From \S+|Date:) .* \d{4}$", rb"\1 *", content)
        found[f"{name} {mode:o}"] = dated
    return found
