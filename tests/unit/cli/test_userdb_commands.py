"""The userdb and password commands: command lines, messages, exit codes (spec auth 2.4-2.9, 6)."""

from __future__ import annotations

import io
import os
import pty
import pwd
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer.main

from couriermail.auth import HmacContext, verify_password
from couriermail.cli import courierauthconfig, userdb, userdb_apps, userdbpw
from couriermail.table import Table

ANSWER = tuple[int, str, str]


class Commands:
    """Runs commands in this process, in a configuration directory of their own."""

    def __init__(
        self,
        config: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfdbinary: pytest.CaptureFixture[bytes],
    ) -> None:
        self.config = config
        self.userdb = config / "userdb"
        self._monkeypatch = monkeypatch
        self._captured = capfdbinary

    def run(self, name: str, *words: str, stdin: bytes = b"") -> ANSWER:
        self._monkeypatch.setattr(sys, "argv", [name, *words])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = 0
        try:
            import_module(f"couriermail.cli.{name}").main()
        except SystemExit as error:
            code = int(error.code or 0)
        out, err = self._captured.readouterr()
        return code, out.decode(), err.decode()


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Commands:
    monkeypatch.setenv("COURIERMAIL_CONFIG", str(tmp_path))
    monkeypatch.delenv(userdbpw.SCHEME_VARIABLE, raising=False)
    return Commands(tmp_path, monkeypatch, capfdbinary)


USAGE = (
    "Usage: userdb [path/.../ | -f file ]name set field=value field=value...\n"
    "       userdb [path/.../ | -f file ]name unset field field...\n"
    "       userdb [path/.../ | -f file ]name del\n"
    "       userdb -show [path/... | -f file ] [name]\n"
)


def test_pinned_userdb_session(commands: Commands) -> None:
    assert commands.run("userdb", "john", "set", "home=/home/john", "uid=1001", "gid=1001")[0] == 0
    text = "john\thome=/home/john|uid=1001|gid=1001\n"
    assert commands.userdb.read_text() == text
    assert commands.run("userdb", "john", "set", "systempw", stdin=b"sekrit\n") == (0, "", "")
    assert commands.userdb.read_text() == text.replace("\n", "|systempw=sekrit\n")
    for words in (["nosuch", "del"], ["nosuch", "unset", "mail"], ["john", "unset"]):
        assert commands.run("userdb", *words) == (0, "", "")
    assert commands.run("userdb", "-show") == (0, "john\n", "")
    shown = (0, "home=/home/john\nuid=1001\ngid=1001\nsystempw=sekrit\n", "")
    assert commands.run("userdb", "-show", "john") == shown
    assert commands.run("userdb", "-show", "-f", str(commands.userdb), "john") == shown
    assert commands.run("userdb", "-show", "nosuch") == (0, "", "")
    assert commands.run("userdb", "john", "unset", "uid", "gid", "systempw")[0] == 0
    assert commands.run("userdb", "john", "del") == (0, "", "")
    assert commands.userdb.read_text() == ""


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ([], (1, USAGE, "")),
        (["john"], (1, USAGE, "")),
        (["john", "frob"], (1, USAGE, "")),
        (["john", "del", "extra"], (1, USAGE, "")),
        (["john", "set"], (1, USAGE, "")),
        (["-f"], (1, USAGE, "")),
        (["-x", "set", "a=b"], (1, USAGE, "")),
        (["", "set", "a=b"], (1, USAGE, "")),
        (["-show", "a", "b"], (1, USAGE, "")),
        (["x", "set", "a=b|c"], (1, "", "Invalid field or value.\n")),
        (["x", "set", "a=b\nc"], (1, "", "Invalid field or value.\n")),
        (["x", "set", "pw", "a|b"], (1, "", "Invalid field or value.\n")),
        (["x", "set", "pw"], (1, "", "x.pw: no value was given.\n")),
        (["a\tb", "set", "x=1"], (1, "", "invalid record name\n")),
        (["a|b", "set", "x=1"], (1, "", "invalid record name\n")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_userdb_refuses(commands: Commands, words: list[str], answer: ANSWER) -> None:
    assert commands.run("userdb", *words) == answer
    assert not commands.userdb.exists()


def test_a_typed_value_is_checked(commands: Commands) -> None:
    assert commands.run("userdb", "x", "set", "pw", stdin=b"a|b\n") == (1, "", "Invalid value.\n")
    assert not commands.userdb.exists()


def test_pinned_records_of_files_below(commands: Commands) -> None:
    (commands.userdb / "dom").mkdir(parents=True)
    assert commands.run("userdb", "dom/d1/c@d", "set", "home=/c", "uid=3", "gid=4")[0] == 0
    assert (commands.userdb / "dom/d1").read_text() == "c@d\thome=/c|uid=3|gid=4\n"
    assert commands.run("userdb", "-show", "dom/d1/") == (0, "c@d\n", "")
    assert commands.run("userdb", "-show", "dom/d1/c@d") == (0, "home=/c\nuid=3\ngid=4\n", "")
    answer = commands.run("userdb", "nodir/x/zzz", "set", "home=/z")
    assert answer == (1, "", f"{commands.userdb}/nodir: No such file or directory\n")
    answer = commands.run("userdb", "zzz", "set", "home=/z")
    assert answer == (1, "", f"{commands.userdb}: not a file.\n")


@pytest.mark.parametrize("path", ["../x/name", "dom/../../x/name", "/../x/name"])
def test_a_path_does_not_leave_the_userdb(commands: Commands, path: str) -> None:
    commands.userdb.mkdir()
    code, _, err = commands.run("userdb", path, "set", "a=b")
    assert (code, err.count("\n")) == (1, 1)
    assert os.listdir(commands.config) == ["userdb"]


@pytest.mark.parametrize(
    ("command", "words"), [("userdb", ["a", "set", "b=c"]), ("makeuserdb", [])]
)
def test_pinned_a_link_is_refused_in_two_lines(
    commands: Commands, command: str, words: list[str]
) -> None:
    commands.userdb.symlink_to("elsewhere")
    message = f"ERROR: Wrong {command} command.\n       ({commands.userdb} is a symbolic link)\n"
    assert commands.run(command, *words) == (1, "", message)
    assert os.listdir(commands.config) == ["userdb"]


def test_pinned_makeuserdb(commands: Commands) -> None:
    path = str(commands.userdb)
    assert commands.run("makeuserdb") == (1, "", f"{path}: not found.\n")
    other = f"{commands.config}/other"
    assert commands.run("makeuserdb", "-f", other) == (1, "", f"{other}: not found.\n")
    commands.userdb.write_text("a\tuid=1\n")
    commands.userdb.chmod(0o644)
    refusal = (1, "", f"{path}: MAY NOT HAVE GROUP OR WORLD PERMISSIONS!!\n")
    assert commands.run("makeuserdb") == refusal
    commands.userdb.chmod(0o600)
    for words in ([], ["-f", path], [f"-f{path}/"]):
        assert commands.run("makeuserdb", *words) == (0, "", "")
    commands.userdb.write_text("a\tuid=1\na\tuid=1\n")
    code, _, err = commands.run("makeuserdb")
    assert code == 1
    assert err.splitlines() == [
        "Cannot store record for a - duplicate or out of disk space.",
        f"       ({path}, line 2)",
    ]
    for words in (["-x"], ["a"], ["-f"], ["-f", "a", "b"]):
        assert commands.run("makeuserdb", *words) == (1, "", "Usage: makeuserdb [-f file]\n")


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_userdbpw_makes_contexts(commands: Commands, algorithm: str) -> None:
    expected = HmacContext.from_password(algorithm, "secret").to_hex()
    answer = commands.run("userdbpw", f"-hmac-{algorithm}", stdin=b"secret\nmore\n")
    assert answer == (0, f"{expected}\n", "")


def test_userdbpw_makes_hashes(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, start in ([], "$6$"), (["-md5"], "$1$"):
        code, out, _ = commands.run("userdbpw", *words, stdin=b"secret\n")
        assert (code, out[:3]) == (0, start)
        assert verify_password(out.strip(), "secret")
    monkeypatch.setenv(userdbpw.SCHEME_VARIABLE, "ssha256")
    assert commands.run("userdbpw", stdin=b"secret")[1].startswith("{SSHA256}")
    monkeypatch.setenv(userdbpw.SCHEME_VARIABLE, "rot13")
    refusal = (1, "", "unknown password scheme: rot13\n")
    assert commands.run("userdbpw", stdin=b"secret") == refusal


def test_userdbpw_refuses(commands: Commands) -> None:
    refusal = (1, "", "userdbpw: invalid argument.\n")
    assert commands.run("userdbpw", "-hmac-sha512", stdin=b"x\n") == refusal
    assert commands.run("userdbpw") == (1, "", "No password was given.\n")


@pytest.mark.parametrize(
    ("method", "start"),
    [
        ("md5", "{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="),
        ("MD5RAW", "{MD5RAW}5ebe2294ecd0e0f08eab7690d2a6ee69"),
        ("sha", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
        ("sha1", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
        ("ssha", "{SSHA}"),
        ("sha256", "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
        ("sha512-crypt", "$6$"),
        ("sha256-crypt", "$5$"),
        ("md5-crypt", "$1$"),
        ("crypt", "$"),
        (None, "$"),
    ],
)
def test_authpasswd(commands: Commands, method: str | None, start: str) -> None:
    words = [] if method is None else [method]
    code, out, err = commands.run("authpasswd", *words, stdin=b"secret\n")
    assert (code, err) == (0, "")
    assert out.startswith(start)
    assert verify_password(out.strip(), "secret")


def test_authpasswd_refuses(commands: Commands) -> None:
    hint = "(authpasswd --help lists them)"
    refusal = (1, "", f"authpasswd: unknown method: nosuch {hint}\n")
    assert commands.run("authpasswd", "nosuch", stdin=b"x\n") == refusal
    usage = (1, "", "Usage: authpasswd [method]\n")
    assert commands.run("authpasswd", "md5", "sha", stdin=b"x\n") == usage
    assert commands.run("authpasswd") == (1, "", "No password was given.\n")
    assert commands.run("authpasswd", "sha", stdin=b"\n")[0] == 0


def test_a_terminal_is_asked_twice_without_echo() -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "couriermail.cli.authpasswd", "md5"]
    with subprocess.Popen(
        program, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        asked = b""
        for answer in (b"one\n", b"other\n", b"secret\n", b"secret\n"):
            while not asked.endswith(b"assword: "):  # the prompt comes when echo is off
                asked += process.stderr.read(1)
            asked += b"|"
            os.write(ours, answer)
        assert process.stdout.read() == b"{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==\n"
    os.close(theirs)
    os.close(ours)
    assert asked == (
        b"Password: |\nReenter password: |\nPasswords don't match.\n"
        b"Password: |\nReenter password: |"
    )


def test_pw2userdb(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    passwd = commands.config / "passwd"
    passwd.write_text("vm:x:1012:1012:V|M,,,:/home/vm:\n")
    (commands.config / "shadow").write_text("vm:*:1:::::\n")
    options = [f"--passwd={passwd}", f"--shadow={commands.config}/shadow"]
    record = "vm\tuid=1012|gid=1012|home=/home/vm|systempw=*|gecos=V.M,,,\n"
    assert commands.run("pw2userdb", *options) == (0, f"{record}1012=\tvm\n", "")
    plain = record.replace("|systempw=*", "")
    assert commands.run("pw2userdb", *options, "--noshadow", "--nouid") == (0, plain, "")
    code, _, err = commands.run("pw2userdb", "--foo")
    assert (code, err.splitlines()[-1]) == (1, "Invalid options.")
    missing = f"--passwd={commands.config}/nofile"
    refusal = (1, "", f"{commands.config}/nofile: No such file or directory\n")
    assert commands.run("pw2userdb", missing) == refusal
    install_vpopmail(monkeypatch, commands.config)
    out = commands.run("pw2userdb", *options, "--vpopuid", "--nouid", "--domain=d")[1]
    assert out == record.replace("1012", "89").replace("vm\t", "vm@d\t")


def install_vpopmail(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    entry = pwd.struct_passwd(("vpopmail", "x", 89, 89, "", str(home), ""))

    def getpwnam(name: str) -> pwd.struct_passwd:
        assert name == "vpopmail"
        return entry

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)


def test_without_vpopmail_there_is_nothing_to_convert(commands: Commands) -> None:
    assert commands.run("vchkpw2userdb") == (1, "", "vpopmail: no such user.\n")


def test_vchkpw2userdb(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    install_vpopmail(monkeypatch, commands.config)
    for folder in ("users", "domains/default", "domains/d.org", "domains/empty"):
        (commands.config / folder).mkdir(parents=True)
        if not folder.endswith("empty"):
            name = folder.rpartition("/")[2]
            (commands.config / folder / "vpasswd").write_text(f"{name}:h:1:0:G:/v/{name}:5C\n")
    rest = "uid=89|gid=89|home=/v/{}|systempw=h|gecos=G|quota=5C\n"
    lines = {
        "users": f"users\t{rest.format('users')}",
        "d.org": f"d.org@d.org\t{rest.format('d.org')}",
        "default": f"default\t{rest.format('default')}",
    }
    assert commands.run("vchkpw2userdb") == (0, "".join(lines.values()), "")
    target = commands.config / "new"
    home = f"--vpopmailhome={commands.config}"
    assert commands.run("vchkpw2userdb", home, f"--todir={target}") == (0, "", "")
    assert {path.name: path.read_text() for path in target.iterdir()} == lines
    assert target.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in target.iterdir()} == {0o600}


def test_vchkpw2userdb_wants_a_directory(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_vpopmail(monkeypatch, commands.config)
    commands.userdb.write_text("")
    answer = commands.run("vchkpw2userdb", f"--todir={commands.userdb}")
    assert answer == (1, "", f"{commands.userdb}: File exists\n")


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["--version"], [courierauthconfig._version()]),
        (["--version=0.0.9"], ["yes"]),
        (["--version=0.1"], ["yes"]),
        (["--version=0.1.0.0"], ["yes"]),
        (["--version=0.1.1"], ["no"]),
        (["--version=0.10"], ["no"]),
        (["--version=x"], ["yes"]),
        (["--ldflags"], []),
        (["--cppflags", "--version=99"], ["no"]),
    ],
)
def test_courierauthconfig_versions(
    monkeypatch: pytest.MonkeyPatch, words: list[str], lines: list[str]
) -> None:
    monkeypatch.setattr(
        courierauthconfig, "_version", lambda: lines[0] if words == ["--version"] else "0.1.0"
    )
    assert courierauthconfig.report(words) == lines


def test_courierauthconfig_places(commands: Commands) -> None:
    code, out, _ = commands.run("courierauthconfig", "--configfiles")
    keys = [line.partition("=")[0] for line in out.splitlines()]
    assert code == 0
    assert keys == ["userdb", "authdaemonrc", "authldaprc", "authmysqlrc", "authpgsqlrc", "mailuser", "mailgroup", "mailuid", "mailgid", "sbindir"]  # fmt: skip
    assert out.startswith(f"userdb={commands.userdb}\n")
    assert commands.run("courierauthconfig", "--nosuch")[0] == 1


NAMES = ("userdb", "makeuserdb", "userdbpw", "authpasswd", "courierauthconfig")


@pytest.mark.parametrize("name", [*NAMES, "pw2userdb", "vchkpw2userdb"])
def test_help_has_examples_and_exit_codes(commands: Commands, name: str) -> None:
    code, out, _ = commands.run(name, "--help")
    assert code == 0
    assert "Exit codes:" in out
    assert "Examples:" in out


def declared_options(app: typer.Typer) -> set[str]:
    command = typer.main.get_command(app)
    return {
        option
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("-") and option != "--help"
    }


def test_the_help_declares_the_options_that_are_read() -> None:
    assert declared_options(userdb_apps.userdbpw) == set(userdbpw.SWITCHES)
    assert declared_options(userdb_apps.userdb) == {"-show", "-f"}
    assert declared_options(userdb_apps.makeuserdb) == {"-f"}
    request = userdb.read_command_line(["-show", "-f", "file", "name"])
    assert (request.file, request.name, request.verb) == ("file", "name", "show")


def test_a_compiled_userdb_is_the_one_of_the_configuration(commands: Commands) -> None:
    commands.run("userdb", "a", "set", "uid=1")
    assert commands.run("makeuserdb") == (0, "", "")
    assert Table.open(f"{commands.userdb}.dat").get(b"a") == b"uid=1|_="
