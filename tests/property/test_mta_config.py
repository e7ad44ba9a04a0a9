"""Laws of configuration reading."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from couriermail.mta.config import Config, load_config
from couriermail.mta.controlfiles import list_entries, parse_count, parse_time
from couriermail.mta.domains import canonical_domain
from couriermail.mta.envfile import parse_environment
from couriermail.mta.errors import ConfigErrors, MtaConfigError

UNITS = {"w": 604_800, "d": 86_400, "h": 3600, "m": 60, "s": 1}
ITEMS = st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from("wdhmsWDHMS")))
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
FILES = st.sampled_from(
    ["me", "locals", "hosteddomains", "courierd", "esmtpd", "module.local", "bofh", "queuetime",
     "batchsize", "couriermail.toml", "esmtpacceptmailfor", "esmtpgreeting", "backuprelay"]
)  # fmt: skip


@given(items=ITEMS, last=st.integers(0, 10**6))
def test_a_time_is_the_sum_of_its_items(items: list[tuple[int, str]], last: int) -> None:
    """ "sequence of <digits><unit>; ... no unit at the end = seconds; ... `1w2d` adds up" """
    text = " ".join(f"{number}{unit}" for number, unit in items) + f" {last}"
    expected = sum(number * UNITS[unit.lower()] for number, unit in items) + last
    assert parse_time(text) == (expected, "")


@given(st.text())
def test_numbers_and_times_never_raise_and_are_never_negative(text: str) -> None:
    """ "An unknown letter stops parsing, keeping the sum so far." """
    assert parse_time(text)[0] >= 0
    assert parse_count(text)[0] >= 0


@given(st.text())
def test_entries_hold_no_comment_and_no_line_end(text: str) -> None:
    """ "`#` starts a comment anywhere in a line ... Entries end at CR or LF." """
    for number, entry in list_entries(text):
        assert 1 <= number <= text.count("\n") + 1
        assert entry.strip()
        assert not set(entry) & set("#\r\n")


@given(values=st.dictionaries(NAMES, st.text().filter(lambda text: "'" not in text)))
def test_quoted_values_are_read_as_written(values: dict[str, str]) -> None:
    """ "`NAME=value`, single/double quotes (double-quoted values may span lines)" """
    text = "".join(f"{name}='{value}'\n" for name, value in values.items())
    assert parse_environment(text) == values


@given(values=st.dictionaries(NAMES, st.text()))
def test_escaped_values_in_double_quotes_are_read_as_written(values: dict[str, str]) -> None:
    """ "`NAME=value`, single/double quotes (double-quoted values may span lines)" """
    escapes = str.maketrans({char: f"\\{char}" for char in '"\\$`'})
    lines = [f'{name}="{value.translate(escapes)}"' for name, value in values.items()]
    assert parse_environment("\n".join(lines)) == values


@given(st.text(alphabet=st.sampled_from("AB_=$'\"{}\\`#; \t\n.x1(&|") | st.characters()))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    """ "Anything else is a reported error." """
    place = 1
    try:
        parse_environment(text)
    except MtaConfigError as error:
        place = error.line or 0
    assert 1 <= place <= text.count("\n") + 1


@given(st.text(max_size=80))
def test_the_canonical_domain_is_a_fixed_point(domain: str) -> None:
    """ "domains in config files are UTF-8 lowercase; ACE input is converted to UTF-8" """
    once = canonical_domain(domain)
    assert canonical_domain(once) == once


@given(st.dictionaries(FILES, st.binary(max_size=60) | st.text(max_size=60).map(str.encode)))
def test_any_directory_gives_a_configuration_or_its_errors(files: dict[str, bytes]) -> None:
    """ "Untrusted input never raises anything else." """
    with tempfile.TemporaryDirectory() as directory:
        for name, data in files.items():
            (Path(directory) / name).write_bytes(data)
        try:
            config: Config | None = load_config(directory, hostname="box.example")
        except ConfigErrors:
            config = None
    if config is not None:
        assert config.queue.high >= config.queue.low >= 20
        assert config.queue.batch > 0
