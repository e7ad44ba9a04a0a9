"""Which reply each outcome of a delivery is."""

from __future__ import annotations

import pytest

from couriermail.mta.lmtp import reply_for
from couriermail.mta.local import LocalResult
from couriermail.mta.local.values import ResultKind


@pytest.mark.parametrize(
    ("kind", "lines", "enhanced", "expected"),
    [
        ("success", ("said", "Message delivered."), "2.1.5", "250 2.0.0 Message delivered. ID"),
        ("failure", ("No.",), "5.3.0", "550 5.3.0 No."),
        ("failure", ("Unknown user.",), "5.1.1", "550 5.1.1 Unknown user."),
        ("failure", (), "", "550 5.3.0 "),
        ("failure", ("a", "b"), "5.3.0", "550-5.3.0 a\n550 5.3.0 b"),
        ("failure", ("552 5.2.3 Big.",), "5.3.0", "552 5.2.3 Big."),
        ("failure", ("554-5.7.1 One", "554 5.7.1 Two"), "", "554-5.7.1 One\n554 5.7.1 Two"),
        ("failure", ("571 No.",), "5.3.0", "571 5.3.0 No."),
        ("failure", ("250 2.0.0 Fine.",), "5.3.0", "550 5.3.0 250 2.0.0 Fine."),
        ("failure", ("450 4.2.0 Later.",), "5.3.0", "550 5.3.0 Later."),
        ("failure", ("550 4.2.0 Mixed.",), "5.3.0", "550 5.3.0 Mixed."),
        ("failure", ("5501 apples",), "5.3.0", "550 5.3.0 5501 apples"),
        ("failure", ("550",), "5.3.0", "550 5.3.0 "),
        ("deferral", ("Later.",), "4.3.0", "451 4.3.0 Later."),
        ("deferral", ("Maildir over quota.",), "4.2.2", "452 4.2.2 Maildir over quota."),
        ("deferral", ("450 4.7.1 Greylisted.",), "4.3.0", "450 4.7.1 Greylisted."),
        ("deferral", ("421 4.3.2 Go away.",), "4.3.0", "451 4.3.0 Go away."),
        ("deferral", ("550 5.7.1 No.",), "4.3.0", "451 4.3.0 No."),
        ("failure", ("tab\tbell\x07",), "5.3.0", "550 5.3.0 tab bell "),
        ("failure", ("Gr\u00fc\u00dfe",), "5.3.0", "550 5.3.0 Gr\\xfc\\xdfe"),
        ("failure", ("x" * 1000,), "5.3.0", "550 5.3.0 " + "x" * 400),
    ],
)
def test_the_reply_of_an_outcome(
    kind: ResultKind, lines: tuple[str, ...], enhanced: str, expected: str
) -> None:
    result = LocalResult(key=1, kind=kind, lines=lines, enhanced=enhanced)
    assert str(reply_for(result, "ID")) == expected


def test_a_talkative_command_does_not_make_an_endless_reply() -> None:
    result = LocalResult(key=1, kind="failure", lines=("line",) * 1000, enhanced="5.3.0")
    assert len(reply_for(result, "ID").lines()) == 20
