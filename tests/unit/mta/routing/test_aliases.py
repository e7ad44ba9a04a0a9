"""Looking up aliases, and their effect on a recipient (spec mta 5.3-5.5, 19.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.core import ManualClock, Reply
from couriermail.mta.aliasbuild import build_aliases, compile_aliases
from couriermail.mta.aliases import (
    DELIVERED_TO_ALIAS,
    Aliases,
    AliasSource,
    Expansion,
    MemoryAliases,
    alias_key,
    expand,
)
from couriermail.mta.config import Config, load_config
from couriermail.queue import Recipient
from couriermail.table import TableError

SOURCE = """\
multi: alice, bob
single: alice
@virt.test: bob
@virt2.test: bob-virt
@uu.test: host1!host2!
@multi.test: alice, bob
x@virt.test: carol
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "me").write_text("mx.example.com\n")
    (tmp_path / "defaultdomain").write_text("example.com\n")
    (tmp_path / "locals").write_text("localhost\nexample.com\nmx.example.com\n")
    (tmp_path / "aliases").write_text(SOURCE)
    return load_config(tmp_path)


@pytest.fixture(params=["table", "memory"])
def aliases(config: Config, request: pytest.FixtureRequest) -> AliasSource:
    if request.param == "memory":
        return MemoryAliases(config, compile_aliases(config).members)
    build_aliases(config)
    return Aliases(config)


@pytest.mark.parametrize(
    ("address", "members"),
    [
        ("multi@example.com", ("alice@example.com", "bob@example.com")),
        ("multi@localhost", ("alice@example.com", "bob@example.com")),
        ("multi@mx.example.com", ("alice@example.com", "bob@example.com")),
        ("multi", ("alice@example.com", "bob@example.com")),
        ("MULTI@example.com", None),
        ("multi@remote.test", None),
        ("foo@virt.test", ("bob-foo@mx.example.com",)),
        ("a-b@virt2.test", ("bob-virt-a-b@mx.example.com",)),
        ("x@uu.test", ("host1!host2!x@mx.example.com",)),
        ("y@multi.test", ("alice-y@mx.example.com", "bob-y@mx.example.com")),
        ("x@virt.test", ("carol@example.com",)),
        ("a%b@virt.test", None),
        ("a!b", None),
        ("", None),
    ],
)
def test_the_address_comes_before_its_virtual_domain(
    aliases: AliasSource, address: str, members: tuple[str, ...] | None
) -> None:
    assert aliases.members(address, "esmtp") == members


def test_aliases_of_a_protocol_come_first_and_are_seen_by_it_alone(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "aliases-local").write_text("single: priv\n@virt.test: priv\nonly: |x\n")
    build_aliases(config)
    build_aliases(config, protocol="local")
    aliases = Aliases(config)
    assert aliases.members("single@example.com", "local") == ("priv@example.com",)
    assert aliases.members("single@example.com", "esmtp") == ("alice@example.com",)
    assert aliases.members("x@virt.test", "local") == ("priv-x@mx.example.com",)
    assert aliases.members("only@example.com", "esmtp") is None
    assert aliases.members("only@example.com", "local") == (
        '".xalias-local/only@example+2ecom"@example.com',
    )
    assert (tmp_path / "aliasdir/.courier-:xalias-local/only@example+2ecom").exists()


def test_a_table_that_appears_is_seen_a_second_later(config: Config) -> None:
    clock = ManualClock()
    aliases = Aliases(config, clock)
    assert aliases.members("single@example.com", "esmtp") is None
    build_aliases(config)
    assert aliases.members("single@example.com", "esmtp") is None
    clock.advance(1.0)
    assert aliases.members("single@example.com", "esmtp") == ("alice@example.com",)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("a@localhost", "a@example.com"),
        ("a", "a@example.com"),
        ("a@remote.test", "a@remote.test"),
        ("h!u", "h!u"),
    ],
)
def test_local_addresses_are_keys_of_the_default_domain(
    config: Config, address: str, key: str
) -> None:
    assert alias_key(address, config) == key


def expanded(
    aliases: AliasSource, recipient: Recipient, *, verp: bool = False, was_rewritten: bool = False
) -> Expansion:
    answer = expand(recipient, aliases, module="esmtp", verp=verp, was_rewritten=was_rewritten)
    assert isinstance(answer, Expansion)
    return answer


def test_no_alias_leaves_the_recipient_alone(aliases: AliasSource) -> None:
    bob = Recipient(address="bob@example.com", notify="S")
    assert expanded(aliases, bob) == Expansion(recipients=(bob,))


def test_one_member_takes_the_place_of_the_alias_and_keeps_notify(aliases: AliasSource) -> None:
    answer = expanded(aliases, Recipient(address="single@example.com", notify="SF"))
    assert answer.recipients == (
        Recipient(address="alice@example.com", original="single@example.com", notify="SF"),
    )
    assert answer.delivered == ()
    assert answer.must_exist
    given = Recipient(address="single@example.com", original="Other@x.test")
    assert expanded(aliases, given).recipients[0].original == "Other@x.test"


def test_several_members_are_silent_and_the_alias_counts_as_delivered(
    aliases: AliasSource,
) -> None:
    multi = Recipient(address="multi@example.com", notify="S")
    answer = expanded(aliases, multi)
    assert [(one.address, one.notify, one.original) for one in answer.recipients] == [
        ("alice@example.com", "N", None),
        ("bob@example.com", "N", None),
    ]
    assert answer.delivered == (multi,)
    assert not answer.must_exist
    outcome = answer.delivered_outcome(2)
    assert (outcome.index, outcome.kind, outcome.flag, outcome.lines, outcome.note) == (
        2, "success", "r", (DELIVERED_TO_ALIAS,), "expanded",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "was_rewritten", "notify", "is_split"),
    [
        ("single@example.com", False, "", True),
        ("single@example.com", False, "N", False),
        ("bob@example.com", True, "F", True),
        ("bob@example.com", False, "F", False),
    ],
)
def test_verp_reports_the_address_that_the_sender_knows(
    aliases: AliasSource, address: str, notify: str, *, was_rewritten: bool, is_split: bool
) -> None:
    recipient = Recipient(address=address, notify=notify)
    answer = expanded(aliases, recipient, verp=True, was_rewritten=was_rewritten)
    assert answer.delivered == ((recipient,) if is_split else ())
    assert answer.recipients[0].notify == ("N" if is_split else notify)
    assert len(answer.recipients) == 1


def test_a_broken_table_is_temporary() -> None:
    class Broken:
        def members(self, address: str, module: str) -> tuple[str, ...] | None:
            raise TableError("damaged", path="aliases.dat")

    answer = expand(Recipient(address="x@example.com"), Broken(), module="esmtp")
    assert isinstance(answer, Reply)
    assert (answer.code, answer.text) == (400, "Service temporarily unavailable.")
