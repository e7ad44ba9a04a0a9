"""Reports and forwards as messages that are ready to be queued (spec mta.md 11.7, 12.1).

Both enter the queue in the transaction that records what made them necessary, so neither is
sent twice or lost by a crash.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import attrs

from couriermail.core import CouriermailError, Reply
from couriermail.mta.dsn import ReportPlan, ReportPolicy, plan_report
from couriermail.mta.dsnreport import ReportWriter, is_report_header
from couriermail.mta.submission import Origin, Submitter
from couriermail.mta.verp import sender_for
from couriermail.queue import Recipient

if TYPE_CHECKING:
    from couriermail.mta.config import Config
    from couriermail.queue import Job, RecipientState
    from couriermail.queue import Submission as NewMessage

__all__ = ["QueueReporter"]

LOCALHOST = "dns; localhost (localhost [127.0.0.1])"
CHUNK = 1 << 18
HEADER_PEEK = 65536  # bytes in which a report's Content-Type must stand


@attrs.frozen
class QueueReporter:
    """Writes reports and forwards through a `Submitter`."""

    submitter: Submitter
    policy: ReportPolicy
    writer: ReportWriter

    @classmethod
    def of(cls, config: Config, submitter: Submitter) -> QueueReporter:
        """The reporter of a configuration.

        Raises:
            MtaConfigError: a report text is missing or unreadable.
        """
        return cls(submitter, ReportPolicy.of(config), ReportWriter.of(config))

    def reports(
        self, job: Job, states: tuple[RecipientState, ...], kind: Literal["final", "early", "delay"]
    ) -> tuple[list[NewMessage], dict[int, str]]:
        """The report of a kind, if one is due, and the marks of who was reported."""
        plan = plan_report(job.envelope, states, kind, self.policy)
        if plan is None:
            return [], {}
        with _original(job) as original:
            if not job.envelope.sender and is_report_header(bytes(original[:HEADER_PEEK])):
                # A report that cannot be delivered is reported to the postmaster at most.
                plan = plan_report(job.envelope, states, kind, self.policy, is_report=True)
                if plan is None:
                    return [], {}
            messages = self._report(job, plan, original)
        return messages, dict(plan.marks)

    def _report(self, job: Job, plan: ReportPlan, original: bytes | mmap.mmap) -> list[NewMessage]:
        origin = Origin(
            module="dsn",
            source=LOCALHOST,
            ident="report",
            protocol="dsn",
            label=plan.label,
        )
        submission = self.submitter.begin(
            origin, plan.sender, security=plan.security, internal=True
        )
        if isinstance(submission, Reply):
            return []
        added = submission.add_recipient(plan.to)
        if not added.is_success:
            submission.add_checked([Recipient(address=plan.to)])
        report = self.writer.write(plan, job.envelope, arrival=job.arrival, original=original)
        for chunk in report.chunks():
            submission.write(bytes(chunk))
        made = submission.parts()
        return [] if isinstance(made, Reply) else made

    def forward(self, job: Job, index: int, addresses: tuple[str, ...]) -> list[NewMessage] | Reply:
        """A copy for the addresses that a dot-courier file forwards to."""
        forwarder = job.envelope.recipients[index]
        origin = Origin(
            module="local",
            source=LOCALHOST,
            ident=f"forwarded by {forwarder.address}",
            protocol="local",
            label=job.envelope.label,
        )
        submission = self.submitter.begin(
            origin,
            sender_for(job.envelope, forwarder.address),
            envid=job.envelope.envid,
            ret=job.envelope.ret,
            internal=True,
        )
        if isinstance(submission, Reply):
            return submission
        original = forwarder.original or forwarder.address
        for address in addresses:
            reply = submission.add_recipient(address, notify="F", original=original)
            if not reply.is_success:
                submission.discard()
                return reply
        submission.write(f"Delivered-To: {forwarder.address}\n".encode())
        try:
            with job.open_body() as body:
                while chunk := body.read(CHUNK):
                    submission.write(chunk)
            return submission.parts()
        except CouriermailError as error:
            return error.reply


@contextmanager
def _original(job: Job) -> Iterator[bytes | mmap.mmap]:
    """The message that is reported: its bytes, or a map of its file."""
    inline = job.body_bytes()
    if inline is not None or job.size == 0:
        yield inline or b""
        return
    with (
        job.open_body() as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
    ):
        yield mapped
