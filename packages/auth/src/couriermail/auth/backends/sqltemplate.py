r"""Custom SQL clauses of an administrator, with `$(name)` for values of the request.

A `$` that no `(` follows is itself; an unknown name is empty.  Every value is escaped by the
engine's own function before it is put in.  Escaping protects only what stands inside an
ordinary text in single quotes, so `unprotected_variable` finds those that stand elsewhere:
bare, in a name (`"..."`), in a comment, in a text with rules of its own (`E'..\n'`, `$$..$$`).
Such a clause is refused when the settings are read.

Standard: spec auth 3.4 (query templates).
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["VARIABLES", "expand_template", "unprotected_variable"]

VARIABLES = frozenset({"local_part", "domain", "service", "newpass", "newpass_crypt"})

_VARIABLE = re.compile(r"\$\(([^)]*)\)")

# Each construct is found before a quote in it could be taken for the beginning of a text.
_CONSTRUCTS = r"""
    (?P<other> --[^\n]* | /\*.*?\*/ | "[^"]*" | `[^`]*`
             | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$
             | [\w&$]'(?:\\.|[^'\\])*'
             | '[^'\\]*\\(?:.|\n)(?:\\.|[^'\\])*'
             {comment} )
    | '[^'\\]*'
"""
_PLAIN_SQL = re.compile(_CONSTRUCTS.replace("{comment}", ""), re.VERBOSE | re.DOTALL)
_WITH_HASH_COMMENTS = re.compile(
    _CONSTRUCTS.replace("{comment}", r"| \#[^\n]*"), re.VERBOSE | re.DOTALL
)


def expand_template(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """Put the request's values into a clause.

    Args:
        template: the clause.
        values: name -> value, not yet escaped.
        escape: makes a value safe inside a quoted text of the engine's SQL.
    """
    return _VARIABLE.sub(lambda found: escape(values.get(found[1], "")), template)


def unprotected_variable(template: str, *, has_hash_comments: bool = False) -> str | None:
    """The first known variable that escaping does not protect where it stands, or None.

    Args:
        template: the clause.
        has_hash_comments: whether `#` begins a comment, as it does in MySQL.
    """
    constructs = _WITH_HASH_COMMENTS if has_hash_comments else _PLAIN_SQL
    rest = constructs.sub(lambda found: found["other"] or "", template)
    return next((found[0] for found in _VARIABLE.finditer(rest) if found[1] in VARIABLES), None)
