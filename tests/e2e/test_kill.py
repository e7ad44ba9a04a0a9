"""The whole system killed with SIGKILL while a thousand messages pass (spec mta.md 8.4, D1-D8).

Each run sends marked messages over several connections and by `sendmail`, has processes die at
one fault point or at random, then kills everything that is left, starts again and lets the queue
drain.  The checker proves of every acknowledged message that it arrived, whole, and of doubled
ones that no more were doubled than `docs/guide/durability.md` says may be.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import partial

import attrs
import pytest
from tests.support.mailsite import MailSite, kill
from tests.support.traffic import Account, Traffic

from couriermail.mta.planner import PlannerLimits

MakeSite = Callable[..., MailSite]

MESSAGES = 1000
BATCHES = 2  # MAXDELS of these sites: batches that run at once
# docs/guide/durability.md: one death may double the batches that run at that moment, and those
# whose outcomes wait for the commit that did not come.
WINDOW = 2 * BATCHES * PlannerLimits().batch_size

POINTS = {
    "after the body was written": ("queue.body-written:8",),
    "before the commit": ("queue.before-commit:60",),
    "after the commit": ("queue.after-commit:75",),
    "between tmp and new": ("maildir.before-rename:150",),
    "before the lease is closed": ("scheduler.before-record:150",),
}
MORE_POINTS = {
    "in new, unanswered": ("maildir.after-rename:150",),
    "before the outcomes' commit": ("queue.finish-before-commit:200",),
    "after the outcomes' commit": ("queue.finish-after-commit:200",),
    "in the middle of a body": ("queue.body-write:9",),
    "before the body's rename": ("queue.body-before-rename:7",),
    "after the body's rename": ("queue.body-after-rename:7",),
    "message in tmp": ("maildir.tmp-written:160",),
    "after the maildir's sync": ("maildir.after-directory-sync:5",),
    "delivered, before the answer": ("local.before-reply:170",),
    "before the delivery": ("local.before-deliver:170",),
    "before a batch": ("scheduler.before-batch:9",),
    "recorded, before it is forgotten": ("scheduler.after-record:150",),
    "everywhere": (
        "queue.body-written:9",
        "queue.before-commit:90",
        "maildir.before-rename:190",
        "scheduler.before-record:190",
    ),
}


@attrs.define
class Tally:
    """The sums of all runs of this file."""

    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0


@pytest.fixture(scope="module")
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Collects all runs and says what came of them."""
    found = Tally()
    yield found
    say(
        request,
        f"kill test: {found.runs} runs, {found.acknowledged} acknowledged, {found.lost} lost, "
        f"{found.doubled} doubled (window {WINDOW} each time)",
    )


def say(request: pytest.FixtureRequest, text: str) -> None:
    """Print a line that is seen also when the test passes."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    assert capture is not None
    with capture.global_and_fixture_disabled():
        print(f"\n{text}", flush=True)


@pytest.fixture
def kill_site(make_site: MakeSite) -> MailSite:
    """A site that retries after a second and runs few batches at once."""
    return make_site(**{"module.local": f"MAXDELS={BATCHES}\nMAXHOST={BATCHES}\nPROG=./local\n"})


def deaths(site: MailSite) -> int:
    """Services and agents that died."""
    return len(re.findall(r"ABNORMAL TERMINATION|agent \d+ ended abnormally", site.log_text()))


def conclude(
    request: pytest.FixtureRequest, tally: Tally, name: str, traffic: Traffic, moments: int
) -> Account:
    """Everything was sent: let it drain, check the account, print its line."""
    site = traffic.site
    site.wait_empty(90.0)
    account = traffic.account()
    window = moments * WINDOW
    say(
        request,
        f"killed {name}: {moments} times, {account.acknowledged} acknowledged "
        f"({account.repeated} sent again), {len(account.lost)} lost, "
        f"{account.doubled} doubled (window {window})",
    )
    tally.runs += 1
    tally.acknowledged += account.acknowledged
    tally.lost += len(account.lost)
    tally.doubled += account.doubled
    assert not account.lost
    assert not account.broken
    assert account.doubled <= window
    assert not account.recorded_twice
    site.assert_no_traceback()
    return account


def run_with_faults(
    request: pytest.FixtureRequest, tally: Tally, site: MailSite, name: str, messages: int
) -> None:
    """Processes die at fault points; after some deaths everything is killed and started anew."""
    faults = {**POINTS, **MORE_POINTS}[name]
    site.start(*(word for fault in faults for word in ("--fault", fault)))
    traffic = Traffic(site, messages)
    traffic.start()
    site.wait(lambda: deaths(site) >= 2 or (deaths(site) and traffic.is_done), f"a death {name}")
    site.crash()
    moments = deaths(site) + 1
    site.start()
    traffic.join()
    conclude(request, tally, name, traffic, moments)


def kill_one(site: MailSite, chance: random.Random) -> str:
    """Kill a service, an agent or the supervisor; a killed supervisor is started again."""
    agents = site.agents()
    victims = {**site.pids(), **({"agent": chance.choice(agents)} if agents else {})}
    name = chance.choice([*victims, "supervisor"])
    if name == "supervisor":
        site.kill_supervisor()
        site.start()
    else:
        kill(victims[name])
    return name


def run_at_random(
    request: pytest.FixtureRequest,
    tally: Tally,
    site: MailSite,
    *,
    seed: int,
    messages: int,
    kills: int,
) -> None:
    """Kill whatever chance names, each time that another share of the messages was taken."""
    chance = random.Random(seed)
    site.start()
    traffic = Traffic(site, messages)
    traffic.start()
    names = []
    for number in range(kills):
        goal = (number + chance.random()) * messages / kills
        site.wait(partial(traffic.has_acknowledged, goal), "progress")
        names.append(kill_one(site, chance))
    traffic.join()
    conclude(request, tally, f"at random (seed {seed}: {', '.join(names)})", traffic, len(names))


@pytest.mark.parametrize("name", POINTS)
def test_death_at_a_fault_point_loses_nothing(
    kill_site: MailSite, tally: Tally, request: pytest.FixtureRequest, name: str
) -> None:
    run_with_faults(request, tally, kill_site, name, MESSAGES)


def test_death_of_any_process_at_any_moment_loses_nothing(
    kill_site: MailSite, tally: Tally, request: pytest.FixtureRequest
) -> None:
    seed = random.randrange(10**6)
    run_at_random(request, tally, kill_site, seed=seed, messages=MESSAGES, kills=4)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", MORE_POINTS)
def test_death_at_every_other_point_loses_nothing(
    kill_site: MailSite, tally: Tally, request: pytest.FixtureRequest, name: str
) -> None:
    run_with_faults(request, tally, kill_site, name, 3 * MESSAGES)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(5))
def test_a_long_row_of_deaths_loses_nothing(
    kill_site: MailSite, tally: Tally, request: pytest.FixtureRequest, seed: int
) -> None:
    run_at_random(request, tally, kill_site, seed=seed, messages=4 * MESSAGES, kills=12)


def test_the_checker_sees_what_is_lost_doubled_and_broken(kill_site: MailSite) -> None:
    kill_site.start()
    traffic = Traffic(kill_site, 8, sessions=1, by_command=2)
    traffic.start()
    traffic.join()
    kill_site.wait_empty()
    account = traffic.account()
    assert (account.acknowledged, account.lost, account.doubled) == (8, (), 0)
    first, second, third, *_ = (kill_site.home("alice") / "Maildir/new").iterdir()
    first.unlink()
    (second.parent / "copy").write_bytes(second.read_bytes())
    third.write_bytes(third.read_bytes()[:-5])
    account = traffic.account()
    assert (len(account.lost), account.doubled, len(account.broken)) == (1, 1, 1)
