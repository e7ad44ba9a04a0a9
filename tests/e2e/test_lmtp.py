"""The LMTP delivery agent with real processes: recipes, failures, kills, edits, other programs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.lmtpsite import PROGRAM, LmtpSite, children_of
from tests.support.mailsite import reachable_directory, wait_for

OWN = 54321 if os.geteuid() == 0 else os.getuid()
PEOPLE = ("alice", "bob", "carol", "dave", "erin", "frank")


@pytest.fixture(scope="module")
def site(shared_root: Path) -> Iterator[LmtpSite]:
    """One running daemon for the tests that do not stop it; every test has users of its own."""
    site = LmtpSite.make(
        shared_root / "lmtp", dict.fromkeys((*PEOPLE, "grace", "heidi", "ivan", "judy"), OWN)
    )
    with site.running("--listen", "127.0.0.1:0", "--size", "0"):
        yield site


@pytest.fixture
def own(root: Path) -> Iterator[LmtpSite]:
    """A site that the test starts, stops and kills."""
    site = LmtpSite.make(root / "own", {"alice": OWN, "bob": OWN})
    yield site
    site.stop()


def tcp_port(site: LmtpSite) -> int:
    [line] = [line for line in site.log.read_text().splitlines() if "LMTP on inet:" in line]
    return int(line.rpartition(":")[2])


def test_each_recipient_gets_the_reply_that_its_own_recipe_earned(site: LmtpSite) -> None:
    folder = site.home("alice") / "Lists"
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(parents=True)
    site.recipe("alice", 'if (/^Subject: *news/)\n  to "Lists"\n')
    site.recipe("bob", f'to "| cat > {site.home("bob")}/piped"\n')
    site.recipe("carol", 'echo "552 5.7.1 Not from you."\nEXITCODE=77\nexit\n')
    site.recipe("dave", 'if (/^Subject:/\n  to "Lists"\n')
    site.recipe("erin", 'exception {\n  to "/nowhere/box"\n}\nto "./Maildir"\n')
    site.recipe("frank", 'MAILDIRQUOTA="10S"\n')
    replies = site.send(
        *(f"{name}@example.test" for name in PEOPLE),
        "nobody-here@example.test",
        message=b"Subject: news\n\nbody\n",
    )
    alice, bob, carol, dave, erin, frank, unknown = replies
    assert alice.startswith("250 2.0.0 Message delivered.")
    assert [b"Delivered-To: alice@example.test" in each for each in site.messages("alice", "Lists")]
    assert bob.startswith("250 ")
    assert b"\nSubject: news\n\nbody\n" in (site.home("bob") / "piped").read_bytes()
    assert carol == "552 5.7.1 Not from you."
    assert dave.startswith("451 4.3.0 .mailfilter")
    assert "Missing )" in dave
    assert erin.startswith("250 ")
    assert frank.startswith("452 4.2.2 ")
    assert "over quota" in frank
    assert unknown == "550 5.1.1 User <nobody-here> unknown"
    assert [len(site.messages(name)) for name in PEOPLE] == [0, 0, 0, 0, 1, 0]


def test_the_header_says_who_it_was_for_and_how_it_came(site: LmtpSite) -> None:
    site.recipe("grace", 'import EXT\nto "| cat > $EXT"\n')
    assert site.send("grace+some-thing@example.test")[0].startswith("250 ")
    text = (site.home("grace") / "some-thing").read_text()
    assert text.startswith(
        "Delivered-To: grace+some-thing@example.test\nReturn-Path: <s@example.org>\nReceived: from "
    )
    assert "\n  by mx.example.test with LMTP\n  id " in text


def test_an_edited_recipe_counts_for_the_next_message(site: LmtpSite) -> None:
    with site.client() as client:
        for name in ("first", "other"):
            site.recipe("heidi", f'to "| cat > {name}"\n')
            assert client.deliver(b"Subject: x\n\n", "heidi@example.test")[0].startswith("250 ")
    assert all((site.home("heidi") / name).exists() for name in ("first", "other"))


def test_mail_is_kept_by_the_client_until_the_recipe_is_mended(site: LmtpSite) -> None:
    site.recipe("heidi", "if (\n")
    assert site.send("heidi@example.test")[0].startswith("451 4.3.0 ")
    site.recipe("heidi", 'to "./Maildir"\n')
    assert site.send("heidi@example.test")[0].startswith("250 ")
    assert len(site.messages("heidi")) == 1


def test_a_message_of_20_megabytes_comes_through_as_it_was(site: LmtpSite) -> None:
    body = b"Subject: big\n\n" + b"".join(b"%063d\n" % number for number in range(20 * 1024 * 16))
    before = len(site.messages("heidi"))
    site.recipe("heidi", 'to "./Maildir"\n')
    replies = site.send("heidi@example.test", "heidi+again@example.test", message=body)
    assert [reply[:4] for reply in replies] == ["250 ", "250 "]
    arrived = [each for each in site.messages("heidi") if each.endswith(body)]
    assert len(arrived) == 2
    assert len(site.messages("heidi")) == before + 2


def test_a_client_that_goes_away_within_a_message_leaves_nothing(site: LmtpSite) -> None:
    with socket.create_connection(("127.0.0.1", tcp_port(site)), timeout=20) as client:
        client.sendall(
            b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<ivan@example.test>\r\nDATA\r\nSubject: half\r\n"
        )
        data = b""
        while b"354" not in data:
            data += client.recv(4096)
    assert site.send("ivan@example.test")[0].startswith("250 ")
    assert [b"half" in each for each in site.messages("ivan")] == [False]


def test_a_client_that_does_not_wait_for_the_reply_harms_nobody(site: LmtpSite) -> None:
    marker = site.home("ivan") / "done"
    site.recipe("ivan", 'to "| sleep 0.2; cat > done"\n')
    client = site.client()
    client.ehlo_or_helo_if_needed()
    client.mail("a@b.test")
    client.rcpt("ivan@example.test")
    client.docmd("DATA")
    client.send(b"Subject: impatient\r\n\r\n.\r\n")
    client.close()
    wait_for(marker.exists, "the delivery that nobody waits for")
    assert site.send("judy@example.test")[0].startswith("250 ")


def test_a_slow_recipe_does_not_hold_up_other_mail_of_the_same_uid(site: LmtpSite) -> None:
    gate = site.home("judy") / "gate"
    site.recipe("judy", f'to "| while [ ! -e {gate} ]; do sleep 0.05; done; cat > judged"\n')
    site.recipe("ivan", 'to "./Maildir"\n')
    slow: list[str] = []
    thread = threading.Thread(target=lambda: slow.extend(site.send("judy@example.test")))
    thread.start()
    try:
        with site.client() as client:
            for _ in range(3):
                reply = client.deliver(b"Subject: quick\n\n", "ivan@example.test")
                assert reply[0].startswith("250 ")
        assert not slow
    finally:
        gate.touch()
        thread.join()
    assert slow[0].startswith("250 ")


@pytest.mark.peer("swaks")
@pytest.mark.parametrize("where", ["unix", "inet"])
def test_swaks_delivers(site: LmtpSite, where: str) -> None:
    place = (
        ["--socket", str(site.socket)]
        if where == "unix"
        else ["--server", "127.0.0.1", "--port", str(tcp_port(site))]
    )
    envelope = ["--from", "a@b.test", "--to", "alice@example.test,missing@example.test"]
    done = subprocess.run(
        ["swaks", "--protocol", "LMTP", *place, *envelope, "--header-Subject", "swaked"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "<-  250 2.0.0 Message delivered." in done.stdout, done.stdout
    assert "550 5.1.1 User <missing> unknown" in done.stdout
    assert any(b"Subject: swaked" in each for each in site.messages("alice"))


def test_a_killed_agent_is_a_deferral_and_the_next_message_has_a_new_one(own: LmtpSite) -> None:
    own.recipe("alice", 'to "| echo started > started; sleep 5"\n')
    replies: list[str] = []
    with own.running():
        thread = threading.Thread(target=lambda: replies.extend(own.send("alice@example.test")))
        thread.start()
        wait_for((own.home("alice") / "started").exists, "the recipe's command")
        own.kill_agents()
        thread.join()
        assert replies == ["451 4.3.0 The delivery agent ended before it answered."]
        own.recipe("alice", 'to "./Maildir"\n')
        assert own.send("alice@example.test")[0].startswith("250 ")


def test_no_acknowledged_message_is_lost_when_everything_is_killed(own: LmtpSite) -> None:
    acknowledged: set[bytes] = set()
    own.start()
    enough = threading.Event()

    def send_until_cut(number: int) -> None:
        try:
            with own.client() as client:
                for count in range(10_000):
                    mark = b"Subject: %d.%d.\n" % (number, count)
                    if client.deliver(mark + b"\n", "bob@example.test")[0].startswith("250 "):
                        acknowledged.add(mark)
                    if len(acknowledged) > 40:
                        enough.set()
        except OSError:  # what the kill is to the client; smtplib's errors are of this kind
            pass

    threads = [threading.Thread(target=send_until_cut, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(30)
    own.kill_agents()
    own.crash()
    for thread in threads:
        thread.join()
    stored = b"".join(own.messages("bob"))
    assert [mark for mark in acknowledged if mark not in stored] == []
    own.start()  # over the socket file that was left
    assert own.send("bob@example.test")[0].startswith("250 ")


def test_a_stop_waits_for_the_message_in_flight(own: LmtpSite) -> None:
    own.recipe("alice", 'to "| echo x > started; sleep 0.5; cat > stored"\n')
    replies: list[str] = []
    own.start()
    thread = threading.Thread(target=lambda: replies.extend(own.send("alice@example.test")))
    thread.start()
    wait_for((own.home("alice") / "started").exists, "the recipe's command")
    assert own.stop() == 0
    thread.join()
    assert replies[0].startswith("250 ")
    assert (own.home("alice") / "stored").exists()
    assert not own.socket.exists()


def test_a_second_daemon_does_not_take_the_socket(own: LmtpSite) -> None:
    with own.running():
        argv = [sys.executable, "-c", PROGRAM, "-C", str(own.config), "--unix", str(own.socket)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 78
        expected = f"cannot listen on {own.socket}: another process does"
        assert done.stderr == f"couriermail-lmtpd: {expected}\n"
        assert own.send("alice@example.test")[0].startswith("250 ")


def test_a_service_manager_may_open_the_socket(own: LmtpSite, root: Path) -> None:
    path = root / "activated.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        code = (
            f"import os; os.dup2({listener.fileno()}, 3); os.environ['LISTEN_PID'] = "
            f"str(os.getpid()); {PROGRAM}"
        )
        with own.log.open("wb") as log:
            own.process = subprocess.Popen(
                [sys.executable, "-c", code, "-C", str(own.config)],
                env={**os.environ, "LISTEN_FDS": "1"},
                stderr=log,
                pass_fds=(listener.fileno(), 3) if listener.fileno() != 3 else (3,),
            )
    own.wait_for_log(f"LMTP on unix:{path}")
    (own.root / "lmtp.sock").symlink_to(path)
    assert own.send("alice@example.test")[0].startswith("250 ")


@pytest.mark.root
def test_as_root_every_recipe_runs_as_its_own_user(root: Path) -> None:
    site = LmtpSite.make(
        root / "many", {"alice": 54321, "bob": 54322, "carol": 54323, "mallory": 54324, "toor": 0}
    )
    secret = site.home("alice") / "secret"
    secret.write_text("of alice")
    secret.chmod(0o600)
    site.give_away("alice")
    for name in ("alice", "bob"):
        site.recipe(name, 'cc "| id -u > who; id -G > groups"\nto "./Maildir"\n')
    site.recipe("mallory", f'to "| cat {secret} > {site.home("mallory")}/stolen"\n')
    os.chown(site.config / "userdb", *ids_of("mail"))
    with site.running("--user", "mail"):
        names = ("alice", "bob", "carol", "mallory", "toor")
        replies = site.send(*(f"{name}@example.test" for name in names))
        front = [pid for pid in _pids(site) if _uid(pid) != 0]
        assert front, "the process that speaks LMTP is not root"
    assert [reply[:4] for reply in replies[:3]] == ["250 ", "250 ", "250 "]
    assert replies[4].startswith("550 ")  # root never receives mail
    assert (site.home("mallory") / "stolen").read_bytes() == b""
    for name in ("alice", "bob"):
        assert (site.home(name) / "who").read_text() == f"{site.accounts[name]}\n"
        assert (site.home(name) / "groups").read_text() == f"{site.accounts[name]}\n"
    for name, uid in site.accounts.items():
        for path in (site.home(name) / "Maildir/new").iterdir():
            assert path.stat().st_uid == uid, path


@pytest.mark.root
def test_a_user_of_this_machine_cannot_have_mail_delivered_as_another(root: Path) -> None:
    site = LmtpSite.make(root / "trust", {"alice": 54321})
    os.chown(site.config / "userdb", *ids_of("mail"))
    before = agent_sockets()
    with site.running("--user", "mail"):
        [name] = agent_sockets() - before
        code = (
            "import os, socket\n"
            "os.setgroups([]); os.setresgid(54399, 54399, 54399)\n"
            "os.setresuid(54399, 54399, 54399)\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            f"s.connect({chr(0) + name[1:]!r})\n"
            "print(s.recv(100))\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
        assert done.stdout == b"b''\n", done.stderr
        site.wait_for_log("connection from uid 54399 refused")


@pytest.mark.root
@pytest.mark.parametrize("transport", ["unix", "inet"])
def test_postfix_delivers_through_it(transport: str) -> None:
    files = postfix_files()
    if files is None:
        pytest.skip("Postfix's files are absent: set COURIERMAIL_POSTFIX")
    from tests.support.postfix import PrivatePostfix

    with reachable_directory() as root:
        site = LmtpSite.make(root / "lmtp", {"alice": 54321, "bob": 54322})
        site.recipe("alice", 'if (/^Subject: *by postfix/)\n  to "| cat > piped"\n')
        site.recipe("bob", "if (\n")
        with site.running("--listen", "127.0.0.1:0"):
            where = (
                f"lmtp:unix:{site.socket}"
                if transport == "unix"
                else f"lmtp:inet:127.0.0.1:{tcp_port(site)}"
            )
            with PrivatePostfix.running(files, root / "postfix", where) as postfix:
                postfix.send("alice+tag@example.test", "bob@example.test", subject="by postfix")
                wait_for((site.home("alice") / "piped").exists, "alice's mail", 60)
                postfix.wait_for_log("bob@example.test>, .*status=deferred .*451 4.3.0 .mailfilter")
                site.recipe("bob", 'to "./Maildir"\n')
                postfix.flush()
                wait_for(lambda: site.messages("bob"), "bob's mail", 60)
                postfix.wait_for_log(r"to=<alice\+tag@example.test>.*status=sent \(250 2.0.0")


def postfix_files() -> Path | None:
    """Where Postfix is unpacked or installed: the variable's directory, or the system's root."""
    named = os.environ.get("COURIERMAIL_POSTFIX")
    if named:
        return Path(named)
    return Path("/") if shutil.which("postfix", path="/usr/sbin:/sbin") else None


def agent_sockets() -> set[str]:
    """The names of the sockets on which agents are to be had, of all daemons that run."""
    names = {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()}
    return {name for name in names if name.startswith("@couriermail-lmtpd-")}


def ids_of(user: str) -> tuple[int, int]:
    """Uid and gid of a user of this system."""
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def _pids(site: LmtpSite) -> list[int]:
    assert site.process is not None
    return children_of(site.process.pid)


def _uid(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid
