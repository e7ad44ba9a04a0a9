"""Every distribution as a user gets it: a wheel in an empty environment.

Each wheel is installed with nothing but its declared dependencies, and every public name is
imported from there.  Wheels of other projects are fetched once, before the first
installation, so that the installations need no index.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from tests.architecture.workspace import ROOT, Distribution, distributions

pytestmark = pytest.mark.timeout(300)

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input"]

USE_EVERY_NAME = """
import importlib, pkgutil, sys
room, prefix = sys.argv[1:]
package = importlib.import_module(f"couriermail.{room}")
assert package.__file__.startswith(prefix), package.__file__
names = getattr(package, "__all__", None)
if names is None:  # commands: every module is public
    names = [found.name for found in pkgutil.iter_modules(package.__path__)]
    for name in names:
        importlib.import_module(f"couriermail.{room}.{name}")
for name in names:
    getattr(package, name)
print(len(names))
"""

CONSUMER = """
from typing import assert_type
from couriermail.auth import Account, ChainDirectory, PasswdDirectory, UserdbDirectory
from couriermail.core import CouriermailError, Reply
from couriermail.table import Match, Table, build_table, domain_keys, find_first

def account_of(name: str) -> str | None:
    chain = ChainDirectory([UserdbDirectory.open("userdb"), PasswdDirectory()])
    account = chain.lookup(name, "courier")
    assert_type(account, Account | None)
    return None if account is None else account.home

def route(domain: bytes) -> bytes | Reply:
    try:
        build_table("routes.dat", [(b"example.com", b"relay")])
        match = find_first(Table.open("routes.dat"), domain_keys(domain))
    except CouriermailError as error:
        return error.reply
    assert_type(match, Match | None)
    return b"" if match is None else match.value
"""

MISUSE = """
from couriermail.table import Table
Table.open("routes.dat").get("text where bytes are wanted")
"""


@attrs.frozen(kw_only=True)
class Wheelhouse:
    """A folder of our wheels, and one with those of other projects."""

    ours: Path
    others: Path

    def install(self, names: list[str], environment: Path) -> Path:
        """Install distributions into a new environment and return its interpreter."""
        venv.create(environment, with_pip=False, symlinks=True)
        python = environment / "bin" / "python"
        links = [f"--find-links={self.ours}", f"--find-links={self.others}"]
        run(
            [*PIP, "--python", str(python), "install", "--no-index", "--no-compile", *links, *names]
        )
        return python


def run(command: list[str], folder: Path = ROOT) -> str:
    """Run a command; its output, or a failure that shows what it said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout


def build(distribution: Distribution, target: Path) -> None:
    """Build one wheel."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    run(command, distribution.folder)


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    folder = tmp_path_factory.mktemp("wheels")
    house = Wheelhouse(ours=folder / "ours", others=folder / "others")
    others = {
        requirement
        for distribution in distributions()
        for requirement in distribution.requirements
        if not requirement.startswith("couriermail")
    }
    pins = ["-c", str(ROOT / "constraints.txt")]
    with ThreadPoolExecutor(2) as pool:
        fetched = pool.submit(run, [*PIP, "wheel", "-w", str(house.others), *pins, *sorted(others)])
        list(pool.map(lambda found: build(found, house.ours), distributions()))
        fetched.result()
    return house


def test_every_distribution_works_with_its_declared_dependencies_alone(
    wheelhouse: Wheelhouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def try_out(distribution: Distribution) -> str:
        python = wheelhouse.install([distribution.name], tmp_path / distribution.name)
        rooms = [distribution.room] if distribution.room else [d.room for d in distributions()[:-1]]
        prefix = str(tmp_path / distribution.name)
        program = [str(python), "-I", "-c", USE_EVERY_NAME]
        count = sum(int(run([*program, room, prefix], tmp_path)) for room in rooms)
        return f"{distribution.name:20} {distribution.project['version']}  {count:3} public names"

    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(try_out, distributions()))
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert len(lines) == len(distributions())


def test_a_consumer_of_installed_wheels_type_checks(wheelhouse: Wheelhouse, tmp_path: Path) -> None:
    python = wheelhouse.install(["couriermail-auth", "couriermail-table"], tmp_path / "environment")
    outputs = []
    for name, text in (("consumer.py", CONSUMER), ("misuse.py", MISUSE)):
        (tmp_path / name).write_text(text)
        command = [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file="),
            *("--python-executable", str(python), "--cache-dir", str(tmp_path / "cache"), name),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        outputs.append(done.stdout + done.stderr)
    assert outputs[0] == "Success: no issues found in 1 source file\n"
    assert "[arg-type]" in outputs[1]
