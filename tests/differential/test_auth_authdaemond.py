"""Our authdaemond, its client and its commands beside Debian's, in all four pairings.

Accepted differences:
* AUTH lengths are digits only; Debian's takes what atoi(3) takes.
* A userid with control characters never reaches our daemon from our client (EINVAL); Debian's
  sends it and gets a refusal.
* Without a daemon both say why they cannot connect; in the line after that our authtest repeats
  the reason, Debian's says `Invalid argument`.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.authdaemon import (
    DEADLINE_SECONDS,
    SYSTEM_CONFIG,
    SYSTEM_RUN,
    RunningDaemon,
    exchange,
    namespace_words,
    run_with_binds,
    running_daemon,
    wait_until,
)
from tests.support.commands import run_ours

from couriermail.auth import (
    AuthDaemonClient,
    AuthdaemonSettings,
    CramResponse,
    UserdbModule,
    parse_authdaemonrc,
)
from couriermail.maildir import Maildir

pytestmark = [pytest.mark.root, pytest.mark.peer("authtest", "unshare", "makeuserdb")]

DEBIAN_DAEMON = "/usr/lib/courier/courier-authlib/authdaemond"
SHA_OF_SECRET = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
DEFAULTS = "disablewebmail=1,foo,wbnodsn=1"
RC = f"""authmodulelist="authuserdb"
authmodulelistorig="authuserdb"
daemons=2
authdaemonvar={SYSTEM_RUN}
DEBUG_LOGIN=0
DEFAULTOPTIONS="{DEFAULTS}"
LOGGEROPTS=""
"""
HMAC_OF_SECRET = "cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56"
USERDB = f"""jane\tuid=1002|gid=1002|home=/home/jane|systempw={SHA_OF_SECRET}
john\tuid=1001|gid=1001|home=/home/john|mail=./Mail|quota=1000S,10C|gecos=John Smith,Room 5|\
systempw={SHA_OF_SECRET}|imappw={{MD5}}Xr4ilOzQ4PCOq3aQ0qbuaQ==|\
imap-hmac-md5pw={HMAC_OF_SECRET}|options=disableimap=1,foo=7
nopw\tuid=1003|gid=1003|home=/home/nopw|options=disableshared=1
nouid\tgid=1004|home=/home/nouid
root0\tuid=0|gid=0|home=/home/root0
UPPER@Ex.com\tuid=1005|gid=1005|home=/home/u|systempw={SHA_OF_SECRET}
"""


@contextmanager
def _ours(directory: Path) -> Iterator[RunningDaemon]:
    userdb = directory / "userdb"
    userdb.write_text(USERDB)
    userdb.chmod(0o600)

    def load(name: str, settings: AuthdaemonSettings) -> UserdbModule:
        return UserdbModule.open(userdb, revalidate=0)

    with running_daemon(directory, load, lambda: parse_authdaemonrc(RC)) as daemon:
        yield daemon


@contextmanager
def _debian(directory: Path) -> Iterator[Path]:
    """Debian's daemon with the same accounts; gives the directory of its socket."""
    config, run = directory / "etc", directory / "run"
    config.mkdir()
    run.mkdir(mode=0o750)
    (config / "authdaemonrc").write_text(RC)
    (config / "userdb").write_text(USERDB)
    (config / "userdb").chmod(0o600)
    binds = {config: SYSTEM_CONFIG, run: SYSTEM_RUN}
    assert run_with_binds(binds, ["makeuserdb"]).returncode == 0
    with subprocess.Popen(
        [*namespace_words(binds), DEBIAN_DAEMON],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "DEFAULTOPTIONS": DEFAULTS},
    ) as daemon:
        try:
            wait_until((run / "socket").exists, "Debian's authdaemond")
            yield run
        finally:
            daemon.send_signal(signal.SIGKILL)  # --kill-child ends the daemon with it


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    with _ours(tmp_path_factory.mktemp("ours")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not Path(DEBIAN_DAEMON).exists():
        pytest.skip(f"peer absent: {DEBIAN_DAEMON}")
    with _debian(tmp_path_factory.mktemp("debian")) as directory:
        yield directory


# RFC 2195's challenge, answered with `secret`: right and wrong.
CRAM = CramResponse(
    algorithm="md5",
    challenge=b"<1896.697170952@postoffice.reston.mci.net>",
    name="john",
    digest="5ba69dd0e8c4b3a4d86abd1dd6d4d7b9",
)

REQUESTS = [
    b"PRE . imap john\n",
    b"PRE authuserdb imap john\n",
    b"PRE .  imap   john\n",
    b"PRE . courier john\n",
    b"TCPREMOTEIP=1.2.3.4\nPRE . imap john\n",
    b"FOO=bar\nPRE . imap john\n",
    b"=x\nPRE . imap jane\n",
    b"PRE nomod imap john\n",
    b"PRE . imap nobody1\n",
    b"PRE . imap john\r\n",
    b"PRE . imap john smith\n",
    b"PRE . imap john \n",
    b"PRE . imap  \n",
    b"PRE . imap nouid\n",
    b"PRE . imap nopw\n",
    b"PRE . imap root0\n",
    b"PRE . imap UPPER@Ex.com\n",
    b"PRE . imap upper@ex.com\n",
    b"PRE . imap 1001=\n",
    b"PRE . imap\n",
    b"PRE\n",
    b"BOGUS\n",
    b"\nPRE . imap jane\n",
    b" PRE . imap jane\n",
    b"TCPREMOTEIP =1\nPRE . imap jane\n",
    b"PRE . imap jane",
    b"PRE . imap jane\nPRE . imap john\n",
    b"AUTH 23\nimap\nlogin\njane\nsecret\n",
    b"AUTH 22\nimap\nlogin\njane\nsecret",
    b"AUTH 22\nimap\nlogin\njane\nsecret\n",
    b"AUTH 30\nimap\nlogin\njane\nsecret\n",
    b"AUTH 22\nimap\nlogin\njane\nwrong!",
    b"AUTH 23\nimap\nlogin\njohn\nsecret\n",
    b"AUTH 23\npop3\nlogin\njohn\nsecret\n",
    b"AUTH 23\nimap\nlogin\nnopw\nsecret\n",
    b"AUTH 16\nimap\nlogin\njane\n",
    b"AUTH 15\nimap\nlogin\njane",
    b"AUTH 17\nimap\nlogin\njane\n\n",
    b"AUTH 23\nimap\nPLAIN\njane\nsecret\n",
    b"AUTH 23\nimap\ncram-md5\nnot!\nb64\n",
    b"AUTH 11\nimap\nlogin\n",
    b"AUTH 5\nimap\n",
    b"AUTH 0\n",
    b"AUTH 99999\nimap\nlogin\njane\nsecret\n",
    b"AUTH 8192\nimap\nlogin\njane\nsecret\n" + b"x" * 8169,
    b"AUTH -1\n",
    b"AUTH x\n",
    b"AUTH\n",
    b"A" * 8189 + b"=\nPRE . imap jane\n",
    b"A" * 8190 + b"=\nPRE . imap jane\n",
    b"PASSWD imap\tjohn\tx\ty\n",
    b"PASSWD imap\tjohn\n",
    b"PASSWD imap\tjo\x01hn\tx\ty\n",
    b"PASSWD\timap\tjohn\tx\ty\n",
]


@pytest.mark.parametrize("request_bytes", REQUESTS, ids=lambda raw: repr(raw[:40]))
def test_both_daemons_say_the_same_byte_for_byte(
    ours: RunningDaemon, debian: Path, request_bytes: bytes
) -> None:
    assert exchange(ours.path, request_bytes) == exchange(debian / "socket", request_bytes)


def test_both_daemons_list_the_same_accounts(ours: RunningDaemon, debian: Path) -> None:
    lists = [exchange(path, b"ENUMERATE\n") for path in (ours.path, debian / "socket")]
    assert lists[0] == (
        b"# authuserdb\n\n"
        b"UPPER@Ex.com\t1005\t1005\t/home/u\t\tdisablewebmail=1,foo,wbnodsn=1\n"
        b"jane\t1002\t1002\t/home/jane\t\tdisablewebmail=1,foo,wbnodsn=1\n"
        b"john\t1001\t1001\t/home/john\t./Mail\tdisableimap=1,foo=7,disablewebmail=1,wbnodsn=1\n"
        b"nopw\t1003\t1003\t/home/nopw\t\tdisableshared=1,disablewebmail=1,foo,wbnodsn=1\n"
        b"root0\t0\t0\t/home/root0\t\tdisablewebmail=1,foo,wbnodsn=1\n"
        b".\n"
    )
    # Courier: the order is the database's.
    assert sorted(lists[0].splitlines()) == sorted(lists[1].splitlines())


def test_a_cram_login_is_the_same_on_both(ours: RunningDaemon, debian: Path) -> None:
    from hmac import new

    for digest in (new(b"secret", CRAM.challenge, "md5").hexdigest(), CRAM.digest):
        response = CramResponse(
            algorithm="md5", challenge=CRAM.challenge, name="john", digest=digest
        )
        found = [
            AuthDaemonClient(path=path).cram(response, "imap")
            for path in (ours.path, debian / "socket")
        ]
        assert found[0] == found[1]
        assert (found[0] is None) == (digest == CRAM.digest)


AUTHTESTS = [
    ["jane"],
    ["jane", "secret"],
    ["jane", "wrong"],
    ["nobody1"],
    ["nobody1", "secret"],
    ["-s", "imap", "john", "secret"],
    ["-scourier", "-", "john"],
    ["nopw"],
    ["nopw", "secret"],
    ["jane", "wrong", "new"],
    ["jane", "secret", "a|b"],
    ["jane", "secret", "a\tb"],
    ["-x", "jane"],
    ["--", "jane"],
    ["-s"],
    [],
]


@pytest.mark.parametrize("words", AUTHTESTS, ids=" ".join)
@pytest.mark.parametrize("where", ["ours", "debian"])
def test_both_authtests_say_the_same(
    ours: RunningDaemon, debian: Path, words: list[str], where: str
) -> None:
    directory = ours.path.parent if where == "ours" else debian
    theirs = run_with_binds({directory: SYSTEM_RUN}, ["/usr/sbin/authtest", *words])
    done = run_ours("authtest", "--socket", str(directory / "socket"), *words)
    assert done == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_authtest_knows_the_default_domain_as_debians(
    ours: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEFDOMAIN", "@Ex.com")
    monkeypatch.setenv("DEBUG_LOGIN", "2")
    for words in (["UPPER", "secret"], ["UPPER"]):
        theirs = run_with_binds({ours.path.parent: SYSTEM_RUN}, ["/usr/sbin/authtest", *words])
        done = run_ours("authtest", "--socket", str(ours.path), *words)
        assert done == (theirs.returncode, theirs.stdout, theirs.stderr)
        assert done.code == (0 if len(words) == 2 else 1)


@pytest.mark.parametrize("words", [[], ["-o"], ["-s", "-o"], ["-so"], ["-x"], ["word"]])
def test_both_authenumerates_say_the_same(ours: RunningDaemon, words: list[str]) -> None:
    theirs = run_with_binds({ours.path.parent: SYSTEM_RUN}, ["/usr/sbin/authenumerate", *words])
    done = run_ours("authenumerate", *["--socket", str(ours.path), *words])
    assert done == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_our_authenumerate_lists_debians_accounts(debian: Path) -> None:
    theirs = run_with_binds({debian: SYSTEM_RUN}, ["/usr/sbin/authenumerate", "-o"])
    done = run_ours("authenumerate", "--socket", str(debian / "socket"), "-o")
    assert done == (0, theirs.stdout, b"")
    assert done.out.count(b"\n") == 4


def test_debians_authtest_changes_a_password_through_our_daemon(tmp_path: Path) -> None:
    with _ours(tmp_path) as daemon:
        binds = {tmp_path: SYSTEM_RUN}
        for words, code in [
            (["john", "secret", "newpass"], 0),
            (["john", "secret"], 1),
            (["john", "newpass"], 0),
            (["-s", "imap", "john", "secret"], 0),  # imappw is another password
        ]:
            assert run_with_binds(binds, ["/usr/sbin/authtest", *words]).returncode == code
        assert daemon.client().login("john", "newpass", "pop3") is not None


class ImapDialogue:
    """A conversation with a server on a pair of pipes; no answer is waited for without end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin, process.stdout.fileno()
        self._read = b""

    def say(self, tag: str, command: str) -> str:
        """The reply to a command, with its tagged line."""
        self._to.write(f"{tag} {command}\r\n".encode())
        self._to.flush()
        lines: list[str] = []
        while not lines or not lines[-1].startswith(f"{tag} "):
            lines.append(self._line())
        return "\n".join(lines)

    def _line(self) -> str:
        while b"\r\n" not in self._read:
            assert select.select([self._from], [], [], DEADLINE_SECONDS)[0], "no answer in time"
            data = os.read(self._from, 65536)
            assert data, f"the server ended: {self._read!r}"
            self._read += data
        line, _, self._read = self._read.partition(b"\r\n")
        return line.decode()


IMAP_LOGIN = "/usr/lib/courier/courier/imaplogin"
# Its file monitor waits seconds for a service that is not there.
IMAP_SCRIPT = (
    f"set -a; . /etc/courier/imapd; IMAP_ENHANCEDIDLE=0; IMAP_USELOCKS=0; "
    f"exec {IMAP_LOGIN} /usr/bin/imapd Maildir"
)


def test_debians_courier_imap_logs_in_and_reads_what_ours_delivered(tmp_path: Path) -> None:
    if not Path(IMAP_LOGIN).exists():
        pytest.skip(f"peer absent: {IMAP_LOGIN}")
    home = tmp_path / "home"
    home.mkdir()
    maildir = Maildir.create(home / "Maildir")
    maildir.deliver([b"Subject: hello\n\nThe body.\n"], keywords=["Important"])
    # The user cannot pass the test's directories; the home is mounted where they can.
    for path in [home, *home.rglob("*")]:
        os.chown(path, 1001, 1001)
    run = tmp_path / "run"
    run.mkdir()
    with _ours(run) as daemon:
        userdb = run / "userdb"
        userdb.write_text(f"john\tuid=1001|gid=1001|home=/srv|systempw={SHA_OF_SECRET}\n")
        binds = {run: SYSTEM_RUN, home: "/srv"}
        with subprocess.Popen(
            [*namespace_words(binds), "sh", "-c", IMAP_SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TCPREMOTEIP": "127.0.0.1"},
        ) as server:
            try:
                imap = ImapDialogue(server)
                assert "b OK LOGIN Ok." in imap.say("b", "LOGIN john secret")
                selected = imap.say("c", "SELECT INBOX")
                assert "* 1 EXISTS" in selected
                assert "Important" in selected
                fetched = imap.say("d", "FETCH 1 (FLAGS BODY[HEADER.FIELDS (SUBJECT)] BODY[TEXT])")
                assert "Important" in fetched
                assert "Subject: hello" in fetched
                assert "The body." in fetched
                # Ours wrote no ACL: the owner has all rights of RFC 4314 2.1.
                assert "* MYRIGHTS" in imap.say("e", "MYRIGHTS INBOX")
                assert "f OK" in imap.say("f", "STORE 1 +FLAGS (Work)")
                assert "g OK" in imap.say("g", 'SETACL "INBOX" "anyone" lr')
                assert "h OK" in imap.say("h", "LOGOUT")
                assert server.wait(DEADLINE_SECONDS) == 0
            finally:
                server.kill()
        assert daemon.client().login("john", "secret", "imap") is not None
    (entry,) = list(maildir)
    assert set(maildir.keywords.get(entry.key)) == {"Important", "Work"}
