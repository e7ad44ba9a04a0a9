"""Running recipients' filter programs, each as the user whose filter it is (spec filter 4.18).

`filter_runner` gives what runs the filters of a configuration: through `filterd`, or directly for
the user that we are where there is none.  `Filterd` is that helper: the service that keeps
root, behind a socket that only the mail system may use.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.rcptfilter.program import FilterProgram
    from couriermail.mta.rcptfilter.runner import AccountFilterRunner, filter_runner
    from couriermail.mta.rcptfilter.server import HelperSettings, serve_filters
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "program": ("FilterProgram",),
            "runner": ("AccountFilterRunner", "filter_runner"),
            "server": ("HelperSettings", "serve_filters"),
        },
    )

__all__ = [
    "AccountFilterRunner",
    "FilterProgram",
    "HelperSettings",
    "filter_runner",
    "serve_filters",
]
