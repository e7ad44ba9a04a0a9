"""Homes that are missing: who gets one, who asks for it, and how often."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from couriermail.auth import Account, DirectoryError
from couriermail.mta.local import AgentLost, AgentRefused, LocalJob, LocalResult
from couriermail.mta.local.client import ask_for_home
from couriermail.mta.local.homes import NO_HOME, HomeMaker
from couriermail.mta.local.values import ResultKind
from couriermail.mta.local.wire import RecordReader, encode_record
from couriermail.mta.missinghomes import MissingHomes

UID = 54321 if os.geteuid() == 0 else os.geteuid()
GID = 54321 if os.geteuid() == 0 else os.getegid()


@attrs.frozen
class People:
    """A directory with one account."""

    account: Account

    def lookup(self, name: str, service: str) -> Account | None:
        if name == "down":
            raise DirectoryError("out of order")
        return self.account if (name, service) == ("john", "courier") else None


@pytest.fixture
def maker(tmp_path: Path) -> Callable[..., HomeMaker]:
    (tmp_path / "skel").mkdir()
    john = Account(name="john", address="john", uid=UID, gid=GID, home=str(tmp_path / "john"))

    def make(skeleton: str = "skel", uid: int = UID) -> HomeMaker:
        people = People(attrs.evolve(john, uid=uid))
        return HomeMaker(str(tmp_path / skeleton), lambda: people)

    return make


def test_an_account_gets_its_home(tmp_path: Path, maker: Callable[..., HomeMaker]) -> None:
    assert maker().make("john") == ""
    assert (tmp_path / "john").stat().st_uid == UID
    assert maker(skeleton="none").make("john") == ""  # there it is


def test_root_and_strangers_get_none(tmp_path: Path, maker: Callable[..., HomeMaker]) -> None:
    assert maker(uid=0).make("john") == ""
    assert maker().make("jane") == ""
    assert os.listdir(tmp_path) == ["skel"]


def test_trouble_is_a_reason_without_names(
    maker: Callable[..., HomeMaker], caplog: pytest.LogCaptureFixture
) -> None:
    assert maker().make("down") == NO_HOME
    assert maker(skeleton="none").make("john") == NO_HOME
    assert "out of order" in caplog.text
    assert "john: cannot be made from" in caplog.text
    assert "/" not in NO_HOME


@attrs.define
class Peer:
    """The other end of courierlocal's socket: answers each question with the next record."""

    path: str
    answers: list[bytes]
    asked: list[str] = attrs.field(factory=list)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    found = Peer(str(tmp_path / "s"), [])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(found.path)
    listener.listen()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection:
                records = RecordReader().feed(connection.recv(9999))
                if not records:
                    return
                found.asked.append(records[0].text("home_of"))
                connection.sendall(found.answers.pop(0))

    thread = threading.Thread(target=serve)
    thread.start()
    yield found
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(found.path)
    thread.join()
    listener.close()


READY = encode_record({"ready": 1})
REFUSED = encode_record({"refused": NO_HOME})


def job(key: int, account: str, home: Path) -> LocalJob:
    return LocalJob(
        key=key,
        recipient=f"{account}@example.test",
        sender="",
        user=account,
        account=account,
        home=str(home),
        size=0,
        body=b"",
        ledger="kept",
    )


def test_the_answers_of_the_socket(peer: Peer, tmp_path: Path) -> None:
    peer.answers += [READY, REFUSED, b"", b"\xff" * 9]
    ask_for_home(peer.path, "a", timeout=5)
    with pytest.raises(AgentRefused, match=NO_HOME):
        ask_for_home(peer.path, "b", timeout=5)
    for name in ("c", "d"):
        with pytest.raises(AgentLost):
            ask_for_home(peer.path, name, timeout=5)
    with pytest.raises(AgentLost):
        ask_for_home(str(tmp_path / "nobody"), "e", timeout=5)
    assert peer.asked == ["a", "b", "c", "d"]


def test_only_missing_homes_are_asked_for_each_once(peer: Peer, tmp_path: Path) -> None:
    peer.answers += [REFUSED, READY]
    missing = tmp_path / "missing"
    jobs = [job(1, "a", missing), job(2, "b", tmp_path), job(3, "a", missing), job(4, "", missing)]
    jobs.append(job(5, "c", tmp_path / "other"))
    refused = MissingHomes(peer.path).prepare(jobs)
    assert [(item.key, item.kind, item.lines, item.ledger) for item in refused] == [
        (1, "deferral", (NO_HOME,), "kept"),
        (3, "deferral", (NO_HOME,), "kept"),
    ]
    assert peer.asked == ["a", "c"]


def test_a_home_that_cannot_be_seen_is_asked_for_again_after_a_deferral(
    peer: Peer, tmp_path: Path
) -> None:
    peer.answers += [READY, READY]
    (tmp_path / "file").touch()
    jobs = [job(1, "a", tmp_path / "file" / "home")]  # ENOTDIR: neither there nor missing
    homes = MissingHomes(peer.path)
    kinds: tuple[ResultKind, ...] = ("success", "deferral", "success")
    for kind in kinds:
        assert homes.prepare(jobs) == []
        homes.observe(jobs, [LocalResult(key=1, kind=kind, lines=())])
    assert peer.asked == ["a", "a"]
