"""What can go wrong in the fax room; every error of it is a `FaxError`."""

from __future__ import annotations

from couriermail.core.errors import CouriermailError

__all__ = ["DialPlanError", "FaxError", "PageError"]


class FaxError(CouriermailError):
    """Base of the errors of this room."""


class PageError(FaxError):
    """A page cannot be coded as asked: a row of the wrong length, an impossible setting."""

    exit_code = 65  # EX_DATAERR


class DialPlanError(FaxError):
    """A number cannot be dialled: it is empty, too long, or the dial plan refuses it."""

    reply_code = 550
    enhanced_code = "5.1.3"
    reply_text = "Invalid fax phone number"  # spec fax 2.2
    exit_code = 69  # EX_UNAVAILABLE
