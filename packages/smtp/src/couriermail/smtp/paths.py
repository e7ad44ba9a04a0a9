"""Reverse-paths and forward-paths (RFC 5321 4.1.2, RFC 6531 3.3).

One regular expression reads a whole path.  The address comes back in one spelling: without
source route, domain in lower case without trailing dot, local part quoted only where it must be.
"""

from __future__ import annotations

import re

from couriermail.smtp.errors import CommandSyntaxError
from couriermail.smtp.limits import Limits

__all__ = ["parse_forward_path", "parse_reverse_path"]

# RFC 5321 4.1.2, RFC 6531 3.3 (UTF8-non-ascii joins atext, qtext and sub-domain):
#   Path         = "<" [ A-d-l ":" ] Mailbox ">"
#   A-d-l        = At-domain *( "," At-domain )
#   Mailbox      = Local-part "@" ( Domain / address-literal )
#   Dot-string   = Atom *("." Atom)
#   Quoted-string = DQUOTE *( %d32-33 / %d35-91 / %d93-126 / %d92 %d32-126 ) DQUOTE
#   sub-domain   = Let-dig [Ldh-str]
# We also take "_" inside a label and one dot at the end of a domain, both common and harmless.
# Possessive quantifiers (*+) keep the work linear in the length of the line.
_ATOM = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff-]+"
_DOT_STRING = _ATOM + rb"(?:\." + _ATOM + rb")*+"
_QUOTED = rb'"(?:[ !#-\[\]-~\x80-\xff]|\\[ -~])*+"'
_LABEL = rb"[A-Za-z0-9_\x80-\xff]+(?:-+[A-Za-z0-9_\x80-\xff]+)*+"
_DOMAIN = _LABEL + rb"(?:\." + _LABEL + rb")*+"
_LITERAL = rb"\[[A-Za-z0-9.:-]{1,100}\]"
_ROUTE = rb"(?:@" + _DOMAIN + rb"(?:,@" + _DOMAIN + rb")*+:)?+"

_PATH = re.compile(
    rb" *<" + _ROUTE + rb"(" + _DOT_STRING + rb"|" + _QUOTED + rb")@"
    rb"(?:(" + _DOMAIN + rb")\.?|(" + _LITERAL + rb"))>(?: +|\Z)"
)
_NULL = re.compile(rb" *<>(?: +|\Z)")
_POSTMASTER = re.compile(rb" *<postmaster>(?: +|\Z)", re.IGNORECASE)

_UNQUOTE = re.compile(rb"\\(.)")
_PLAIN = re.compile(_DOT_STRING + rb"\Z")
_MUST_ESCAPE = re.compile(rb'["\\]')
_UNICODE_CONTROL = re.compile("[\x80-\x9f\u2028\u2029]")


def parse_reverse_path(raw: bytes, limits: Limits) -> tuple[str, bytes]:
    """Read the sender after `MAIL FROM:`; the address is empty for `<>` (RFC 5321 4.5.5).

    Args:
        raw: everything behind the colon; blanks before `<` are tolerated.
        limits: bounds of local part and domain.

    Returns:
        The address and the bytes of the parameters behind the path.

    Raises:
        CommandSyntaxError: 501 or 553.
    """
    if (null := _NULL.match(raw)) is not None:
        return "", raw[null.end() :]
    return _parse_mailbox(raw, limits, "5.1.7", "Sender")


def parse_forward_path(raw: bytes, limits: Limits) -> tuple[str, bytes]:
    """Read the recipient after `RCPT TO:`; `postmaster` may lack a domain (RFC 5321 4.1.1.3).

    Returns:
        The address and the bytes of the parameters behind the path.

    Raises:
        CommandSyntaxError: 501 or 553.
    """
    if (alone := _POSTMASTER.match(raw)) is not None:
        return "postmaster", raw[alone.end() :]
    return _parse_mailbox(raw, limits, "5.1.3", "Recipient")


def _parse_mailbox(raw: bytes, limits: Limits, enhanced: str, who: str) -> tuple[str, bytes]:
    match = _PATH.match(raw)
    if match is None:
        raise CommandSyntaxError(501, enhanced, f"{who} address is not valid.")
    local, domain, literal = match.groups()
    if local[0] == 0x22:
        local = _requote(local)
    domain = domain.lower() if literal is None else _check_literal(literal, enhanced)
    # RFC 5321 4.5.3.1.1, 4.5.3.1.2
    if len(local) > limits.local_part or len(domain) > limits.domain:
        raise CommandSyntaxError(501, enhanced, f"{who} address is too long.")
    return _to_text(local + b"@" + domain, enhanced), raw[match.end() :]


def _requote(quoted: bytes) -> bytes:
    """The shortest spelling of a quoted local part (RFC 5321 4.1.2 asks senders for it)."""
    content = _UNQUOTE.sub(rb"\1", quoted[1:-1])
    if _PLAIN.match(content):
        return content
    return b'"' + _MUST_ESCAPE.sub(rb"\\\g<0>", content) + b'"'


def _check_literal(literal: bytes, enhanced: str) -> bytes:
    """Check an address literal (RFC 5321 4.1.3); Courier: IPv6 may lack its tag."""
    from ipaddress import AddressValueError, IPv4Address, IPv6Address

    text = literal[1:-1].decode("ascii").lower()
    address = text.removeprefix("ipv6:")
    try:
        if ":" in address:
            IPv6Address(address)
        else:
            IPv4Address(text)
    except AddressValueError as error:
        raise CommandSyntaxError(501, enhanced, "Address literal is not valid.") from error
    tag = "IPv6:" if text != address else ""
    return f"[{tag}{address}]".encode("ascii")


def _to_text(address: bytes, enhanced: str) -> str:
    if address.isascii():
        return address.decode("ascii")
    try:
        text = address.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandSyntaxError(501, enhanced, "Address is not UTF-8.") from error
    if _UNICODE_CONTROL.search(text):
        raise CommandSyntaxError(501, enhanced, "Address holds control characters.")
    local, _, domain = text.rpartition("@")
    return text if domain.startswith("[") else f"{local}@{domain.lower()}"
