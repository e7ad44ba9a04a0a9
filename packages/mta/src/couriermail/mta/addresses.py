r"""Addresses: syntax, canonical form and the rewriting rules of each input module.

Canonical is `user@domain` with the domain in lower-case UTF-8, a bang path `a!b!user`, the
null sender "" or `#@[]` (spec mta 4.1).  A local part is quoted only where it must be
(RFC 5321 4.1.2: quoted and unquoted forms of the same text are the same mailbox).

Rules for modules `local` and `esmtp` are methods of `AddressRules` (spec mta 4.2).  They
answer a `str`, or the `Reply` that the submitter gets.  Where RFC 5321 asks for more than
Courier offers we follow the RFC: quoted strings, address literals, source routes, and a bare
`postmaster`.
"""

from __future__ import annotations

import re

import attrs

from couriermail.core import Reply
from couriermail.mta.domains import NO_DOMAINS, DomainList, Domains, canonical_domain
from couriermail.rfc822 import domain_to_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.mta.config import Config

__all__ = [
    "DOUBLE_BOUNCE",
    "MAX_ADDRESS",
    "AddressRules",
    "is_valid_address",
    "quote_local_part",
    "split_address",
    "unquote_local_part",
]

DOUBLE_BOUNCE = "#@[]"
"""Sender of a report about a report (spec mta 12.3)."""

MAX_ADDRESS = 900
"""Octets of an address; it must fit on one header line with its name (RFC 5322 2.1.1)."""

# What nearly all addresses look like; anything else takes the long way.
_PLAIN = re.compile(
    r"([A-Za-z0-9_+='~&*/?^{}|#$-]+(?:\.[A-Za-z0-9_+='~&*/?^{}|#$-]+)*)"
    r"@([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)"
)
_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*")'  # RFC 5321 4.1.2 Quoted-string
    r"|(?P<literal>\[[0-9A-Za-z.:-]+\])"  # RFC 5321 4.1.3 address-literal
    r'|(?P<atom>[^][\s"()<>,;:@.\\]+)'
    r"|(?P<special>[@:.])",
    re.DOTALL,
)
# Control characters, line separators, what turns the direction of text (RFC 6530 13), surrogates.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_DOT_ATOM = re.compile(r'[^][\s"()<>,;:@.\\!%]+(?:\.[^][\s"()<>,;:@.\\!%]+)*')
_ROUTE = re.compile(r"@[^@:,\s]+(?:,@[^@:,\s]+)*:(?=.)")
_LABEL = re.compile(r"[^\x00-,./:-@[-^`{-\x9f]+")  # letters, digits, `-`, `_`, non-ASCII

_INVALID = Reply(500, "Invalid address", enhanced="5.1.3")
_SENDER_SYNTAX = Reply(517, "Syntax error.", enhanced="5.1.7")
_RECIPIENT_SYNTAX = Reply(513, "Syntax error.", enhanced="5.1.3")
_RELAYING_DENIED = Reply(513, "Relaying denied.", enhanced="5.7.1")


def split_address(address: str) -> tuple[str, str | None]:
    """Split at the last `@` that is not quoted: local part as written, domain or None."""
    at = address.rfind("@")
    if at < 0 or address.endswith('"') or (address[0] == '"' and address.rfind('"') > at):
        return address, None
    return address[:at], address[at + 1 :]


def unquote_local_part(local: str) -> str:
    """The text that a local part stands for, quotes and escapes taken off."""
    if '"' not in local:
        return local
    pieces = []
    for token in _TOKEN.finditer(local):
        text = token.group()
        quoted = token.lastgroup == "quoted"
        pieces.append(re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL) if quoted else text)
    return "".join(pieces)


def quote_local_part(text: str) -> str:
    """Write text as a local part, in quotes only where it needs them."""
    if _DOT_ATOM.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def is_valid_address(address: str) -> bool:
    """Syntax of an address as it may be queued (spec mta 4.1).

    Specials `@ : .` are never adjacent or at an end, at most one `@` counts, words hold no
    control characters and blanks only in quotes.  "" and `#@[]` are no addresses.
    """
    return _canonical(address) is not None


def _canonical(text: str) -> str | None:
    """The canonical form of a syntactically correct address, else None."""
    plain = _PLAIN.fullmatch(text)
    if plain is not None and len(text) <= MAX_ADDRESS and "xn--" not in text.lower():
        return f"{plain[1]}@{plain[2].lower()}"
    tokens = _tokens(text)
    if tokens is None:
        return None
    signs = [position for position, (kind, value) in enumerate(tokens) if _is_at(kind, value)]
    if len(signs) > 1:
        return None
    if not signs:
        return text
    local, domain = tokens[: signs[0]], tokens[signs[0] + 1 :]
    name = _canonical_domain(domain)
    return None if name is None else f"{_canonical_local(local)}@{name}"


def _tokens(text: str) -> list[tuple[str, str]] | None:
    """Split into words and specials; None when two of a sort follow each other."""
    if not text or len(text.encode("utf-8", "replace")) > MAX_ADDRESS or _CONTROL.search(text):
        return None
    tokens: list[tuple[str, str]] = []
    end = 0
    while end < len(text):
        match = _TOKEN.match(text, end)
        if match is None:
            return None
        kind = match.lastgroup or ""
        if bool(tokens and tokens[-1][0] != "special") == (kind != "special"):
            return None  # two words in a row, two specials in a row, or a special first
        tokens.append((kind, match.group()))
        end = match.end()
    return None if tokens[-1][0] == "special" else tokens


def _is_at(kind: str, value: str) -> bool:
    return kind == "special" and value == "@"


def _canonical_local(tokens: list[tuple[str, str]]) -> str:
    raw = "".join(value for _, value in tokens)
    return quote_local_part(unquote_local_part(raw)) if '"' in raw else raw


def _canonical_domain(tokens: list[tuple[str, str]]) -> str | None:
    if [kind for kind, _ in tokens] == ["literal"]:
        return tokens[0][1].lower()
    if any(kind not in {"atom", "special"} or value == ":" for kind, value in tokens):
        return None
    name = canonical_domain("".join(value for _, value in tokens))
    # Checked last: other forms of a character may become a dot or a slash.
    return name if all(map(_LABEL.fullmatch, name.split("."))) else None


@attrs.frozen(kw_only=True)
class AddressRules:
    """The rewriting rules of one configuration.

    Attributes:
        defaultdomain: appended to addresses without a domain.
        domains: which domains are ours.
        locallowercase: fold local parts of `locals` domains.
        accept: domains that anybody may send mail to by SMTP.
        percent_relay: domains to which `x%y@LOCAL` is passed on.
    """

    defaultdomain: str
    domains: Domains
    locallowercase: bool = False
    accept: DomainList = NO_DOMAINS
    percent_relay: DomainList = NO_DOMAINS

    @classmethod
    def of(cls, config: Config) -> AddressRules:
        """The rules that a configuration asks for."""
        return cls(
            defaultdomain=config.defaultdomain,
            domains=config.domains,
            locallowercase=config.locallowercase,
            accept=config.accept,
            percent_relay=config.percent_relay,
        )

    def sender(self, text: str, module: str) -> str | Reply:
        """The canonical envelope sender, or the reply that refuses it.

        Args:
            text: as it came from the submitter; "" is the null sender.
            module: `esmtp`, or `local` for everything else.
        """
        text = text.rstrip(".")
        if text in {"", DOUBLE_BOUNCE}:
            return text
        text = _without_route(text)
        if module != "esmtp":
            text = self._complete(text)
        canonical = _canonical(text)
        if canonical is None or (module == "esmtp" and not _has_public_domain(canonical)):
            return _SENDER_SYNTAX
        return canonical

    def recipient(
        self,
        text: str,
        module: str,
        *,
        may_relay: bool = False,
        server_ip: str | None = None,
        fold: bool = True,
    ) -> str | Reply:
        """The canonical envelope recipient, or the reply that refuses it.

        Args:
            text: as it came from the submitter.
            module: `esmtp`, or `local` for everything else.
            may_relay: the submitter may send to everybody (RELAYCLIENT).
            server_ip: our address in this connection; `user@[IP]` then is a local user.
            fold: fold the local part where 4.1 says so; False gives the address as the
                submitter wrote it, for ORCPT.
        """
        text = _without_route(text.rstrip("."))
        if not text or text.startswith("@"):
            return _INVALID
        if module == "esmtp":
            found = self._esmtp_recipient(text, server_ip)
            if not may_relay and isinstance(found, str) and not self._is_accepted(found):
                found = _RELAYING_DENIED
        else:
            found = _canonical(self._complete(text)) or _syntax_error(text)
        return self.fold(found) if fold and isinstance(found, str) else found

    def header_address(self, text: str) -> str:
        """An address of a header field, completed with the default domain in ACE form.

        Addresses with `@` or `!` stay as they are, bad ones too: headers are not refused.
        """
        if not text or "@" in text or "!" in text:
            return text
        return f"{text}@{domain_to_ascii(self.defaultdomain)}"

    def fold(self, address: str) -> str:
        """Fold the local part of a canonical address if its domain is in `locals` (4.1)."""
        local, domain = split_address(address)
        if not (self.locallowercase or local.lower() == "postmaster"):
            return address
        if domain is None or self.domains.match(domain).kind != "local":
            return address
        return f"{local.lower()}@{domain}"

    def _complete(self, text: str) -> str:
        if "!" in text or split_address(text)[1] is not None:
            return text
        return f"{text}@{self.defaultdomain}"

    def _esmtp_recipient(self, text: str, server_ip: str | None) -> str | Reply:
        if text.lower() == "postmaster":  # RFC 5321 4.5.1: must be accepted, also bare
            return f"{text}@{self.defaultdomain}"
        canonical = _canonical(text)
        if canonical is None or "%" in canonical:
            canonical = _canonical(_one_at_sign(text))
        if canonical is None or not _has_public_domain(canonical):
            return _RECIPIENT_SYNTAX
        return self._percent_relay(self._own_literal(canonical, server_ip))

    def _is_accepted(self, canonical: str) -> bool:
        """True when anybody may send to this address, not only clients who may relay."""
        local, domain = split_address(canonical)
        if domain is None or domain in self.accept:
            return True
        return domain == self.defaultdomain and local.lower() == "postmaster"

    def _own_literal(self, canonical: str, server_ip: str | None) -> str:
        """`user@[our address]` is `user@defaultdomain` (spec smtp 5.6)."""
        local, domain = split_address(canonical)
        if server_ip is None or domain is None or not domain.startswith("["):
            return canonical
        literal = domain[1:-1].removeprefix("ipv6:").removeprefix("::ffff:")
        if literal != server_ip.lower().removeprefix("::ffff:"):
            return canonical
        return f"{local}@{self.defaultdomain}"

    def _percent_relay(self, canonical: str) -> str:
        """`x%y@LOCAL` goes to `x@y` when y is listed in `esmtppercentrelay`."""
        local, domain = split_address(canonical)
        name, sign, target = local.rpartition("%")
        if not sign or domain is None or self.domains.match(domain).kind == "remote":
            return canonical
        target = canonical_domain(target)
        return f"{name}@{target}" if name and target in self.percent_relay else canonical


def _has_public_domain(canonical: str) -> bool:
    """True for a domain with a dot between labels, and for an address literal."""
    _, domain = split_address(canonical)
    return domain is not None and ("." in domain or domain.startswith("["))


def _without_route(text: str) -> str:
    """Take off a source route: `@a,@b:user@c` is `user@c` (RFC 5321 4.1.1.3).

    Courier: refuses these recipients, and turns `@a:b@c` of a sender into `b@c@a`.
    """
    route = _ROUTE.match(text) if text.startswith("@") else None
    return text[route.end() :] if route else text


def _one_at_sign(text: str) -> str:
    """Make every `@` and `%` outside quotes `%`, except the last, which becomes `@`."""
    if len(text) > MAX_ADDRESS:
        return text  # an error anyway, and open quotes would make the search below quadratic
    pieces: list[str] = []
    for token in _TOKEN.finditer(text):
        is_text = token.lastgroup in {"quoted", "literal"}
        pieces.extend([token.group()] if is_text else token.group().replace("@", "%"))
    for position in reversed(range(len(pieces))):
        if pieces[position] == "%":
            pieces[position] = "@"
            break
    joined = "".join(pieces)
    return joined if len(joined) == len(text) else text  # what is no token stays an error


def _syntax_error(text: str) -> Reply:
    shown = _CONTROL.sub("?", text)[:200]
    return Reply(553, f"Syntax error: {shown}", enhanced="5.1.3")
