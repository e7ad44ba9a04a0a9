r"""The two encodings of folder names (spec maildir 3.4).

On disk a folder name is UTF-8.  Two other forms exist:

* *modified UTF-7* (RFC 3501 5.1.3): how IMAP clients, and Courier before 1.0 on disk, write
  names: `R&AOk-sum&AOk-` is `Résumé`;
* *SMAP-modified UTF-8*: one component in which control characters and `. / ~ : \` are
  written `\ooo`, so that a component may hold a dot: `a\056b` is `a.b`.

Both convert one component or a whole dotted name; nothing here touches a file.
"""

from __future__ import annotations

from couriermail.maildir.errors import InvalidNameError

__all__ = ["decode_modutf7", "decode_smap", "encode_modutf7", "encode_smap"]

_SMAP_ESCAPED = "./~:\\"
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,")


def encode_modutf7(name: str) -> str:
    """Write a name in IMAP's modified UTF-7 (RFC 3501 5.1.3).

    Raises:
        InvalidNameError: the name holds half of a surrogate pair.
    """
    pieces: list[str] = []
    run: list[str] = []
    for char in name:
        if " " <= char <= "~":
            if run:
                pieces.append(_shift("".join(run)))
                run.clear()
            pieces.append("&-" if char == "&" else char)
        else:
            run.append(char)
    if run:
        pieces.append(_shift("".join(run)))
    return "".join(pieces)


def decode_modutf7(name: str) -> str:
    """Read a name written in modified UTF-7.

    Courier: reads UCS-2 only, takes raw 8-bit input for U+FFxx and lets `&AC4-` become a
    real dot.  Surrogate pairs are valid here; the other two are refused.

    Raises:
        InvalidNameError: the text is not modified UTF-7, or hides `.`, `/` or a control
            character in its base64 part.
    """
    pieces: list[str] = []
    at = 0
    while (shift := name.find("&", at)) >= 0:
        end = name.find("-", shift)
        if end < 0:
            raise _not_modutf7(name)
        pieces.append(name[at:shift])
        pieces.append(_unshift(name[shift + 1 : end], name) if end > shift + 1 else "&")
        at = end + 1
    pieces.append(name[at:])
    if not all(" " <= char <= "~" for char in name):
        raise _not_modutf7(name)
    return "".join(pieces)


def encode_smap(component: str) -> str:
    r"""Write one component in SMAP-modified UTF-8: `a.b` becomes `a\056b`.

    Raises:
        InvalidNameError: an empty component, or one that is not valid Unicode.
    """
    if not component or not _is_unicode(component):
        raise InvalidNameError(f"not a folder name: {component!r}")
    return "".join(
        f"\\{ord(char):03o}" if char < " " or char in _SMAP_ESCAPED else char for char in component
    )


def decode_smap(component: str) -> str:
    r"""Read one component written in SMAP-modified UTF-8: the reverse of `encode_smap`.

    Raises:
        InvalidNameError: a backslash that three octal digits below `\400` do not follow.
    """
    head, *escapes = component.split("\\")
    pieces = [head]
    for escape in escapes:
        digits = escape[:3]
        if len(digits) < 3 or digits.strip("01234567") or digits > "177":
            raise InvalidNameError(f"not SMAP-modified UTF-8: {component!r}")
        pieces.append(chr(int(digits, 8)) + escape[3:])
    return "".join(pieces)


def _shift(run: str) -> str:
    from binascii import b2a_base64

    try:
        units = run.encode("utf-16-be")
    except UnicodeEncodeError:
        raise InvalidNameError(f"not a folder name: {run!r}") from None
    coded = b2a_base64(units, newline=False).decode("ascii").rstrip("=").replace("/", ",")
    return f"&{coded}-"


def _unshift(coded: str, name: str) -> str:
    from binascii import Error, a2b_base64

    if not _BASE64.issuperset(coded):
        raise _not_modutf7(name)
    padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
    try:
        text = a2b_base64(padded).decode("utf-16-be")
    except (Error, UnicodeDecodeError):
        raise _not_modutf7(name) from None
    if any(char < " " or char in "./\x7f" for char in text) or _shift(text) != f"&{coded}-":
        raise _not_modutf7(name)  # also: padding bits that are not zero
    return text


def _not_modutf7(name: str) -> InvalidNameError:
    return InvalidNameError(f"not valid modified UTF-7: {name!r}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
