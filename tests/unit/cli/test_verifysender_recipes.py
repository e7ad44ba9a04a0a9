"""The recipes `verifysender` and `verifysenderfull` (spec filter 2.5), beside a real SMTP server.

The server listens on loopback, so only where `verifysmtp` connects to is the test's choice: the
`verifysmtp` in PATH is our command with a `SenderProbe` that has no DNS and another port.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.core import Reply
from couriermail.smtp import DataSink, Mail, Rcpt, Session
from couriermail.smtp.aio import ThreadedServer, serve

NAMES = ["verifysender", "verifysenderfull"]
MAILDROP = "from couriermail.cli.maildrop import main; main()"
COMMAND = """#!{python}
from couriermail.cli import verifysmtp
from couriermail.mta.senderprobe import SenderProbe

verifysmtp._probe = lambda config: SenderProbe(
    me="mx.example.test", exchangers=lambda domain: ["127.0.0.1"], port={port}, timeout=20.0
)
verifysmtp.main()
"""


class Server:
    """Takes mail for everybody but `bad`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def mail(self, session: Session, mail: Mail) -> Reply | None:
        return None

    def rcpt(self, session: Session, rcpt: Rcpt) -> Reply | None:
        self.asked.append(rcpt.forward_path)
        is_bad = rcpt.forward_path.startswith("bad")
        return Reply(550, "User unknown.", enhanced="5.1.1") if is_bad else None

    def data(self, session: Session) -> DataSink:
        raise AssertionError("a probe sends nothing")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def home(tmp_path: Path, server: Server) -> Iterator[Path]:
    """A home, with a blank in its name, and `verifysmtp` in `bin` that asks the server."""
    made = tmp_path / "the home"
    (made / "bin").mkdir(parents=True)
    (made / ".trackdir").mkdir()
    with ThreadedServer(serve(server, port=0)) as running:
        command = made / "bin/verifysmtp"
        command.write_text(COMMAND.format(python=sys.executable, port=running.port))
        command.chmod(0o755)
        yield made


def recipes() -> dict[str, Path]:
    """What `verifysmtp --recipes` shows, by name."""
    code, out, err = run_ours("verifysmtp", "--recipes")
    assert (code, err) == (0, b"")
    return {path.name: path for path in map(Path, out.decode().splitlines())}


def deliver(home: Path, name: str, sender: str) -> int:
    """Runs a recipe of the user's that includes one of ours, then delivers; the exit code."""
    recipe = home / ".mailfilter"
    recipe.write_text(
        f'HOME="{home}"\nPATH="{home}/bin:$PATH"\n'  # both are set anew when maildrop starts
        f'include "{recipes()[name]}"\nto "{home}/box"\n'
    )
    recipe.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", MAILDROP, str(recipe)],
        input=b"Subject: hello\n\nbody\n",
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "SENDER": sender},
        cwd=home,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode


def test_the_command_shows_both_recipes() -> None:
    assert sorted(recipes()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_found_in_a_recipe(name: str) -> None:
    assert run_ours("maildrop", "--check", str(recipes()[name])) == (0, b"", b"")


@pytest.mark.parametrize("name", NAMES)
def test_a_sender_whose_server_refuses_it_is_refused(name: str, home: Path, server: Server) -> None:
    assert deliver(home, name, "bad@x.example") == 1
    assert not (home / "box").exists()
    assert server.asked == ["bad@x.example"]


@pytest.mark.parametrize(
    ("name", "asked"), [("verifysender", 1), ("verifysenderfull", 2)], ids=NAMES
)
def test_a_good_sender_is_delivered_and_remembered(
    name: str, asked: int, home: Path, server: Server
) -> None:
    assert deliver(home, name, "ann-one@x.example") == 0
    assert deliver(home, name, "ann-two@x.example") == 0
    assert (home / "box").read_bytes().count(b"Subject: hello\n") == 2
    assert len(server.asked) == asked
