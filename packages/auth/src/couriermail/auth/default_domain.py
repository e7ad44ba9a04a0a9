"""The domain that a login name without one gets.

Standard: spec auth 4.6 (DEFDOMAIN, DOMAINSEP).
"""

from __future__ import annotations

__all__ = ["with_default_domain"]


def with_default_domain(name: str, domain: str, separators: str | None = None) -> str:
    """A login name with the default domain, if it has none of its own.

    Args:
        name: what somebody typed.
        domain: what is appended, with its separator, such as `@example.com`; empty: nothing.
        separators: a name that holds one of these characters has a domain; None stands for
            the first character of `domain`.
    """
    known = domain[:1] if separators is None else separators
    return name if any(character in known for character in name) else name + domain
