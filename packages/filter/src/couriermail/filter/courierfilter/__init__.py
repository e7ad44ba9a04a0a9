"""Global filters: the courierfilter protocol, a base for filters of one's own, and three of them.

The mail system asks every filter about every message (`ask_filters`); a filter is a program that
listens on a socket (`run_filter`); `FilterSupervisor` is what keeps filters running.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.courierfilter.action import (
        Action,
        accept,
        accept_final,
        defer,
        discard,
        reject,
    )
    from couriermail.filter.courierfilter.client import ask_filter, ask_filters
    from couriermail.filter.courierfilter.control import (
        ControlFile,
        ControlRecipient,
        ControlRecord,
    )
    from couriermail.filter.courierfilter.dupfilter import DuplicateJudge
    from couriermail.filter.courierfilter.errors import (
        FilterConfigError,
        FilterProtocolError,
        FilterUnavailableError,
    )
    from couriermail.filter.courierfilter.framework import (
        FilterServer,
        Judge,
        default_places,
        judge_request,
        run_configured_filter,
        run_filter,
        started_by_supervisor,
    )
    from couriermail.filter.courierfilter.message import FilteredMessage
    from couriermail.filter.courierfilter.places import FilterPlaces
    from couriermail.filter.courierfilter.protocol import (
        FilterReply,
        FilterRequest,
        ReplyReader,
        RequestReader,
        Verdict,
    )
    from couriermail.filter.courierfilter.ratefilter import RateJudge
    from couriermail.filter.courierfilter.supervisor import FilterSupervisor
    from couriermail.filter.courierfilter.switches import find_program, switch_off, switch_on
    from couriermail.filter.courierfilter.userscript import ScriptJudge
    from couriermail.filter.courierfilter.verifycache import VerificationCache
    from couriermail.filter.courierfilter.verifyfilter import (
        Finding,
        Probe,
        SenderVerifier,
        VerifyJudge,
    )
else:
    from couriermail.core.exports import lazy_exports

    __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "action": ("Action", "accept", "accept_final", "defer", "discard", "reject"),
            "client": ("ask_filter", "ask_filters"),
            "control": ("ControlFile", "ControlRecipient", "ControlRecord"),
            "dupfilter": ("DuplicateJudge",),
            "errors": ("FilterConfigError", "FilterProtocolError", "FilterUnavailableError"),
            "framework": (
                "FilterServer",
                "Judge",
                "default_places",
                "judge_request",
                "run_configured_filter",
                "run_filter",
                "started_by_supervisor",
            ),
            "message": ("FilteredMessage",),
            "places": ("FilterPlaces",),
            "protocol": (
                "FilterReply",
                "FilterRequest",
                "ReplyReader",
                "RequestReader",
                "Verdict",
            ),
            "ratefilter": ("RateJudge",),
            "supervisor": ("FilterSupervisor",),
            "switches": ("find_program", "switch_off", "switch_on"),
            "userscript": ("ScriptJudge",),
            "verifycache": ("VerificationCache",),
            "verifyfilter": ("Finding", "Probe", "SenderVerifier", "VerifyJudge"),
        },
    )

__all__ = [
    "Action",
    "ControlFile",
    "ControlRecipient",
    "ControlRecord",
    "DuplicateJudge",
    "FilterConfigError",
    "FilterPlaces",
    "FilterProtocolError",
    "FilterReply",
    "FilterRequest",
    "FilterServer",
    "FilterSupervisor",
    "FilterUnavailableError",
    "FilteredMessage",
    "Finding",
    "Judge",
    "Probe",
    "RateJudge",
    "ReplyReader",
    "RequestReader",
    "ScriptJudge",
    "SenderVerifier",
    "Verdict",
    "VerificationCache",
    "VerifyJudge",
    "accept",
    "accept_final",
    "ask_filter",
    "ask_filters",
    "default_places",
    "defer",
    "discard",
    "find_program",
    "judge_request",
    "reject",
    "run_configured_filter",
    "run_filter",
    "started_by_supervisor",
    "switch_off",
    "switch_on",
]
