"""`maildrop`: its command line, modes, permission checks and exit codes (spec filter 2.1, 4.12)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import attrs
import pytest
from typer.core import TyperOption
from typer.main import get_command

import couriermail
from couriermail.cli.maildrop import OPTIONS_WITH_VALUE, SWITCHES, UsageError, read_command_line
from couriermail.cli.maildrop_app import app
from couriermail.maildir import Maildir

COMMAND = [sys.executable, "-c", "from couriermail.cli.maildrop import main; main()"]
NOBODY = 65534
MESSAGE = b"Return-Path: <me@x.example>\nSubject: hello\n\nbody\n"


def maildrop(
    home: Path,
    *arguments: str,
    message: bytes = MESSAGE,
    prefix: tuple[str, ...] = (),
    **environment: str,
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*prefix, *COMMAND, *arguments],
        cwd=home,
        input=message,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "COURIERMAIL_CONFIG": str(home / "etc"),
            **environment,
        },
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "etc").mkdir()
    Maildir.create(home / "Maildir")
    return home


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.parent.mkdir(exist_ok=True, mode=0o700)
    path.write_text(text)
    path.chmod(mode)


def delivered(home: Path) -> int:
    return len([*(home / "Maildir/new").iterdir()])


def test_the_table_of_options_is_that_of_the_typer_app() -> None:
    declared: dict[str, bool] = {}
    for option in get_command(app).params:
        if isinstance(option, TyperOption):
            declared.update({name[1:]: not option.is_flag for name in option.opts})
    for name in ("-help", "-install-completion", "-show-completion", "h"):
        declared.pop(name, None)
    assert {letter for letter, takes in declared.items() if takes} == set(OPTIONS_WITH_VALUE)
    assert {letter for letter, takes in declared.items() if not takes} == set(SWITCHES)


def test_values_are_glued_or_the_next_word() -> None:
    request = read_command_line(
        ["-AX: 1", "-A", "Y: 2", "-fme@x", "-a", "-V", "3", "--", "-r", "x"]
    )
    assert request.headers == ["X: 1", "Y: 2"]
    assert request.values == {"sender": "me@x", "verbose": "3"}
    assert request.flags == {"account_errors"}
    assert request.arguments == ["-r", "x"]


@pytest.mark.parametrize("word", ["-Z", "-", "-M", "-f"])
def test_a_wrong_command_line_is_refused(word: str) -> None:
    with pytest.raises(UsageError):
        read_command_line([word])


def test_help_names_every_option(home: Path) -> None:
    done = maildrop(home, "--help", COLUMNS="200")
    assert done.returncode == 0
    for letter in [*OPTIONS_WITH_VALUE, *SWITCHES]:
        assert f"-{letter} ".encode() in done.stdout


def test_delivery_runs_the_site_recipe_then_the_users_then_default(home: Path) -> None:
    write(home / "etc/maildroprc", 'echo "site"\nSEEN=1\n', 0o644)
    write(home / ".mailfilter", 'echo "own $SEEN $FROM $SIZE $LINES $MAILFILTER"\n')
    done = maildrop(home)
    size = len(MESSAGE)
    assert done.stdout == b"site\nown 1 me@x.example %d 1 .mailfilter\n" % size
    assert (done.returncode, delivered(home)) == (0, 1)


def test_157_the_site_recipe_decides_the_exit_code(home: Path) -> None:
    write(home / "etc/maildroprc", "EXITCODE=5\nexit\n", 0o644)
    assert (maildrop(home).returncode, delivered(home)) == (5, 0)


def test_151_delivery_mode_imports_locale_variables_only(home: Path) -> None:
    write(home / ".mailfilter", 'import "FOO"\nsystem "env | sort"\n')
    shown = maildrop(home, FOO="bar", LANG="C", LC_TIME="C", USER="u").stdout.split(b"\n")
    assert b"LANG=C" in shown
    assert b"LC_TIME=C" in shown
    assert b"FOO=bar" in shown  # only because it was imported
    assert not any(line.startswith(b"USER=") for line in shown)


@pytest.mark.parametrize(
    ("mode", "code", "text"),
    [
        (0o1700, 75, b""),
        (0o702, 75, b"world writable"),
        (0o720, 0, b""),
    ],
    ids=["sticky", "world-writable", "group-writable"],
)
def test_148_the_home_must_be_private(home: Path, mode: int, code: int, text: bytes) -> None:
    home.chmod(mode)
    done = maildrop(home)
    assert done.returncode == code
    assert text in done.stderr
    assert bool(done.stderr) is bool(text)


@pytest.mark.parametrize(
    ("mode", "code"), [(0o640, 75), (0o604, 75), (0o400, 0)], ids=["group", "world", "readonly"]
)
def test_149_the_filter_file_must_be_private(home: Path, mode: int, code: int) -> None:
    write(home / ".mailfilter", "exit\n", mode)
    assert maildrop(home).returncode == code


def test_149_the_filter_file_must_be_a_file(home: Path) -> None:
    (home / ".mailfilter").mkdir()
    done = maildrop(home)
    assert done.returncode == 75
    assert b"mailfilter file isn't a regular file." in done.stderr


def test_150_the_exit_codes_of_wrong_invocations(home: Path) -> None:
    assert maildrop(home, "-d", "no-such-user-here").returncode == 67
    assert maildrop(home, "-Z").returncode == 75
    missing = maildrop(home, "gone")
    assert missing.returncode == 75
    assert b"Unable to open filter file, errno=2." in missing.stderr


@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("02", 0o664), ("077", 0o600)])
def test_133_messages_have_the_mode_that_umask_leaves(home: Path, umask: str, mode: int) -> None:
    write(home / "recipe", f'UMASK={umask}\ncc "mb"\nto "Maildir"\n')
    assert maildrop(home, "recipe").returncode == 0
    (message,) = (home / "Maildir" / "new").iterdir()
    assert message.stat().st_mode & 0o777 == (home / "mb").stat().st_mode & 0o777 == mode


def test_152_the_file_of_an_embedded_name_is_searched_for(home: Path) -> None:
    assert maildrop(home, "-M", "x-y").returncode == 0
    for name in ("default", "x-default", "x-y-default", "x-y"):
        write(home / ".mailfilters" / name, f'echo "{name} $MAILFILTER $1"\nEXITCODE=9\n')
        done = maildrop(home, "-M", "x-y", "one")
        assert (done.returncode, done.stdout) == (9, f"{name} x-y one\n".encode())
    assert delivered(home) == 0


def test_153_an_embedded_name_cannot_leave_its_directory(home: Path) -> None:
    write(home / ".mailfilters/:::x:y", 'echo "$MAILFILTER"\n')
    assert maildrop(home, "-M", "../x.y").stdout == b":::x:y\n"


@pytest.mark.parametrize("mode", [0o710, 0o701, 0o777])
def test_the_directory_of_embedded_recipes_must_be_private(mode: int, home: Path) -> None:
    write(home / ".mailfilters/x", "EXITCODE=9\n")
    (home / ".mailfilters").chmod(mode)
    done = maildrop(home, "-M", "x")
    assert done.returncode == 75
    assert done.stderr.startswith(b"maildrop: Invalid permissions on $HOME/.mailfilters - ")
    (home / ".mailfilters").chmod(0o700)
    assert maildrop(home, "-M", "x").returncode == 9


@pytest.mark.root
def test_the_directory_of_embedded_recipes_must_be_ones_own(home: Path) -> None:
    write(home / ".mailfilters/x", "EXITCODE=9\n")
    os.chown(home / ".mailfilters", 4242, 4242)
    done = maildrop(home, "-M", "x")
    assert done.stderr == b"maildrop: Invalid user ownership of $HOME/.mailfilters.\n"
    assert done.returncode == 75


def test_the_directory_of_embedded_recipes_must_be_one(home: Path) -> None:
    write(home / ".mailfilters", "")
    done = maildrop(home, "-M", "x")
    assert done.stderr == b"maildrop: $HOME/.mailfilters should be a directory.\n"
    assert done.returncode == 75


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_an_embedded_recipe_must_be_private(mode: int, home: Path) -> None:
    write(home / ".mailfilters/x", "EXITCODE=9\n", mode)
    done = maildrop(home, "-M", "x")
    assert (done.returncode, b"on the filter file" in done.stderr) == (75, True)


def test_154_an_embedded_recipe_may_not_deliver(home: Path) -> None:
    write(home / ".mailfilters/x", 'to "x"\n')
    done = maildrop(home, "-M", "x")
    assert done.returncode == 75
    assert done.stderr.startswith(
        b"maildrop: 'to' disabled in embedded mode.\n.mailfilters/x(1): Syntax error.\n"
    )


@pytest.mark.parametrize(
    ("path", "code"), [("maildroprcs/ok", 0), ("maildroprcs/ok.rc", 75), ("maildroprcs/../up", 75)]
)
def test_156_recipes_of_the_administrator_lift_the_restrictions(
    path: str, code: int, home: Path
) -> None:
    # a path with a dot is never trusted, so the configuration must lie where there is none
    for name in ("maildroprcs/ok", "maildroprcs/ok.rc", "up"):
        write(home / "etc" / name, 'system "echo ran $DEFAULT"\n', 0o644)
    write(home / ".mailfilters/x", f'DEFAULT=changed\ninclude "{home}/etc/{path}"\n')
    done = maildrop(home, "-M", "x")
    assert done.returncode == code
    assert (done.stdout == b"ran ./Maildir\n") is (code == 0)


@pytest.mark.parametrize(
    ("arguments", "sender"),
    [
        ((), b"me@x.example"),
        (("-f", "you@y"), b"you@y"),
    ],
    ids=["return-path", "option"],
)
def test_160_the_sender(arguments: tuple[str, ...], sender: bytes, home: Path) -> None:
    write(home / "r", 'echo "[$FROM]"\nexit\n')
    assert maildrop(home, *arguments, "r").stdout == b"[%b]\n" % sender


@pytest.mark.parametrize(
    ("message", "sender"),
    [(b"Return-Path: <>\n\n", b""), (b"Subject: x\n\n", b"MAILER-DAEMON")],
    ids=["null", "none"],
)
def test_160_the_null_sender_is_empty(message: bytes, sender: bytes, home: Path) -> None:
    write(home / "r", 'echo "[$FROM]"\nexit\n')
    assert maildrop(home, "r", message=message).stdout == b"[%b]\n" % sender


def test_a_syntax_error_keeps_the_message_and_shows_the_place(home: Path) -> None:
    write(home / ".mailfilter", "if (1)\n{\n} else\n{\n}\n")
    done = maildrop(home)
    assert (done.returncode, delivered(home)) == (75, 0)
    lines = done.stderr.decode().split("\n")
    assert lines[0] == ".mailfilter(3): Syntax error after }"
    assert lines[1].startswith(".mailfilter:3:3: ")
    assert "else" in lines[1]


def test_a_run_time_error_names_the_statement(home: Path) -> None:
    write(home / ".mailfilter", '\nxfilter "exit 3"\n')
    done = maildrop(home)
    assert (done.returncode, delivered(home)) == (75, 0)
    assert b"maildrop: Unable to filter message. (.mailfilter:2:1)\n" in done.stderr


def test_the_lookup_of_another_server_is_not_available(home: Path) -> None:
    done = maildrop(home, "-t", "socket")
    assert (done.returncode, delivered(home)) == (75, 0)
    assert b"not available" in done.stderr


def test_146_a_nearly_full_maildir_gets_one_warning_a_day(home: Path) -> None:
    Maildir(home / "Maildir").set_quota("300S")
    write(home / "warning", "Subject: nearly full\n\nDelete something.\n")
    message = MESSAGE + b"x" * (196 - len(MESSAGE) - 1) + b"\n"
    assert maildrop(home, "-w", "50", "-W", "warning", message=message).returncode == 0
    stored = sorted(path.read_text() for path in (home / "Maildir/new").iterdir())
    assert len(stored) == 2
    warning = next(text for text in stored if text.startswith("Date: "))
    assert warning.split("\n")[1].startswith("Message-Id: <")
    assert warning.endswith("\nSubject: nearly full\n\nDelete something.\n")
    assert (home / "Maildir/quotawarn").exists()
    # over quota: the message is kept, and the day's warning has been sent
    assert maildrop(home, "-w", "50", "-W", "warning", message=message).returncode == 75
    assert delivered(home) == 2


def test_a_full_maildir_ends_with_the_exit_code_that_the_recipe_chose(home: Path) -> None:
    recipe = 'MAILDIRQUOTA="1C"\ncc "./Maildir"\nto "./Maildir"\n'
    write(home / ".mailfilter", recipe)
    assert maildrop(home).returncode == 75
    write(home / ".mailfilter", f"QUOTA_EXITCODE=77\n{recipe}")
    done = maildrop(home)
    assert (done.returncode, delivered(home)) == (77, 1)
    assert b"maildrop: maildir over quota." in done.stderr


def test_the_text_of_the_warning_comes_from_the_configuration_or_there_is_none(home: Path) -> None:
    Maildir(home / "Maildir").set_quota("300S")
    assert maildrop(home, "-w1").returncode == 0
    assert delivered(home) == 1
    write(home / "etc/quotawarnmsg", "Subject: full\n\n")
    assert maildrop(home, "-w1").returncode == 0
    assert delivered(home) == 3


def test_a_percentage_must_be_a_number(home: Path) -> None:
    assert maildrop(home, "-w", "much").returncode == 75
    assert delivered(home) == 0


@pytest.mark.root
def test_an_account_of_the_userdb_has_its_own_home_mailbox_and_quota() -> None:
    python, environment = others_python()
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        home = Path(name, "box")
        home.mkdir(mode=0o700)
        Maildir.create(home / "Mail")
        record = f"uid=4242|gid=4243|home={home}|mail=./Mail|quota=9000S"
        write(Path(name, "userdb"), f"bob@example.com\t{record}\n")
        write(
            home / ".mailfilter",
            'system "id -u; id -g; id -G"\necho "$LOGNAME $DEFAULT $MAILDIRQUOTA"\n',
        )
        for path in (home, *home.rglob("*")):
            os.chown(path, 4242, 4243)
        done = subprocess.run(
            [*python, "-c", "from couriermail.cli.maildrop import main; main(['-d', 'bob@example.com'])"],
            input=MESSAGE, env={**environment, "COURIERMAIL_CONFIG": name},
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
        assert (done.stderr, done.returncode) == (b"", 0)
        assert done.stdout == b"4242\n4243\n4243\nbob@example.com ./Mail 9000S\n"
        (stored,) = (home / "Mail/new").iterdir()
        assert (stored.stat().st_uid, stored.stat().st_gid) == (4242, 4243)


def test_accounts_that_cannot_be_asked_now_keep_the_message(home: Path) -> None:
    write(home / "etc/authdaemonrc", f'authdaemonvar="{home}/none"\n')
    done = maildrop(home, "-d", "bob")
    assert (done.returncode, delivered(home)) == (75, 0)
    assert b"maildrop: " in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.root
def test_a_recipe_run_as_root_cannot_be_somebody_elses_file(home: Path) -> None:
    secret = home / "secret"
    write(secret, 'echo "secret"\n')
    os.chown(secret, 4242, 4242)
    (home / ".mailfilter").symlink_to(secret)
    done = maildrop(home)
    assert (done.returncode, done.stdout) == (75, b"")
    assert b"owned by the wrong user" in done.stderr


def test_a_large_message_is_delivered_without_its_carriage_returns(home: Path) -> None:
    message = b"Subject: x\r\n\r\n" + b"line\r\n" * 300_000
    assert maildrop(home, message=message).returncode == 0
    (stored,) = (home / "Maildir/new").iterdir()
    assert stored.read_bytes() == message.replace(b"\r\n", b"\n")


def test_147_a_signal_ends_the_run_in_order(home: Path) -> None:
    write(home / "r", 'dotlock "l.lock" {\nsystem "echo ready; exec sleep 3 >/dev/null 2>&1"\n}\n')
    with subprocess.Popen(
        [*COMMAND, "r"], cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/bin", "HOME": str(home)},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(MESSAGE)
        process.stdin.close()
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 75
        assert process.stderr is not None
        assert process.stderr.read() == b"maildrop: signal 0x0F\n"
    assert not (home / "l.lock").exists()


@pytest.mark.parametrize(
    "ids", ["x", "4242/", "4242/1x", "", "-1", "4294967295/1", "1/4294967295", "9" * 5000]
)
def test_158_wrong_ids_are_refused(ids: str, home: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only trusted users come so far")
    assert b"Invalid -D option." in maildrop(home, f"-D{ids}" if ids else "-Dx").stderr


def test_158_two_users_are_refused(home: Path) -> None:
    done = maildrop(home, "-d", "root", "-D", "4242")
    assert (done.returncode, b"Cannot use both -d and -D options." in done.stderr) == (75, True)


def others_python() -> tuple[list[str], dict[str, str]]:
    """A Python that any user may run, with our rooms: what a setuid test needs."""
    rooms = ":".join(str(Path(room).parent) for room in couriermail.__path__)
    libraries = Path(attrs.__file__).parents[1]
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": f"{rooms}:{libraries}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "COURIERMAIL_CONFIG": "/nonexistent",
    }
    probe = "import sys, couriermail.cli.maildrop, couriermail.filter.local, couriermail.maildir"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            done = subprocess.run(
                [python, "-c", f"{probe}; sys.exit(sys.version_info < (3, 11))"],
                user=NOBODY, group=NOBODY, extra_groups=[], env=environment, cwd="/",
                capture_output=True, check=False, timeout=60,
            )  # fmt: skip
        except OSError:
            continue
        if done.returncode == 0:
            return [python], environment
    pytest.skip("no Python 3.11 that other users may run")


@pytest.mark.root
def test_root_drops_every_right_before_the_recipe() -> None:
    python, environment = others_python()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / ".mailfilter", 'system "id -u; id -g; id -G"\nexit\n')
        for path in (home, home / ".mailfilter"):
            os.chown(path, 4242, 4243)
        done = subprocess.run(
            [*python, "-c", "from couriermail.cli.maildrop import main; main(['-D', '4242/4243'])"],
            input=MESSAGE, env={**environment, "HOME": name, "COURIERMAIL_CONFIG": name},
            capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == (b"4242\n4243\n4243\n", b"", 0)


@pytest.mark.root
def test_159_a_recipient_filter_gets_its_five_arguments() -> None:
    python, environment = others_python()
    arguments = ["-D", "4242/4242", "-M", "rcptfilter", "host", "ip", "s@x", "b1", "b2"]
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / ".mailfilters/rcptfilter", 'echo "$1 $2 $3 $4 $5"\nEXITCODE=99\n')
        for path in (home, *home.rglob("*")):
            os.chown(path, 4242, 4242)
        done = subprocess.run(
            [*python, "-c", f"from couriermail.cli.maildrop import main; main({arguments})"],
            input=MESSAGE, env={**environment, "HOME": name}, capture_output=True,
            check=False, timeout=60,
        )  # fmt: skip
    assert (done.stdout, done.returncode) == (b"host ip s@x b1 b2\n", 99)


@pytest.mark.root
@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("4242/4243", b""),
        ("4242", b""),
        ("4242/4242", b"You are not authorized to use the -D option."),
        ("4241/4243", b"You are not authorized to use the -D option."),
        ("0/0", b"You are not authorized to use the -D option."),
        ("x", b"You are not authorized to use the -D option."),
    ],
)
def test_158_a_user_may_name_no_ids_but_its_own(ids: str, said: bytes) -> None:
    """As filterd runs it: the ids were given up before the program was run."""
    python, environment = others_python()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        write(home / ".mailfilters/rcptfilter", 'echo "$1"\nEXITCODE=99\n')
        for path in (home, *home.rglob("*")):
            os.chown(path, 4242, 4243)
        arguments = ["-D", ids, "-M", "rcptfilter", "host"]
        done = subprocess.run(
            [*python, "-c", f"from couriermail.cli.maildrop import main; main({arguments})"],
            stdin=subprocess.DEVNULL, user=4242, group=4243, extra_groups=[], cwd="/",
            env={**environment, "HOME": name}, capture_output=True, check=False, timeout=60,
        )  # fmt: skip
    assert (done.stdout, done.returncode) == ((b"", 75) if said else (b"host\n", 99))
    assert said in done.stderr
    assert bool(done.stderr) is bool(said)


@pytest.mark.root
def test_a_user_cannot_deliver_to_another() -> None:
    python, environment = others_python()
    done = subprocess.run(
        [*python, "-c", "from couriermail.cli.maildrop import main; main(['-d', 'root'])"],
        input=MESSAGE, user=NOBODY, group=NOBODY, extra_groups=[], env=environment, cwd="/",
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stderr == b"maildrop: You are not a trusted user.\n"
    assert done.returncode == 75
