"""Which transport takes a recipient, and what the submitter hears (spec mta 4.4)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from couriermail.core import Reply
from couriermail.mta.config import Config, load_config
from couriermail.mta.router import Router
from couriermail.mta.transport import Route

if TYPE_CHECKING:
    from tests.unit.mta.routing.conftest import FakeDirectory


@attrs.frozen
class Relay:
    """A transport for one domain."""

    domain: str
    name: str = "esmtp"
    priority: int = 50

    def route(self, address: str) -> Route | Reply | None:
        if address.startswith("bad"):
            return Reply(550, "bad", enhanced="5.1.2")
        if not address.endswith(f"@{self.domain}"):
            return None
        return Route(module=self.name, host=self.domain, address=address)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    (tmp_path / "me").write_text("mx.example.com\n")
    (tmp_path / "locals").write_text("example.com\n")
    (tmp_path / "hosteddomains").write_text("hosted.test\n")
    return load_config(tmp_path)


@pytest.fixture
def router(config: Config, directory: FakeDirectory) -> Router:
    directory.add("bob")
    directory.add("user@hosted.test")
    directory.add("a b")
    return Router.of(config, directory, transports=[Relay("relay.test")])


def shown(answer: Route | Reply) -> str:
    if isinstance(answer, Reply):
        return f"{answer.code} {answer.enhanced} {answer.text}"
    return " ".join(answer.key)


NO_ROUTE = "550 5.4.4 Cannot send mail: no route to remote hosts is configured."


@pytest.mark.parametrize(
    ("address", "submitted", "scheduled"),
    [
        ("bob@example.com", "local bob!!2001!2001!/home/x!! bob", None),
        ("bob", "local bob!!2001!2001!/home/x!! bob", None),
        ('"a b"@example.com', "local a b!!2001!2001!/home/x!! a b", None),
        ("user@hosted.test", "local user@hosted.test!!2001!2001!/home/x!! user", None),
        ("x@relay.test", "esmtp relay.test x@relay.test", None),
        ("badx@relay.test", "550 5.1.2 bad", None),
        ("x@example.com", "550 5.1.1 User <x> unknown", None),
        ("x@remote.test", NO_ROUTE, None),
        ("a!b", "511 5.1.1 Unknown user.", "550 5.1.1 User unknown."),
    ],
)
def test_recipients_go_to_the_first_transport_that_claims_them(
    router: Router, address: str, submitted: str, scheduled: str | None
) -> None:
    assert shown(router.check_recipient(address, "esmtp")) == submitted
    assert shown(router.route(address)) == (scheduled or submitted)


def test_local_submitters_hear_of_unknown_users_by_mail(router: Router) -> None:
    assert router.check_recipient("x@example.com", "local") == Route(
        module="local", host="", address="x@example.com"
    )
    assert shown(router.check_recipient("x@remote.test", "local")) == NO_ROUTE


def test_temporary_trouble_is_told_to_everybody(router: Router, directory: FakeDirectory) -> None:
    directory.is_down = True
    for module in ("local", "esmtp"):
        assert shown(router.check_recipient("bob@example.com", module)).startswith("450 4.3.0")


def test_transports_are_asked_by_priority(config: Config, directory: FakeDirectory) -> None:
    directory.add("bob")
    first = Relay("example.com", name="uucp", priority=5)
    router = Router.of(config, directory, transports=[Relay("example.com"), first])
    assert shown(router.route("bob@example.com")) == "uucp example.com bob@example.com"


@pytest.mark.parametrize(
    ("address", "reply"),
    [
        ("bob@example.com", "250 2.1.5 <bob@example.com>"),
        ("x@example.com", "550 5.1.1 User <x> unknown"),
        ("x@relay.test", "550 5.1.6 Remote address."),
        ("x@remote.test", "550 5.1.6 Remote address."),
        ("a!b", "511 5.1.1 Undeliverable address."),
    ],
)
def test_verify_says_250_only_of_local_mailboxes(router: Router, address: str, reply: str) -> None:
    assert shown(router.verify(address)) == reply


def test_addresses_of_one_mailbox_are_duplicates(router: Router) -> None:
    one, two = router.route("bob@example.com"), router.route("bob")
    assert isinstance(one, Route)
    assert isinstance(two, Route)
    assert one.key == two.key
