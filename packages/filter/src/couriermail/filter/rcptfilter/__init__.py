"""Recipient filters: a recipient's own program judges mail while it is being received.

Each recipient is asked about at RCPT (`rcptfilter`) and, where it wishes, about the message's
content at the end of DATA (`smtpfilter`); spec filter 4.18.  What is asked is a `FilterCall`, how
the program ended a `FilterResult`; `judge_recipient`, `Agreement`, `judge_content` and
`ContentVerdicts` turn results into replies, without I/O.  A `FilterRunner` runs the program.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.rcptfilter.call import (
        FilterAccount,
        FilterCall,
        FilterCallError,
        alias_filter_name,
        content_filter_name,
        recipient_filter_name,
    )
    from couriermail.filter.rcptfilter.runner import FilterRunner
    from couriermail.filter.rcptfilter.transaction import (
        Agreement,
        ContentVerdict,
        ContentVerdicts,
        PartialRefusal,
    )
    from couriermail.filter.rcptfilter.verdicts import (
        FilterResult,
        Standing,
        judge_content,
        judge_recipient,
    )
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "call": (
                "FilterAccount",
                "FilterCall",
                "FilterCallError",
                "alias_filter_name",
                "content_filter_name",
                "recipient_filter_name",
            ),
            "runner": ("FilterRunner",),
            "transaction": ("Agreement", "ContentVerdict", "ContentVerdicts", "PartialRefusal"),
            "verdicts": ("FilterResult", "Standing", "judge_content", "judge_recipient"),
        },
    )

__all__ = [
    "Agreement",
    "ContentVerdict",
    "ContentVerdicts",
    "FilterAccount",
    "FilterCall",
    "FilterCallError",
    "FilterResult",
    "FilterRunner",
    "PartialRefusal",
    "Standing",
    "alias_filter_name",
    "content_filter_name",
    "judge_content",
    "judge_recipient",
    "recipient_filter_name",
]
