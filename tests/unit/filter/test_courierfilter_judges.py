"""dupfilter, ratefilter and verifyfilter: pinned cases 186-189 of spec filter 6.7."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from couriermail.core import ManualClock
from couriermail.filter.courierfilter import (
    DuplicateJudge,
    FilteredMessage,
    FilterRequest,
    Finding,
    Judge,
    RateJudge,
    SenderVerifier,
    VerificationCache,
    VerifyJudge,
)

OK = "200 Ok."
DUPLICATE = "500 Duplicate message rejected."
TOO_MANY = "500 Number of messages exceeded administrative limit."
TEXT = "one\ntwo 2\nthree\nfour\nfive\nsix\nseven\n"


class Mail:
    """Makes messages with their files."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._count = 0

    def __call__(
        self,
        *controls: str,
        body: str = TEXT,
        subject: str = "hello",
        received: str = "",
        missing: bool = False,
    ) -> FilteredMessage:
        """A message; each control file is given by its records, `M` is added unless it is said."""
        self._count += 1
        path = self._directory / f"D{self._count}"
        if not missing:
            path.write_text(f"{received}Date: {self._count}\nSubject: {subject}\n\n{body}")
        paths = []
        for number, text in enumerate(controls):
            control = self._directory / f"C{self._count}.{number}"
            given = text if "\nM" in text else f"{text}\nM{self._count}.{number}\n"
            control.write_text(given.lstrip("\n"))
            paths.append(str(control))
        return FilteredMessage(FilterRequest(str(path), tuple(paths)))


@pytest.fixture
def mail(tmp_path: Path) -> Mail:
    return Mail(tmp_path)


ONE = "sann@x\nrbob@x"


def test_187_the_copy_of_its_level_is_refused_and_all_that_follow(mail: Mail) -> None:
    judge = DuplicateJudge(level=3)
    assert [judge(mail(ONE)) for _ in range(5)] == [OK, OK, DUPLICATE, DUPLICATE, DUPLICATE]


def test_187_a_body_that_is_not_there_is_a_temporary_refusal(mail: Mail) -> None:
    reply = DuplicateJudge()(mail(ONE, missing=True))
    assert reply == "400 dupfilter - cannot open message"


@pytest.mark.parametrize(
    ("subject", "body", "expected"),
    [
        pytest.param("HELLO", TEXT.upper(), OK, id="187-upper-case"),
        pytest.param("hello", TEXT.replace("2", "999"), DUPLICATE, id="187-digits"),
        pytest.param("hello!", TEXT.replace("two", "t-w.o"), DUPLICATE, id="187-punctuation"),
        pytest.param("hello", TEXT.replace("\n", "\n\n"), DUPLICATE, id="187-empty-lines"),
        pytest.param("hello", TEXT.replace("seven", "other"), DUPLICATE, id="last-line"),
        pytest.param("Dear Bob", TEXT, DUPLICATE, id="other-subject"),
        pytest.param("Dear Bob", TEXT.replace("seven", "other"), OK, id="both-ends"),
        pytest.param("hello", TEXT.replace("four", "vier"), OK, id="middle"),
        pytest.param("hello\n folded", TEXT, DUPLICATE, id="continued-subject"),
    ],
)
def test_what_makes_a_copy(mail: Mail, subject: str, body: str, expected: str) -> None:
    judge = DuplicateJudge(level=3)
    for _ in range(2):
        judge(mail(ONE))
    assert judge(mail(ONE, subject=subject, body=body)) == expected


def test_a_short_message_is_one_fingerprint_over_everything(mail: Mail) -> None:
    judge = DuplicateJudge(level=2)
    assert judge(mail(ONE, body="a\nb\nc\n")) == OK
    assert judge(mail(ONE, body="a\nb\nd\n")) == OK
    assert judge(mail(ONE, body="a\nb\nc\n")) == DUPLICATE


def test_further_control_files_of_a_message_are_no_copies(mail: Mail) -> None:
    judge = DuplicateJudge(level=2)
    assert judge(mail(ONE, ONE, ONE)) == OK
    assert judge(mail(ONE)) == DUPLICATE


def test_old_messages_are_forgotten(mail: Mail) -> None:
    judge = DuplicateJudge(level=2, hash_size=3)
    assert judge(mail(ONE)) == OK
    others = ("x\n" * 9, "y\n" * 9)
    assert [judge(mail(ONE, subject=text, body=text)) for text in others] == [OK, OK]
    assert judge(mail(ONE)) == OK


@pytest.mark.parametrize("controls", [(), ("\nsann@x\nM\n",)], ids=["none", "no-id"])
def test_without_a_queue_id_a_message_passes(mail: Mail, controls: tuple[str, ...]) -> None:
    judge = DuplicateJudge(level=2)
    assert [judge(mail(*controls)) for _ in range(3)] == [OK, OK, OK]


def test_copies_that_passed_are_cancelled_once(mail: Mail) -> None:
    cancelled: list[tuple[str, str]] = []
    judge = DuplicateJudge(level=3, cancel=lambda *what: cancelled.append(what))
    for _ in range(5):
        judge(mail(ONE))
    reason = "Message cancelled as a duplicate."
    assert cancelled == [("1.0", reason), ("2.0", reason)]


LOCAL = "Received: from localhost (localhost [127.0.0.1])\n  (uid {uid})\n  by x\n"


def rate(judge: Judge, mail: Mail, count: int, uid: int | None = 1000) -> list[str]:
    """What is said about messages with two recipients each."""
    received = "" if uid is None else LOCAL.format(uid=uid)
    return [judge(mail("sann@x\nrb@x\nrc@x", received=received)) for _ in range(count)]


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        pytest.param(1000, [OK, OK, TOO_MANY, TOO_MANY], id="186-uid"),
        pytest.param(99, [OK] * 4, id="186-system-uid"),
        pytest.param(None, [OK] * 4, id="186-no-key"),
    ],
)
def test_a_local_sender_has_so_many_recipients(
    mail: Mail, uid: int | None, expected: list[str]
) -> None:
    judge = RateJudge(max_recipients=5, code="500", clock=ManualClock())
    assert rate(judge, mail, 4, uid) == expected


def test_186_a_body_that_is_not_there_has_no_sender(mail: Mail) -> None:
    judge = RateJudge(max_recipients=0, clock=ManualClock())
    assert judge(mail("sann@x\nrb@x", missing=True)) == OK


def test_a_login_counts_whatever_its_address(mail: Mail) -> None:
    judge = RateJudge(max_recipients=3, clock=ManualClock())
    controls = ["sann@x\nrb@x\nrc@x\niann", "snobody@x\nrb@x\nrc@x\niann", "sann@x\nrb@x\nibob"]
    assert [judge(mail(control)) for control in controls] == [
        OK,
        "450 4.7.1 Number of messages exceeded administrative limit.",
        OK,
    ]


def test_an_exempt_login_is_not_limited(mail: Mail) -> None:
    judge = RateJudge(max_recipients=0, exempt=frozenset({"news"}), clock=ManualClock())
    assert judge(mail("sann@x\nrb@x\ninews")) == OK
    assert judge(mail("sann@x\nrb@x\niann")) != OK


def test_the_half_before_counts_and_the_one_before_that_does_not(mail: Mail) -> None:
    """Courier forgets the half before (verified: 4 + 2 recipients pass a limit of 5)."""
    clock = ManualClock(time=6000.0)
    judge = RateJudge(max_recipients=5, code="500", clock=clock)
    clock.advance(29)
    assert rate(judge, mail, 2) == [OK, OK]
    clock.advance(1)
    assert rate(judge, mail, 1) == [TOO_MANY]
    clock.advance(60)
    assert rate(judge, mail, 1) == [OK]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("  (uid 1000)\n", OK),
        ("(uid 1000)\n", OK),
        ("  (AUTH: x)\n", OK),
        ("  (uid x)\n", OK),
        ("  (uid " + "9" * 30 + ")\n", OK),
    ],
    ids=["limited", "no-continuation", "other", "no-number", "huge"],
)
def test_only_our_own_word_names_a_local_sender(mail: Mail, line: str, found: str) -> None:
    judge = RateJudge(max_recipients=0, code="500", clock=ManualClock())
    reply = judge(mail("sann@x\nrb@x", received=f"Received: from x\n{line}"))
    assert reply == (TOO_MANY if line == "  (uid 1000)\n" else found)


class Network:
    """A probe that counts how often it is asked."""

    def __init__(self, finding: Finding | None = None) -> None:
        self.finding = finding or Finding(is_good=True)
        self.asked: list[str] = []

    def __call__(self, address: str) -> Finding:
        self.asked.append(address)
        return self.finding


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def cache(tmp_path: Path, clock: ManualClock) -> VerificationCache:
    (tmp_path / "track").mkdir()
    return VerificationCache(str(tmp_path / "track"), clock)


BAD = Finding(
    is_good=False,
    is_hard=True,
    server="mx.x [192.0.2.1]",
    command="RCPT TO:<ann@x>",
    lines=("Unknown user.",),
)


@pytest.mark.parametrize(
    "controls",
    [("\ns\nM1\n",), ("\nsann@x\niann\nM1\n",), ()],
    ids=["188-null", "188-auth", "188-none"],
)
def test_who_is_not_verified(mail: Mail, controls: tuple[str, ...]) -> None:
    network = Network(BAD)
    assert VerifyJudge(SenderVerifier(network))(mail(*controls)) == OK
    assert network.asked == []


def test_188_an_address_without_a_domain_is_bad(mail: Mail) -> None:
    reply = VerifyJudge(SenderVerifier(Network()))(mail("snoone"))
    assert reply == "530-Invalid email address\n530 <noone> verification failed."


def test_188_an_address_that_was_bad_lately_is_not_asked_again(
    mail: Mail, cache: VerificationCache
) -> None:
    cache.remember("bad@x", is_good=False)
    network = Network()
    reply = VerifyJudge(SenderVerifier(network, cache))(mail("sbad@x"))
    assert reply == (
        "530-Cached verification status found (previously undeliverable):\n"
        "530 <bad@x> verification failed."
    )
    assert network.asked == []


@pytest.mark.parametrize(
    ("sender", "full", "asked"),
    [
        pytest.param("ok-x@cached.example", False, 0, id="189-verp"),
        pytest.param("ok@CACHED.example", False, 0, id="189-domain-case"),
        pytest.param("ok-x@cached.example", True, 1, id="full"),
        pytest.param("OK@cached.example", False, 1, id="local-part-case"),
    ],
)
def test_what_counts_as_the_same_address(
    mail: Mail, cache: VerificationCache, sender: str, *, full: bool, asked: int
) -> None:
    cache.remember("ok@cached.example", is_good=True)
    network = Network()
    verifier = SenderVerifier(network, cache, full=full)
    assert VerifyJudge(verifier)(mail(f"s{sender}")) == OK
    assert len(network.asked) == asked


def test_a_refusal_names_server_command_and_answer(mail: Mail) -> None:
    reply = VerifyJudge(SenderVerifier(Network(BAD)))(mail("sann@x"))
    assert reply == (
        "530-mx.x [192.0.2.1]:\n530->>> RCPT TO:<ann@x>\n530-Unknown user.\n"
        "530 <ann@x> verification failed."
    )


def test_trouble_on_the_way_is_temporary_and_not_remembered(
    mail: Mail, cache: VerificationCache
) -> None:
    network = Network(Finding(is_good=False, lines=("Connection refused",)))
    judge = VerifyJudge(SenderVerifier(network, cache))
    assert [judge(mail("sann@x")) for _ in range(2)] == [
        "430-Connection refused\n430 <ann@x> verification failed."
    ] * 2
    assert len(network.asked) == 2


def test_a_good_address_is_asked_about_every_three_hours(
    cache: VerificationCache, clock: ManualClock
) -> None:
    network = Network()
    verifier = SenderVerifier(network, cache)
    for _ in range(3):
        assert verifier.verify("ann@x").is_good
    assert len(network.asked) == 1
    clock.advance(4 * 3600)
    assert verifier.verify("ann@x").is_good
    assert len(network.asked) == 2


def test_a_good_address_that_keeps_writing_is_kept_fresh(
    cache: VerificationCache, clock: ManualClock
) -> None:
    network = Network()
    verifier = SenderVerifier(network, cache)
    for _ in range(20):
        assert verifier.verify("ann@x").is_good
        clock.advance(1800)
    assert len(network.asked) == 1


def test_a_bad_address_gets_another_chance_after_an_hour(
    cache: VerificationCache, clock: ManualClock
) -> None:
    network = Network(BAD)
    verifier = SenderVerifier(network, cache)
    verifier.verify("ann@x")
    clock.advance(3599)
    verifier.verify("ann@x")
    clock.advance(1)
    verifier.verify("ann@x")
    assert len(network.asked) == 2


def test_a_domain_to_skip_is_good_unasked() -> None:
    network = Network(BAD)
    assert SenderVerifier(network, skip=frozenset({"x"})).verify("ann@X").is_good
    assert network.asked == []


def test_a_domain_is_asked_once_at_a_time(cache: VerificationCache) -> None:
    at_once = 0
    most = 0
    guard = threading.Lock()
    inside = threading.Event()

    def probe(address: str) -> Finding:
        nonlocal at_once, most
        with guard:
            at_once += 1
            most = max(most, at_once)
        inside.wait(0.01)
        with guard:
            at_once -= 1
        return Finding(is_good=True)

    verifier = SenderVerifier(probe, cache, full=True)
    run_at_once(lambda number: verifier.verify(f"user{number}@x"), 5)
    assert most == 1


def run_at_once(work: Callable[[int], object], count: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_old_files_of_the_cache_are_purged_and_others_are_left(
    cache: VerificationCache, clock: ManualClock, tmp_path: Path
) -> None:
    cache.remember("ann@x", is_good=True)
    (tmp_path / "track" / "README").touch()
    clock.advance(2 * 3600)
    cache.purge()
    assert len(list((tmp_path / "track").iterdir())) == 2
    clock.advance(3600)
    cache.purge()
    assert [path.name for path in (tmp_path / "track").iterdir()] == ["README"]


def test_a_missing_cache_directory_only_costs_another_question(tmp_path: Path) -> None:
    network = Network()
    verifier = SenderVerifier(network, VerificationCache(str(tmp_path / "none")))
    assert verifier.verify("ann@x").is_good
    assert verifier.verify("ann@x").is_good
    assert len(network.asked) == 2
    VerificationCache(str(tmp_path / "none")).purge()


def test_an_address_of_two_lines_writes_no_record(cache: VerificationCache, tmp_path: Path) -> None:
    cache.remember("a@x\n1 Vevil@x", is_good=True)
    assert list((tmp_path / "track").iterdir()) == []
