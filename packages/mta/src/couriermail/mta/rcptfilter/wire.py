"""The two records on filterd's socket (`couriermail.mta.local.wire` has their frame).

    mail system                                         filterd
    {"filter": 1, "uid": u, "gid": g, "home": ...,  ->
     "name": ..., "environment": {...}, ...}
                                                    <-  {"exit": n}, output as the body
                                                    or  {"refused": "text"}

The message's descriptor travels beside the request's first octet (SCM_RIGHTS); the request says
`"message": true` then.  What is run is not in a request: filterd's configuration names it, and
the arguments follow from the call.
"""

from __future__ import annotations

from couriermail.filter.rcptfilter import FilterAccount, FilterCall, FilterResult
from couriermail.filter.rcptfilter.verdicts import OUTPUT_BYTES
from couriermail.mta.local.errors import AgentProtocolError
from couriermail.mta.local.wire import Record, RecordReader, encode_record

__all__ = [
    "call_from_record",
    "encode_call",
    "encode_refusal",
    "encode_result",
    "reader_of_requests",
    "reader_of_results",
    "result_from_record",
]

PROTOCOL = 1
MAX_REQUEST_BYTES = 262_144  # an environment of 100 variables of 2 KiB, all of it escaped


def reader_of_requests() -> RecordReader:
    """What reads a request and nothing longer."""
    return RecordReader(max_head=MAX_REQUEST_BYTES, max_body=0)


def reader_of_results() -> RecordReader:
    """What reads an answer and nothing longer."""
    return RecordReader(max_head=4096, max_body=OUTPUT_BYTES)


def encode_call(call: FilterCall, *, has_message: bool) -> bytes:
    """A request as octets."""
    account = call.account
    return encode_record(
        {
            "filter": PROTOCOL,
            "uid": account.uid,
            "gid": account.gid,
            "home": account.home,
            "maildir": account.maildir,
            "quota": account.quota,
            "name": call.name,
            "sender": call.sender,
            "environment": dict(call.environment),
            "message": has_message,
        }
    )


def call_from_record(record: Record) -> tuple[FilterCall, bool]:
    """What a request asks for, and whether a descriptor came with it.

    Raises:
        AgentProtocolError: it is no request.
        FilterCallError: it is one that no filter can be called with.
    """
    if record.number("filter") != PROTOCOL:
        raise AgentProtocolError("unknown protocol version")
    account = FilterAccount(
        uid=record.number("uid"),
        gid=record.number("gid"),
        home=record.text("home"),
        maildir=record.text("maildir"),
        quota=record.text("quota"),
    )
    call = FilterCall(
        account=account,
        name=record.text("name"),
        sender=record.text("sender"),
        environment=record.mapping("environment"),
    )
    return call, record.head.get("message") is True


def encode_result(result: FilterResult) -> bytes:
    """An answer as octets."""
    return encode_record({"exit": result.exit_code}, result.output[:OUTPUT_BYTES])


def encode_refusal(text: str) -> bytes:
    """The answer to a request that is not carried out."""
    return encode_record({"refused": text})


def result_from_record(record: Record) -> FilterResult:
    """What an answer says.

    Raises:
        AgentProtocolError: it is a refusal, or no answer.
    """
    if "refused" in record.head:
        raise AgentProtocolError(record.text("refused"))
    if record.head.get("exit", 0) is None:
        return FilterResult(None, record.body)
    return FilterResult(record.number("exit"), record.body)
