"""Recipient filters through `Submission`, with real programs (spec filter 4.18, mta 6.6, 11.8)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import attrs
import pytest
from tests.support.filters import make_places, running_filter
from tests.support.open_admission import OpenAdmission
from tests.support.recipientfilters import DirectRunner, asked, set_filter, write_program

from couriermail.core import Reply
from couriermail.filter.courierfilter import FilterPlaces
from couriermail.filter.rcptfilter import FilterAccount, PartialRefusal
from couriermail.mta.accounts import LocalTarget
from couriermail.mta.globalfilters import GlobalFilters
from couriermail.mta.rcptfilter import FilterProgram
from couriermail.mta.recipientfilters import RecipientFilters, alias_account
from couriermail.mta.submission import Accepted, Origin, Submission, Submitter
from couriermail.queue import Job, Outcome, Queue, Recipient

MESSAGE = b"From: ann@example.com\nSubject: hello\n\ntext\n"
ESMTP = Origin(
    module="esmtp",
    source="dns; client.example ([192.0.2.1])",
    label="smtp",
    client_ip="192.0.2.1",
)
LOCAL = Origin(module="local", source="dns; localhost (localhost [127.0.0.1])")
WHITELISTED = "412 4.7.1 You are whitelisted by this recipient, please try again later."
NOT_WHITELISTED = "412 4.7.1 You are not whitelisted by this recipient, please try again later."


@attrs.define
class Homes(OpenAdmission):
    """Every local part is an account below `root`; `far@` is remote, `list@` and `role@` aliases."""

    root: Path = attrs.field(kw_only=True)

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        name = recipient.address.partition("@")[0]
        if name == "far":
            return Accepted((recipient,), is_remote=True, targets=(None,))
        if name == "list":
            members = tuple(Recipient(address=f"{who}@x", notify="N") for who in ("tess", "tom"))
            done = ((recipient, Outcome(index=0, kind="success", flag="r", lines=("250 Ok",))),)
            targets = tuple(self.target(who) for who in ("tess", "tom"))
            return Accepted(members, done, ("tess", "tom"), targets=targets, alias="list@x")
        alias = "role@x" if name == "role" else ""
        target = self.target("tess" if alias else name)
        return Accepted((recipient,), (), (target.name,), targets=(target,), alias=alias)

    def target(self, name: str) -> LocalTarget:
        account, _, extension = name.partition("-")
        home = self.root / account
        home.mkdir(exist_ok=True)
        return LocalTarget(
            account=account,
            name=account,
            extension=extension,
            uid=os.geteuid(),
            gid=os.getegid(),
            home=str(home),
        )


@pytest.fixture
def homes(tmp_path: Path) -> Path:
    path = tmp_path / "homes"
    path.mkdir()
    for name in ("tess", "tom", "aliases"):
        (path / name).mkdir()
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return write_program(tmp_path / "filter")


@pytest.fixture
def admission(homes: Path) -> Homes:
    return Homes(root=homes)


@pytest.fixture
def places(tmp_path: Path) -> FilterPlaces:
    return make_places(tmp_path)


@pytest.fixture
def site(
    submitter: Submitter, program: Path, places: FilterPlaces, queue: Queue
) -> Iterator[Submitter]:
    runner = DirectRunner(FilterProgram(str(program), timeout=20.0))
    modules = frozenset({"esmtp", "local"})
    submitter.recipient_filters = RecipientFilters(runner, modules, environment=dict(os.environ))
    submitter.filters = GlobalFilters(places, modules, queue, timeout=10.0)
    yield submitter
    submitter.close()


def begin(
    site: Submitter, origin: Origin = ESMTP, *, exdata: bool = False, is_settled: bool = False
) -> Submission:
    submission = site.begin(origin, "ann@example.com", exdata=exdata, is_settled=is_settled)
    assert isinstance(submission, Submission)
    return submission


def rcpt(submission: Submission, address: str) -> str:
    answer = submission.offer_recipient(address)
    return str(answer if isinstance(answer, Reply) else answer.result(30))


def finish(submission: Submission, data: bytes = MESSAGE) -> Reply:
    submission.write(data)
    return submission.finish().result(30)


def finish_each(submission: Submission) -> list[str]:
    submission.write(MESSAGE)
    answer = submission.finish_each().result(30)
    assert not isinstance(answer, Reply), answer
    return [str(reply) for reply in answer]


def jobs(queue: Queue) -> Sequence[Job]:
    return queue.lease(10, 4e9)


def states(queue: Queue) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Address, outcome, flag and lines of each recipient of the only queued message."""
    (job,) = jobs(queue)
    return [
        (state.recipient.address, state.kind or "", state.flag, state.lines) for state in job.states
    ]


# At RCPT


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        pytest.param(("tess@x", "tom@x"), WHITELISTED, id="183-99-then-0"),
        pytest.param(("tom@x", "tess@x"), NOT_WHITELISTED, id="183-0-then-99"),
        pytest.param(("tess@x", "far@x"), WHITELISTED, id="183-99-then-remote"),
        pytest.param(("far@x", "tess@x"), NOT_WHITELISTED, id="183-remote-then-99"),
    ],
)
def test_recipients_of_a_message_must_agree(
    site: Submitter, homes: Path, queue: Queue, order: tuple[str, str], refusal: str
) -> None:
    set_filter(homes / "tess", "rcptfilter", "exit 99")
    submission = begin(site)
    assert rcpt(submission, order[0]) == "250 2.1.5 Ok."
    assert rcpt(submission, order[1]) == refusal
    assert finish(submission).is_success
    assert [address for address, *_ in states(queue)] == [order[0]]


def test_the_program_is_called_as_the_spec_says(site: Submitter, homes: Path) -> None:
    set_filter(homes / "tess", "rcptfilter-lists", 'echo "550 [$TCPREMOTEIP] $HOME"; exit 1')
    reply = rcpt(begin(site), "tess-lists@x")
    assert reply == f"550 5.7.1 [192.0.2.1] {homes / 'tess'}"
    ids = f"{os.geteuid()}/{os.getegid()}"
    assert asked(homes / "tess") == [
        f"rcptfilter-lists {ids} [] [192.0.2.1] [ann@example.com] [] [] "
        f"SENDER=ann@example.com DEFAULT=./Maildir uid={os.geteuid()}"
    ]


def test_a_filter_that_says_421_does_not_end_the_session(site: Submitter, homes: Path) -> None:
    set_filter(homes / "tess", "rcptfilter", "echo 421 come back; exit 1")
    assert rcpt(begin(site), "tess@x").startswith("450 ")


def test_a_filter_that_hangs_puts_its_recipient_off(
    site: Submitter, homes: Path, program: Path
) -> None:
    assert site.recipient_filters is not None
    quick = FilterProgram(str(program), timeout=0.3, kill_after=0.2)
    site.recipient_filters.runner = DirectRunner(quick)
    set_filter(homes / "tess", "rcptfilter", "sleep 600")
    submission = begin(site)
    assert rcpt(submission, "tess@x").startswith("450 4.3.0 Mail filter did not answer")
    assert rcpt(submission, "tom@x") == "250 2.1.5 Ok."


def test_a_program_that_does_not_exist_lets_all_in(
    site: Submitter, tmp_path: Path, queue: Queue
) -> None:
    assert site.recipient_filters is not None
    nothing = FilterProgram(str(tmp_path / "nothing"))
    site.recipient_filters.runner = DirectRunner(nothing)
    submission = begin(site)
    assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
    assert finish(submission).is_success
    assert len(states(queue)) == 1


def test_an_address_that_names_no_file_has_no_filter(site: Submitter) -> None:
    assert rcpt(begin(site), f"tess-{'x' * 300}@x").startswith("553 5.1.3 ")


def test_an_account_of_the_system_has_no_filter(site: Submitter, homes: Path) -> None:
    """It is as for everybody else without `maildropfilter`: the global filters see its mail."""
    assert site.recipient_filters is not None
    site.recipient_filters.minimum_id = max(os.geteuid(), os.getegid()) + 1
    set_filter(homes / "tess", "rcptfilter", "exit 1")
    submission = begin(site)
    assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
    assert submission.screening is not None
    assert not submission.screening.is_whitelisted
    assert asked(homes / "tess") == []


def test_nobody_is_asked_about_mail_of_other_modules(site: Submitter, homes: Path) -> None:
    submission = begin(site, attrs.evolve(LOCAL, module="uucp"))
    assert submission.screening is None
    assert submission.add_recipient("tess@x").is_success
    assert finish(submission).is_success
    assert asked(homes / "tess") == []


# Aliases


def alias_site(site: Submitter, homes: Path) -> None:
    assert site.recipient_filters is not None
    site.recipient_filters.alias_account = FilterAccount(
        uid=os.geteuid(), gid=os.getegid(), home=str(homes / "aliases")
    )


@pytest.mark.parametrize("alias", ["list", "role"])
def test_an_alias_is_judged_by_the_alias_account(
    site: Submitter, homes: Path, queue: Queue, alias: str
) -> None:
    alias_site(site, homes)
    set_filter(homes / "aliases", f"rcptfilter-alias-{alias}@x", "exit 99")
    submission = begin(site)
    assert rcpt(submission, f"{alias}@x") == "250 2.1.5 Ok."
    assert rcpt(submission, "tom@x") == WHITELISTED
    assert finish(submission).is_success
    assert [line.split()[0] for line in asked(homes / "aliases")] == [f"rcptfilter-alias-{alias}@x"]
    assert asked(homes / "tess") == []  # neither its rcptfilter nor its smtpfilter


def test_an_alias_is_refused(site: Submitter, homes: Path) -> None:
    alias_site(site, homes)
    set_filter(homes / "aliases", "rcptfilter-alias-role@x", "echo 550 closed; exit 1")
    assert rcpt(begin(site), "role@x") == "550 5.7.1 closed"


def test_without_the_account_an_alias_of_one_is_that_one(site: Submitter, homes: Path) -> None:
    set_filter(homes / "tess", "rcptfilter", "echo 550 not me; exit 1")
    submission = begin(site)
    assert rcpt(submission, "role@x") == "550 5.7.1 not me"
    assert rcpt(submission, "list@x") == "250 2.1.5 Ok."  # its members are not asked


def test_a_mailbox_that_an_alias_brings_mail_to_is_not_asked_about_its_content(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    set_filter(homes / "tess", "rcptfilter", "exit 99")
    set_filter(homes / "tess", "smtpfilter", "exit 1")
    submission = begin(site)
    assert rcpt(submission, "list@x") == "250 2.1.5 Ok."
    assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
    assert finish(submission).is_success
    assert {kind for address, kind, *_ in states(queue) if address != "list@x"} == {""}


@pytest.mark.parametrize("home", ["", "/nonexistent/home", "/etc/passwd", "relative"])
def test_an_alias_account_that_is_no_users_directory_is_none(home: str) -> None:
    assert alias_account(home) is None


@pytest.mark.root
def test_the_alias_account_is_the_directorys_owner(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 4321)
    assert alias_account(str(tmp_path)) == FilterAccount(uid=1234, gid=4321, home=str(tmp_path))


# At the end of the message


def ask_content(homes: Path, **scripts: str) -> None:
    """Each account wants to see the content, and does this with it."""
    for name, script in scripts.items():
        set_filter(homes / name, "rcptfilter", "exit 99")
        set_filter(homes / name, "smtpfilter", script)


def test_a_content_filter_reads_the_whole_message(site: Submitter, homes: Path) -> None:
    ask_content(homes, tess="cat >$HOME/seen; exit 0", tom="cat >$HOME/seen; exit 0")
    large = MESSAGE + b"line\n" * 60_000
    for data in (MESSAGE, large):
        submission = begin(site)
        assert rcpt(submission, "tess@x") == rcpt(submission, "tom@x") == "250 2.1.5 Ok."
        assert finish(submission, data).is_success
        for name in ("tess", "tom"):
            seen = (homes / name / "seen").read_bytes()
            assert seen.startswith(b"Received: from client.example")
            assert seen.endswith(data.partition(b"\n\n")[2])


def test_without_exdata_the_refusal_of_all_is_the_reply(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    ask_content(homes, tess="echo 550 spam; exit 1", tom="echo 551 other; exit 1")
    submission = begin(site)
    assert rcpt(submission, "tess@x") == rcpt(submission, "tom@x") == "250 2.1.5 Ok."
    assert str(finish(submission)) == "550 5.7.1 spam"
    assert not jobs(queue)


def test_without_exdata_the_refusal_of_some_is_reported(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    ask_content(homes, tess="echo 550 spam; exit 1", tom="exit 0")
    submission = begin(site)
    assert rcpt(submission, "tess@x") == rcpt(submission, "tom@x") == "250 2.1.5 Ok."
    assert finish(submission).is_success
    assert states(queue) == [
        ("tess@x", "failure", "", ("550 5.7.1 spam",)),
        ("tom@x", "", "", ()),
    ]


def test_without_exdata_the_refusal_of_some_can_be_that_of_all(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    assert site.recipient_filters is not None
    site.recipient_filters.partial = PartialRefusal.REJECT
    ask_content(homes, tess="exit 0", tom="echo 550 spam; exit 1")
    submission = begin(site)
    assert rcpt(submission, "tess@x") == rcpt(submission, "tom@x") == "250 2.1.5 Ok."
    assert str(finish(submission)) == "550 5.7.1 spam"
    assert not jobs(queue)


def test_with_exdata_who_refuses_is_done_and_not_reported(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    ask_content(homes, tess="echo 550 spam; exit 1", tom="exit 0")
    submission = begin(site, exdata=True)
    for address in ("tess@x", "tom@x", "tess@x"):
        assert rcpt(submission, address) == "250 2.1.5 Ok."
    refused, accepted, again = finish_each(submission)
    assert refused == again == "550-tess:\n550 spam"
    assert accepted.startswith("250 Ok. ")
    assert states(queue) == [
        ("tess@x", "success", "", ("550 5.7.1 spam",)),
        ("tom@x", "", "", ()),
    ]
    assert sum(line.startswith("smtpfilter") for line in asked(homes / "tess")) == 1


def test_with_exdata_a_message_for_nobody_is_not_queued(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    ask_content(homes, tess="exit 1")
    submission = begin(site, exdata=True)
    assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
    assert finish_each(submission) == ["450-tess:\n450 Access denied."]
    assert not jobs(queue)


def test_with_exdata_one_reply_is_enough_when_all_take_it(site: Submitter, homes: Path) -> None:
    ask_content(homes, tess="exit 0")
    submission = begin(site, exdata=True)
    assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
    submission.write(MESSAGE)
    answer = submission.finish_each().result(30)
    assert isinstance(answer, Reply)
    assert answer.is_success


def test_recipients_of_several_queued_messages_keep_their_verdicts(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    site.settings = attrs.evolve(site.settings, batch_size=2)
    names = ("tess", "tom", "tim", "ted", "tam")
    for name in names:
        (homes / name).mkdir(exist_ok=True)
    ask_content(homes, **dict.fromkeys(names, "exit 0") | dict.fromkeys(("tim", "tam"), "exit 1"))
    submission = begin(site, exdata=True)
    for name in names:
        assert rcpt(submission, f"{name}@x") == "250 2.1.5 Ok."
    assert [answer[:3] for answer in finish_each(submission)] == ["250", "250", "450", "250", "450"]
    found = {
        state.recipient.address: state.is_finished for job in jobs(queue) for state in job.states
    }
    assert [found[f"{name}@x"] for name in names] == [False, False, True, False, True]


@pytest.mark.parametrize("verdict", ["99", "0"])
def test_184_global_filters_see_what_is_not_whitelisted(
    site: Submitter, homes: Path, places: FilterPlaces, verdict: str
) -> None:
    set_filter(homes / "tess", "rcptfilter", f"exit {verdict}")
    with running_filter(places, "some", "500 No way.") as some:
        submission = begin(site)
        assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
        reply = finish(submission)
    assert str(reply) == "500 No way." if verdict == "99" else reply.is_success
    assert len(some) == (1 if verdict == "99" else 0)


def test_a_message_that_the_global_filters_refuse_is_not_shown_to_its_recipients(
    site: Submitter, homes: Path, places: FilterPlaces
) -> None:
    ask_content(homes, tess="exit 0")
    with running_filter(places, "some", "500 No way."):
        submission = begin(site)
        assert rcpt(submission, "tess@x") == "250 2.1.5 Ok."
        assert str(finish(submission)) == "500 No way."
    assert [line.split()[0] for line in asked(homes / "tess")] == ["rcptfilter"]


def test_a_stop_answers_those_who_wait(site: Submitter, homes: Path) -> None:
    submission = begin(site)
    assert site.recipient_filters is not None
    site.recipient_filters.close()
    assert rcpt(submission, "tess@x").startswith("432 ")


# Behind a message of the local module


def test_local_recipients_are_asked_behind_the_message(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    set_filter(homes / "tess", "rcptfilter", "echo 550 go away; exit 1")
    submission = begin(site, LOCAL)
    assert submission.add_recipient("tess@x").is_success
    assert submission.add_recipient("tom@x").is_success
    assert asked(homes / "tess") == []
    assert finish(submission).is_success
    assert [(who, str(reply)) for who, reply in submission.turned_away] == [
        ("tess@x", "550 5.7.1 go away")
    ]
    assert [address for address, *_ in states(queue)] == ["tom@x"]


def test_a_local_message_for_nobody_is_refused(site: Submitter, homes: Path, queue: Queue) -> None:
    set_filter(homes / "tess", "rcptfilter", "echo 550 go away; exit 1")
    submission = begin(site, LOCAL)
    assert submission.add_recipient("tess@x").is_success
    assert str(finish(submission)) == "550 5.7.1 go away"
    assert not jobs(queue)


def test_recipients_of_the_header_are_refused_together(site: Submitter, homes: Path) -> None:
    set_filter(homes / "tess", "rcptfilter", "echo 550 go away; exit 1")
    submission = begin(site, LOCAL)
    submission.header_recipients = True
    reply = finish(submission, b"To: tess@x, tom@x\nSubject: hello\n\ntext\n")
    assert str(reply) == "550 5.7.1 go away <tess@x>"


def test_a_settled_message_reports_every_refusal(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    """Nobody is there to hear it: of a drop file, or behind RCPT of `sendmail -bs`."""
    set_filter(homes / "tess", "rcptfilter", "echo 550 go away; exit 1")
    (homes / "tim").mkdir()
    ask_content(homes, tim="echo 550 spam; exit 1")
    submission = begin(site, LOCAL, is_settled=True)
    for name in ("tess", "tom", "tim"):
        assert submission.add_recipient(f"{name}@x").is_success
    assert finish(submission).is_success
    assert submission.turned_away == []
    assert states(queue) == [
        ("tess@x", "failure", "", ("550 5.7.1 go away",)),
        ("tom@x", "", "", ()),
        ("tim@x", "failure", "", ("550 5.7.1 spam",)),
    ]


def test_a_refusal_that_says_250_is_reported_to_nobody(
    site: Submitter, homes: Path, queue: Queue
) -> None:
    """The recipient's wish: the sender shall believe that it arrived."""
    ask_content(homes, tess="echo 250 thanks; exit 1", tom="exit 0")
    submission = begin(site)
    assert rcpt(submission, "tess@x") == rcpt(submission, "tom@x") == "250 2.1.5 Ok."
    assert finish(submission).is_success
    assert [(address, kind) for address, kind, *_ in states(queue)] == [
        ("tess@x", "success"),
        ("tom@x", ""),
    ]


def wait_for_each_other(homes: Path, name: str) -> None:
    """The filters of tess and tom wait for each other: one alone would wait for ever."""
    for account, other in (("tess", "tom"), ("tom", "tess")):
        os.mkfifo(homes / account / name)
        wait = f"echo in >{homes / other / name} & read _ <{homes / account / name}"
        set_filter(homes / account, name, f"{wait}; exit {99 if name == 'rcptfilter' else 0}")


def test_filters_of_different_messages_run_together(site: Submitter, homes: Path) -> None:
    wait_for_each_other(homes, "rcptfilter")
    answers: list[Future[Reply] | Reply] = [
        begin(site).offer_recipient(f"{name}@x") for name in ("tess", "tom")
    ]
    for answer in answers:
        assert isinstance(answer, Future)
        assert answer.result(20).is_success


def test_filters_of_one_message_run_together(site: Submitter, homes: Path, queue: Queue) -> None:
    wait_for_each_other(homes, "rcptfilter")
    wait_for_each_other(homes, "smtpfilter")
    submission = begin(site, LOCAL)
    for name in ("tess", "tom"):
        assert submission.add_recipient(f"{name}@x").is_success
    assert finish(submission).is_success
    assert len(states(queue)) == 2
