r"""The search filters of authldap, built so that a name is never more than a name.

Standard: RFC 4515 3 (string representation: `*`, `(`, `)`, `\` and NUL become `\xx`);
spec auth 4.5 (authldap, points 1, 2 and 6).
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.auth.backends.ldapsettings import LdapSettings

__all__ = ["account_filter", "emailmap_filter", "escape_value", "listing_filter"]

_ESCAPES = {ord(char): f"\\{ord(char):02x}" for char in "*()\\\0"}
_EMAILMAP_WORD = re.compile(r"@(user|realm)@")


def escape_value(text: str) -> str:
    """Make a text one assertion value: it matches itself and nothing else (RFC 4515 3)."""
    return text.translate(_ESCAPES)


def account_filter(settings: LdapSettings, attribute: str, value: str) -> str:
    """The filter for accounts that have a value in an attribute and fulfil the condition.

    Args:
        settings: of the back end.
        attribute: its name, from the settings.
        value: not yet escaped.
    """
    match = f"({attribute}={escape_value(value)})"
    return f"(&{settings.filter}{match})" if settings.filter else match


def emailmap_filter(settings: LdapSettings, login: str) -> str:
    """The filter that finds the handle of a name with `@`."""
    user, _, realm = login.partition("@")
    words = {"user": escape_value(user), "realm": escape_value(realm)}
    return _EMAILMAP_WORD.sub(lambda found: words[found[1]], settings.emailmap)


def listing_filter(settings: LdapSettings) -> str:
    """The filter for all accounts."""
    return settings.enumerate_filter or settings.filter or f"({settings.mail}=*)"
