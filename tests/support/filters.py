"""Filters for tests: a server in a thread that answers as the test says, and broken ones."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from couriermail.filter.courierfilter import (
    FilteredMessage,
    FilterPlaces,
    FilterServer,
    Judge,
)

__all__ = ["make_places", "raw_filter", "running_filter"]


def make_places(root: Path) -> FilterPlaces:
    """Empty directories of one mail system."""
    for name in ("etc/filters/active", "state/filters", "state/allfilters"):
        (root / name).mkdir(parents=True, exist_ok=True)
    return FilterPlaces(str(root / "etc"), str(root / "state"))


@contextlib.contextmanager
def running_filter(
    places: FilterPlaces, name: str, judge: Judge | str, *, workers: int = 4
) -> Iterator[list[FilteredMessage]]:
    """A filter that runs in a thread; gives the messages that it was asked about."""
    asked: list[FilteredMessage] = []

    def decide(message: FilteredMessage) -> str:
        asked.append(message)
        return judge if isinstance(judge, str) else judge(message)

    life, line = os.pipe()
    with FilterServer(decide, places, name, workers) as server:
        thread = threading.Thread(target=server.serve, args=(life,))
        thread.start()
        try:
            yield asked
        finally:
            os.close(line)
            thread.join()
            os.close(life)
    os.unlink(server.path)


@contextlib.contextmanager
def raw_filter(path: str, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """A socket whose connections a function of the test serves, for filters that misbehave."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen(8)
        stopped = False

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if stopped:
                        return
                    answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stopped = True
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as last:
                last.connect(path)
                thread.join()
    os.unlink(path)
