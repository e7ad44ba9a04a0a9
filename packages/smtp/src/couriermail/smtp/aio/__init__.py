"""The asyncio shell of the SMTP engine: sockets, TLS, time and back-pressure, no protocol rule."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.smtp.aio.module_authenticator import module_authenticator
    from couriermail.smtp.aio.server import Server, serve
    from couriermail.smtp.aio.threaded import ThreadedServer
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "module_authenticator": ("module_authenticator",),
            "server": ("Server", "serve"),
            "threaded": ("ThreadedServer",),
        },
    )

__all__ = ["Server", "ThreadedServer", "module_authenticator", "serve"]
