"""`make demo`: start the mail system, send every sample message through it, look at what arrived.

Exit code 0 only if no message is missing, doubled or changed, the bounce came back and the
queue ended empty.
"""

from __future__ import annotations

import smtplib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from examples.demo.letters import Letter, find_letters, mismatch, number_of
from examples.demo.site import ACCOUNTS, ALICE_FOLDERS, Site, System

from couriermail.mta import load_config
from couriermail.mta.queuelist import list_queue

REPOSITORY = Path(__file__).resolve().parents[2]
CORPORA = (
    REPOSITORY.parent / "shared" / "corpus" / "messages",
    REPOSITORY / "examples" / "messages",
)
SENDER = "bob@demo.test"
RECIPIENTS = ("alice@demo.test", "bob@demo.test")
SESSIONS = 4
DRAIN_SECONDS = 120.0


def main() -> int:
    """Run the demonstration."""
    corpus = next(path for path in CORPORA if path.is_dir())
    letters = find_letters(corpus)
    with tempfile.TemporaryDirectory(prefix="couriermail-demo-") as name:
        site = Site.make(Path(name))
        system = System(site, Path(name) / "courier.log")
        system.start()
        try:
            return demonstrate(system, letters)
        finally:
            system.stop()


def demonstrate(system: System, letters: list[Letter]) -> int:
    """Send, wait, show, check."""
    port = system.smtp_port
    heading(f"The system runs; SMTP on 127.0.0.1:{port}")
    started = time.monotonic()
    send_all(port, letters)
    send_special(port)
    seconds = time.monotonic() - started
    copies = len(letters) * len(RECIPIENTS)
    print(f"{len(letters)} messages to {len(RECIPIENTS)} recipients each, accepted and synced")
    heading("mailq before")
    print(system.command("mailq").stdout)
    wait_for_deferral(system)
    system.site.make_free("dave")
    system.command("courier", "flush")
    drain(system)
    total = time.monotonic() - started
    heading("mailq after")
    print(system.command("mailq").stdout)
    heading("Folders")
    show_tree(system.site)
    heading("The bounce for carol, as bob got it")
    print(indented(bounce_text(system.site)))
    problems = check(system, letters)
    heading("Result")
    print(f"accepted {len(letters) / seconds:.0f} messages/s on {SESSIONS} sessions")
    print(f"delivered {copies} copies, {copies / total:.0f} deliveries/s from the first MAIL")
    for problem in problems:
        print(f"WRONG: {problem}")
    print("every message arrived once and unchanged" if not problems else "FAILED")
    return 1 if problems else 0


def send_all(port: int, letters: list[Letter]) -> None:
    """Send the letters over several connections at once, with a progress bar."""
    from concurrent.futures import ThreadPoolExecutor

    shares = [letters[start::SESSIONS] for start in range(SESSIONS)]
    with (
        typer.progressbar(length=len(letters), label="sending ", file=sys.stderr) as bar,
        ThreadPoolExecutor(SESSIONS) as threads,
    ):

        def send(share: list[Letter]) -> None:
            with smtplib.SMTP("127.0.0.1", port, local_hostname="client.demo.test") as client:
                for letter in share:
                    client.sendmail(SENDER, RECIPIENTS, letter.wire, mail_options=["BODY=8BITMIME"])
                    bar.update(1)

        list(threads.map(send, shares))


def send_special(port: int) -> None:
    """One message that must bounce, one that must wait, one recipient that is refused at once."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.demo.test") as client:
        text = b"From: bob@demo.test\r\nSubject: to a closed mailbox\r\n\r\nAnybody there?\r\n"
        client.sendmail(SENDER, ["carol@demo.test"], text)
        text = b"From: bob@demo.test\r\nSubject: to a busy mailbox\r\n\r\nTake your time.\r\n"
        client.sendmail(SENDER, ["dave@demo.test"], text)
        try:
            client.sendmail(SENDER, ["nobody-here@demo.test"], text)
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = error.recipients["nobody-here@demo.test"]
            print(f"refused at once, as it should be: {code} {reason.decode()}")


def waiting(system: System) -> int:
    """Messages in the queue."""
    return sum(1 for _ in list_queue(load_config(system.site.config)))


def wait_for_deferral(system: System) -> None:
    """Wait until dave's mail has been tried once, so that flushing it means something."""
    until(lambda: "status: deferred" in system.log_text(), "dave's mail was never tried")


def drain(system: System) -> None:
    """Wait until the queue is empty, with a progress bar."""
    left = waiting(system)
    end = time.monotonic() + DRAIN_SECONDS
    with typer.progressbar(length=max(left, 1), label="draining", file=sys.stderr) as bar:
        while left:
            if time.monotonic() > end:
                raise SystemExit(f"the queue did not drain:\n{system.command('mailq').stdout}")
            time.sleep(0.05)
            now = waiting(system)
            bar.update(max(0, left - now))
            left = now
        bar.update(1)


def until(condition: Callable[[], bool], complaint: str, seconds: float = 30.0) -> None:
    """Poll a condition with a deadline."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(complaint)
        time.sleep(0.05)


def delivered(site: Site, account: str) -> list[bytes]:
    """Every message in an account's mailbox and folders."""
    box = site.home(account) / "Maildir"
    return [path.read_bytes() for path in box.rglob("*") if path.parent.name in ("new", "cur")]


def check(system: System, letters: list[Letter]) -> list[str]:
    """What went wrong; empty when nothing did."""
    problems = [
        problem for account in ("alice", "bob") for problem in wrong(system.site, account, letters)
    ]
    for name in ALICE_FOLDERS:
        if not count_in(system.site.home("alice") / f"Maildir/.{name}"):
            problems.append(f"alice: nothing was filed into {name}")
    if len(delivered(system.site, "dave")) != 1:
        problems.append("dave's message did not arrive after the flush")
    if not bounce_text(system.site):
        problems.append("the bounce did not come back")
    if waiting(system):
        problems.append("the queue is not empty")
    if "Traceback" in system.log_text():
        problems.append(f"the log has a traceback:\n{system.log_text()}")
    return problems


def wrong(site: Site, account: str, letters: list[Letter]) -> Iterator[str]:
    """What an account misses, has twice or got changed."""
    copies = delivered(site, account)
    numbers = Counter(number_of(copy) for copy in copies)
    by_number = {number_of(copy): copy for copy in copies}
    for letter in letters:
        count = numbers[letter.number]
        if count != 1:
            yield f"{account}: {letter.name} arrived {count} times"
        elif difference := mismatch(letter, by_number[letter.number]):
            yield f"{account}: {letter.name}: {difference}"


def bounce_text(site: Site) -> str:
    """The report about carol, from bob's mailbox."""
    for copy in delivered(site, "bob"):
        if b"report-type=delivery-status" in copy and b"This mailbox is closed." in copy:
            return copy.decode("utf-8", "replace")
    return ""


def show_tree(site: Site) -> None:
    """The mailboxes with the number of messages in each folder."""
    for account in ACCOUNTS:
        box = site.home(account) / "Maildir"
        print(f"{account}")
        print(f"  INBOX{count_in(box):>12}")
        for folder in sorted(path for path in box.glob(".*") if (path / "new").is_dir()):
            print(f"  {folder.name[1:]:<12}{count_in(folder):>5}")


def count_in(folder: Path) -> int:
    """Messages in one folder."""
    return sum(1 for sub in ("new", "cur") for _ in (folder / sub).iterdir())


def heading(text: str) -> None:
    """A line that sets off the next part."""
    print(typer.style(f"\n== {text}", bold=True) if sys.stdout.isatty() else f"\n== {text}")


def indented(text: str) -> str:
    """Text moved to the right."""
    return "\n".join(f"    {line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
