"""Where a part says it is: Content-Location beside Content-Base.

Source: spec rfc822 4.25.
"""

from __future__ import annotations

__all__ = ["append_url"]


def append_url(base: str, location: str) -> str:
    """Puts a location behind a base.

    Args:
        base: such as `http://example.com/a`; empty for none.
        location: a whole URL, which wins; `//host/path`, which keeps the scheme of the base;
            `/path`, which keeps scheme and host; or a name below the base.
    """
    scheme, colon, rest = base.partition(":")
    if not base or _has_scheme(location):
        return location
    if not location:
        return base
    if location.startswith("//"):
        return scheme + colon + location if _has_scheme(base) else location
    if location.startswith("/"):
        if not _has_scheme(base):
            return location
        host = rest[2:].partition("/")[0] if rest.startswith("//") else ""
        return f"{scheme}://{host}{location}" if host else f"{scheme}:{location}"
    return f"{base.rstrip('/')}/{location}"


def _has_scheme(url: str) -> bool:
    """A letter, then letters, digits and `+-.` before the colon."""
    scheme, colon, _ = url.partition(":")
    plain = scheme.translate(_MARKS)
    return (
        bool(colon) and scheme[:1].isalpha() and plain.isascii() and (not plain or plain.isalnum())
    )


_MARKS = dict.fromkeys(map(ord, "+-."))
