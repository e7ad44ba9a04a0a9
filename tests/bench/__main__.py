"""`make bench`: our mail system beside every installed peer, as ratios.

    python -m tests.bench                    the whole report, about 20 minutes with all peers
    python -m tests.bench --quick            a short one
    python -m tests.bench --install-peers    as root: set up Courier and Postfix first, once
    python -m tests.bench --only startup     one section
    python -m tests.bench --rooms            the single rooms as well

It is a report, so the exit code is 0 when it could be made, whether or not the targets hold.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, TextIO

import attrs
from tests.bench.deliveries import remove_emptied
from tests.bench.installation import Installation, install_wheels, this_environment
from tests.bench.machine import Calibration
from tests.bench.memory import measure_memory, memory_lines, memory_verdict
from tests.bench.peers.aiosmtpd_fsync import AiosmtpdFsync
from tests.bench.peers.courier import Courier
from tests.bench.peers.debian import remove_account
from tests.bench.peers.mailsystem import Endpoint, MailSystem, PeerError
from tests.bench.peers.ours import Ours
from tests.bench.peers.postfix import Postfix
from tests.bench.ratios import TARGETS, Verdict, judge
from tests.bench.report import JsonLines, incomplete_lines, table, verdict_lines
from tests.bench.rooms import ROOMS, run_room
from tests.bench.rounds import CASES, Sample, Sizes, run_rounds
from tests.bench.startup import measure_startup, startup_lines, startup_verdict

SECTIONS = ("peers", "startup", "memory")


def main() -> int:
    """Read the command line and make the report."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupted)  # so that what was started is stopped
    try:
        if options.remove_peers:
            return _remove_peers()
        if options.install_peers:
            _install_peers()
        with contextlib.ExitStack() as stack:
            try:
                Bench(options, stack).run()
            finally:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)  # not half-way through the clearing
    except PeerError as error:
        print(f"bench: {error}")
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted")
        return 130
    return 0


@attrs.define
class Bench:
    """One report.

    Attributes:
        options: the command line.
        stack: stops and removes, in the end, whatever was started and made.
    """

    options: argparse.Namespace
    stack: contextlib.ExitStack
    _verdicts: list[Verdict] = attrs.field(factory=list, init=False)

    def run(self) -> None:
        """Make the sections that were asked for, then say which targets hold."""
        wanted = [self.options.only] if self.options.only else SECTIONS
        json = JsonLines(self._json_file())
        root = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        root.chmod(0o755)  # deliveries run as another user
        installation = self._installation(root)
        ours = Ours(_made(root / "ours"), installation)
        endpoint = self.stack.enter_context(_running(ours))
        if "peers" in wanted:
            self._peers(ours, endpoint, root, json)
        if "startup" in wanted:
            self._startup(ours, root, json)
        if "memory" in wanted:
            self._memory(ours, endpoint, json)
        for name in ROOMS if self.options.rooms else ():
            _show([f"{name}:", *run_room(name)])
        _show(verdict_lines(self._verdicts))
        for verdict in self._verdicts:
            json.write("target", attrs.asdict(verdict))

    def _json_file(self) -> TextIO | None:
        name = self.options.json
        return self.stack.enter_context(open(name, "a", encoding="utf-8")) if name else None

    def _installation(self, root: Path) -> Installation:
        installation = this_environment()
        if not self.options.editable:
            try:
                installation = install_wheels(_made(root / "installation"))
            except subprocess.CalledProcessError as error:
                print(f"no fresh installation ({error.stderr.decode()[-200:]!r})")
        print(f"our commands: {installation.kind}", flush=True)
        return installation

    def _peers(self, ours: Ours, endpoint: Endpoint, root: Path, json: JsonLines) -> None:
        endpoints = {ours.name: endpoint}
        for peer in (Courier(), Postfix(), AiosmtpdFsync(_made(root / "aiosmtpd"))):
            why = peer.why_absent()
            if not why:
                try:
                    endpoints[peer.name] = self.stack.enter_context(_running(peer))
                except PeerError as error:
                    why = str(error)
            if why:
                print(f"{peer.name}: absent, {why}")
        samples = []
        for sample in self._measure(endpoints, json):
            samples.append(sample)
            json.write("sample", attrs.asdict(sample))
            print(_progress(sample), flush=True)
        _show([*table(samples, list(endpoints)), *incomplete_lines(samples)])
        self._verdicts += [judge(target, samples) for target in TARGETS]

    def _measure(self, endpoints: dict[str, Endpoint], json: JsonLines) -> Iterator[Sample]:
        def calibrated(number: int, calibration: Calibration) -> None:
            json.write("machine", {"round": number, **attrs.asdict(calibration)})
            print(f"round {number}; {calibration}", flush=True)

        quick = self.options.quick
        return run_rounds(
            endpoints,
            rounds=self.options.rounds or (1 if quick else 3),
            sizes=Sizes(perftest1=100, acceptance=300) if quick else Sizes(),
            cases=[case for case in CASES if self.options.case in (None, case.key)],
            on_calibration=calibrated,
        )

    def _startup(self, ours: Ours, root: Path, json: JsonLines) -> None:
        runs = 20 if self.options.quick else 60
        scratch = _made(root / "scratch")
        found = measure_startup(ours.installation, ours.config, scratch=scratch, runs=runs)
        for item in found:
            json.write("startup", attrs.asdict(item))
        _show(startup_lines(found))
        self._verdicts.append(startup_verdict(found))

    def _memory(self, ours: Ours, endpoint: Endpoint, json: JsonLines) -> None:
        running = ours.status()
        messages = 4000 if self.options.quick else 20000
        found = measure_memory(endpoint, running.pid, running.services, messages=messages)
        for item in found:
            json.write("memory", attrs.asdict(item))
        _show(memory_lines(found, messages))
        self._verdicts.append(memory_verdict(found, messages))


@contextlib.contextmanager
def _running(system: MailSystem) -> Iterator[Endpoint]:
    """A system that is stopped however the block ends, also when its start failed half-way."""
    try:
        endpoint = system.start()
        try:
            yield endpoint
        finally:
            remove_emptied(endpoint.maildir)
    finally:
        system.stop()


def _interrupted(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _install_peers() -> None:
    for peer in (Courier(), Postfix()):
        print(f"setting up {peer.name}", flush=True)
        peer.install()


def _remove_peers() -> int:
    for peer in (Courier(), Postfix()):
        peer.remove()
    remove_account()
    return 0


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _progress(sample: Sample) -> str:
    note = "" if sample.is_complete else "  INCOMPLETE"
    return f"  {sample.case:10} {sample.system:15} {sample.rate:8.0f}/s{note}"


def _show(lines: Sequence[str]) -> None:
    print("", *lines, sep="\n", flush=True)


def _parser() -> argparse.ArgumentParser:
    text = __doc__ or ""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rounds", type=int, help="rounds of the comparison (3; 1 with --quick)")
    add("--quick", action="store_true", help="a tenth of the messages")
    add("--only", choices=SECTIONS, help="one section")
    add("--case", choices=[case.key for case in CASES], help="one case of the comparison")
    add("--rooms", action="store_true", help="run the benchmarks of single rooms as well")
    add("--json", metavar="FILE", help="append every figure as JSON lines")
    add("--editable", action="store_true", help="use the commands of this environment")
    add("--install-peers", action="store_true", help="root: install Courier and Postfix first")
    add("--remove-peers", action="store_true", help="root: take them away, and do nothing else")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
