"""One back end in a worker: frames, log levels, rest (spec auth 4.1, 4.9)."""

from __future__ import annotations

import logging
import socket
import threading

import attrs
import pytest

from couriermail.auth import (
    Account,
    AccountOptions,
    AuthRequest,
    CramResponse,
    EnumerateRequest,
    InvalidLoginError,
    PasswdRequest,
    PreRequest,
    cram_request,
    daemon_worker,
    login_request,
)
from couriermail.auth.daemon_module import (
    ACCEPTED,
    FAILED,
    FRAME_HEADER,
    LISTED,
    REJECTED,
    Frame,
    ModuleService,
    printable,
)

JOHN = Account(name="john", address="john", uid=5, gid=6, home="/h\x01\xe9", password="$1$hash")
CRAM = CramResponse(algorithm="md5", challenge=b"<1@x>", name="john", digest="00ff")


@attrs.define
class OneAccount:
    """Knows john; counts its rests."""

    name: str = "one"
    remotes: list[str | None] = attrs.field(factory=list)
    rests: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))
    is_closed: bool = False

    def lookup(self, name: str, service: str) -> Account | None:
        if name == "invalid":
            raise InvalidLoginError("no such thing")
        return JOHN if name == "john" else None

    def login(
        self, name: str, password: str, service: str, *, remote: str | None = None
    ) -> Account | None:
        self.remotes.append(remote)
        return JOHN if (name, password) == ("john", "secret") else None

    def cram(self, response: CramResponse, service: str) -> Account | None:
        return attrs.evolve(JOHN, password=None) if response == CRAM else None

    def idle(self) -> None:
        self.rests.release()

    def close(self) -> None:
        self.is_closed = True


def service(module: OneAccount | None = None, debug_level: int = 0) -> ModuleService:
    found = module or OneAccount()
    return ModuleService(
        name="one",
        load=lambda: found,
        default_options=AccountOptions("x=1"),
        debug_level=debug_level,
    )


def test_a_login_gives_the_password_back_and_hands_the_address_on() -> None:
    module = OneAccount()
    (frame,) = service(module).answer(login_request("john", "secret", "imap", remote="::1"))
    assert frame.kind == ACCEPTED
    assert b"PASSWD=$1$hash\nPASSWD2=secret\nOPTIONS=x=1\n.\n" in frame.data
    assert module.remotes == ["::1"]


def test_a_cram_login_gives_no_password() -> None:
    (frame,) = service().answer(cram_request(CRAM, "imap"))
    assert frame.kind == ACCEPTED
    assert b"PASSWD" not in frame.data


@pytest.mark.parametrize(
    ("request_value", "kind"),
    [
        (PreRequest(name="jane", service="imap"), REJECTED),
        (PreRequest(name="invalid", service="imap"), REJECTED),
        (login_request("john", "wrong", "imap"), REJECTED),
        (AuthRequest(service="imap", authtype="PLAIN", data=b"john\nsecret\n"), REJECTED),
        (AuthRequest(service="imap", authtype="login", data=b"john"), REJECTED),
        (PasswdRequest(service="imap", name="john", old="x", new="y"), REJECTED),
        (EnumerateRequest(), LISTED),  # a module without a list counts as complete
    ],
)
def test_what_a_module_does_not_do_is_no_failure(request_value: PreRequest, kind: bytes) -> None:
    assert list(service().answer(request_value)) == [Frame(kind)]


def test_an_account_that_cannot_be_said_is_a_failure() -> None:
    @attrs.define
    class Forger(OneAccount):
        def lookup(self, name: str, service: str) -> Account | None:
            return attrs.evolve(JOHN, home="/h\nUID=0")

    frames = service(Forger()).answer(PreRequest(name="john", service="imap"))
    assert list(frames) == [Frame(FAILED)]


@pytest.mark.parametrize("level", [0, 1, 2])
def test_each_log_level_tells_what_it_may(level: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "couriermail.auth")
    list(service(debug_level=level).answer(login_request("john", "secret", "imap")))
    assert ("one: trying this module" in caplog.text) == (level >= 1)
    assert ("homedir=/h..., address=john, fullname=<null>" in caplog.text) == (level >= 1)
    assert ("Authenticated: clearpasswd=secret, passwd=$1$hash" in caplog.text) == (level == 2)
    assert ("secret" in caplog.text) == (level == 2)


def test_text_for_the_log_is_printable_ascii() -> None:
    assert printable("a\n\x7fé\udcff~") == "a.....~"


def test_a_worker_rests_when_nobody_asks_and_ends_with_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(daemon_worker, "IDLE_SECONDS", 0.01)
    module = OneAccount()
    ours, theirs = socket.socketpair()
    ours.settimeout(10)
    worker = threading.Thread(
        target=daemon_worker.serve_module, args=(service(module), theirs), daemon=True
    )
    worker.start()
    ours.sendall(PreRequest(name="jane", service="imap").to_bytes())
    assert ours.recv(100) == FRAME_HEADER.pack(REJECTED, 0)
    assert module.rests.acquire(timeout=10)
    ours.close()
    worker.join(10)
    theirs.close()
    assert module.is_closed
