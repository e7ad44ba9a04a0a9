"""Laws of the maildir's names and small files: what is written can be read back, and text that
others wrote raises nothing but our errors."""

from __future__ import annotations

import attrs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from couriermail.maildir import (
    FilterRecipe,
    FilterRule,
    MaildirError,
    MaildirKey,
    RuleError,
    RuleKind,
    SharedAccount,
    SharedNames,
    TextSearch,
    UidDatabase,
)
from couriermail.maildir.encodings import (
    decode_modutf7,
    decode_smap,
    encode_modutf7,
    encode_smap,
)
from couriermail.maildir.sharedindex import ParsedIndex, parse_index
from couriermail.maildir.sharedindexfiles import split_index

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TRICKY = st.text(st.sampled_from(list("ab .*/\\$`'\"()[]{}!#:;|?+é")), max_size=12)


@given(TEXT)
def test_escaped_names_come_back_and_are_one_component(name: str) -> None:
    """Names of accounts are unique in complex mode: munging loses nothing, and hides `.` `/`."""
    component = SharedNames.ESCAPED.to_component(name)
    assert SharedNames.ESCAPED.to_name(component) == name
    for names in SharedNames:
        assert not set("./").intersection(names.to_component(name))


@given(TEXT)
def test_components_that_others_wrote_are_names_or_refused(component: str) -> None:
    """Reading an escaped component gives a name that is written the same, or our error."""
    assume("." not in component and "/" not in component)
    try:
        name = SharedNames.ESCAPED.to_name(component)
    except MaildirError:
        return
    assert SharedNames.ESCAPED.to_component(name) == component


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_folder_names_survive_both_encodings(name: str) -> None:
    """On-disk names convert to IMAP's form and to one SMAP component and back."""
    assert decode_smap(encode_smap(name)) == name
    assert decode_modutf7(encode_modutf7(name)) == name


RULES = st.builds(
    FilterRule,
    name=st.sampled_from(["a", "b c", "é"]),
    folder=st.sampled_from(["INBOX", "INBOX.a.b", "!x@y z", "*no", "+away days=3", "exit"])
    | TRICKY,
    kind=st.sampled_from(RuleKind),
    header=st.sampled_from(["", "subject", "X-A"]) | TRICKY,
    value=TRICKY,
    sender=TRICKY,
    plain=st.booleans(),
    negated=st.booleans(),
    body=st.booleans(),
    proceed=st.booleans(),
)


@given(RULES, TRICKY, TRICKY)
@settings(max_examples=300)
def test_rules_come_back_from_a_recipe(rule: FilterRule, sender: str, maildir: str) -> None:
    """Rules -> maildrop text -> rules; the loader skips blanks before a value."""
    rule = attrs.evolve(
        rule, value=rule.value.lstrip(" "), sender=rule.sender.lstrip(" "),
        folder=rule.folder.lstrip(" "), header=rule.header.lstrip(" "),
    )  # fmt: skip
    recipe = FilterRecipe(maildir=f"./{maildir}", rules=(rule,), sender=sender)
    try:
        text = recipe.to_text()
    except MaildirError:
        return
    read = FilterRecipe.parse(text)
    assert read.rules == (rule,)
    assert (read.maildir, read.sender) == (recipe.maildir, recipe.sender)
    assert read.to_text() == text or read.mailbot != recipe.mailbot


@given(st.text(max_size=200))
def test_recipes_that_others_wrote_are_read_or_refused(text: str) -> None:
    """Whatever follows the first line, loading raises nothing but our error."""
    try:
        FilterRecipe.parse(f"#MFMAILDROP=2\n##{text}\n##Name:x\n")
    except MaildirError:
        pass


@given(st.binary(max_size=200))
def test_indexes_and_uid_files_of_any_bytes_are_read(data: bytes) -> None:
    """Files that others wrote never raise; what a UID file says survives writing."""
    parse_index(data)
    database = UidDatabase.parse(b"1 5 1000000\n" + data)
    assert database is not None
    assert UidDatabase.parse(database.to_bytes()) == database


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1).map("".join), max_size=8))
def test_numbers_are_kept_ascending_and_never_reused(names: list[str]) -> None:
    """A known message keeps its number, new ones get larger numbers than any before."""
    keys = [MaildirKey(name) for name in names]
    first = UidDatabase(uidvalidity=1).updated(keys[::2])
    second = first.updated(keys)
    assert set(second.uids) == set(keys)
    for key, uid in second.uids.items():
        assert first.uids.get(key, uid) == uid
        assert key in first.uids or first.next_uid <= uid < second.next_uid
    assert len(set(second.uids.values())) == len(second.uids)


LINES = st.builds(
    lambda name, group: f"{name}\t1\t1\t/h\tM\tsharedgroup={group}",
    st.text(st.sampled_from("ab/é."), min_size=1, max_size=4),
    st.text(st.sampled_from("ab/,"), max_size=3),
)


@given(st.lists(LINES, max_size=6), st.integers(0, 3))
def test_every_account_of_a_split_can_be_reached(lines: list[str], letters: int) -> None:
    """Following the groups from `index` finds each account once; no file name is a path."""
    try:
        files = split_index(lines, letters)
    except MaildirError:
        return
    assert not any("/" in name for name in files)
    parsed = {name: parse_index(text.encode()) for name, text in files.items()}
    assert not any(index.bad_lines for index in parsed.values())
    if letters and lines:
        assert sorted(_accounts(parsed, "index")) == sorted(line.split("\t")[0] for line in lines)


def _accounts(parsed: dict[str, ParsedIndex], file: str) -> list[str]:
    found: list[str] = []
    for entry in parsed[file].entries:
        if isinstance(entry, SharedAccount):
            found.append(entry.name)
        else:
            found += _accounts(parsed, entry.file)
    return found


@given(RULES)
def test_checking_a_rule_gives_a_known_code_or_accepts(rule: FilterRule) -> None:
    """Validation answers with a code from 1 to 7 or accepts, and raises nothing else."""
    assert _code_of(rule) in range(8)


def _code_of(rule: FilterRule) -> int:
    try:
        rule.check()
    except RuleError as error:
        return error.code
    return 0


@given(
    st.text(st.sampled_from("aBσΣ \n"), min_size=1, max_size=4),
    st.lists(st.text(st.sampled_from("aBσΣ \n"), max_size=6), max_size=6),
)
def test_a_search_finds_the_same_whatever_the_pieces(needle: str, pieces: list[str]) -> None:
    """Feeding a text in pieces gives the answer of the whole text."""
    assume(needle.strip())
    whole, parts = TextSearch(needle), TextSearch(needle)
    whole.feed("".join(pieces))
    for piece in pieces:
        parts.feed(piece)
    assert whole.found == parts.found
