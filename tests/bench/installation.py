"""Where our commands come from: a fresh virtual environment with our wheels, as a user has it.

The checkout's own environment is editable: a dozen path entries that every import searches, and
that costs `sendmail` about 2 ms of its start.  So wheels are built and installed beside it; the
index is asked for the dependencies only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import attrs

__all__ = ["Installation", "install_wheels", "this_environment"]

ROOT = Path(__file__).resolve().parents[2]
PIP = ("-m", "pip", "--quiet", "--disable-pip-version-check")
# An old pip writes console scripts that import `re`, which is 8 ms of every start.
PINNED = ("-c", str(ROOT / "constraints.txt"))


@attrs.frozen
class Installation:
    """Installed commands.

    Attributes:
        scripts: the directory of the commands and of `python`.
        kind: how they were installed, for the report.
    """

    scripts: Path
    kind: str

    def command(self, name: str) -> str:
        """The path of a command."""
        return str(self.scripts / name)


def this_environment() -> Installation:
    """The environment that runs the benchmark."""
    return Installation(Path(sys.executable).parent, "the editable environment")


def install_wheels(directory: Path) -> Installation:
    """Build our wheels and install them into a fresh environment below `directory`.

    Raises:
        subprocess.CalledProcessError: a build failed, or a dependency is not to be had.
    """
    sources, wheels = directory / "sources", directory / "wheels"
    for project in _projects():  # copied, so that a build leaves nothing in the checkout
        shutil.copytree(project, sources / project.name)
    built = [str(sources / project.name) for project in _projects()]
    _run(sys.executable, *PIP, "wheel", "--no-build-isolation", "--no-deps", "-w", wheels, *built)
    _run(sys.executable, "-m", "venv", directory / "venv")
    python = directory / "venv" / "bin" / "python"
    _run(python, *PIP, "install", *PINNED, "pip")
    ours = sorted(str(path) for path in wheels.glob("*.whl"))
    _run(python, *PIP, "install", *PINNED, *ours, "uvloop")
    # Environments of Python 3.12 and newer come without it; its .pth costs 0.6 ms of every start.
    _run(python, *PIP, "uninstall", "--yes", "setuptools")
    return Installation(python.parent, "wheels in a fresh environment")


def _projects() -> list[Path]:
    """Every directory of a distribution that the bundle depends on."""
    bundle = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [name.partition("==")[0].removeprefix("couriermail-") for name in bundle]
    return [ROOT / "cli" if name == "cli" else ROOT / "packages" / name for name in names]


def _run(*argv: str | Path) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)
