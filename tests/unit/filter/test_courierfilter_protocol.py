"""The courierfilter protocol and control files: pinned cases 175-178 of spec filter 6.7, and limits.

Requests and replies are fed whole and octet by octet from the same tables.
"""

from __future__ import annotations

import pytest

from couriermail.filter.courierfilter import (
    ControlFile,
    ControlRecord,
    FilterProtocolError,
    FilterReply,
    FilterRequest,
    ReplyReader,
    RequestReader,
    Verdict,
)


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("wire", "verdict", "text"),
    [
        pytest.param(b"500 No way\n", Verdict.REFUSED, "500 No way", id="175-permanent"),
        pytest.param(b"400 Try later\n", Verdict.REFUSED, "400 Try later", id="175-temporary"),
        pytest.param(
            b"550-line1\n550 end\n", Verdict.REFUSED, "550-line1\n550 end", id="175-two-lines"
        ),
        pytest.param(b"200-a\n200 b\n", Verdict.PASSED, "200-a\n200 b", id="176-two-lines"),
        pytest.param(b"299\n", Verdict.PASSED, "299 ", id="176-bare-code"),
        pytest.param(b"100 x\n", Verdict.PASSED, "100 x", id="176-1xx"),
        pytest.param(b"300 x\n", Verdict.PASSED, "300 x", id="176-3xx"),
        pytest.param(b"999 x\n", Verdict.PASSED, "999 x", id="176-9xx"),
        pytest.param(b"050 accept stop\n", Verdict.ACCEPTED, "50 accept stop", id="177-0xx"),
        pytest.param(b"200 Ok.", Verdict.PASSED, "200 Ok.", id="no-line-end"),
        pytest.param(b"550-more to come", Verdict.REFUSED, "550 more to come", id="ends-within"),
        pytest.param(b"550 Gone\r\n", Verdict.REFUSED, "550 Gone", id="crlf"),
        pytest.param(b"550 a\x07b\n", Verdict.REFUSED, "550 a?b", id="control-character"),
        pytest.param("550 nö\n".encode(), Verdict.REFUSED, "550 nö", id="utf-8"),
        pytest.param(b"550-a\nno code\n550 c\n", Verdict.REFUSED, "550-a\n550 no code", id="odd"),
    ],
)
def test_a_reply_is_read_whatever_the_pieces(
    wire: bytes, verdict: Verdict, text: str, step: int
) -> None:
    reply = read_reply(wire, step)

    assert reply.verdict is verdict
    assert str(reply.reply) == text


@pytest.mark.parametrize(
    ("wire", "text", "enhanced"),
    [
        (b"450 4.7.1 Slow down.\n", "Slow down.", "4.7.1"),
        (b"550-5.7.1 a\n550 5.7.1 b\n", "a\nb", "5.7.1"),
        (b"550-5.7.1 a\n550 b\n", "5.7.1 a\nb", None),
        (b"550 4.7.1 wrong class\n", "4.7.1 wrong class", None),
        (b"550 5.7 x\n", "5.7 x", None),
    ],
)
def test_an_enhanced_code_is_not_said_twice(wire: bytes, text: str, enhanced: str | None) -> None:
    reply = FilterReply.parse(wire).reply
    assert (reply.text, reply.enhanced) == (text, enhanced)


def read_reply(wire: bytes, step: int) -> FilterReply:
    """The reply, fed in pieces of `step` octets; what follows its last line is not looked at."""
    reader = ReplyReader()
    for start in range(0, len(wire), step):
        reply = reader.feed(wire[start : start + step])
        if reply is not None:
            return reply
    return reader.close()


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"hello\n", id="175-no-code"),
        pytest.param(b"5\n", id="175-one-digit"),
        pytest.param(b"", id="178-nothing"),
        pytest.param(b"\n", id="178-empty-line"),
        pytest.param(b"550a\n", id="no-blank"),
        pytest.param("٥٥٠ x\n".encode(), id="other-digits"),
        pytest.param(b"550-x\n" * 20_000, id="endless"),
        pytest.param(b"x" * 100_000, id="endless-line"),
    ],
)
def test_what_is_no_reply_counts_as_no_answer(wire: bytes) -> None:
    """Courier shows `hello` and `5` to the client (175); ours is temporary (spec 4.19 T)."""
    with pytest.raises(FilterProtocolError) as caught:
        read_reply(wire, 4096)
    assert caught.value.reply.code == 432
    assert caught.value.is_temporary


def test_a_reply_in_process_is_written_as_it_was_read() -> None:
    wire = b"550-Not here.\n550 Try elsewhere.\n"
    assert FilterReply.parse(wire).to_bytes() == wire


@pytest.mark.parametrize(
    ("wire", "body", "controls"),
    [
        pytest.param(b"/q/D1\n/q/C1\n\n", "/q/D1", ("/q/C1",), id="one"),
        pytest.param(b"/q/D1\n/q/C1\n/q/C2\n\n", "/q/D1", ("/q/C1", "/q/C2"), id="two"),
        pytest.param(b"/q/D1\n\n", "/q/D1", (), id="none"),
        pytest.param(b"/q/\xff\n\n", "/q/\udcff", (), id="any-octets"),
    ],
)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_request_is_read_whatever_the_pieces(
    wire: bytes, body: str, controls: tuple[str, ...], step: int
) -> None:
    reader = RequestReader()
    found = [reader.feed(wire[start : start + step]) for start in range(0, len(wire), step)]

    assert found[:-1] == [None] * (len(found) - 1)
    assert found[-1] == FilterRequest(body, controls)
    assert FilterRequest(body, controls).to_bytes() == wire


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"\n", id="no-body"),
        pytest.param(b"/q/D1\n", id="ends-before-the-empty-line"),
        pytest.param(b"/q/D\0\n\n", id="nul"),
        pytest.param(b"/q/D\n" * 1_000_000, id="endless"),
        pytest.param(b"/q/D\n\n\n", id="empty-line-and-more"),
    ],
)
def test_what_is_no_request_is_refused(wire: bytes) -> None:
    reader = RequestReader()

    def read() -> None:
        for start in range(0, len(wire), 65536):
            if reader.feed(wire[start : start + 65536]) is not None:
                reader.feed(b"more")
        reader.close()

    with pytest.raises(FilterProtocolError):
        read()


@pytest.mark.parametrize("path", ["", "/q/two\nlines"])
def test_a_path_that_is_no_line_cannot_be_sent(path: str) -> None:
    with pytest.raises(FilterProtocolError):
        FilterRequest(path).to_bytes()


CONTROL = b"""\
ss@sender.example
fdns; h.example (h.example [192.0.2.1])
e
t
M0000000000232361.000000006B02A5FF.00005E58
ra@remote.example
Rrfc822;A@remote.example
NF
rb@remote.example
R
N
ORELAYCLIENT=
OTCPREMOTEIP=192.0.2.1
uesmtp
E1795940479
iann
"""


def test_a_control_file_tells_about_the_envelope() -> None:
    control = ControlFile.parse(CONTROL)

    assert control.to_bytes() == CONTROL
    assert (control.sender, control.auth, control.label) == ("s@sender.example", "ann", "esmtp")
    assert control.source == "dns; h.example (h.example [192.0.2.1])"
    assert control.queue_id == "0000000000232361.000000006B02A5FF.00005E58"
    assert control.options == {"RELAYCLIENT": "", "TCPREMOTEIP": "192.0.2.1"}
    first, second = control.recipients
    assert (first.address, first.original, first.notify) == (
        "a@remote.example",
        "rfc822;A@remote.example",
        "F",
    )
    assert (second.address, second.original, second.notify) == ("b@remote.example", "", "")


def test_records_at_the_end_finish_recipients_and_add_others() -> None:
    control = ControlFile.parse(CONTROL + b"I0 R 550 Spam.\nS0 1790000000\nF1 1790000000\nrc@x\n")

    first, second, third = control.recipients
    assert (first.is_finished, first.failed, first.lines) == (True, False, ("550 Spam.",))
    assert (second.is_finished, second.failed) == (True, True)
    assert (third.address, third.is_finished) == ("c@x", False)


@pytest.mark.parametrize(
    "record", [b"S9 1\n", b"S-1 1\n", b"Sx\n", b"S\n", b"I0\n", b"S99999999999 1\n", b"Rlost\n"]
)
def test_records_that_make_no_sense_count_for_nothing(record: bytes) -> None:
    control = ControlFile.parse(record + b"ra@x\n" + record.replace(b"S0", b"S7"))
    assert [found.is_finished for found in control.recipients] == [False]


def test_an_empty_control_file_has_empty_answers() -> None:
    control = ControlFile.parse(b"")
    assert (control.sender, control.queue_id, control.auth, control.recipients) == ("", "", "", ())


def test_a_line_end_in_a_record_makes_no_second_one() -> None:
    control = ControlFile().added([ControlRecord("s", "a\nrvictim@x\nMid")])
    assert control.to_bytes() == b"sa rvictim@x Mid\n"
