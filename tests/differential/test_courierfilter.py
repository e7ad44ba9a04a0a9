"""Debian's courier-mta and our filters, and its filters beside ours.

Skipped where the package is not unpacked (`tests.support.debianmta`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.debianmta import DebianMta, courier_mta_files
from tests.support.mailsite import reachable_directory, user_python

from couriermail.core import ManualClock
from couriermail.filter.courierfilter import (
    DuplicateJudge,
    FilteredMessage,
    FilterRequest,
    FilterUnavailableError,
    Judge,
    RateJudge,
    ask_filter,
)

FILES = courier_mta_files()
pytestmark = pytest.mark.skipif(
    FILES is None, reason="peer absent: courier-mta unpacked, set COURIERMAIL_COURIER_MTA"
)

LINES = ["one", "two 2", "three", "four", "five", "six", "seven"]
LOCAL = "Received: from localhost (localhost [127.0.0.1])\n  (uid {uid})\n  by x with local\n"


@pytest.fixture
def root() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


def text_of(subject: str = "hello", lines: list[str] | None = None, head: str = "") -> str:
    body = "\n".join(LINES if lines is None else lines)
    return f"{head}Date: today\nSubject: {subject}\n\n{body}\n"


def changed(index: int, word: str) -> list[str]:
    return [word if place == index else line for place, line in enumerate(LINES)]


# Pairs of messages: what Debian's dupfilter with duplevel 2 thinks of the second.
PAIRS = {
    "same": (text_of(), text_of()),
    "upper case": (text_of(), text_of().upper()),
    "digits": (text_of(), text_of(lines=changed(1, "two 9,9"))),
    "empty lines": (text_of(), text_of(lines=[word for line in LINES for word in (line, "")])),
    "folded subject": (text_of("a b"), text_of("a\n b")),
    "long subject": (text_of("hello"), text_of("hello\n there")),
    "other field folded": (text_of(), text_of(head="X-Y: a\n b\n")),
    "name of subject": (text_of(), text_of().replace("Subject", "subject")),
    "first line": (text_of(), text_of(lines=changed(0, "other"))),
    "middle line": (text_of(), text_of(lines=changed(3, "other"))),
    "last line": (text_of(), text_of(lines=changed(6, "other"))),
    "both ends": (text_of(), text_of("Dear", changed(6, "other"))),
    "a line more": (text_of(), text_of(lines=[*LINES, "more"])),
    "line of 252 letters": (
        text_of(lines=changed(3, "a" * 252 + "b")),
        text_of(lines=changed(3, "a" * 252 + "c")),
    ),
    "line of 255 letters": (
        text_of(lines=changed(3, "a" * 255 + "b")),
        text_of(lines=changed(3, "a" * 255 + "c")),
    ),
    "four lines": (text_of(lines=["a", "b", "c"]), text_of(lines=["a", "b", "c"])),
    "four lines, one other": (text_of(lines=["a", "b", "c"]), text_of(lines=["a", "b", "d"])),
    "five lines, last other": (
        text_of(lines=["a", "b", "c", "d"]),
        text_of(lines=["a", "b", "c", "e"]),
    ),
    "no body": (text_of(lines=[]), text_of(lines=[])),
}


def request_for(directory: Path, name: str, text: str) -> FilterRequest:
    """The files of a message."""
    body, control = directory / f"{name}.D", directory / f"{name}.C"
    body.write_text(text)
    control.write_text(f"sann@x.example\nM{name}\nrb@x.example\nR\nN\nrc@x.example\nR\nN\n")
    return FilterRequest(str(body), (str(control),))


def verdict_of(judge: Judge, request: FilterRequest) -> str:
    return judge(FilteredMessage(request))[:3]


def judged_by_debian(place: Path, requests: list[FilterRequest]) -> list[str]:
    """What a fresh dupfilter of Debian says: what one remembers of others must not matter.

    Seen twice in hundreds of runs: it closes a connection without a word.  Then another one is asked.
    """
    assert FILES is not None
    settings = {"filters/dupfilter-duplevel": "2\n"}
    for attempt in range(5):
        mta = DebianMta.make(FILES, Path(f"{place}-{attempt}"), settings)
        with (
            contextlib.suppress(FilterUnavailableError),
            mta.filter_running("dupfilter") as socket,
        ):
            return [ask_filter(socket, request).code for request in requests]
    raise AssertionError("Debian's dupfilter never answered")


def test_dupfilter_judges_as_debians(root: Path) -> None:
    theirs: dict[str, list[str]] = {}
    ours: dict[str, list[str]] = {}
    for place, (name, pair) in enumerate(PAIRS.items()):
        requests = [request_for(root, f"{place}.1.{turn}", pair[turn]) for turn in (0, 1)]
        judge = DuplicateJudge(level=2)
        theirs[name] = judged_by_debian(root / f"mta{place}", requests)
        ours[name] = [verdict_of(judge, request) for request in requests]
    assert ours == theirs
    assert {codes[1] for codes in theirs.values()} == {"200", "500"}


@pytest.mark.parametrize("uid", [99, 1000])
def test_ratefilter_counts_as_debians(root: Path, uid: int) -> None:
    assert FILES is not None
    mta = DebianMta.make(FILES, root / "mta", {"filters/ratefilter-maxrcpts": "5\n"})
    judge = RateJudge(max_recipients=5, code="500", clock=ManualClock())
    text = text_of(head=LOCAL.format(uid=uid))
    requests = [request_for(root, f"{number}.1.1", text) for number in range(4)]
    with mta.filter_running("ratefilter") as socket:
        theirs = [ask_filter(socket, request).code for request in requests]
    assert [verdict_of(judge, request) for request in requests] == theirs


def our_dupfilter(path: Path) -> None:
    """Our command as a program that the mail system's user can run."""
    found = user_python()
    if found is None:
        pytest.skip("no interpreter that an ordinary user can run")
    python, environment = found
    paths = environment["PYTHONPATH"].split(":")
    path.write_text(
        f"#!{python}\nimport sys\nsys.path[:0] = {paths!r}\n"
        "from couriermail.cli.dupfilter import main\nmain()\n"
    )
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("all", "500 Duplicate message rejected."), ("filtered", "250 Ok.")],
)
def test_debians_courierfilter_and_submit_use_our_dupfilter(
    root: Path, mode: str, expected: str
) -> None:
    """Remote recipients count as whitelisted: only filters for all mail are asked about them."""
    assert FILES is not None
    settings = {"filters/dupfilter-duplevel": "3\n", "filters/dupfilter-mode": f"{mode}\n"}
    mta = DebianMta.make(FILES, root / "mta", settings)
    program = root / "dupfilter"
    our_dupfilter(program)
    (mta.config / "filters/active/dupfilter").symlink_to(program)

    with mta.courierfilter_running():
        said = [mta.submit("ann@x.example", "bob@y.example", text_of()) for _ in range(4)]
    assert [line[:8] for line in said[:2]] == ["250 Ok. ", "250 Ok. "]
    assert [line[: len(expected)] for line in said[2:]] == [expected, expected]
