"""The grammar of dot-courier files (spec mta.md 11.3 and 19.4)."""

from __future__ import annotations

import pytest

from couriermail.mta.local.instructions import (
    Command,
    Dynamic,
    Forward,
    Instruction,
    Mailbox,
    parse_instructions,
)

CASES: dict[str, tuple[str, list[Instruction]]] = {
    "nothing": ("", []),
    "comments and empty lines": ("# a\n\n#b", []),
    "a mailbox in the home": ("./mbox\n", [Mailbox(1, "./mbox")]),
    "an absolute mailbox": ("/var/mail/x", [Mailbox(1, "/var/mail/x")]),
    "a trailing slash": ("./M/", [Mailbox(1, "./M", must_be_maildir=True)]),
    "only one trailing slash goes": ("./M//", [Mailbox(1, "./M/", must_be_maildir=True)]),
    "blanks inside a name stay": ("./my mail", [Mailbox(1, "./my mail")]),
    "CR and blanks behind a name go": (
        "./Maildir/ \t\r\n",
        [Mailbox(1, "./Maildir", must_be_maildir=True)],
    ),
    "a command": ("| \t cat >x", [Command(1, "cat >x")]),
    "a command keeps its backslash newline": (
        "|echo one \\\n two\n./m",
        [Command(1, "echo one \\\n two"), Mailbox(3, "./m")],
    ),
    "a continued command at the end": ("|echo \\", [Command(1, "echo \\")]),
    "a dynamic command": ("|| printf x", [Dynamic(1, "printf x")]),
    "an address": ("a@b.com", [Forward(1, ("a@b.com",))]),
    "an address list": ('a@b.com, "Q R" <c@d.com>', [Forward(1, ("a@b.com", "c@d.com"))]),
    "an ampersand": ("&e", [Forward(1, ("e",))]),
    "an exclamation mark and a comment": ("! f, g (comment)", [Forward(1, ("f", "g"))]),
    "two words are two addresses": ("h i", [Forward(1, ("h", "i"))]),
    "a group": ("group: j, k;", [Forward(1, ("j", "k"))]),
    "angle brackets": ("<l@m>", [Forward(1, ("l@m",))]),
    "continued addresses": ("a, \\\n  b", [Forward(1, ("a", "b"))]),
    "continued at the end": ("a, \\", [Forward(1, ("a",))]),
    "a leading blank forwards": (" ./Maildir", [Forward(1, ("./Maildir",))]),
    "include is an address": (":include:x", [Forward(1, (":include:x",))]),
    "lines are numbered": ("#\n\n|x\n", [Command(3, "x")]),
    "CRLF everywhere": ("# c\r\n\r\n|x\r\na@b\r\n", [Command(3, "x"), Forward(4, ("a@b",))]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_text_gives_its_instructions(case: str) -> None:
    text, expected = CASES[case]

    assert list(parse_instructions(text).items) == expected


def test_what_was_read_leniently_is_told_with_its_line() -> None:
    assert parse_instructions("#\n./Maildir\r\n").warnings == (
        (2, "blanks or CR at the end of a mailbox name"),
    )


def test_different_texts_have_different_digests() -> None:
    assert parse_instructions("./a").digest != parse_instructions("./b").digest
    assert parse_instructions("./a").digest == parse_instructions("./a").digest
