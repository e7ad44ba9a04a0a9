"""Our userdb commands beside Debian's, on the same files (spec auth 2.4-2.8, 6).

Accepted differences:

* fields come in a hash's order from Debian's `userdb`; ours keep theirs: compared as sets;
* failures: Debian's exit codes are those of Perl's die (2, 13, 25, 255), ours 1;
* `-show` of a file that is missing: Debian exits with 0;
* `_=` with `-f`: Debian's makeuserdb cuts the file's name as if it were the default userdb's;
* a line of one `.`: Debian's makeuserdb stops there, the accounts below it are lost;
* `userdbpw` and `authpasswd` make DES and MD5-crypt by default, ours the strongest there is;
* entries come in a hash's order from Debian's `pw2userdb`, ours in the file's; and with
  `--domain` its reverse entries name records that do not exist;
* an unknown method of `authpasswd` is {SSHA} there, an error here.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.support.commands import run_ours

from couriermail.auth.passwords import verify_password
from couriermail.table import Table

DEBIAN = "/usr/sbin"
OURS = "ours"


def run(program: list[str], folder: Path, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
    if program[0] == OURS:  # without an interpreter of its own
        return run_ours(*program[1:], data=stdin, cwd=folder)
    done = subprocess.run(
        program, cwd=folder, input=stdin, capture_output=True, check=False, timeout=30
    )
    return done.returncode, done.stdout, done.stderr


def ours(name: str, *words: str) -> list[str]:
    return [OURS, name, *words]


def theirs(name: str, *words: str) -> list[str]:
    return [f"{DEBIAN}/{name}", *words]


def records(path: Path) -> list[tuple[bytes, frozenset[bytes]]]:
    """The records with their fields in no order; [] for no file."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    parts = [line.partition(b"\t") for line in lines]
    return [(name, frozenset(fields.split(b"|"))) for name, _, fields in parts]


EDITS = [
    [["john", "set", "home=/h", "uid=1", "gid=2"]],
    [["john", "set", "a=1", "b=2"], ["john", "set", "a=3", "c"]],
    [["john", "set", "a=1", "b=2"], ["john", "unset", "a", "nosuch"], ["john", "unset"]],
    [["a", "set", "x=1"], ["b", "set", "x=1"], ["c", "set", "x=1"], ["b", "set", "x=2"]],
    [["a", "set", "x=1"], ["b", "set", "x=1"], ["a", "del"], ["nosuch", "del"]],
    [["a@b.c", "set", "x=1=2="], ["a b", "set", "x y=z"], ["nosuch", "unset", "x"]],
    [["a", "set", "pw"]],
    [["a", "set", "x=1"], ["-show"], ["-show", "a"]],
    [["a", "set", "x=1|y"]],
    [["a", "set", "x=1"], ["a", "del", "extra"]],
    [["a", "frob"]],
    [[]],
]


@pytest.mark.peer("userdb")
@pytest.mark.parametrize("edits", EDITS, ids=lambda edits: " ; ".join(map(" ".join, edits)))
def test_userdb_edits(tmp_path: Path, edits: list[list[str]]) -> None:
    for words in edits:
        answers = []
        for name, command in (("theirs", theirs), ("ours", ours)):
            where = (
                ["-show", "-f", name, *words[1:]]
                if words[:1] == ["-show"]
                else ["-f", name, *words]
            )
            code, out, err = run(command("userdb", *where), tmp_path, b"typed\n")
            shown = frozenset(out.splitlines()) if words[:1] == ["-show"] else out.count(b"\n")
            answers.append((code == 0, shown, err))
        assert answers[0] == answers[1], words
    assert records(tmp_path / "ours") == records(tmp_path / "theirs")
    assert (tmp_path / "ours").exists() == (tmp_path / "theirs").exists()
    for name in ("ours", "theirs"):
        if (tmp_path / name).exists():
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.peer("userdb")
def test_both_keep_comments_and_other_records(tmp_path: Path) -> None:
    text = b"# c\n\na\tx=1\nb\ty=2\nc\tz=3\n"
    for name, command in (("theirs", theirs), ("ours", ours)):
        (tmp_path / name).write_bytes(text)
        assert run(command("userdb", "-f", name, "b", "set", "y=5"), tmp_path)[0] == 0
    expected = text.replace(b"y=2", b"y=5")
    assert (tmp_path / "ours").read_bytes() == expected
    assert set((tmp_path / "theirs").read_bytes().splitlines()) <= set(expected.splitlines())


def fetched(database: Path, keys: list[str]) -> list[str]:
    """What Debian's maildrop finds in a GDBM file."""
    script = database.with_suffix(".filter")
    lines = [f'gdbmopen("{database}")']
    lines += [f'echo gdbmfetch("{key}", "", "(none)")' for key in keys]
    script.write_text("\n".join([*lines, "EXITCODE=0", "exit", ""]))
    script.chmod(0o600)
    done = subprocess.run(
        ["maildrop", str(script)], input=b"Subject: x\n\n", capture_output=True, check=True
    )
    return done.stdout.decode().splitlines()


def found(database: Path, keys: list[str]) -> list[str]:
    with Table.open(database) as table:
        return [(table.get(key.encode()) or b"(none)").decode() for key in keys]


TEXTS = {
    "pinned": "john\tuid=1|gid=1|home=/h|systempw=abc|imappw=zz|shell=/bin/sh|hmac-md5pw=00\n1001=\tjohn\n",
    "only passwords": "pwonly\tsystempw=x\nempty\t\n",
    "odd fields": "eq\tpw=1|a=b=c|xpw|=pw|ypw=\n",
    "bare words": "word line\n",
    "comments": "# c\n#d\tx=1\n\na\tx=1\n",
    "empty name": "\tx=1\na\tx=1\n",
    "tabs": "a\tx=1\ty|zpw=1\n",
    "no newline": "a\tx=1\n",
}


@pytest.mark.peer("makeuserdb")
@pytest.mark.peer("maildrop")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_makeuserdb_compiles_the_same(tmp_path: Path, text: str) -> None:
    keys = ["john", "1001=", "pwonly", "empty", "eq", "word line", "a", "#d", "#d\\tx"]
    for name, command in (("theirs", theirs), ("ours", ours)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
        assert run(command("makeuserdb", "-f", str(tmp_path / name)), tmp_path) == (0, b"", b"")
    main = [value.partition("_=")[0] for value in fetched(tmp_path / "theirs.dat", keys)]
    assert [value.partition("_=")[0] for value in found(tmp_path / "ours.dat", keys)] == main
    shadow = fetched(tmp_path / "theirsshadow.dat", keys)
    assert found(tmp_path / "oursshadow.dat", keys) == shadow
    for suffix, mode in ((".dat", 0o644), ("shadow.dat", 0o600), (".lock", 0o644)):
        for name in ("ours", "theirs"):
            assert (tmp_path / f"{name}{suffix}").stat().st_mode & 0o777 == mode


@pytest.mark.peer("makeuserdb")
@pytest.mark.parametrize("trouble", ["missing", "mode", "link", "duplicate"])
def test_makeuserdb_refuses_the_same_with_the_same_words(tmp_path: Path, trouble: str) -> None:
    path = tmp_path / "users"
    if trouble != "missing":
        path.write_text("a\tx=1\na\tx=2\n" if trouble == "duplicate" else "a\tx=1\n")
        path.chmod(0o644 if trouble == "mode" else 0o600)
    if trouble == "link":
        path.rename(tmp_path / "real")
        path.symlink_to("real")
    their_code, _, their_words = run(theirs("makeuserdb", "-f", str(path)), tmp_path)
    our_code, _, our_words = run(ours("makeuserdb", "-f", str(path)), tmp_path)
    assert their_code != 0
    assert our_code == 1
    assert our_words.splitlines()[0] == their_words.splitlines()[0]


@pytest.mark.peer("makeuserdb")
@pytest.mark.peer("maildrop")
def test_only_theirs_loses_what_follows_a_dot(tmp_path: Path) -> None:
    for name, command in (("theirs", theirs), ("ours", ours)):
        (tmp_path / name).write_text("a\tx=1\n.\nb\tx=2\n")
        (tmp_path / name).chmod(0o600)
        assert run(command("makeuserdb", "-f", str(tmp_path / name)), tmp_path)[0] == 0
    assert fetched(tmp_path / "theirs.dat", ["b"]) == ["(none)"]
    assert found(tmp_path / "ours.dat", ["b"]) == ["x=2|_="]


@pytest.mark.peer("userdbpw")
@pytest.mark.parametrize("option", ["-hmac-md5", "-hmac-sha1", "-hmac-sha256"])
@pytest.mark.parametrize("password", [b"secret\n", b"noeol", b"\n", b"x" * 100 + b"\n", b"p\xff\n"])
def test_userdbpw_gives_the_same_contexts(tmp_path: Path, option: str, password: bytes) -> None:
    words = ("userdbpw", option)
    assert run(ours(*words), tmp_path, password) == run(theirs(*words), tmp_path, password)


@pytest.mark.peer("userdbpw")
@pytest.mark.parametrize("words", [["-md5"], []], ids=["md5", "default"])
def test_userdbpw_hashes_fit_the_password(tmp_path: Path, words: list[str]) -> None:
    for command in (ours, theirs):
        code, out, _ = run(command("userdbpw", *words), tmp_path, b"secret\n")
        assert code == 0
        assert verify_password(out.decode().strip(), "secret")


@pytest.mark.peer("userdbpw")
@pytest.mark.parametrize(
    ("words", "stdin"), [(["-hmac-sha512"], b"x\n"), ([], b""), (["-md5"], b"")]
)
def test_userdbpw_fails_alike(tmp_path: Path, words: list[str], stdin: bytes) -> None:
    their_code, their_out, _ = run(theirs("userdbpw", *words), tmp_path, stdin)
    assert run(ours("userdbpw", *words), tmp_path, stdin)[:2] == (their_code, their_out)


@pytest.mark.peer("authpasswd")
@pytest.mark.parametrize("method", ["md5", "md5raw", "sha", "SHA256", "sha512"])
@pytest.mark.parametrize("password", [b"secret\n", b"noeol", b"\n"])
def test_authpasswd_gives_the_same_hash(tmp_path: Path, method: str, password: bytes) -> None:
    words = ("authpasswd", method)
    assert run(ours(*words), tmp_path, password) == run(theirs(*words), tmp_path, password)


@pytest.mark.peer("authpasswd")
@pytest.mark.parametrize("method", ["ssha", "SSHA"])
def test_authpasswd_salts_have_the_same_length(tmp_path: Path, method: str) -> None:
    hashes = [
        run(command("authpasswd", method), tmp_path, b"secret\n")[1] for command in (ours, theirs)
    ]
    assert len(hashes[0]) == len(hashes[1])
    assert all(verify_password(stored.decode().strip(), "secret") for stored in hashes)


@pytest.mark.peer("authpasswd")
def test_only_ours_refuses_an_unknown_method(tmp_path: Path) -> None:
    assert run(theirs("authpasswd", "nosuch"), tmp_path, b"x\n")[1].startswith(b"{SSHA}")
    code, out, err = run(ours("authpasswd", "nosuch"), tmp_path, b"x\n")
    assert (code, out) == (1, b"")
    assert err.startswith(b"authpasswd: unknown method: nosuch")


@pytest.mark.peer("pw2userdb")
@pytest.mark.parametrize("options", [[], ["--nouid"], ["--noshadow"], ["--nouid", "--domain=x"]])
def test_pw2userdb_prints_the_same(tmp_path: Path, options: list[str]) -> None:
    passwd, shadow = tmp_path / "passwd", tmp_path / "shadow"
    passwd.write_text(
        "vm:x:1012:1012:V|M,,,:/home/vm:\nnop::5:6:::/bin/sh\n# c\na:h:1:2:A B:/a:/bin/sh\n"
    )
    shadow.write_text("vm:*:19000:0:99999:7:::\na:$1$x$y:19000::::::\n")
    words = ("pw2userdb", f"--passwd={passwd}", f"--shadow={shadow}", *options)
    their_code, their_out, _ = run(theirs(*words), tmp_path)
    our_code, our_out, _ = run(ours(*words), tmp_path)
    assert (our_code, their_code) == (0, 0)
    assert sorted(our_out.splitlines()) == sorted(their_out.splitlines())


@pytest.mark.peer("pw2userdb")
def test_only_our_reverse_entries_lead_to_a_record(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("a:h:1:2:A B:/a:/bin/sh\n")
    words = ("pw2userdb", "--passwd=passwd", "--noshadow", "--domain=d.org")
    assert b"1=\ta\n" in run(theirs(*words), tmp_path)[1]
    assert b"1=\ta@d.org\n" in run(ours(*words), tmp_path)[1]


@pytest.mark.peer("pw2userdb")
@pytest.mark.parametrize("option", ["--foo", "--passwd=/nonexistent"])
def test_pw2userdb_fails_alike(tmp_path: Path, option: str) -> None:
    assert run(theirs("pw2userdb", option), tmp_path)[0] != 0
    assert run(ours("pw2userdb", option), tmp_path)[0] == 1


@pytest.mark.peer("makedatprog")
@pytest.mark.parametrize(
    ("text", "is_accepted"),
    [
        (b"a\tb\n.\n", True),
        (b"a\tb\n", False),
        (b"", False),
        (b"a\tb\na\tc\n.\n", False),
        (b".\nx", True),
    ],
)
def test_makedatprog_wants_a_dot(tmp_path: Path, text: bytes, *, is_accepted: bool) -> None:
    for name, command in (("theirs", ["/usr/bin/makedatprog"]), ("ours", ours("makedatprog"))):
        (tmp_path / "text").write_bytes(text)
        for source in ("text", "-"):
            target = tmp_path / f"{name}{source}.dat"
            code, _, _ = run([*command, source, f"{name}.tmp", str(target)], tmp_path, text)
            assert (code == 0, target.exists()) == (is_accepted, is_accepted)
