"""The LMTP delivery agent: final delivery for another MTA, without a process per message.

`LmtpDaemon` is the whole thing (sockets, agents, supervision); `LmtpHandler` joins any server of
`couriermail.smtp` to `DeliveryLanes`, which gather what is delivered for one user (ADR 0004).
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.lmtp.daemon import LmtpDaemon, LmtpSettings
    from couriermail.mta.lmtp.handler import LmtpHandler
    from couriermail.mta.lmtp.lanes import DeliveryLanes
    from couriermail.mta.lmtp.recipients import RecipientSearch
    from couriermail.mta.lmtp.replies import reply_for
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "daemon": ("LmtpDaemon", "LmtpSettings"),
            "handler": ("LmtpHandler",),
            "lanes": ("DeliveryLanes",),
            "recipients": ("RecipientSearch",),
            "replies": ("reply_for",),
        },
    )

__all__ = [
    "DeliveryLanes",
    "LmtpDaemon",
    "LmtpHandler",
    "LmtpSettings",
    "RecipientSearch",
    "reply_for",
]
