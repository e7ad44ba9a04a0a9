"""Listening sockets from Courier's port lists (`ADDRESS` and `PORT`, spec smtp.md 2.2).

`PORT=smtp`, `PORT=25,127.0.0.1.2525`: a comma list of ports, each with an optional address before
its last dot.  Port 0 lets the system choose a free one.  No address means every address, by a
dual-stack IPv6 socket where there is IPv6.
"""

from __future__ import annotations

import os
import socket
import stat

import attrs

from couriermail.core import ConfigError

__all__ = ["ListenAddress", "listen", "listen_unix", "parse_ports"]

BACKLOG = 512


@attrs.frozen
class ListenAddress:
    """Where to listen; an empty host means every address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host or '*'}:{self.port}"


def parse_ports(ports: str, default_host: str = "") -> list[ListenAddress]:
    """Read a port list.

    Args:
        ports: such as `smtp`, `25,127.0.0.1.2525`; a port is a number or a service name.
        default_host: address of entries that name none; "" and "0" mean every address.

    Raises:
        ConfigError: an entry is no port.
    """
    default = "" if default_host == "0" else default_host
    found = []
    for entry in ports.split(","):
        text = entry.strip()
        if text:
            host, dot, port = text.rpartition(".")
            found.append(ListenAddress(host if dot else default, _port_number(port)))
    if not found:
        raise ConfigError("PORT names no port to listen on")
    return [ListenAddress("" if item.host == "0" else item.host, item.port) for item in found]


def _port_number(text: str) -> int:
    if text.isdecimal():
        number = int(text)
        if number <= 65535:
            return number
        raise ConfigError(f"Invalid port: {text}")
    try:
        return socket.getservbyname(text, "tcp")
    except OSError as error:
        raise ConfigError(f"Invalid port: {text}") from error


def listen(address: ListenAddress) -> socket.socket:
    """Open a listening TCP socket.

    Raises:
        ConfigError: the address is in use or not ours; says which and what to do.
    """
    dual = not address.host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in address.host else socket.AF_INET
    try:
        return socket.create_server(
            (address.host, address.port), family=family, backlog=BACKLOG, dualstack_ipv6=dual
        )
    except OSError as error:
        hint = ""
        if error.errno == 13 or (error.errno == 1 and address.port < 1024):
            hint = (
                "; ports below 1024 need root: set PORT in the esmtpd file, for example PORT=2525"
            )
        raise ConfigError(f"cannot listen on {address}: {error.strerror}{hint}") from error


def listen_unix(path: str, mode: int) -> socket.socket:
    """Open a listening unix socket; a file that an ended process left is replaced.

    Args:
        path: where.
        mode: who may connect (permissions for writing count).

    Raises:
        ConfigError: somebody listens there, something else is there, or it cannot be made.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listener.bind(path)
        os.chmod(path, mode)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {path}: {error.strerror or error}") from error
    except ConfigError:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Remove a socket file behind which nobody is."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return  # bind says what is wrong
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise ConfigError(f"cannot listen on {path}: another process does")
