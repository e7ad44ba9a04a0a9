"""Fax addresses and the dial plan (spec fax 2.1, 2.2, 4; pinned cases 4.6)."""

from __future__ import annotations

import pytest

from couriermail.fax import (
    DialPlan,
    DialPlanError,
    DialRule,
    FaxAddress,
    parse_dial_plan,
    parse_fax_address,
)

ACCEPTS = "".join(
    f"accept {first}nnnnnnnnn {source}\n" for first in range(2, 10) for source in ("local", "esmtp")
)
CANONICAL = """\
rw^*    1               $9
rw^     011             1011$9
rw^     n11             1
rw^     1011            011$9
"""
DEFAULT = f"""{CANONICAL}rw      (nnnnnnn)       999$1
{ACCEPTS}accept^ 011 local                    # and esmtp
accept^ 011 esmtp
rw^     (.)             1$1$9
rw^     1011            011$9
rw^     1999            $9
"""


def dial(plan: str, number: str, source: str | None) -> str | None:
    address = parse_fax_address(f"{number}@fax")
    assert address is not None
    try:
        return parse_dial_plan(plan).dial(address.number, source)
    except DialPlanError:
        return None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("5551212@fax", FaxAddress(number="5551212", host="fax")),
        (
            "5551212@fax-lowres-ignore-cover-lowres",
            FaxAddress(
                number="5551212",
                host="fax-lowres-ignore-cover-lowres",
                is_low_resolution=True,
                skips_unknown=True,
                is_cover_only=True,
            ),
        ),
        ("1@FAX-Cover", FaxAddress(number="1", host="fax-cover", is_cover_only=True)),
        ('"(212) 555-1212"@fax', FaxAddress(number="212555,1212", host="fax")),
        ('"1@2"@fax', FaxAddress(number="12", host="fax")),
        ("+1-2xyzAw#*@fax", FaxAddress(number="@1,2Aw#*", host="fax")),
        ("9" * 80 + "@fax", FaxAddress(number="9" * 80, host="fax")),
    ],
)
def test_a_fax_address_is_taken_apart(address: str, expected: FaxAddress) -> None:
    assert parse_fax_address(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "nobody@example.com",
        "1@fax.example.com",
        "1@[fax]",
        "1@fax-",
        "1@fax--lowres",
        "1@fax-hires",
        "1@faxlowres",
        "1@fax-lowresx",
        "1@2@fax",
        '"1"2@3@fax',
        "1",
        "@",
        "",
    ],
)
def test_other_addresses_are_none(address: str) -> None:
    assert parse_fax_address(address) is None


@pytest.mark.parametrize("address", ["@fax", "xyz@fax", "9" * 81 + "@fax"])
def test_a_number_that_cannot_be_dialled_is_refused(address: str) -> None:
    with pytest.raises(DialPlanError) as caught:
        parse_fax_address(address)
    assert caught.value.reply.to_bytes() == b"550 5.1.3 Invalid fax phone number\r\n"


@pytest.mark.parametrize(
    ("number", "submitted", "checked"),
    [
        ("5551212", "5551212", "5551212"),
        ("2125551212", "12125551212", "12125551212"),
        ("12125551212", "12125551212", "12125551212"),
        ("112125551212", "12125551212", "12125551212"),
        ("9995551212", "5551212", "5551212"),
        ("0114420712345", "0114420712345", "0114420712345"),
        ("911", None, "11"),
        ("411", None, "11"),
        ("9115551212", None, "11"),
        ("1234", None, "1234"),
        ("21255512120", None, "121255512120"),
        ("#5551212", None, "1#5551212"),
        ("5551212-99", None, "15551212,99"),
        ("*70-2125551212", None, "1*70,2125551212"),
    ],
)
def test_the_default_plan(number: str, submitted: str | None, checked: str) -> None:
    assert dial(DEFAULT, number, "local") == submitted
    assert dial(DEFAULT, number, "esmtp") == submitted
    assert dial(DEFAULT, number, "dsn") is None
    assert dial(DEFAULT, number, None) == checked


def test_the_disabling_first_line_refuses_everything() -> None:
    plan = "rw^ . 1 # disables everything: remove to enable\n" + DEFAULT
    assert [dial(plan, "2125551212", source) for source in ("local", "esmtp", None)] == [None] * 3


@pytest.mark.parametrize(
    ("ten", "number", "dialled"),
    [
        (True, "5551212", "9,2125551212"),
        (True, "7185551212", "9,7185551212"),
        (True, "9175551212", "9,19175551212"),
        (True, "0114420712345", "9,0114420712345"),
        (False, "2125551212", "5551212"),
        (False, "8005551212", "18005551212"),
    ],
)
def test_generated_north_american_plans(ten: bool, number: str, dialled: str) -> None:
    rewriting = (
        "rw^ 1212 9,212$9\nrw^ 1718 9,718$9\nrw^ 1 9,1$9\nrw^ 011 9,011$9\n"
        if ten
        else "rw^ 1212 $9\nrw^ 1 1$9\nrw^ 011 011$9\n"
    )
    plan = (
        f"webadmin-dialplan nanpa\n{CANONICAL}rw (nnnnnnn) 212$1\n{ACCEPTS}accept^ 011 local\n"
        f"rw^ (.) 1$1$9\nrw^ 1011 011$9\n{rewriting}"
    )
    assert dial(plan, number, "local") == dialled


def test_the_other_plan_dials_as_given() -> None:
    plan = "webadmin-dialplan other\naccept^ . local\naccept^ . esmtp\n"
    assert dial(plan, "5-1+2", "local") == "5,1@2"
    assert dial(plan, "5-1+2", "uucp") is None


@pytest.mark.parametrize(
    ("pattern", "is_prefix", "number", "groups"),
    [
        ("nnn", False, "123", {}),
        ("nnn", False, "1234", None),
        ("nnn", False, "12", None),
        ("nnn", True, "1234", {"9": "4"}),
        ("n.N", False, "1*3", {}),
        ("(n)(nn)", False, "123", {"1": "1", "2": "23"}),
        ("((n))", False, "1", None),
        ("n)", False, "1)", {}),
        ("a", False, "A", {}),
        ("1-2+3", False, "1,2@3", {}),
        ("~1", False, "~1", {}),
        ("()", True, "1", {"1": "", "9": "1"}),
    ],
)
def test_patterns(
    pattern: str, is_prefix: bool, number: str, groups: dict[str, str] | None
) -> None:
    rule = DialRule(keyword="rw", pattern=pattern, is_prefix=is_prefix)
    assert rule.match(number) == groups


@pytest.mark.parametrize(
    ("replacement", "result"),
    [("x$1y", "x1y"), ("$0$2$9", "23"), ("a$", "a"), ("$zb", "b"), ("$$1", "1"), ("", "")],
)
def test_replacements(replacement: str, result: str) -> None:
    rule = DialRule(keyword="rw", pattern="(n)", argument=replacement, is_prefix=True)
    assert rule.rewrite("123") == result


def test_repetition_ends() -> None:
    rule = DialRule(keyword="rw", pattern="1", argument="1$9", is_prefix=True, repeats=True)
    assert rule.rewrite("12") == "12"


def test_a_number_that_grows_too_long_is_refused() -> None:
    plan = parse_dial_plan("rw^* n $9$9$9\naccept^ . local\n")
    with pytest.raises(DialPlanError, match="80"):
        plan.dial("1234567890", "local")


def test_reject_is_final_and_accept_outlives_rewriting() -> None:
    plan = parse_dial_plan("accept^ 5 local\nreject^ 55 local\nrw^ 5 7$9\n")
    assert plan.dial("5123", "local") == "7123"
    with pytest.raises(DialPlanError):
        plan.dial("5523", "local")


def test_an_empty_plan_accepts_nothing() -> None:
    with pytest.raises(DialPlanError):
        DialPlan().dial("1", "local")


def test_lines_that_say_nothing_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    plan = parse_dial_plan("rw\naccept 5\nreject\nrw 5\nfoo bar baz\nfoo x y\n\n# c\n  \r\n")
    assert plan.rules == (DialRule(keyword="rw", pattern="5"),)
    assert caplog.text.count("unknown keywords") == 1
