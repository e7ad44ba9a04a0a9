"""Fault points: named places where a test may kill the process or make the disk fail.

Code that promises durability calls `reach("queue.before-commit")` at each place where dying
would matter.  In production that is one attribute test.  A kill test installs a plan, in the
same process or through the text form that the daemons' command line hands to
`install_faults`, and the process dies (SIGKILL) or gets an `OSError` at exactly that place.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FaultPlan", "clear_faults", "install_faults", "reach"]


class FaultPlan:
    """What happens at one fault point.

    Attributes:
        point: the point's name.
        after: how often the point may be reached before the fault strikes (1 = first time).
        error: errno to raise as `OSError`; 0 kills the process with SIGKILL.
        repeat: True to strike again at every later arrival as well.
    """

    __slots__ = ("after", "error", "point", "repeat", "seen")

    def __init__(self, point: str, after: int = 1, error: int = 0, *, repeat: bool = False) -> None:
        self.point = point
        self.after = after
        self.error = error
        self.repeat = repeat
        self.seen = 0

    @classmethod
    def from_text(cls, text: str) -> FaultPlan:
        """Read `POINT[:AFTER[:ERRNO[+]]]`, for example `queue.before-commit:3` or `x:1:28+`."""
        point, _, rest = text.partition(":")
        after, _, error = rest.partition(":")
        repeat = error.endswith("+")
        return cls(point, int(after or 1), int(error.rstrip("+") or 0), repeat=repeat)

    def strike(self) -> None:
        """Count one arrival and fail if its time has come."""
        self.seen += 1
        if self.seen < self.after or (self.seen > self.after and not self.repeat):
            return
        if self.error:
            raise OSError(self.error, os.strerror(self.error), self.point)
        os.kill(os.getpid(), 9)


_plans: dict[str, FaultPlan] = {}


def reach(point: str) -> None:
    """Say that a fault point was reached; does nothing unless a test planned a fault there."""
    if _plans and (plan := _plans.get(point)) is not None:
        plan.strike()


def install_faults(plans: Iterable[FaultPlan]) -> None:
    """Plan faults for this process, in addition to those already planned."""
    for plan in plans:
        _plans[plan.point] = plan


def clear_faults() -> None:
    """Forget every planned fault."""
    _plans.clear()
