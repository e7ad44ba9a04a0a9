"""What a recipient's filter program is called with (spec filter 4.18).

`FILTER -D UID/GID -M NAME REMOTEHOST REMOTEIP SENDER BOUNCE BOUNCE2`, with the environment of the
submission and SENDER, HOME, DEFAULT and MAILDIRQUOTA.  Nothing is run here.

    >>> call = FilterCall(
    ...     account=FilterAccount(uid=1000, gid=100, home="/home/tess"),
    ...     name=recipient_filter_name("lists"),
    ...     sender="s@sender.example",
    ...     environment={"TCPREMOTEIP": "192.0.2.1"},
    ... )
    >>> call.arguments
    ('-D', '1000/100', '-M', 'rcptfilter-lists', '', '192.0.2.1', 's@sender.example', '', '')
"""

from __future__ import annotations

import os

import attrs

from couriermail.filter.errors import FilterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FilterAccount",
    "FilterCall",
    "FilterCallError",
    "alias_filter_name",
    "content_filter_name",
    "recipient_filter_name",
]

MAX_NAME = 255
"""Octets of a filter's name: it is looked for as a file of that name (NAME_MAX)."""

_NO_VARIABLES: Mapping[str, str] = {}


class FilterCallError(FilterError):
    """A filter cannot be called like this: a name or value that no program can be given."""


@attrs.frozen(kw_only=True)
class FilterAccount:
    """Whose filter is run.

    Attributes:
        uid: numeric user id, as which the filter runs; never 0.
        gid: numeric group id.
        home: absolute path of the home directory.
        maildir: the account's mailbox or delivery instruction: DEFAULT of the filter.
        quota: Maildir++ quota text, or "": MAILDIRQUOTA of the filter.
    """

    uid: int
    gid: int
    home: str
    maildir: str = "./Maildir"
    quota: str = ""


@attrs.frozen(kw_only=True)
class FilterCall:
    """One run of one recipient's filter.

    Attributes:
        account: whose filter.
        name: which one (`recipient_filter_name`, `content_filter_name`, `alias_filter_name`).
        sender: envelope sender; empty for the null sender.
        environment: variables of the submission: PATH and locale, TCPREMOTEHOST, TCPREMOTEIP,
            BOUNCE, BOUNCE2, BLOCK2, RELAYCLIENT and what else the access table set.

    Raises:
        FilterCallError: text that no program can be given, or a name that is no plain file name.
    """

    account: FilterAccount
    name: str
    sender: str
    environment: Mapping[str, str] = _NO_VARIABLES

    def __attrs_post_init__(self) -> None:
        name = self.name
        if not name or name.startswith(".") or "/" in name or not name.isprintable():
            raise FilterCallError("the name of a recipient filter must be a plain file name")
        if any("=" in key or not key for key in self.environment):
            raise FilterCallError("a variable's name must not be empty or hold =")
        texts = [name, *(text for pair in self.variables.items() for text in pair)]
        if not all(map(_is_sayable, texts)):
            raise FilterCallError("text for a recipient filter must be UTF-8 without NUL")
        if len(os.fsencode(name)) > MAX_NAME:
            raise FilterCallError("the name of a recipient filter is too long")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words behind the program's own name."""
        given = self.environment.get
        return (
            "-D",
            f"{self.account.uid}/{self.account.gid}",
            "-M",
            self.name,
            given("TCPREMOTEHOST", ""),
            given("TCPREMOTEIP", ""),
            self.sender,
            given("BOUNCE", ""),
            given("BOUNCE2", ""),
        )

    @property
    def variables(self) -> dict[str, str]:
        """The program's whole environment."""
        return {
            **self.environment,
            "SENDER": self.sender,
            "HOME": self.account.home,
            "DEFAULT": self.account.maildir,
            "MAILDIRQUOTA": self.account.quota,
        }


def recipient_filter_name(extension: str = "") -> str:
    """The filter that is asked at RCPT about a recipient with this extension, "" for none."""
    return _name("rcptfilter", extension)


def content_filter_name(extension: str = "") -> str:
    """The filter that is asked at the end of DATA about a recipient with this extension."""
    return _name("smtpfilter", extension)


def alias_filter_name(alias: str) -> str:
    """The filter that is asked at RCPT about an alias, by its full name (`sales@example.com`)."""
    return _name("rcptfilter-alias", alias)


def _is_sayable(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def _name(kind: str, extension: str) -> str:
    # maildrop reads every `/` of a name as `:` (spec filter 4.12); to do it here keeps paths away
    # from programs that do not.
    return f"{kind}-{extension.replace('/', ':')}" if extension else kind
