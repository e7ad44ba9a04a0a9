"""The mail system's side: every filter as its own user, whoever we are.

Filters are filterd's to run: the process that accepts mail has given up root, or never had it, and
filterd is still there to end a filter when that process dies.  Where there is no filterd, as in a
program that embeds submission, the filter of the user that we are is run here.  Where neither can
be, the recipient is put off and the log says why: a filter that was not heard must not let mail in.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket

import attrs

from couriermail.filter.rcptfilter import FilterAccount, FilterCall, FilterResult
from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.rcptfilter.program import FilterProgram
from couriermail.mta.rcptfilter.wire import encode_call, reader_of_results, result_from_record
from couriermail.mta.statedir import StateDir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.filter.rcptfilter import FilterRunner
    from couriermail.mta.config import Config

__all__ = ["AccountFilterRunner", "filter_runner"]

_log = logging.getLogger("couriermail.mta.rcptfilter")
_CONNECT_SECONDS = 10.0
_SPARE_SECONDS = 5.0  # for filterd to answer, after a program that had to be killed
_READ_BYTES = 65536


def filter_runner(config: Config) -> FilterRunner | None:
    """What runs the recipient filters of a configuration; None when it has none.

    Whose mail is judged is the caller's to know: `config.enablefiltering` names the modules.
    """
    if not config.maildropfilter:
        return None
    program = FilterProgram(config.maildropfilter)
    return AccountFilterRunner(program, StateDir(config.state).filter_socket)


@attrs.frozen
class AccountFilterRunner:
    """Runs filters directly or through filterd; see `FilterRunner` for the contract.

    Attributes:
        program: what is run.
        helper: filterd's socket; it need not exist.
    """

    program: FilterProgram
    helper: str

    def run(self, call: FilterCall, message: int | None = None) -> FilterResult:
        """Run the filter once; see `FilterRunner.run`."""
        try:
            with _own_view(message) as stdin:
                return self._run(call, stdin)
        except OSError as error:
            _log.error("the message cannot be shown to a filter: %s", error.strerror)
            return FilterResult(None)

    def ask_helper(self, call: FilterCall, stdin: int | None) -> FilterResult:
        """Have filterd run the filter, whosever it is; `stdin` is read from where it stands."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                return self._exchange(connection, call, stdin)
        except (OSError, AgentProtocolError) as error:
            reason = "no answer in time" if isinstance(error, TimeoutError) else error
            _log.error("filterd (%s) for uid %d: %s", self.helper, call.account.uid, reason)
            return FilterResult(None)

    def _run(self, call: FilterCall, stdin: int | None) -> FilterResult:
        account = call.account
        if account.uid == 0:  # nobody's mail is root's, whatever the accounts say
            _log.error("the filter of uid 0 is never run")
            return FilterResult(None)
        if account.uid != os.geteuid() or os.path.exists(self.helper):
            return self.ask_helper(call, stdin)
        # An unprivileged system: it has one group, whatever the account says.
        ours: FilterAccount = attrs.evolve(account, gid=os.getegid())
        return self.program.run(attrs.evolve(call, account=ours), stdin)

    def _exchange(
        self, connection: socket.socket, call: FilterCall, stdin: int | None
    ) -> FilterResult:
        connection.settimeout(_CONNECT_SECONDS)
        connection.connect(self.helper)
        connection.settimeout(self.program.timeout + self.program.kill_after + _SPARE_SECONDS)
        request = encode_call(call, has_message=stdin is not None)
        descriptors = [] if stdin is None else [stdin]
        sent = socket.send_fds(connection, [request], descriptors)
        connection.sendall(request[sent:])
        reader = reader_of_results()
        while data := connection.recv(_READ_BYTES):
            for record in reader.feed(data):
                return result_from_record(record)
        raise AgentProtocolError("the connection ended")


@contextlib.contextmanager
def _own_view(message: int | None) -> Iterator[int | None]:
    """The message opened anew: at its beginning, read-only, with an offset of its own.

    Filters of several recipients read it at the same time, and none may write it.
    """
    if message is None:
        yield None
        return
    descriptor = os.open(f"/proc/self/fd/{message}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
