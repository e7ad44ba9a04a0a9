"""What goes wrong between a mail system and its global filters."""

from __future__ import annotations

from couriermail.core.errors import ConfigError, RemoteProtocolError
from couriermail.filter.errors import FilterError

__all__ = ["FilterConfigError", "FilterProtocolError", "FilterUnavailableError"]


class FilterUnavailableError(FilterError):
    """A filter cannot be asked, or did not answer in time; no message passes until it does."""

    reply_code = 432
    reply_text = "Mail filters temporarily unavailable."


class FilterProtocolError(FilterUnavailableError, RemoteProtocolError):
    """The other side said something that the courierfilter protocol does not have."""


class FilterConfigError(FilterError, ConfigError):
    """A filter's configuration cannot be used, or there is no such filter."""

    exit_code = 1  # spec filter 2.4, 2.6
