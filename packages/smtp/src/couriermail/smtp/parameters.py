"""MAIL and RCPT arguments: a path and the parameters of the extensions.

Each parameter is one small function in a table; it returns the command with its field set or
raises with the reply that RFC 5321 4.2.4, 4.1.1.11 gives the mistake: 555 for a parameter
nobody announced, 501 for a value that is not of its form, 504 for one we do not do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import attrs

from couriermail.smtp.config import ServerConfig
from couriermail.smtp.errors import CommandSyntaxError, XtextError
from couriermail.smtp.events import Mail, Rcpt
from couriermail.smtp.paths import parse_forward_path, parse_reverse_path
from couriermail.smtp.xtext import decode_orcpt, decode_xtext

__all__ = ["parse_mail", "parse_rcpt"]

# RFC 5321 4.1.2: esmtp-param = esmtp-keyword ["=" esmtp-value], where the value has no "=",
# blank or control; RFC 6531 3.3 adds UTF-8.
_PARAMETER = re.compile(rb"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\x80-\xff]+))?\Z")
_DIGITS = re.compile(rb"[0-9]{1,20}\Z")  # RFC 1870 3: size-value ::= 1*20DIGIT
_ENVID_LENGTH = 100  # RFC 3461 4.4
_ORCPT_LENGTH = 500  # RFC 3461 4.2


def parse_mail(raw: bytes, config: ServerConfig) -> Mail:
    """Read what follows `MAIL FROM:`.

    Raises:
        CommandSyntaxError: 501, 504, 552, 553 or 555.
    """
    reverse_path, rest = parse_reverse_path(raw, config.limits)
    mail = Mail(reverse_path=reverse_path)
    for keyword, value in _split(rest):
        parameter = _MAIL_PARAMETERS.get(keyword)
        if parameter is None or not _is_offered(keyword, config):
            raise _unknown()
        mail = parameter(mail, value, config)
    if not mail.smtputf8 and not reverse_path.isascii():
        raise _needs_smtputf8()
    return mail


def parse_rcpt(raw: bytes, config: ServerConfig, *, smtputf8: bool) -> Rcpt:
    """Read what follows `RCPT TO:`.

    Args:
        raw: the bytes behind the colon.
        config: limits and offered extensions.
        smtputf8: whether the transaction's MAIL said SMTPUTF8.

    Raises:
        CommandSyntaxError: 501, 504, 553 or 555.
    """
    forward_path, rest = parse_forward_path(raw, config.limits)
    if not smtputf8 and not forward_path.isascii():
        raise _needs_smtputf8()
    rcpt = Rcpt(forward_path=forward_path)
    for keyword, value in _split(rest):
        parameter = _RCPT_PARAMETERS.get(keyword)
        if parameter is None or not _is_offered(keyword, config):
            raise _unknown()
        rcpt = parameter(rcpt, value, config)
    return rcpt


def _split(rest: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """The keyword, in upper case, and the value of each parameter."""
    seen = set[bytes]()
    for word in rest.split():
        match = _PARAMETER.match(word)
        if match is None:
            raise CommandSyntaxError(501, "5.5.4", "Parameter is not keyword=value.")
        keyword = match[1].upper()
        if keyword in seen:
            raise CommandSyntaxError(501, "5.5.4", "Parameter given twice.")
        seen.add(keyword)
        yield keyword, match[2]


def _is_offered(keyword: bytes, config: ServerConfig) -> bool:
    return config.dsn or keyword not in _DSN_KEYWORDS


def _unknown() -> CommandSyntaxError:
    return CommandSyntaxError(555, "5.5.4", "Unknown parameter.")  # RFC 5321 4.1.1.11


def _malformed(keyword: str) -> CommandSyntaxError:
    return CommandSyntaxError(501, "5.5.4", f"{keyword} has a malformed value.")


def _unsupported(keyword: str) -> CommandSyntaxError:
    return CommandSyntaxError(504, "5.5.4", f"{keyword} has an unsupported value.")


def _needs_smtputf8() -> CommandSyntaxError:
    # RFC 6531 3.5: such an address without SMTPUTF8 is refused with 550 or 553, X.6.7
    return CommandSyntaxError(553, "5.6.7", "Non-ASCII address needs SMTPUTF8.")


def _size(mail: Mail, value: bytes | None, config: ServerConfig) -> Mail:
    if value is None or not _DIGITS.match(value):
        raise _malformed("SIZE")
    size = int(value)
    if config.limits.message_size and size > config.limits.message_size:
        raise CommandSyntaxError(552, "5.3.4", "Message is too big.")  # RFC 1870 6.1 (4)
    return attrs.evolve(mail, size=size)


def _body(mail: Mail, value: bytes | None, _config: ServerConfig) -> Mail:
    body = (value or b"").upper()
    if body not in (b"7BIT", b"8BITMIME"):  # RFC 6152 3
        raise _unsupported("BODY")
    return attrs.evolve(mail, body=body.decode("ascii"))


def _ret(mail: Mail, value: bytes | None, _config: ServerConfig) -> Mail:
    ret = (value or b"").upper()
    if ret not in (b"FULL", b"HDRS"):  # RFC 3461 4.3
        raise _unsupported("RET")
    return attrs.evolve(mail, ret=ret.decode("ascii"))


def _envid(mail: Mail, value: bytes | None, _config: ServerConfig) -> Mail:
    if value is None or len(value) > _ENVID_LENGTH:
        raise _malformed("ENVID")
    try:
        decoded = decode_xtext(value)
    except XtextError as error:
        raise _malformed("ENVID") from error
    if not (decoded.isascii() and decoded.decode("ascii").isprintable()):  # RFC 3461 4.4
        raise _malformed("ENVID")
    return attrs.evolve(mail, envid=value.decode("ascii"))


def _smtputf8(mail: Mail, value: bytes | None, config: ServerConfig) -> Mail:
    if not config.smtputf8:
        raise _unknown()
    if value is not None:  # RFC 6531 3.4: the parameter has no value
        raise _malformed("SMTPUTF8")
    return attrs.evolve(mail, smtputf8=True)


def _auth(mail: Mail, value: bytes | None, config: ServerConfig) -> Mail:
    if not config.auth_mechanisms:
        raise _unknown()
    if value == b"<>":  # RFC 4954 5: the original submitter is not known
        return attrs.evolve(mail, auth="")
    try:
        address = decode_xtext(value or b"=")
        path, rest = parse_reverse_path(b"<" + address + b">", config.limits)
    except (XtextError, CommandSyntaxError) as error:
        raise _malformed("AUTH") from error
    if rest or not path:
        raise _malformed("AUTH")
    return attrs.evolve(mail, auth=path)


def _verp(mail: Mail, value: bytes | None, config: ServerConfig) -> Mail:
    if not config.courier:
        raise _unknown()
    if value is not None:
        raise _malformed("VERP")
    return attrs.evolve(mail, verp=True)


def _exdata(mail: Mail, value: bytes | None, config: ServerConfig) -> Mail:
    if not config.has_exdata:
        raise _unknown()
    if value is not None:
        raise _malformed("EXDATA")
    return attrs.evolve(mail, exdata=True)


def _security(mail: Mail, value: bytes | None, config: ServerConfig) -> Mail:
    if not config.courier:
        raise _unknown()
    level = (value or b"").upper()
    if level not in (b"NONE", b"STARTTLS"):  # "spec smtp 13.1"
        raise _unsupported("SECURITY")
    return attrs.evolve(mail, security="STARTTLS" if level == b"STARTTLS" else "")


def _notify(rcpt: Rcpt, value: bytes | None, _config: ServerConfig) -> Rcpt:
    words = (value or b"").upper().split(b",")
    if words == [b"NEVER"]:  # RFC 3461 4.1: NEVER stands alone
        return attrs.evolve(rcpt, notify="N")
    if len(set(words)) != len(words) or not set(words) <= _NOTIFY_LETTERS.keys():
        raise _malformed("NOTIFY")
    letters = "".join(letter for word, letter in _NOTIFY_LETTERS.items() if word in words)
    return attrs.evolve(rcpt, notify=letters)


def _orcpt(rcpt: Rcpt, value: bytes | None, _config: ServerConfig) -> Rcpt:
    if value is None or len(value) > _ORCPT_LENGTH:
        raise _malformed("ORCPT")
    try:
        address_type, address = decode_orcpt(value)
    except XtextError as error:
        raise _malformed("ORCPT") from error
    return attrs.evolve(rcpt, orcpt=address, orcpt_type=address_type)


_NOTIFY_LETTERS = {b"SUCCESS": "S", b"FAILURE": "F", b"DELAY": "D"}

_MAIL_PARAMETERS: Mapping[bytes, Callable[[Mail, bytes | None, ServerConfig], Mail]] = {
    b"SIZE": _size,  # RFC 1870
    b"BODY": _body,  # RFC 6152
    b"SMTPUTF8": _smtputf8,  # RFC 6531
    b"RET": _ret,  # RFC 3461
    b"ENVID": _envid,  # RFC 3461
    b"AUTH": _auth,  # RFC 4954
    b"VERP": _verp,  # "spec smtp 13.2"
    b"SECURITY": _security,  # "spec smtp 13.1"
    b"EXDATA": _exdata,  # "spec smtp 13.3"
}
_RCPT_PARAMETERS: Mapping[bytes, Callable[[Rcpt, bytes | None, ServerConfig], Rcpt]] = {
    b"NOTIFY": _notify,  # RFC 3461
    b"ORCPT": _orcpt,  # RFC 3461, RFC 6533
}
_DSN_KEYWORDS = frozenset({b"RET", b"ENVID", b"NOTIFY", b"ORCPT"})
