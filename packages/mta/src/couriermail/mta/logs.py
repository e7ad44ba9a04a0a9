"""Where the daemons' log lines go: syslog, a file, or standard error.

Lines have the form that log analysers of Courier expect (spec mta.md 15):
`Mmm dd hh:mm:ss host PROG[pid]: TEXT`.  Only daemons call this; libraries log through `logging`
and leave the rest to their application.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import time

__all__ = ["configure_logging"]

DEV_LOG = "/dev/log"


class _LineHandler(logging.Handler):
    """Writes each line with one system call; whole lines of several processes do not mix."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record) + "\n"
            os.write(self._descriptor, line.encode("utf-8", "backslashreplace"))
        except OSError:
            self.handleError(record)  # a full disk must not stop the mail

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor > 2:
            os.close(descriptor)
        super().close()


class _LineFormatter(logging.Formatter):
    """`Mmm dd hh:mm:ss host PROG[pid]: TEXT`; errors say so in front of the text."""

    def __init__(self, host: str, program: str) -> None:
        super().__init__()
        self._middle = f" {host} {program}[{os.getpid()}]: "
        self._second = (0, "")

    def format(self, record: logging.LogRecord) -> str:
        second = int(record.created)
        if second != self._second[0]:
            self._second = (second, time.strftime("%b %d %H:%M:%S", time.localtime(second)))
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            text = f"ERR: {text}"
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return self._second[1] + self._middle + text


def configure_logging(
    destination: str, program: str, *, level: int = logging.INFO, facility: str = "mail"
) -> None:
    """Send this process's log somewhere; replaces an earlier destination.

    Args:
        destination: `syslog`, `-` for standard error, else a file to append to.
        program: the name in front of the lines.
        level: the least level that is written.
        facility: of syslog, by name; what it does not know becomes `mail`.

    Raises:
        OSError: the file cannot be opened.
    """
    handler = _handler(destination, program, facility)
    # What no line shows need not be found out for each (logging's documentation, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # the same page names this one
    for name in ("couriermail", "asyncio"):  # asyncio reports what a callback of ours raised
        logger = logging.getLogger(name)
        for old in logger.handlers[:]:
            logger.removeHandler(old)
            old.close()
        logger.propagate = False
        logger.setLevel(level if name == "couriermail" else logging.WARNING)
        logger.addHandler(handler)


def _handler(destination: str, program: str, facility: str) -> logging.Handler:
    if destination == "syslog" and os.path.exists(DEV_LOG):
        names = logging.handlers.SysLogHandler.facility_names
        handler: logging.Handler = logging.handlers.SysLogHandler(
            DEV_LOG, names.get(facility, names["mail"])
        )
        handler.setFormatter(logging.Formatter(f"{program}[{os.getpid()}]: %(message)s"))
        return handler
    if destination in ("-", "syslog"):
        handler = _LineHandler(2)
    else:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        handler = _LineHandler(os.open(destination, flags, 0o640))
    handler.setFormatter(_LineFormatter(os.uname().nodename.partition(".")[0], program))
    return handler
