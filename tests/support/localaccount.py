"""An account to which the local agent delivers, in this process and as this user."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict, Unpack

import attrs

from couriermail.mta.local import AgentSettings, LocalJob, LocalResult, deliver_batch

BODY = b"Subject: hello\n\nFrom x\n>From y\nend\n"


DELIVERED = ("Message delivered.",)


class JobFields(TypedDict, total=False):
    """The fields of a job that tests set."""

    recipient: str
    sender: str
    home: str
    maildir: str
    quota: str
    extension: str
    default_instructions: str
    body: bytes | int
    ledger: str
    environment: Mapping[str, str]


@attrs.define
class Account:
    """A home directory and the ways to have mail delivered to it."""

    home: Path
    settings: AgentSettings = attrs.field(factory=lambda: AgentSettings(localtimeout=30.0))

    def job(self, key: int = 1, **fields: Unpack[JobFields]) -> LocalJob:
        job = LocalJob(
            key=key,
            recipient="rcpt@example.com",
            sender="sender@example.org",
            user="rcpt",
            home=str(self.home),
            size=len(BODY),
            body=BODY,
        )
        return attrs.evolve(job, **fields)

    def deliver(self, courier: str | None = None, **fields: Unpack[JobFields]) -> LocalResult:
        if courier is not None:
            (self.home / ".courier").write_text(courier)
        [result] = self.deliver_all([self.job(**fields)])
        return result

    def deliver_all(self, jobs: list[LocalJob]) -> list[LocalResult]:
        results: list[LocalResult] = []
        deliver_batch(jobs, self.settings, results.append, now=lambda: 0.0)
        return results

    def messages(self, name: str = "Maildir") -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.home / name / "new").iterdir())]
