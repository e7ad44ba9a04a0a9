"""ESMTP and LMTP: an engine without I/O, and an asyncio server on it.

`ServerEngine` is the protocol: bytes in, events out.  `serve` runs it on sockets and asks an
embedder's `Handler` about each command.  `Sink` is a handler that takes everything.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.smtp.aio.module_authenticator import module_authenticator
    from couriermail.smtp.aio.server import Server, serve
    from couriermail.smtp.aio.threaded import ThreadedServer
    from couriermail.smtp.authenticator import Authenticator
    from couriermail.smtp.config import BarePolicy, LineEnds, Mode, ServerConfig
    from couriermail.smtp.engine import ServerEngine
    from couriermail.smtp.errors import CommandSyntaxError, EngineUseError, SmtpError, XtextError
    from couriermail.smtp.events import (
        Auth,
        AuthResponse,
        Closed,
        Connected,
        DataChunk,
        DataDiscarded,
        DataEnd,
        DataStart,
        Event,
        Expn,
        Helo,
        Mail,
        Rcpt,
        Reset,
        StartTls,
        Unknown,
        Vrfy,
    )
    from couriermail.smtp.limits import Limits, Timeouts
    from couriermail.smtp.session import (
        Authenticate,
        AuthInfo,
        Credentials,
        DataSink,
        Endpoint,
        Handler,
        Session,
        TlsInfo,
    )
    from couriermail.smtp.sink import ReceivedMessage, Sink
    from couriermail.smtp.xtext import decode_orcpt, decode_xtext, encode_orcpt, encode_xtext
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "aio.module_authenticator": ("module_authenticator",),
            "aio.server": ("Server", "serve"),
            "aio.threaded": ("ThreadedServer",),
            "authenticator": ("Authenticator",),
            "config": ("BarePolicy", "LineEnds", "Mode", "ServerConfig"),
            "engine": ("ServerEngine",),
            "errors": ("CommandSyntaxError", "EngineUseError", "SmtpError", "XtextError"),
            "events": (
                "Auth",
                "AuthResponse",
                "Closed",
                "Connected",
                "DataChunk",
                "DataDiscarded",
                "DataEnd",
                "DataStart",
                "Event",
                "Expn",
                "Helo",
                "Mail",
                "Rcpt",
                "Reset",
                "StartTls",
                "Unknown",
                "Vrfy",
            ),
            "limits": ("Limits", "Timeouts"),
            "session": (
                "AuthInfo",
                "Authenticate",
                "Credentials",
                "DataSink",
                "Endpoint",
                "Handler",
                "Session",
                "TlsInfo",
            ),
            "sink": ("ReceivedMessage", "Sink"),
            "xtext": ("decode_orcpt", "decode_xtext", "encode_orcpt", "encode_xtext"),
        },
    )

__all__ = [
    "Auth",
    "AuthInfo",
    "AuthResponse",
    "Authenticate",
    "Authenticator",
    "BarePolicy",
    "Closed",
    "CommandSyntaxError",
    "Connected",
    "Credentials",
    "DataChunk",
    "DataDiscarded",
    "DataEnd",
    "DataSink",
    "DataStart",
    "Endpoint",
    "EngineUseError",
    "Event",
    "Expn",
    "Handler",
    "Helo",
    "Limits",
    "LineEnds",
    "Mail",
    "Mode",
    "Rcpt",
    "ReceivedMessage",
    "Reset",
    "Server",
    "ServerConfig",
    "ServerEngine",
    "Session",
    "Sink",
    "SmtpError",
    "StartTls",
    "ThreadedServer",
    "Timeouts",
    "TlsInfo",
    "Unknown",
    "Vrfy",
    "XtextError",
    "decode_orcpt",
    "decode_xtext",
    "encode_orcpt",
    "encode_xtext",
    "module_authenticator",
    "serve",
]
