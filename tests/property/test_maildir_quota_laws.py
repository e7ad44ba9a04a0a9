"""Laws of the quota: the totals are what a count finds, whatever counts."""

from __future__ import annotations

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.maildir import Maildir
from couriermail.maildir.maildirsize import measure
from couriermail.maildir.quotarules import QuotaRules, parse_quota_rules

FOLDERS = ["", "Spam", "Spam.Old", "Trash", "Work"]
places = st.sampled_from(FOLDERS)
rules = st.builds(
    QuotaRules,
    st.lists(st.sampled_from(["Spam", "Spam.*", "Work", "Trash", "Trash.*"]), max_size=3),
    trash_counts=st.booleans(),
)
steps = st.one_of(
    st.tuples(st.just("deliver"), places, st.sampled_from(["", "S", "T", "FST"])),
    st.tuples(st.just("flag"), places, st.sampled_from(["", "S", "T"])),
    st.tuples(st.just("move"), places, places),
    st.tuples(st.just("expunge"), places, st.just("")),
    st.tuples(st.just("rules"), rules, st.just("")),
)


def take(box: Maildir, step: tuple[str, str | QuotaRules, str]) -> None:
    """One change, of the first message of a folder where it concerns one."""
    kind, place, word = step
    if isinstance(place, QuotaRules):
        box.set_quota_rules(place)
        return
    folder = box.folder(place)
    if kind == "deliver":
        folder.deliver(b"x" * (len(list(folder)) + 1), flags=word)
        return
    entry = next(iter(sorted(folder, key=lambda entry: entry.name)), None)
    if entry is None:
        return
    if kind == "flag":
        folder.set_flags(entry.key, word)
    elif kind == "expunge":
        folder.expunge(entry.key)
    elif word != place:
        folder.move(entry.key, box.folder(word))


@settings(max_examples=40, deadline=None)
@given(rules, st.lists(steps, max_size=8))
def test_the_totals_are_what_a_count_finds(first: QuotaRules, changes: list[tuple]) -> None:  # type: ignore[type-arg]
    """Spec maildir 4.6: each change tells the quota what then counts and what no longer does."""
    with tempfile.TemporaryDirectory() as root:
        box = Maildir.create(f"{root}/md", quota="1000000S")
        for name in FOLDERS[1:]:
            box.create_folder(name)
        box.set_quota_rules(first)
        for step in changes:
            take(box, step)
            assert box.usage == measure(box.path)


@given(rules)
def test_rules_are_read_as_they_are_written(some: QuotaRules) -> None:
    """Rules that are the same have one signature; the file has them in any order."""
    refused: list[str] = []
    again = parse_quota_rules("\n".join(reversed(some.lines())), refused.append)
    assert (again, again.signature, refused) == (some, some.signature, [])
    assert bool(some.signature) is bool(some.lines())


@given(st.text())
def test_any_text_is_rules(text: str) -> None:
    """Never another exception: a line that is no rule is told and passed over."""
    refused: list[str] = []
    some = parse_quota_rules(text, refused.append)
    assert len(some.lines()) + len(refused) <= len(text.split("\n"))
    assert some.counts_folder("")
