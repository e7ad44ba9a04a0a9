"""Global filters at submission: pinned cases 175-179, 191 of spec filter 6.7 through `Submission`."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from tests.support.filters import make_places, raw_filter, running_filter
from tests.support.open_admission import OpenAdmission

from couriermail.core import Reply
from couriermail.filter.courierfilter import FilteredMessage, FilterPlaces
from couriermail.mta.filtercopy import IN_MEMORY
from couriermail.mta.globalfilters import GlobalFilters
from couriermail.mta.submission import Accepted, Origin, Submission, Submitter
from couriermail.queue import Job, Queue, Recipient

MESSAGE = b"From: ann@example.com\nSubject: hello\n\ntext\n"
OK = "200 Ok."


class Elsewhere(OpenAdmission):
    """No recipient has a mailbox here."""

    def recipient(
        self, recipient: Recipient, origin: Origin, *, verp: bool = False
    ) -> Accepted | Reply:
        return Accepted((recipient,), is_remote=True)


@pytest.fixture
def places(tmp_path: Path) -> FilterPlaces:
    return make_places(tmp_path)


@pytest.fixture
def filters(places: FilterPlaces, queue: Queue) -> Iterator[GlobalFilters]:
    made = GlobalFilters(places, frozenset({"esmtp"}), queue, timeout=10.0)
    yield made
    made.close()


@pytest.fixture
def site(submitter: Submitter, filters: GlobalFilters) -> Submitter:
    submitter.filters = filters
    return submitter


ORIGIN = Origin(
    module="esmtp",
    source="dns; client.example ([192.0.2.1])",
    label="authsmtp",
    auth="ann",
    may_relay=True,
    client_ip="192.0.2.1",
)


def begin(site: Submitter, *recipients: str, origin: Origin = ORIGIN) -> Submission:
    submission = site.begin(origin, "ann@example.com", envid="e1", ret="H")
    assert isinstance(submission, Submission)
    for address in recipients or ("bob@example.com",):
        assert submission.add_recipient(address, notify="F", original="rfc822;x").is_success
    return submission


def send(
    site: Submitter, *recipients: str, data: bytes = MESSAGE, origin: Origin = ORIGIN
) -> Reply:
    submission = begin(site, *recipients, origin=origin)
    submission.write(data)
    return submission.finish().result(10)


def queued(site: Submitter) -> list[Job]:
    return site.queue.lease(limit=20, now=site.clock.now() + 1)


def left_over(site: Submitter) -> list[str]:
    """Files of messages that filters were shown."""
    assert site.filters is not None
    return os.listdir(site.filters.work) if os.path.isdir(site.filters.work) else []


def test_a_message_that_passes_is_queued_as_it_came(site: Submitter, places: FilterPlaces) -> None:
    with running_filter(places, "mine", OK) as asked:
        reply = send(site)
    assert reply.code == 250
    [job] = queued(site)
    assert job.body_bytes() is not None
    assert (job.body_bytes() or b"").endswith(b"\ntext\n")
    assert len(asked) == 1
    assert left_over(site) == []


def test_filters_see_the_whole_message_and_its_envelope(
    site: Submitter, places: FilterPlaces
) -> None:
    seen: list[tuple[bytes, list[tuple[str, str]]]] = []

    def judge(message: FilteredMessage) -> str:
        records = [(record.type, record.text) for record in message.controls[0].records]
        seen.append((message.read(), records))
        mode = os.stat(message.body_path).st_mode & 0o777
        return OK if mode == 0o660 else f"550 {mode:o}"

    with running_filter(places, "mine", judge):
        assert send(site, "bob@example.com", "eve@example.com").code == 250
    [(body, records)] = seen
    [job] = queued(site)
    assert body == job.body_bytes()
    assert records == [
        ("s", "ann@example.com"),
        ("f", "dns; client.example ([192.0.2.1])"),
        ("e", "e1"),
        ("t", "H"),
        ("M", job.id),
        ("r", "bob@example.com"),
        ("R", "rfc822;x"),
        ("N", "F"),
        ("r", "eve@example.com"),
        ("R", "rfc822;x"),
        ("N", "F"),
        ("O", "RELAYCLIENT="),
        ("O", "TCPREMOTEIP=192.0.2.1"),
        ("O", "TCPREMOTEHOST="),
        ("u", "authsmtp"),
        ("E", f"{job.envelope.expires:.0f}"),
        ("W", f"{job.envelope.warn:.0f}"),
        ("i", "ann"),
    ]


def test_a_message_of_many_recipients_has_several_control_files(
    site: Submitter, places: FilterPlaces
) -> None:
    site.settings = attrs.evolve(site.settings, batch_size=2)
    sizes: list[list[int]] = []

    def judge(message: FilteredMessage) -> str:
        sizes.append([len(control.recipients) for control in message.controls])
        return OK

    with running_filter(places, "mine", judge):
        assert send(site, *(f"user{number}@example.com" for number in range(5))).code == 250
    assert sizes == [[2, 2, 1]]
    assert len(queued(site)) == 3


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param("500 No way", "500 No way", id="175-permanent"),
        pytest.param("400 Try later", "400 Try later", id="175-temporary"),
        pytest.param("550-line1\n550 end", "550-line1\n550 end", id="175-two-lines"),
        pytest.param("hello", "432 4.3.0 Mail filters temporarily unavailable.", id="175-garbage"),
        pytest.param("", "432 4.3.0 Mail filters temporarily unavailable.", id="178-empty"),
    ],
)
def test_a_refusal_reaches_the_client_and_nothing_is_queued(
    site: Submitter, places: FilterPlaces, answer: str, expected: str
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer.encode())

    with raw_filter(places.socket("mine"), serve):
        assert str(send(site)) == expected
    assert queued(site) == []
    assert left_over(site) == []


@pytest.mark.parametrize(
    "answer", ["200-a\n200 b", "299", "100 x", "300 x", "999 x"], ids=["176", "b", "c", "d", "e"]
)
def test_the_next_filter_is_asked_after_one_that_passes(
    site: Submitter, places: FilterPlaces, answer: str
) -> None:
    with running_filter(places, "a", answer), running_filter(places, "b", "550 b"):
        assert str(send(site)) == "550 b"


def test_177_a_final_acceptance_gives_the_normal_reply(
    site: Submitter, places: FilterPlaces
) -> None:
    with running_filter(places, "a", "050 accept stop"), running_filter(places, "b", "550 b"):
        assert str(send(site)).startswith("250 2.6.0 Ok. ")


def test_178_a_plain_file_among_the_sockets_refuses_for_now(
    site: Submitter, places: FilterPlaces
) -> None:
    Path(places.socket("file")).touch()
    assert send(site).code == 432
    assert queued(site) == []


@pytest.mark.parametrize("module", ["local", "dsn"])
def test_179_other_sources_are_not_filtered(
    site: Submitter, places: FilterPlaces, module: str
) -> None:
    origin = attrs.evolve(ORIGIN, module=module)
    with running_filter(places, "mine", "550 no") as asked:
        assert send(site, origin=origin).code == 250
    assert asked == []


def test_179_mail_that_stays_with_nobody_here_is_for_the_filters_of_all_mail(
    site: Submitter, places: FilterPlaces, tmp_path: Path
) -> None:
    site.admission = Elsewhere()
    (tmp_path / "etc/filters/everything-mode").write_text("all\n")
    with running_filter(places, "mine", "550 no") as asked:
        assert send(site).code == 250
        with running_filter(places, "everything", "550 all"):
            assert str(send(site)) == "550 all"
    assert asked == []


def test_the_mail_systems_own_messages_are_not_filtered(
    site: Submitter, places: FilterPlaces
) -> None:
    with running_filter(places, "mine", "550 no"):
        submission = site.begin(ORIGIN, "", internal=True)
        assert isinstance(submission, Submission)
        submission.add_checked([Recipient(address="bob@example.com")])
        submission.write(MESSAGE)
        assert submission.finish().result(10).code == 250


@pytest.mark.parametrize("size", [0, 200_000, IN_MEMORY + 100_000, 2_000_000], ids=str)
def test_191_a_filter_changes_the_body_and_adds_records(
    site: Submitter, places: FilterPlaces, size: int
) -> None:
    def judge(message: FilteredMessage) -> str:
        with open(message.body_path, "r+b") as body:
            text = body.read().replace(b"Subject: hello", b"Subject: HELLO")
            body.seek(0)
            body.write(text + "größer\n".encode())
        with open(message.control_paths[0], "ab") as control:
            control.write(b"rnew@example.com\nR\nNN\nI1 R spam\nS1 1790000000\n")
        return OK

    data = MESSAGE + b"line\n" * (size // 5)
    with running_filter(places, "mine", judge):
        assert send(site, "bob@example.com", "eve@example.com", data=data).code == 250
    [job] = queued(site)
    with job.open_body() as body:
        text = body.read()
    assert b"\nSubject: HELLO\n" in text
    assert text.endswith("größer\n".encode())
    assert len(text) > size
    assert job.envelope.eight_bit
    assert not job.envelope.smtputf8
    assert [(state.recipient.address, state.state) for state in job.states] == [
        ("bob@example.com", "pending"),
        ("eve@example.com", "success"),
        ("new@example.com", "pending"),
    ]
    assert job.states[1].lines == ("spam",)
    assert job.states[2].recipient.notify == "N"
    assert left_over(site) == []


def test_a_change_of_the_same_size_is_seen_at_once(site: Submitter, places: FilterPlaces) -> None:
    """File times alone would not show what is written in the same tick of the clock."""

    def judge(message: FilteredMessage) -> str:
        with open(message.body_path, "r+b") as body:
            body.seek(-5, os.SEEK_END)
            body.write(b"TEXT\n")
        return OK

    with running_filter(places, "mine", judge):
        for _ in range(20):
            assert send(site).code == 250
    assert all((job.body_bytes() or b"").endswith(b"\nTEXT\n") for job in queued(site))


def test_a_filter_may_write_eight_bit_headers(site: Submitter, places: FilterPlaces) -> None:
    def judge(message: FilteredMessage) -> str:
        text = message.read()
        Path(message.body_path).write_bytes("X-Größe: 1\n".encode() + text)
        return OK

    with running_filter(places, "mine", judge):
        assert send(site).code == 250
    [job] = queued(site)
    assert job.envelope.smtputf8


def test_a_filter_that_removes_the_files_refuses_for_now(
    site: Submitter, places: FilterPlaces
) -> None:
    def judge(message: FilteredMessage) -> str:
        os.unlink(message.body_path)
        return OK

    with running_filter(places, "mine", judge):
        assert send(site).code == 432
    assert queued(site) == []
    assert left_over(site) == []


def test_a_filter_that_hangs_refuses_for_now_and_others_go_on(
    site: Submitter, places: FilterPlaces
) -> None:
    assert site.filters is not None
    site.filters.timeout = 0.2
    gone = threading.Event()
    with raw_filter(places.socket("slow"), lambda connection: void(gone.wait(10))):
        first, second = begin(site), begin(site, origin=attrs.evolve(ORIGIN, module="local"))
        first.write(MESSAGE)
        second.write(MESSAGE)
        waiting = first.finish()
        assert second.finish().result(10).code == 250
        assert waiting.result(10).code == 432
        gone.set()
    assert left_over(site) == []


def void(value: object) -> None:
    """A function's result is not wanted."""


def test_the_event_loop_goes_on_while_a_filter_thinks(
    site: Submitter, places: FilterPlaces
) -> None:
    may_answer = threading.Event()

    def judge(message: FilteredMessage) -> str:
        may_answer.wait(10)
        return OK

    async def both() -> Reply:
        submission = begin(site)
        submission.write(MESSAGE)
        waiting = asyncio.wrap_future(submission.finish())
        await asyncio.sleep(0)
        assert not waiting.done()
        may_answer.set()  # reached while the filter waits: the loop was free
        return await waiting

    with running_filter(places, "mine", judge):
        assert asyncio.run(both()).code == 250


def test_the_reply_comes_after_the_commit(site: Submitter, places: FilterPlaces) -> None:
    with running_filter(places, "mine", OK):
        reply = send(site)
        [job] = queued(site)  # at once, without waiting
    assert reply.text == f"Ok. {job.id.partition('.')[2]}"


def test_a_message_that_is_given_up_leaves_no_file(site: Submitter, places: FilterPlaces) -> None:
    with running_filter(places, "mine", OK):
        submission = begin(site)
        submission.write(MESSAGE + b"line\n" * 100_000)
        assert left_over(site) != []
        submission.discard()
        assert left_over(site) == []


def test_a_message_that_breaks_a_limit_is_not_shown(site: Submitter, places: FilterPlaces) -> None:
    site.settings = attrs.evolve(site.settings, size_limit=300_000)
    with running_filter(places, "mine", OK) as asked:
        assert send(site, data=MESSAGE + b"line\n" * 100_000).code == 523
    assert asked == []
    assert left_over(site) == []


def test_without_a_filter_no_copy_is_made(site: Submitter, filters: GlobalFilters) -> None:
    assert filters.copy_for("esmtp", "id") is None
    assert send(site).code == 250
    assert not os.path.exists(filters.work)


def test_copies_that_cannot_be_written_refuse_for_now(
    site: Submitter, places: FilterPlaces
) -> None:
    with running_filter(places, "mine", OK) as asked:
        Path(f"{places.sockets}/.messages").touch()
        assert send(site).code == 432
        assert send(site, data=MESSAGE + b"line\n" * 100_000).code == 432
    assert asked == []
    assert queued(site) == []


def test_what_a_killed_process_left_is_removed_later(
    filters: GlobalFilters, tmp_path: Path
) -> None:
    filters.remove_stale(time.time())
    os.makedirs(filters.work)
    left = Path(filters.work) / "1.2.3.D"
    left.touch()
    filters.remove_stale(time.time())
    assert left.exists()
    filters.remove_stale(time.time() + 3601)
    assert not left.exists()


def test_a_stopped_system_answers_what_still_waits(site: Submitter, places: FilterPlaces) -> None:
    gone = threading.Event()
    assert site.filters is not None
    with raw_filter(places.socket("slow"), lambda connection: void(gone.wait(10))):
        waiting = []
        for _ in range(3):
            submission = begin(site)
            submission.write(MESSAGE)
            waiting.append(submission.finish())
        site.close()
        gone.set()
    assert {future.result(10).code for future in waiting} <= {250, 432}
    assert left_over(site) == []


def test_a_closed_system_refuses_for_now(site: Submitter, places: FilterPlaces) -> None:
    with running_filter(places, "mine", OK) as asked:
        site.close()
        assert send(site, data=MESSAGE + b"line\n" * 100_000).code == 432
    assert asked == []
    assert queued(site) == []
    assert left_over(site) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [("", None), ("dsn", None), ("esmtp local", {"esmtp", "local"}), ("dsn uucp", {"uucp"})],
)
def test_enablefiltering_names_the_sources(
    queue: Queue, tmp_path: Path, words: str, expected: set[str] | None
) -> None:
    from couriermail.mta import load_config

    (tmp_path / "etc").mkdir()
    if words:
        (tmp_path / "etc/enablefiltering").write_text(f"{words}\n")
    made = GlobalFilters.of(load_config(tmp_path / "etc", hostname="x.example"), queue)
    assert (made.modules if made else None) == expected
    if made is not None:
        made.close()
