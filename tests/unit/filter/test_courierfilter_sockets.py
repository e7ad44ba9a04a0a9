"""Filters and who asks them over sockets: pinned cases 177-179 of spec filter 6.7, trouble, places."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import threading
from pathlib import Path

import pytest
from tests.support.filters import make_places, raw_filter, running_filter

from couriermail.core import StorageError
from couriermail.filter.courierfilter import (
    FilterConfigError,
    FilteredMessage,
    FilterPlaces,
    FilterRequest,
    FilterServer,
    FilterUnavailableError,
    Verdict,
    ask_filter,
    ask_filters,
    find_program,
    switch_off,
    switch_on,
)
from couriermail.filter.courierfilter.filterprocess import FilterProcess

UNAVAILABLE = "432 Mail filters temporarily unavailable."


@pytest.fixture
def places(tmp_path: Path) -> FilterPlaces:
    return make_places(tmp_path)


@pytest.fixture
def request_(tmp_path: Path) -> FilterRequest:
    (tmp_path / "D").write_bytes(b"Subject: x\n\ntext\n")
    (tmp_path / "C").write_bytes(b"sann@x\nM1.2.3\nrbob@x\nR\nN\niann\n")
    return FilterRequest(str(tmp_path / "D"), (str(tmp_path / "C"),))


def test_a_filter_is_a_function_of_the_message(
    places: FilterPlaces, request_: FilterRequest
) -> None:
    def judge(message: FilteredMessage) -> str:
        assert message.read() == b"Subject: x\n\ntext\n"
        return f"550 {message.sender} {message.auth} {message.recipients[0].address}"

    with running_filter(places, "mine", judge):
        assert str(ask_filter(places.socket("mine"), request_).reply) == "550 ann@x ann bob@x"


def test_filters_are_asked_in_the_order_of_their_names(
    places: FilterPlaces, request_: FilterRequest, tmp_path: Path
) -> None:
    (tmp_path / "etc/filters/a-mode").write_text("all\n")
    order: list[str] = []

    def judge_as(name: str) -> str:
        order.append(name)
        return "200 Ok."

    with contextlib.ExitStack() as stack:
        for name in ("b", "a", "B"):

            def judge(message: FilteredMessage, name: str = name) -> str:
                return judge_as(name)

            stack.enter_context(running_filter(places, name, judge))
        assert ask_filters(places.socket_paths(everybody=True), request_) is None
    assert order == ["B", "b", "a"]  # filters/ first, then allfilters/, by octets


def test_after_a_refusal_no_other_filter_is_asked(
    places: FilterPlaces, request_: FilterRequest
) -> None:
    with (
        running_filter(places, "a", "550-no\n550 way"),
        running_filter(places, "b", "200") as asked,
    ):
        reply = ask_filters(places.socket_paths(everybody=True), request_)
    assert reply is not None
    assert str(reply.reply) == "550-no\n550 way"
    assert asked == []


def test_177_after_a_final_acceptance_no_other_filter_is_asked(
    places: FilterPlaces, request_: FilterRequest
) -> None:
    with (
        running_filter(places, "a", "050 accept stop"),
        running_filter(places, "b", "550 no") as asked,
    ):
        assert ask_filters(places.socket_paths(everybody=True), request_) is None
    assert asked == []


def reset(connection: socket.socket) -> None:
    """Close so that the other side sees an error and no end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("answer", [b"", b"hello\n", b"5\n", b"\xff" * 70_000], ids=str)
def test_178_an_answer_that_is_none_is_a_temporary_refusal(
    places: FilterPlaces, request_: FilterRequest, answer: bytes
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(answer)

    path = places.socket("bad")
    with raw_filter(path, serve), pytest.raises(FilterUnavailableError) as caught:
        ask_filters([path], request_)
    assert caught.value.reply.code == 432
    assert caught.value.reply.text == "Mail filters temporarily unavailable."


def test_178_a_filter_that_closes_without_reading_is_a_temporary_refusal(
    places: FilterPlaces,
) -> None:
    path = places.socket("bad")
    large = FilterRequest("/q/" + "x" * 200_000)
    with raw_filter(path, reset), pytest.raises(FilterUnavailableError):
        ask_filter(path, large)


@pytest.mark.parametrize("make", ["file", "directory", "dead socket", "nothing"])
def test_178_what_does_not_listen_is_a_temporary_refusal(
    places: FilterPlaces, request_: FilterRequest, make: str
) -> None:
    path = Path(places.socket("dead"))
    if make == "file":
        path.touch()
    elif make == "directory":
        path.mkdir()
    elif make == "dead socket":
        with socket.socket(socket.AF_UNIX) as closed:
            closed.bind(str(path))
    with pytest.raises(FilterUnavailableError):
        ask_filters([str(path)], request_)


def test_an_answer_before_the_request_was_read_counts(places: FilterPlaces) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"550 No.\n")
        while connection.recv(65536):
            pass

    path = places.socket("hasty")
    with raw_filter(path, serve):
        assert ask_filter(path, FilterRequest("/q/D")).verdict is Verdict.REFUSED


@pytest.mark.parametrize("trickles", [False, True], ids=["silent", "trickling"])
def test_a_filter_that_does_not_end_is_left_after_its_time(
    places: FilterPlaces, request_: FilterRequest, *, trickles: bool
) -> None:
    """A reply in pieces does not buy time: the limit is for the whole exchange."""
    gone = threading.Event()

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while not gone.wait(0.02):
                if trickles:
                    connection.sendall(b"250-still thinking\n")

    path = places.socket("slow")
    with raw_filter(path, serve):
        with pytest.raises(FilterUnavailableError, match="no answer in time"):
            ask_filter(path, request_, timeout=0.15)
        gone.set()


def test_a_full_backlog_is_tried_again(places: FilterPlaces, request_: FilterRequest) -> None:
    path = places.socket("busy")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
        waiting.connect(path)  # fills it
        pauses: list[float] = []
        with pytest.raises(FilterUnavailableError):
            ask_filter(path, request_, timeout=0.05, sleep=pauses.append)
    assert len(pauses) <= 5


def test_a_judge_that_raises_refuses_for_now_and_the_next_message_is_judged(
    places: FilterPlaces, request_: FilterRequest, caplog: pytest.LogCaptureFixture
) -> None:
    def judge(message: FilteredMessage) -> str:
        if len(asked) == 1:
            raise ZeroDivisionError
        return "200 Ok." if len(asked) == 2 else "I forgot the code"

    with running_filter(places, "mine", judge) as asked:
        path = places.socket("mine")
        replies = [str(ask_filter(path, request_).reply) for _ in range(3)]
    assert replies == [UNAVAILABLE, "200 Ok.", UNAVAILABLE]
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("wire", [b"", b"\n", b"/q/D\n", b"/q/D\0\n\n"], ids=str)
def test_whatever_a_client_sends_the_filter_lives(
    places: FilterPlaces, request_: FilterRequest, wire: bytes
) -> None:
    with running_filter(places, "mine", "200 Ok.") as asked:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(places.socket("mine"))
            client.sendall(wire)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(100) == b""
        assert asked == []
        assert str(ask_filter(places.socket("mine"), request_).reply) == "200 Ok."


def test_messages_are_judged_at_the_same_time(
    places: FilterPlaces, request_: FilterRequest
) -> None:
    meeting = threading.Barrier(3, timeout=10)

    def judge(message: FilteredMessage) -> str:
        meeting.wait()
        return "200 Ok."

    with running_filter(places, "mine", judge, workers=3):
        threads = [
            threading.Thread(target=ask_filter, args=(places.socket("mine"), request_))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not meeting.broken


def test_179_names_with_a_dot_and_filters_of_filtered_mail_are_left_out(
    places: FilterPlaces,
) -> None:
    for name in ("filters/.hidden", "filters/one", "allfilters/two", "allfilters/.three"):
        Path(f"{places.state}/{name}").touch()
    state = places.state
    assert places.socket_paths(everybody=True) == [
        f"{state}/filters/one",
        f"{state}/allfilters/two",
    ]
    assert places.socket_paths(everybody=False) == [f"{state}/allfilters/two"]


def test_the_socket_is_there_only_once_it_answers(places: FilterPlaces, tmp_path: Path) -> None:
    (tmp_path / "etc/filters/mine-mode").write_text("all\n")
    (tmp_path / "state/filters/mine").touch()  # of an earlier run in the other mode
    (tmp_path / "state/allfilters/.mine").touch()
    with FilterServer(lambda message: "200", places, "mine") as server:
        mode = os.stat(server.path).st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
        assert server.path == f"{places.state}/allfilters/mine"
        assert os.listdir(f"{places.state}/filters") == []
    assert os.listdir(f"{places.state}/allfilters") == ["mine"]


def test_a_directory_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    places = FilterPlaces(str(tmp_path), str(tmp_path / "none"))
    with pytest.raises(StorageError, match=r"cannot listen on .*none"):
        FilterServer(lambda message: "200", places, "mine").__enter__()


def test_a_server_outside_of_its_context_cannot_serve(places: FilterPlaces) -> None:
    with pytest.raises(FilterUnavailableError):
        FilterServer(lambda message: "200", places, "mine").serve(0)


TEN_LINES = """\
from couriermail.filter.courierfilter import run_filter

def judge(message):
    if any(r.address.startswith("trap@") for r in message.recipients):
        return "550 Spam refused."
    return "200 Ok."

run_filter(judge)
"""


def test_a_users_own_filter_of_ten_lines(places: FilterPlaces, tmp_path: Path) -> None:
    """As courierfilter runs it: descriptor 3 says that it is ready, the end of 0 ends it."""
    program = tmp_path / "mine"
    program.write_text(f"#!{sys.executable}\n{TEN_LINES}")
    program.chmod(0o755)
    (tmp_path / "C").write_text("s\nM1\nrtrap@x\nR\nN\n")
    environment = {"sysconfdir": places.config, "localstatedir": places.state}
    process = FilterProcess.start("mine", str(program), environment)
    try:
        assert os.read(process.startup, 1) == b""
        reply = ask_filter(places.socket("mine"), FilterRequest("/none", (str(tmp_path / "C"),)))
    finally:
        assert process.stop() == 0
    assert str(reply.reply) == "550 Spam refused."


def test_settings_are_first_lines(places: FilterPlaces, tmp_path: Path) -> None:
    settings = tmp_path / "etc/filters"
    (settings / "number").write_text(" 12 \nmore\n")
    (settings / "empty").write_text("\n")
    (settings / "words").write_text("a b # not c\nd\n")
    assert places.first_line("number") == "12"
    assert places.number("number", 5) == 12
    assert places.number("number", 5, minimum=20) == 20
    assert places.number("empty", 5) == 5
    assert places.number("none", 5) == 5
    assert places.words("words") == {"a", "b", "d"}
    assert places.words("none") == frozenset()
    assert FilterPlaces(str(tmp_path / "no"), str(tmp_path / "no")).active_names() == []


@pytest.mark.parametrize("text", ["twelve", "-1", "1" * 30, "٣"])
def test_a_number_that_is_none_names_its_file(
    places: FilterPlaces, tmp_path: Path, text: str
) -> None:
    (tmp_path / "etc/filters/number").write_text(f"{text}\n")
    with pytest.raises(FilterConfigError, match=r"filters/number: holds no number"):
        places.number("number", 5)


def test_what_cannot_be_read_is_an_error(places: FilterPlaces, tmp_path: Path) -> None:
    (tmp_path / "etc/filters/loop").symlink_to("loop")
    (tmp_path / "file").touch()
    with pytest.raises(FilterConfigError):
        places.first_line("loop")
    with pytest.raises(FilterConfigError):
        places.words("loop")
    with pytest.raises(FilterConfigError):
        FilterPlaces("/", str(tmp_path / "file")).socket_paths(everybody=True)


def test_switching_on_and_off(places: FilterPlaces, tmp_path: Path) -> None:
    program = tmp_path / "bin/mine"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = find_program("mine", [str(tmp_path / "none"), str(program.parent)])
    assert found == str(program)
    assert switch_on(places, "mine", found)
    assert not switch_on(places, "mine", found)
    assert places.active_names() == ["mine"]
    with pytest.raises(FilterConfigError, match="another program"):
        switch_on(places, "mine", "/bin/true")
    assert switch_off(places, "mine")
    assert not switch_off(places, "mine")


@pytest.mark.parametrize("name", ["", ".", "..", ".x", "../x", "a/b", "a\0b", "none", "plain"])
def test_what_is_no_filter_is_an_error(places: FilterPlaces, tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").touch()
    with pytest.raises(FilterConfigError) as caught:
        find_program(name, [str(tmp_path)])
    assert caught.value.exit_code == 1


def test_links_that_cannot_be_made_or_removed_are_errors(tmp_path: Path) -> None:
    (tmp_path / "filters").touch()
    places = FilterPlaces(str(tmp_path), str(tmp_path))
    with pytest.raises(FilterConfigError, match="cannot be made"):
        switch_on(places, "mine", "/bin/true")
    with pytest.raises(FilterConfigError, match="cannot be removed"):
        switch_off(places, "mine")
