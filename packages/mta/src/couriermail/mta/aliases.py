"""Aliases in use: looking them up, and what they do to a recipient (spec mta 5.3, 5.4).

`Aliases.members` asks the table of the submitting module, then the common one; in each the
address itself, then its virtual domain.  `expand` is pure: it says which recipients a message
gets and which are recorded as already delivered.
"""

from __future__ import annotations

import logging
import os
from typing import Protocol

import attrs

from couriermail.core import Reply, SystemClock
from couriermail.mta.addresses import split_address
from couriermail.queue import Outcome, Recipient
from couriermail.table import Table, TableError, TableMissingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from couriermail.core import Clock
    from couriermail.mta.addresses import AddressRules
    from couriermail.mta.config import Config

__all__ = [
    "DELIVERED_TO_ALIAS",
    "EXPANDED_NOTE",
    "AliasSource",
    "Aliases",
    "Expansion",
    "MemoryAliases",
    "alias_key",
    "expand",
]

DELIVERED_TO_ALIAS = "250 Ok - delivered to alias."
"""Diagnostic of a recipient that was replaced by an alias's members (spec mta 5.4)."""

EXPANDED_NOTE = "expanded"
"""`Outcome.note` of an alias with several members: its report says `expanded` (RFC 3464 2.3.3)."""

_SOFT_FAILURE = Reply(400, "Service temporarily unavailable.", enhanced="4.3.0")
_MISSING_TABLE_RETRY = 1.0  # seconds between two looks for a table that does not exist

_log = logging.getLogger("couriermail.mta")


def alias_key(address: str, config: Config | AddressRules) -> str:
    """The name under which a canonical address is looked up.

    Addresses without a domain, and those in `locals`, are keys of the default domain.
    """
    local, domain = split_address(address)
    if domain is None:
        return address if "!" in local else f"{local}@{config.defaultdomain}"
    if config.domains.match(domain).kind == "local":
        return f"{local}@{config.defaultdomain}"
    return address


class AliasSource(Protocol):
    """Where `expand` asks for members."""

    def members(self, address: str, module: str) -> tuple[str, ...] | None:
        """The members of an alias, or None when the address is no alias.

        Raises:
            TableError: nobody can tell now.
        """
        ...


@attrs.define
class Aliases:
    """The alias tables of a configuration.

    A table that is replaced is noticed by itself, one that appears within a second.

    Attributes:
        config: domains, and the directory of the tables.
        clock: measures how often a missing table is looked for.
    """

    config: Config
    clock: Clock = attrs.field(factory=SystemClock)
    _tables: dict[str, Table | None] = attrs.field(factory=dict, init=False, repr=False)
    _look_again: dict[str, float] = attrs.field(factory=dict, init=False, repr=False)

    def members(self, address: str, module: str) -> tuple[str, ...] | None:
        """See `AliasSource.members`; first hit wins."""
        key = alias_key(address, self.config)
        for name in (f"aliases-{module}.dat", "aliases.dat"):
            table = self._table(name)
            if table is None:
                continue
            value = table.get(key.encode())
            if value is not None:
                return tuple(value.decode().split("\n"))
            virtual = _virtual_key(key)
            value = table.get(virtual.encode()) if virtual else None
            if value is not None:
                return _virtual_members(key, value.decode().split("\n"), self.config.me)
        return None

    def _table(self, name: str) -> Table | None:
        table = self._tables.get(name)
        if table is None and self.clock.monotonic() >= self._look_again.get(name, 0.0):
            try:
                table = Table.open(os.path.join(self.config.directory, name))
            except TableMissingError:
                self._look_again[name] = self.clock.monotonic() + _MISSING_TABLE_RETRY
            self._tables[name] = table
        return table


@attrs.frozen
class MemoryAliases:
    """Compiled aliases without a table: for tests, embedding and `makealiases -chk`.

    Attributes:
        config: domains of the keys.
        compiled: `AliasDatabase.members`.
    """

    config: Config
    compiled: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def members(self, address: str, module: str) -> tuple[str, ...] | None:
        """See `AliasSource.members`; every module sees the same aliases."""
        key = alias_key(address, self.config)
        found = self.compiled.get(key)
        if found is not None:
            return found
        targets = self.compiled.get(_virtual_key(key))
        return None if targets is None else _virtual_members(key, targets, self.config.me)


def _virtual_key(key: str) -> str:
    """The key of an address's virtual domain; "" where none applies (spec mta 5.3)."""
    if "!" in key or "%" in key:
        return ""
    _, domain = split_address(key)
    return f"@{domain}" if domain else ""


def _virtual_members(key: str, targets: Sequence[str], me: str) -> tuple[str, ...]:
    local, _ = split_address(key)
    return tuple(
        f"{target}{local}@{me}" if target.endswith("!") else f"{target}-{local}@{me}"
        for target in targets
    )


@attrs.frozen(kw_only=True)
class Expansion:
    """What one accepted recipient adds to a message.

    Attributes:
        recipients: who gets the message.
        delivered: recipients recorded as done at once, with `delivered_outcome`.
        must_exist: True when the only recipient's existence is to be checked; members of
            larger aliases are not (spec mta 5.4).
        is_alias: True when the address was an alias.
    """

    recipients: tuple[Recipient, ...]
    delivered: tuple[Recipient, ...] = ()
    must_exist: bool = True
    is_alias: bool = False

    def delivered_outcome(self, index: int) -> Outcome:
        """What the queue records for a `delivered` recipient with that index."""
        note = EXPANDED_NOTE if len(self.recipients) > 1 else ""
        return Outcome(
            index=index, kind="success", flag="r", lines=(DELIVERED_TO_ALIAS,), note=note
        )


def expand(
    recipient: Recipient,
    aliases: AliasSource,
    *,
    module: str,
    verp: bool = False,
    was_rewritten: bool = False,
    written: str = "",
) -> Expansion | Reply:
    """Replace a recipient by the members of its alias (spec mta 5.4).

    Args:
        recipient: canonical address, with the ORCPT and NOTIFY of the submitter.
        aliases: who knows the members.
        module: the submitting module, whose own aliases come first.
        verp: a variable envelope return path was asked for.
        was_rewritten: the address is not the one that the submitter wrote.
        written: the canonical address with the local part as the submitter wrote it, for ORCPT
            (spec mta 19.1 P5); empty for the recipient's address.

    Returns:
        The records to create, or `400` when nobody can tell now.
    """
    try:
        members = aliases.members(recipient.address, module)
    except TableError as error:
        _log.warning("alias lookup failed: %s", error)
        return _SOFT_FAILURE
    if members is not None and len(members) > 1:
        never = tuple(Recipient(address=member, notify="N") for member in members)
        return Expansion(recipients=never, delivered=(recipient,), must_exist=False, is_alias=True)
    target = recipient if members is None else _renamed(recipient, members[0], written)
    is_changed = members is not None or was_rewritten
    if verp and is_changed and recipient.notify != "N":
        # The encoded return path names the member, so the sender hears of the alias instead.
        silent = Recipient(address=target.address, original=target.original, notify="N")
        return Expansion(recipients=(silent,), delivered=(recipient,), is_alias=members is not None)
    return Expansion(recipients=(target,), is_alias=members is not None)


def _renamed(recipient: Recipient, member: str, written: str) -> Recipient:
    """The alias's only member, with the alias as original recipient (RFC 3461 5.2.7.1)."""
    original = recipient.original or written or recipient.address
    return Recipient(address=member, original=original, notify=recipient.notify)
