"""One PAM login, through libpam and ctypes; meant to run in a process of its own.

PAM modules are strangers' code: they may keep descriptors, change signal handlers or crash.
`python -m couriermail.auth.backends.pam` reads `service NUL user NUL password NUL remote` from
standard input, asks PAM and says the outcome by its exit code: `ACCEPTED`, `REFUSED` or
`CANNOT_TELL`.  What PAM modules have to say goes to standard error.

Standard: spec auth 4.5 (authpam); pam_start(3), pam_conv(3).
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["ACCEPTED", "CANNOT_TELL", "REFUSED", "check_pam_login", "main"]

ACCEPTED, REFUSED, CANNOT_TELL = 0, 77, 75

_SUCCESS = 0
_CONVERSATION_ERROR = 19
_RHOST = 4
_ECHO_OFF, _ECHO_ON = 1, 2  # other styles are messages: errors and texts

# open, symbol, service, system, buffer; no answer from the authority; conversation; abort;
# a module that does not exist.
_TROUBLE = frozenset({1, 2, 3, 4, 5, 9, _CONVERSATION_ERROR, 26, 28})


class _Message(ctypes.Structure):
    _fields_ = (("style", ctypes.c_int), ("text", ctypes.c_char_p))


class _Response(ctypes.Structure):
    _fields_ = (("text", ctypes.c_void_p), ("code", ctypes.c_int))


_Converse = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(ctypes.POINTER(_Message)),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
)


class _Conversation(ctypes.Structure):
    _fields_ = (("converse", _Converse), ("data", ctypes.c_void_p))


def check_pam_login(service: bytes, user: bytes, password: bytes, remote: bytes) -> int:
    """Ask PAM; no session is opened.

    Args:
        service: name of the PAM configuration.
        user: the login name.
        password: what they typed.
        remote: the client's address, or empty.

    Returns:
        `ACCEPTED`, `REFUSED` or `CANNOT_TELL`.
    """
    try:
        libpam = ctypes.CDLL("libpam.so.0")
    except OSError:
        return CANNOT_TELL
    conversation = _Conversation(_converse_with(user, password), None)
    handle = ctypes.c_void_p()
    status: int = libpam.pam_start(service, user, ctypes.byref(conversation), ctypes.byref(handle))
    if status == _SUCCESS:
        if remote:
            status = libpam.pam_set_item(handle, _RHOST, remote)
        for step in (libpam.pam_authenticate, libpam.pam_acct_mgmt):
            if status == _SUCCESS:
                status = step(handle, 0)
        libpam.pam_end(handle, status)
    if status == _SUCCESS:
        return ACCEPTED
    return CANNOT_TELL if status in _TROUBLE else REFUSED


def _converse_with(user: bytes, password: bytes) -> ctypes._FuncPointer:
    """The function that answers PAM's questions (pam_conv(3))."""
    libc = ctypes.CDLL(None)
    libc.calloc.restype = ctypes.c_void_p
    libc.calloc.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    libc.strdup.restype = ctypes.c_void_p
    libc.strdup.argtypes = [ctypes.c_char_p]
    answers = {_ECHO_ON: user, _ECHO_OFF: password}

    def converse(count: int, messages, responses, data) -> int:  # type: ignore[no-untyped-def]  # ctypes
        size = ctypes.sizeof(_Response)
        # PAM frees this itself, so it must come from the C library.
        block = libc.calloc(count, size)
        if not block:
            return _CONVERSATION_ERROR
        for index in range(count):
            message = messages[index].contents
            if message.style in answers:
                response = _Response.from_address(block + index * size)
                response.text = libc.strdup(answers[message.style])
            else:
                sys.stderr.buffer.write((message.text or b"") + b"\n")
        responses[0] = block
        return _SUCCESS

    return _Converse(converse)


def main() -> None:
    """Read one login from standard input and exit with its outcome."""
    fields = sys.stdin.buffer.read().split(b"\0")
    if len(fields) != 4:
        sys.exit(CANNOT_TELL)
    sys.exit(check_pam_login(*fields))


if __name__ == "__main__":
    main()
