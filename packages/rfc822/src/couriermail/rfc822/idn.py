"""Domains of international mail: between U-labels and A-labels.

Nothing that cannot be converted is lost: it comes back as it went in.  The conversion is
IDNA 2008 with the mapping of UTS 46 where the package `idna` is installed (the extra `idna`).
Labels that IDNA 2008 refuses, and all without that package, are converted by the standard library
(IDNA 2003, RFC 3490 with nameprep), which maps a few characters that IDNA 2008 keeps, such as
sharp s.  Source: RFC 5891, RFC 3490, RFC 6531, spec rfc822 4.4.
"""

from __future__ import annotations

__all__ = ["address_to_ascii", "address_to_unicode", "domain_to_ascii", "domain_to_unicode"]


def domain_to_ascii(domain: str) -> str:
    """A domain with A-labels, in lower case; literals and bad domains stay as they are."""
    if domain.startswith("["):
        return domain
    if domain.isascii():
        return domain.lower()
    if len(domain) > _LONGEST_DOMAIN:
        return domain
    try:
        # RFC 3490 3.1: four kinds of full stop separate labels
        labels = domain.translate(_DOTS).split(".")
        return ".".join(map(_label_to_ascii, labels)).lower()
    except UnicodeError:
        return domain


def domain_to_unicode(domain: str) -> str:
    """A domain for showing: A-labels become U-labels in lower case; bad labels stay."""
    if "xn--" not in domain.lower():
        return domain
    return ".".join(_label_to_unicode(label) for label in domain.split("."))


def address_to_ascii(address: str) -> str:
    """Converts the domain of an address, which is what stands behind its first `@`.

    The local part is left alone.  Text without `@` is taken as a domain.
    """
    local, at, domain = address.partition("@")
    return local + at + domain_to_ascii(domain) if at else domain_to_ascii(address)


def address_to_unicode(address: str) -> str:
    """Converts the domain of an address for showing: what stands behind its last `@`."""
    local, at, domain = address.rpartition("@")
    return local + at + domain_to_unicode(domain)


_LONGEST_DOMAIN = 255  # RFC 1035 2.3.4; nameprep takes quadratic time
_LONGEST_LABEL = 63
_DOTS = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")


def _label_to_ascii(label: str) -> str:
    if label.isascii():
        return label
    try:
        from idna import alabel, uts46_remap

        return alabel(uts46_remap(label, std3_rules=False)).decode()
    except (ImportError, UnicodeError):
        from encodings.idna import ToASCII

        return ToASCII(label).decode()


def _label_to_unicode(label: str) -> str:
    if not label.lower().startswith("xn--") or len(label) > _LONGEST_LABEL:
        return label
    try:
        from idna import ulabel

        return ulabel(label)
    except (ImportError, UnicodeError):
        pass
    from encodings.idna import ToUnicode

    try:
        return ToUnicode(label.lower()).lower()
    except UnicodeError:
        return label
