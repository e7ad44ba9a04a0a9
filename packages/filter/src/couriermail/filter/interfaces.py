"""The doors of the filter: what a message must offer, what a host must do, who may watch.

All are small protocols, so that the interpreter never touches a file, a process or a clock
itself.  Nothing that the `maildrop` command loads imports this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from couriermail.filter.errors import RecipeRuntimeError
from couriermail.filter.observed import PatternSearch
from couriermail.filter.outcome import CommandResult, Delivery, DeliveryOptions, ShellCommand
from couriermail.filter.syntax import (
    Action,
    Expression,
    If,
    Locked,
    Pattern,
    Statement,
    Trap,
    While,
)

__all__ = ["Database", "FilterMessage", "Host", "Observer"]


class FilterMessage(Protocol):
    """A message as the filter sees it; line ends are LF."""

    @property
    def size(self) -> int:
        """Bytes of the whole message."""
        ...

    def header_block(self) -> bytes:
        """The header lines with their line ends, without the empty line after them."""
        ...

    def body(self) -> memoryview:
        """Everything after the empty line."""
        ...

    def chunks(self) -> Iterable[bytes | memoryview]:
        """The whole message, piece by piece."""
        ...


class Database(Protocol):
    """A key-value file opened by `gdbmopen` (spec filter 4.6)."""

    def fetch(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        ...

    def store(self, key: bytes, value: bytes) -> bool:
        """Insert or replace; False when the file is open for reading only or refuses."""
        ...

    def close(self) -> None:
        """Write what is not written yet and close."""
        ...


class Host(Protocol):
    """The world around a recipe.

    Relative paths and commands are meant relative to the recipient's home directory.  A method
    raises `RecipeRuntimeError` with the classic words when it cannot do what it is asked to;
    `exception` traps that.  `OSError` is allowed where it is named.
    """

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def deliver(self, mailbox: bytes, message: FilterMessage, options: DeliveryOptions) -> str:
        """Store the message in a maildir or mbox file; durable when it returns.

        Returns:
            What the mailbox is: `maildir` or `mbox`.
        """
        ...

    def pipe(self, command: ShellCommand, message: FilterMessage) -> int:
        """Give the message to a command; its exit status, 255 when a signal killed it."""
        ...

    def forward(
        self, arguments: tuple[bytes, ...], message: FilterMessage, command: ShellCommand
    ) -> int:
        """Run a program without a shell, the message on its input; its exit status."""
        ...

    def capture(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """Run a command with the message on its input and return what it writes."""
        ...

    def transform(self, command: ShellCommand, message: FilterMessage) -> CommandResult:
        """The same for `xfilter`: the command must read all of its input and write something."""
        ...

    def system(self, command: ShellCommand) -> int:
        """Run a command without input; its exit status, -1 when a signal killed it."""
        ...

    def echo(self, text: bytes) -> None:
        """Write to standard output at once."""
        ...

    def trace(self, text: bytes) -> None:
        """Write one line of trace or diagnostics, which has no line end yet."""
        ...

    def open_log(self, path: bytes) -> None:
        """Append what `write_log` is given to this file from now on.

        Raises:
            OSError: the file cannot be opened.
        """
        ...

    def write_log(self, text: bytes) -> None:
        """Write to the log file; does nothing while none is open."""
        ...

    def read_file(self, path: bytes) -> bytes:
        """The contents of a file.

        Raises:
            OSError: it cannot be read.
        """
        ...

    def hold_lock(
        self, verb: str, path: bytes, variables: Mapping[bytes, bytes]
    ) -> AbstractContextManager[None]:
        """Hold a `dotlock` or `flock` as long as the context lasts."""
        ...

    def open_database(self, path: bytes, mode: str) -> Database | None:
        """Open a database: mode `R`, `W`, `C` (create) or `N` (new); None on failure."""
        ...


class Observer(Protocol):
    """Somebody who watches a run: what a node at which place came to.

    Nodes carry line and column; `name` is the file name of the recipe they belong to.  Values
    may hold text of the message.  A run without an observer pays nothing for this.
    """

    def statement(self, name: str, node: Statement) -> None:
        """A statement, other than a block, is about to be executed."""
        ...

    def performing(self, name: str, node: Action | Locked, argument: bytes) -> None:
        """An action, or taking a lock, is about to happen; its argument is evaluated."""
        ...

    def deciding(self, name: str, node: If | While) -> None:
        """A condition is about to be evaluated; for a loop, each time."""
        ...

    def decided(self, name: str, node: If | While, value: bytes) -> None:
        """A condition was evaluated."""
        ...

    def trapped(self, name: str, node: Trap, error: RecipeRuntimeError | None) -> None:
        """An `exception` block ended, by this error or in order."""
        ...

    def value(self, name: str, node: Expression, value: bytes, operands: tuple[bytes, ...]) -> None:
        """An expression was evaluated.

        The operands are those of operators and functions, as far as they were evaluated; for
        other expressions there are none.
        """
        ...

    def search(self, name: str, node: Pattern, search: PatternSearch) -> None:
        """A pattern was searched for."""
        ...

    def delivered(self, delivery: Delivery) -> None:
        """A delivery was made, by the statement that was told of last; or to DEFAULT."""
        ...
