"""Our own maildrop as the filter program, without starting it.

Where `maildropfilter` names the `maildrop` of this installation, filterd's child, which belongs
to the user already, forks once more and runs the recipe there: a quarter of the time of a new
interpreter.  What the recipe can see and do, and what comes of it, is what `maildrop -D UID/GID
-M NAME ...` gives; a test compares the two.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import pwd
import signal
import sys

import attrs

from couriermail.core import CouriermailError
from couriermail.filter import BytesMessage, encode_environment, start_run
from couriermail.filter.access import check_home
from couriermail.filter.local import LocalHost
from couriermail.filter.mailfilter import (
    call_variables,
    complaint,
    embedded_candidates,
    load_embedded_recipe,
    locale_variables,
    return_path,
    run_recipes,
)
from couriermail.filter.rcptfilter import FilterResult
from couriermail.mta.local.commands import lead_group
from couriermail.mta.rcptfilter.program import KILL_SECONDS, RUN_SECONDS, watch_filter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from couriermail.filter.rcptfilter import FilterCall

__all__ = ["OwnMaildrop", "is_own_maildrop"]

_log = logging.getLogger("couriermail.mta.rcptfilter")
_EX_TEMPFAIL = 75
_UMASK = 0o007  # spec filter 4.12
_SCRIPT_BYTES = 4096


def is_own_maildrop(path: str) -> bool:
    """Whether a program is the `maildrop` that was installed with us, for our interpreter."""
    try:
        with open(path, "rb") as file:
            first, _, rest = file.read(_SCRIPT_BYTES).partition(b"\n")
    except OSError:
        return False
    return first == b"#!" + os.fsencode(sys.executable) and b"couriermail.cli.maildrop" in rest


@attrs.frozen
class OwnMaildrop:
    """Runs embedded recipes in children of this process, which must have one thread.

    Attributes:
        config: the configuration directory; recipes in its `maildroprcs` may run commands.
        timeout: seconds for one run.
        kill_after: seconds from SIGTERM to SIGKILL.
    """

    config: str
    timeout: float = RUN_SECONDS
    kill_after: float = KILL_SECONDS

    def run(
        self, call: FilterCall, stdin: int | None = None, *, lifeline: int | None = None
    ) -> FilterResult:
        """Run the recipe as the user that this process is; see `FilterProgram.run`."""
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        output = open(read_end, "rb", buffering=0)  # noqa: SIM115 - the watch closes it
        try:
            pid = os.fork()
            if pid == 0:
                self._become_maildrop(call, stdin, write_end)
        except OSError as error:
            output.close()
            _log.error("no process for a recipient's filter: %s", error.strerror)
            return FilterResult(None)
        finally:
            os.close(write_end)
        lead_group(pid)
        return watch_filter(
            call,
            pid,
            output,
            timeout=self.timeout,
            kill_after=self.kill_after,
            lifeline=lifeline,
        )

    def _become_maildrop(self, call: FilterCall, stdin: int | None, output: int) -> NoReturn:
        """In the child: run the recipe, end with its status, and never come back."""
        status = _EX_TEMPFAIL
        try:
            lead_group(0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            _be_started_with(stdin, output)
            os.umask(_UMASK)
            check_home(call.account.home, os.geteuid())
            os.chdir(call.account.home)
            status = self._judge(call)
        except CouriermailError as error:
            _say(complaint(error))
        except OSError as error:
            _say(f"maildrop: {error}")
        except RecursionError:
            _say("maildrop: the recipe is nested too deeply.")
        except BaseException as error:
            _say(f"maildrop: {type(error).__name__}")
        finally:
            _hang_up()
            os._exit(status)

    def _judge(self, call: FilterCall) -> int:
        home, uid = call.account.home, os.geteuid()
        message = _message()
        sender = return_path(message)
        run = start_run(
            message,
            host=LocalHost(home, output=1, diagnostics=2, umask=_UMASK),
            variables=_variables(call, sender),
            imports=encode_environment(call.variables),
            sender=os.fsencode(sender or ""),
            embedded=True,
            trusted_recipes=f"{self.config}/maildroprcs/",
            is_delivery=True,
        )
        recipe = load_embedded_recipe(home, call.name, uid)
        if recipe is not None:
            run_recipes(run, [recipe], delivers_default=False)
        return run.outcome().exit_code & 0xFF


def _variables(call: FilterCall, sender: str | None) -> dict[bytes, bytes]:
    """What the recipe starts with (spec filter 4.11), as `maildrop -D` sets it."""
    given = encode_environment(call.variables)
    login, interpreter = b"", b"/bin/sh"
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(os.geteuid())
        login = os.fsencode(entry.pw_name)
        interpreter = os.fsencode(entry.pw_shell) or interpreter
    found = locale_variables(given)
    found[b"HOME"] = given[b"HOME"]
    found[b"LOGNAME"] = given.get(b"LOGNAME") or login
    found[b"SHELL"] = given.get(b"SHELL") or interpreter
    found[b"DEFAULT"] = given.get(b"MAILDROPDEFAULT") or b"./Maildir"
    found[b"MAILDIRQUOTA"] = given[b"MAILDIRQUOTA"]
    found[b"VERBOSE"] = b"0"
    found.update(call_variables(embedded_candidates(call.name)[0], call.arguments[4:], sender))
    return found


def _be_started_with(stdin: int | None, output: int) -> None:
    """Descriptors as a new program has them; commands of recipes inherit the first three."""
    if stdin is None:
        stdin = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((stdin, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, place)
    logging.disable()  # filterd's log is not the filter's to write, nor its say
    os.closerange(3, max(map(int, os.listdir("/proc/self/fd"))) + 1)


def _message() -> BytesMessage:
    """Standard input, mapped; CR before LF is taken away (spec filter 4.9, item 8)."""
    if not os.fstat(0).st_size:
        return BytesMessage(b"")
    data = mmap.mmap(0, 0, access=mmap.ACCESS_READ)
    if data.find(b"\r\n") < 0:
        return BytesMessage(data)
    return BytesMessage(data[:].replace(b"\r\n", b"\n"))


def _say(text: str) -> None:
    if text:
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(2, text.encode("utf-8", "surrogateescape") + b"\n")


def _hang_up() -> None:
    """No command of a recipe outlives it."""
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.killpg(0, signal.SIGHUP)
