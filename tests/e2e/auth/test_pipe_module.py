"""authpipe with real programs: the transcript, restarts and ends."""

from __future__ import annotations

import hmac
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.servers import wait_until

from couriermail.auth import CramResponse, DirectoryError
from couriermail.auth.backends.authpipe import PipeModule
from couriermail.auth.backends.pipechild import PipeChild, PipeTimeouts
from couriermail.auth.modules import ModuleSettings, load_module

FRED = "UID=81\\nGID=82\\nHOME=/home/fred\\nADDRESS=fred@example.com\\nMAILDIR=Maildir\\n.\\n"

# Logs each line it reads; answers as the first word says.
PROGRAM = f"""#!/bin/sh
echo $$ >> "$0.pids"
take() {{ IFS= read -r line && printf '%s\\n' "$line" >> "$0.log"; }}
while take; do
  case "$line" in
  "PRE . login root") printf 'FAIL\\n' ;;
  "PRE . login system") printf 'USERNAME=daemon\\nGID=1\\nHOME=/\\n.\\n' ;;
  "PRE . login none") printf 'USERNAME=no-such-user\\nGID=1\\nHOME=/\\n.\\n' ;;
  "PRE . login die") exit 0 ;;
  "PRE . login half") printf 'UID=81\\n'; exit 0 ;;
  "PRE . login no-ids") printf 'HOME=/\\n.\\n' ;;
  "PRE . login ok") printf 'OK\\n' ;;
  "PRE . login twice") printf 'FAIL\\nFAIL\\n' ;;
  "PRE . login slow") kill -STOP $$ ;;
  "PRE . "*) printf '{FRED}' ;;
  "AUTH "*) take; take; type=$line; take; take
     case "$type $line" in
     "login foobar" | cram-md5*) printf '{FRED}' ;;
     *) printf 'FAIL\\n' ;; esac ;;
  "PASSWD "*old*) printf 'OK\\n' ;;
  "PASSWD "*) printf 'FAIL\\n' ;;
  ENUMERATE) printf '# x\\nfred@example.com\\t81\\t82\\t/home/fred\\tMaildir\\tdisablepop3=0\\n.\\n' ;;
  esac
done
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "authProg"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    return path


@pytest.fixture
def make_module(program: Path) -> Iterator[Callable[..., PipeModule]]:
    modules: list[PipeModule] = []

    def make(**seconds: float) -> PipeModule:
        timeouts = PipeTimeouts(**{"answer": 10.0, "leave": 5.0, "terminate": 5.0, **seconds})
        modules.append(PipeModule(PipeChild(str(program), timeouts)))
        return modules[-1]

    yield make
    for module in modules:
        module.close()


def pids(program: Path) -> list[int]:
    """The processes that were started, in order."""
    return [int(line) for line in Path(f"{program}.pids").read_text().split()]


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_program_reads_what_the_spec_pins(program: Path) -> None:
    module = load_module("authpipe", ModuleSettings(config_dir=str(program.parent)))
    assert isinstance(module, PipeModule)
    assert module.lookup("root", "login") is None
    assert module.login("fred@example.com", "foobar", "login", remote="::1")
    assert [account.address for account in module.accounts()] == ["fred@example.com"]
    module.close()
    assert Path(f"{program}.log").read_text() == (
        "PRE . login root\nAUTH 36\nlogin\nlogin\nfred@example.com\nfoobar\nENUMERATE\n"
    )
    assert len(pids(program)) == 1


def test_an_account_has_the_fields_of_the_reply(make_module: Callable[..., PipeModule]) -> None:
    account = make_module().lookup("fred", "imap")
    assert account is not None
    assert (account.name, account.address) == ("fred", "fred@example.com")
    assert (account.uid, account.gid, account.home) == (81, 82, "/home/fred")
    assert account.maildir == "Maildir"


def test_a_system_user_has_its_id_from_the_system(make_module: Callable[..., PipeModule]) -> None:
    module = make_module()
    account = module.lookup("system", "login")
    assert account is not None
    assert (account.system_user, account.uid) == ("daemon", 1)
    with pytest.raises(DirectoryError, match="this system lacks"):
        module.lookup("none", "login")


def test_logins_and_changes_are_the_programs_decision(
    make_module: Callable[..., PipeModule],
) -> None:
    module = make_module()
    assert module.login("fred", "wrong", "login") is None
    assert module.login("fred", "", "login") is None
    digest = hmac.new(b"x", b"<1@a>", "md5").hexdigest()
    response = CramResponse(algorithm="md5", challenge=b"<1@a>", name="fred", digest=digest)
    assert module.cram(response, "imap")
    assert module.change_password("fred", "old", "new", "imap")
    assert module.change_password("fred", "wrong", "new", "imap") is False


@pytest.mark.parametrize("name", ["fred\nPRE . login x", "fred\0", "fred\t", "\x7f"])
def test_a_name_with_control_characters_is_not_sent(
    program: Path, make_module: Callable[..., PipeModule], name: str
) -> None:
    module = make_module()
    assert module.lookup(name, "login") is None
    assert module.login(name, "foobar", "login") is None
    assert module.login("fred", f"foobar{name}", "login") is None
    assert module.change_password(name, "old", "new", "login") is False
    assert not Path(f"{program}.log").exists()


@pytest.mark.parametrize("name", ["die", "half", "no-ids", "ok"])
def test_nonsense_is_trouble_and_the_next_request_is_answered(
    make_module: Callable[..., PipeModule], name: str
) -> None:
    module = make_module()
    with pytest.raises(DirectoryError):
        module.lookup(name, "login")
    assert module.lookup("fred", "login")


def test_more_than_one_reply_is_no_reply(make_module: Callable[..., PipeModule]) -> None:
    module = make_module()
    with pytest.raises(DirectoryError, match="more than one reply"):  # at once, not in time
        module.lookup("twice", "login")


def test_a_program_that_takes_too_long_is_killed(
    program: Path, make_module: Callable[..., PipeModule]
) -> None:
    module = make_module(answer=0.1, leave=0.05, terminate=0.05)
    with pytest.raises(DirectoryError, match="in time"):
        module.lookup("slow", "login")  # stopped: it does not even see SIGTERM
    assert is_gone(pids(program)[0])


def test_a_program_that_ended_between_requests_is_started_again(
    program: Path, make_module: Callable[..., PipeModule]
) -> None:
    module = make_module()
    assert module.lookup("fred", "login")
    [first] = pids(program)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: module.child._process is not None and module.child._process.poll() is not None,
               "the end of the program")  # fmt: skip
    assert module.lookup("fred", "login")
    assert len(pids(program)) == 2


def test_idle_ends_the_program_by_closing_its_input(
    program: Path, make_module: Callable[..., PipeModule]
) -> None:
    module = make_module()
    assert module.lookup("fred", "login")
    module.idle()
    assert is_gone(pids(program)[0])
    assert module.lookup("fred", "login")


@pytest.mark.parametrize("is_there", [True, False], ids=["not executable", "missing"])
def test_without_a_program_the_module_is_disabled(
    program: Path, make_module: Callable[..., PipeModule], *, is_there: bool
) -> None:
    if is_there:
        program.chmod(0o644)
    else:
        program.unlink()
    module = make_module()
    assert module.lookup("fred", "login") is None
    assert module.login("fred", "foobar", "login") is None
    assert module.change_password("fred", "old", "new", "login") is False
    assert list(module.accounts()) == []


def test_a_program_that_cannot_be_run_is_trouble(
    program: Path, make_module: Callable[..., PipeModule]
) -> None:
    program.write_text("#!/no/such/interpreter\n")
    with pytest.raises(DirectoryError, match="No such file"):
        make_module().lookup("fred", "login")


def test_a_list_without_its_end_is_trouble(
    program: Path, make_module: Callable[..., PipeModule]
) -> None:
    program.write_text("#!/bin/sh\nread x\nprintf 'a\\t1\\t1\\t/h\\n'\n")
    with pytest.raises(DirectoryError):
        list(make_module().accounts())
