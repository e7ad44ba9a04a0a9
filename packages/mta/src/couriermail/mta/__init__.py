"""The mail system: configuration, submission, routing, scheduling, local delivery, reports.

`MailSystem` runs everything for one configuration directory; `Submitter`, `Router`, `Scheduler`
and the readers of the configuration can be used one by one.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.config import Config, ConfigDir, load_config
    from couriermail.mta.router import Router
    from couriermail.mta.runstate import Status
    from couriermail.mta.scheduler import Scheduler, SchedulerSettings
    from couriermail.mta.smtphandler import SmtpHandler
    from couriermail.mta.submission import Origin, Submission, SubmissionSettings, Submitter
    from couriermail.mta.system import MailSystem, read_status
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "config": ("Config", "ConfigDir", "load_config"),
            "router": ("Router",),
            "runstate": ("Status",),
            "scheduler": ("Scheduler", "SchedulerSettings"),
            "smtphandler": ("SmtpHandler",),
            "submission": ("Origin", "Submission", "SubmissionSettings", "Submitter"),
            "system": ("MailSystem", "read_status"),
        },
    )

__all__ = [
    "Config",
    "ConfigDir",
    "MailSystem",
    "Origin",
    "Router",
    "Scheduler",
    "SchedulerSettings",
    "SmtpHandler",
    "Status",
    "Submission",
    "SubmissionSettings",
    "Submitter",
    "load_config",
    "read_status",
]
