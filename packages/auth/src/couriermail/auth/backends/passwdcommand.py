"""Changes a system user's password by talking to passwd(1) on a terminal, as that user.

passwd(1) reads from a terminal only.  It runs on one of its own here, with the user's ids and
nothing of our environment; the old password answers its first question, the new one the two
that follow.  What it says is not interpreted beyond "a question ends in a colon".

Standard: spec auth 4.5 (authpwd, authshadow: password change).
"""

from __future__ import annotations

import os
import select
import subprocess
import time

from couriermail.auth.errors import DirectoryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ANSWER_SECONDS", "run_passwd"]

ANSWER_SECONDS = 30.0
MAX_TALK_BYTES = 65_536  # passwd(1) says a few hundred
_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TERM": "dumb"}


def run_passwd(
    command: Sequence[str], uid: int, old: str, new: str, *, seconds: float = ANSWER_SECONDS
) -> None:
    """Change the password of the user with this id.

    Args:
        command: the words of passwd(1).
        uid: whose password; the process takes on this id, for which it must be root or that
            user itself.
        old: the password until now.
        new: the password from now on.
        seconds: how long each question, and the end, are waited for.

    Raises:
        DirectoryError: passwd(1) cannot be run, takes too long or fails.
    """
    import pty

    master, slave = pty.openpty()
    try:
        child = _start(command, uid, slave)
    except (OSError, subprocess.SubprocessError) as error:
        os.close(master)
        raise DirectoryError(f"{command[0]} cannot be run: {type(error).__name__}") from error
    finally:
        os.close(slave)
    try:
        for answer in (old, new, new):
            if not _await_question(master, seconds):
                break
            os.write(master, answer.encode("utf-8", "surrogateescape") + b"\n")
        while _await_question(master, seconds):
            raise DirectoryError(f"{command[0]} refuses the new password")
        code = child.wait(seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DirectoryError(f"{command[0]} does not answer") from error
    finally:
        os.close(master)
        if child.poll() is None:
            child.kill()
        child.wait()
    if code != 0:
        raise DirectoryError(f"{command[0]} failed with exit code {code}")


def _start(command: Sequence[str], uid: int, slave: int) -> subprocess.Popen[bytes]:
    import fcntl
    import termios

    is_other_user = os.geteuid() != uid

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    return subprocess.Popen(
        list(command),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=_ENVIRONMENT,
        cwd="/",
        user=uid if is_other_user else None,
        extra_groups=[] if is_other_user else None,
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509  one system call, and passwd(1) asks /dev/tty
    )


def _await_question(master: int, seconds: float) -> bool:
    """Read until a question; False when the other side has closed the terminal.

    Raises:
        DirectoryError: it takes too long, or talks without end.
    """
    deadline = time.monotonic() + seconds
    talk = b""
    while not talk.rstrip(b" ").endswith(b":"):
        left = deadline - time.monotonic()
        if len(talk) > MAX_TALK_BYTES or left <= 0 or not select.select([master], [], [], left)[0]:
            raise DirectoryError("passwd(1) does not ask for the password")
        try:
            data = os.read(master, 4096)
        except OSError:  # Linux says EIO when nobody holds the other end
            return False
        if not data:
            return False
        talk += data
    return True
