"""Who runs a recipient's filter program."""

from __future__ import annotations

from typing import Protocol

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.rcptfilter.call import FilterCall
    from couriermail.filter.rcptfilter.verdicts import FilterResult

__all__ = ["FilterRunner"]


class FilterRunner(Protocol):
    """Runs filters, as their accounts' users.

    Blocking; may be used by many threads at a time.
    """

    def run(self, call: FilterCall, message: int | None = None) -> FilterResult:
        """Run the filter once.  Never raises: whatever keeps it from its say is the result.

        Args:
            call: what it is called with.
            message: descriptor of the message file, readable; it is read from its beginning,
                and stays the caller's to close.  None at RCPT: the filter reads nothing.
        """
        ...
