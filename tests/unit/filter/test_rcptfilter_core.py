"""Recipient filters without I/O: calls, verdicts, agreement, replies (spec filter 4.18, 6.7)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs
import pytest

from couriermail.core import Reply
from couriermail.filter.rcptfilter import (
    Agreement,
    ContentVerdict,
    ContentVerdicts,
    FilterAccount,
    FilterCall,
    FilterCallError,
    FilterResult,
    PartialRefusal,
    Standing,
    alias_filter_name,
    content_filter_name,
    judge_content,
    judge_recipient,
    recipient_filter_name,
)
from couriermail.smtp.replies import joined

TESS = FilterAccount(uid=1000, gid=100, home="/home/tess", maildir="./Mail", quota="9S")
ACCEPTED = Reply(250, "Ok. id", enhanced="2.6.0")


NO_VARIABLES: Mapping[str, str] = {}


def call(
    *,
    name: str = "rcptfilter",
    sender: str = "s@x",
    home: str = "/home/tess",
    environment: Mapping[str, str] = NO_VARIABLES,
) -> FilterCall:
    account = attrs.evolve(TESS, home=home)
    return FilterCall(account=account, name=name, sender=sender, environment=environment)


def plain(reply: object) -> list[str]:
    """The lines of a refusal as Courier has them, without enhanced codes."""
    assert isinstance(reply, Reply)
    return attrs.evolve(reply, enhanced=None).lines()


# -- calls ---------------------------------------------------------------------------------


def test_the_program_gets_the_words_of_the_spec() -> None:
    environment = {
        "TCPREMOTEHOST": "h.example",
        "TCPREMOTEIP": "192.0.2.1",
        "BOUNCE": "b1",
        "BOUNCE2": "b2",
        "BLOCK2": "no",
    }
    made = call(name=recipient_filter_name("ext"), environment=environment)
    assert made.arguments == (
        "-D", "1000/100", "-M", "rcptfilter-ext", "h.example", "192.0.2.1", "s@x", "b1", "b2",
    )  # fmt: skip
    assert made.variables == {
        **environment,
        "SENDER": "s@x",
        "HOME": "/home/tess",
        "DEFAULT": "./Mail",
        "MAILDIRQUOTA": "9S",
    }


def test_what_is_not_set_is_an_empty_word() -> None:
    assert call(sender="").arguments == ("-D", "1000/100", "-M", "rcptfilter", *[""] * 5)


def test_the_account_wins_over_variables_of_the_submission() -> None:
    assert call(environment={"HOME": "/root", "SENDER": "x"}).variables["HOME"] == "/home/tess"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (recipient_filter_name(), "rcptfilter"),
        (recipient_filter_name("a-b"), "rcptfilter-a-b"),
        (content_filter_name(), "smtpfilter"),
        (content_filter_name("a.b"), "smtpfilter-a.b"),
        (alias_filter_name("sales@example.com"), "rcptfilter-alias-sales@example.com"),
        (recipient_filter_name("../../etc"), "rcptfilter-..:..:etc"),
    ],
)
def test_filters_have_the_names_of_the_spec(name: str, expected: str) -> None:
    assert name == expected
    assert call(name=name).name == expected


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: call(name=""), id="no-name"),
        pytest.param(lambda: call(name=".rcptfilter"), id="leading-dot"),
        pytest.param(lambda: call(name="../rcptfilter"), id="path"),
        pytest.param(lambda: call(name="a/b"), id="slash"),
        pytest.param(lambda: call(name="a\nb"), id="line-feed"),
        pytest.param(lambda: call(name="a\0b"), id="nul"),
        pytest.param(lambda: call(name="x" * 256), id="long-name"),
        pytest.param(lambda: call(name="\u00e9" * 128), id="long-name-in-octets"),
        pytest.param(lambda: call(name="\ud800"), id="half-a-pair"),
        pytest.param(lambda: call(sender="a\0b"), id="nul-in-sender"),
        pytest.param(lambda: call(sender="\ud800"), id="half-a-pair-in-sender"),
        pytest.param(lambda: call(home="/a\0"), id="nul-in-home"),
        pytest.param(lambda: call(environment={"A": "\0"}), id="nul-in-value"),
        pytest.param(lambda: call(environment={"A=B": "c"}), id="equals-in-variable"),
        pytest.param(lambda: call(environment={"": "c"}), id="nameless-variable"),
    ],
)
def test_what_no_program_can_be_called_with_is_refused(make: Callable[[], FilterCall]) -> None:
    with pytest.raises(FilterCallError):
        make()


# -- RCPT ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exit_code", "standing"), [(0, Standing.WHITELISTED), (99, Standing.FILTERED)]
)
def test_a_recipient_is_accepted_whatever_its_filter_wrote(
    exit_code: int, standing: Standing
) -> None:
    assert judge_recipient(FilterResult(exit_code, b"550 no")) is standing


@pytest.mark.parametrize(
    ("output", "lines"),
    [
        pytest.param(b"go away\n", ["511 go away"], id="180-text"),
        pytest.param(b"450 later\n", ["450 later"], id="180-code"),
        pytest.param(b"550-one\n550 two\n", ["550-one", "550 two"], id="180-lines"),
        pytest.param(b"250 ok\n", ["511 ok"], id="180-not-a-refusal"),
        pytest.param(b"", ["571 Delivery not authorized, message refused."], id="180-no-text"),
        pytest.param(b"\n \n", ["571 Delivery not authorized, message refused."], id="blank"),
        pytest.param(b"400 a", ["400 a"], id="lowest"),
        pytest.param(b"599 a", ["599 a"], id="highest"),
        pytest.param(b"600 a", ["511 a"], id="above"),
        pytest.param(b"399 a", ["511 a"], id="below"),
        pytest.param(b"450 a\n550 b\nc", ["450-a", "450-b", "450 c"], id="first-line-decides"),
        pytest.param(b"a\n550 b", ["511-a", "511 b"], id="later-code-is-taken-away"),
        pytest.param(b"5500 a", ["511 5500 a"], id="no-code"),
        pytest.param(b"550", ["550 "], id="code-alone"),
        pytest.param(b"550 a\r\n550 b\r\n", ["550-a", "550 b"], id="carriage-returns"),
        pytest.param(b"550 a\x00\x1b[2J\xff", ["550 a??[2J?"], id="controls"),
        pytest.param("550 stra\u00dfe".encode(), ["550 stra\u00dfe"], id="utf-8"),
    ],
)
def test_a_refused_recipient_hears_its_filters_text(output: bytes, lines: list[str]) -> None:
    assert plain(judge_recipient(FilterResult(1, output))) == lines


@pytest.mark.parametrize(
    ("word", "last"),
    [
        ("x", 2047),
        ("word ", 2047),
        ("\u00e9", 2046),
        ("\u00e9\u00e9 x ", 2047),
        ("\U0001f4e7", 2044),
    ],
)
def test_long_text_is_bounded_and_folded_into_lines_that_clients_can_read(
    word: str, last: int
) -> None:
    reply = judge_recipient(FilterResult(1, (word * 3000).encode()))
    assert isinstance(reply, Reply)
    joined_text = reply.text.replace("\n", "").replace(" ", "").rstrip("?")
    assert (word * 3000).replace(" ", "").startswith(joined_text)
    given = (word * 3000).encode()[:last].replace(b" ", b"")
    assert len(joined_text.encode()) >= len(given) - 3  # a character may be cut at the bound
    wire = joined([Reply(reply.code, f"{'a' * 60}:\n{reply.text}")])
    assert all(len(line.encode()) <= 510 for line in wire.lines())
    assert len(reply.text.split("\n")) <= 6


@pytest.mark.parametrize("exit_code", [1, 75, 98, 100, 255])
def test_every_other_status_refuses(exit_code: int) -> None:
    assert isinstance(judge_recipient(FilterResult(exit_code)), Reply)


def test_an_enhanced_code_of_the_filter_is_kept_and_missing_ones_are_added() -> None:
    given = judge_recipient(FilterResult(1, b"550 5.7.26 no\n"))
    assert given == Reply(550, "no", enhanced="5.7.26")
    missing = judge_recipient(FilterResult(1, b"450 later"))
    assert missing == Reply(450, "later", enhanced="4.7.1")


def test_a_filter_that_had_no_say_puts_the_client_off() -> None:
    for judge in (judge_recipient, judge_content):
        reply = judge(FilterResult(None, b"550 half a ver"))
        assert isinstance(reply, Reply)
        assert reply.code == 450
        assert "ver" not in reply.text.split()


# -- agreement -----------------------------------------------------------------------------

W, F = Standing.WHITELISTED, Standing.FILTERED


@pytest.mark.parametrize(
    ("standings", "refusal"),
    [
        pytest.param(
            [F, W],
            "412 You are whitelisted by this recipient, please try again later.",
            id="183-whitelisted-or-remote-second",
        ),
        pytest.param(
            [W, F],
            "412 You are not whitelisted by this recipient, please try again later.",
            id="183-filtered-second",
        ),
    ],
)
def test_recipients_of_two_standings_do_not_share_a_transaction(
    standings: list[Standing], refusal: str
) -> None:
    agreement = Agreement()
    first, second = standings
    assert agreement.admit(first) is None
    assert plain(agreement.admit(second)) == [refusal]
    assert agreement.admit(first) is None  # the refused one changed nothing


@pytest.mark.parametrize(("standing", "expected"), [(W, True), (F, False)])
def test_a_message_is_whitelisted_when_its_recipients_are(
    standing: Standing, expected: bool
) -> None:
    agreement = Agreement()
    assert not agreement.is_whitelisted
    agreement.admit(standing)
    assert agreement.is_whitelisted is expected


# -- the end of DATA -----------------------------------------------------------------------


def verdicts(**refusals: FilterResult) -> ContentVerdicts:
    return ContentVerdicts(
        tuple(ContentVerdict(name, judge_content(result)) for name, result in refusals.items())
    )


def exdata_lines(found: ContentVerdicts) -> list[str]:
    return joined(found.replies(ACCEPTED)).lines()


YES, SPAM = FilterResult(0), FilterResult(1, b"550 spam\n")


@pytest.mark.parametrize(
    ("results", "lines"),
    [
        pytest.param(
            {"tess": FilterResult(1)},
            ["558-450-tess:", "558 450 Access denied."],
            id="181-no-text",
        ),
        pytest.param({"tess": SPAM}, ["558-550-tess:", "558 550 spam"], id="181-code"),
        pytest.param(
            {"tess": FilterResult(1, b"spam\nmore\n")},
            ["558-450-tess:", "558-450-spam", "558 450 more"],
            id="181-text",
        ),
        pytest.param(
            {"tess": SPAM, "tess2": YES},
            ["558-550-tess:", "558-550 spam", "558 250 Ok. id"],
            id="182-first",
        ),
        pytest.param(
            {"tess": YES, "tess2": FilterResult(1, b"550-a\n550 b\n")},
            ["558-250 Ok. id", "558-550-tess2:", "558-550-a", "558 550 b"],
            id="182-second",
        ),
        pytest.param(
            {"a": SPAM, "b": YES, "c": SPAM},
            ["558-550-a:", "558-550 spam", "558-250 Ok. id", "558-550-c:", "558 550 spam"],
            id="three",
        ),
    ],
)
def test_a_client_with_exdata_hears_every_recipients_verdict(
    results: dict[str, FilterResult], lines: list[str]
) -> None:
    assert exdata_lines(verdicts(**results)) == lines


@pytest.mark.parametrize(
    ("output", "code"),
    [
        pytest.param(b"", 450, id="none"),
        pytest.param(b"550 a", 550, id="permanent"),
        pytest.param(b"250 believe it", 250, id="the-recipient-wants-it-thought-delivered"),
        pytest.param(b"354 a", 450, id="no-answer-to-a-message"),
        pytest.param(b"199 a", 450, id="below"),
        pytest.param(b"600 a", 450, id="above"),
    ],
)
@pytest.mark.parametrize("exit_code", [1, 75, 99], ids=["1", "75", "185-99"])
def test_a_content_filter_accepts_with_0_alone(exit_code: int, output: bytes, code: int) -> None:
    refusal = judge_content(FilterResult(exit_code, output))
    assert refusal is not None
    assert refusal.code == code
    assert judge_content(FilterResult(0, output)) is None


def test_without_exdata_the_message_is_refused_when_everybody_refuses() -> None:
    found = verdicts(a=SPAM, b=FilterResult(1, b"450 later"))
    assert found.is_refused
    assert plain(found.reply(ACCEPTED)) == ["550 spam"]


def test_without_exdata_a_partial_refusal_accepts_or_rejects_as_set() -> None:
    found = verdicts(a=YES, b=SPAM)
    assert (found.has_refusal, found.is_refused) == (True, False)
    assert found.reply(ACCEPTED) == ACCEPTED
    assert plain(found.reply(ACCEPTED, PartialRefusal.REJECT)) == ["550 spam"]
    assert [(place, reply.code) for place, reply in found.refusals] == [(1, 550)]


def test_without_refusals_there_is_nothing_to_tell_apart() -> None:
    found = verdicts(a=YES, b=YES)
    assert (found.has_refusal, found.is_refused) == (False, False)
    assert found.reply(ACCEPTED, PartialRefusal.REJECT) == ACCEPTED
    assert joined(found.replies(ACCEPTED)).lines() == ["250 Ok. id"]
    assert not ContentVerdicts(()).is_refused


def test_no_line_of_a_reply_is_the_filters_own() -> None:
    """Whatever a filter writes, every line on the wire begins with the code of the reply."""
    hostile = b"550 a\r\n250 Ok\x0b\x0c354 go\xe2\x80\xa8221 bye\x85x"
    for line in exdata_lines(verdicts(tess=FilterResult(1, hostile))):
        assert re.fullmatch(r"558[- ]550[- ].*", line)
        assert not re.search(r"[\r\n\x00-\x1f]", line)
