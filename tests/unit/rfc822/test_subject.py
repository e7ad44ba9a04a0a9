"""Base subjects: pinned cases 50 and 51 of spec rfc822 6."""

from __future__ import annotations

import pytest

from couriermail.rfc822 import base_subject


@pytest.mark.parametrize(
    ("subject", "base", "is_reply", "is_forward"),
    [
        pytest.param("[list] Re: [list] hello", "HELLO", True, False, id="50-blobs"),
        pytest.param("RE: Fwd: test", "TEST", True, True, id="50-both"),
        pytest.param("[Fwd: hello]", "HELLO", False, True, id="50-wrapper"),
        pytest.param("Re[2]: x", "X", True, False, id="50-numbered"),
        pytest.param("[blob]", "[BLOB]", False, False, id="50-only-a-blob"),
        pytest.param("re [x]: y", "RE [X]: Y", False, False, id="50-blank-before-blob"),
        pytest.param("Re: =?utf-8?q?t=C3=A9st?=", "TÉST", True, False, id="51"),
        pytest.param("test (fwd) (FWD) ", "TEST", False, True, id="trailers"),
        pytest.param("  a \t b\n c ", "A B C", False, False, id="white-space"),
        pytest.param("Re: Re: Re:", "", True, False, id="nothing-left"),
        pytest.param("[Fwd: Re: hello]", "HELLO", True, True, id="nested"),
        pytest.param("[Fwd: a] b]", "B]", False, False, id="a-blob-not-a-wrapper"),
        pytest.param("Regarding: x", "REGARDING: X", False, False, id="no-mark"),
        pytest.param("", "", False, False, id="empty"),
    ],
)
def test_marks_are_taken_off(subject: str, base: str, is_reply: bool, is_forward: bool) -> None:
    found = base_subject(subject)
    assert (found.text, found.is_reply, found.is_forward) == (base, is_reply, is_forward)


def test_hostile_subjects_take_linear_time() -> None:
    for unit in ("[x] ", "Re: ", "(fwd)", "[", "[fwd:", "re[x]:", "re "):
        assert base_subject(unit * (40_000 // len(unit))).text is not None
