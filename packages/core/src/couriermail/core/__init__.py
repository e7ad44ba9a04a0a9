"""What every room of couriermail stands on, and nothing more.

Errors that know whether they are temporary, which SMTP reply and which exit code they
deserve; durable file writes with fault points for kill tests; the clock protocol; lazy
exports.  Nothing here knows anything about mail.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.core.clock import Clock, ManualClock, SystemClock
    from couriermail.core.durable import (
        create_exclusive,
        sync_directory,
        sync_file,
        write_atomically,
    )
    from couriermail.core.errors import (
        AuthError,
        ConfigError,
        CouriermailError,
        LimitExceededError,
        LocalProtocolError,
        MissingExtraError,
        ParseError,
        ProtocolError,
        RemoteProtocolError,
        StorageError,
    )
    from couriermail.core.exports import lazy_exports
    from couriermail.core.faults import FaultPlan, clear_faults, install_faults, reach
    from couriermail.core.reply import Reply
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "clock": ("Clock", "ManualClock", "SystemClock"),
            "durable": ("create_exclusive", "sync_directory", "sync_file", "write_atomically"),
            "errors": (
                "AuthError",
                "ConfigError",
                "CouriermailError",
                "LimitExceededError",
                "LocalProtocolError",
                "MissingExtraError",
                "ParseError",
                "ProtocolError",
                "RemoteProtocolError",
                "StorageError",
            ),
            "faults": ("FaultPlan", "clear_faults", "install_faults", "reach"),
            "reply": ("Reply",),
        },
    )

__all__ = [
    "AuthError",
    "Clock",
    "ConfigError",
    "CouriermailError",
    "FaultPlan",
    "LimitExceededError",
    "LocalProtocolError",
    "ManualClock",
    "MissingExtraError",
    "ParseError",
    "ProtocolError",
    "RemoteProtocolError",
    "Reply",
    "StorageError",
    "SystemClock",
    "clear_faults",
    "create_exclusive",
    "install_faults",
    "lazy_exports",
    "reach",
    "sync_directory",
    "sync_file",
    "write_atomically",
]
