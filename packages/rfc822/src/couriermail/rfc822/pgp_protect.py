"""Signing and encrypting messages as MIME/PGP.

Nothing comes out before the OpenPGP program has succeeded, so that no failure leaves half a
message or plaintext behind.  Source: RFC 3156, spec rfc822 4.27.
"""

from __future__ import annotations

from couriermail.rfc822.autoconvert import Autoconvert
from couriermail.rfc822.boundary import pick_boundary
from couriermail.rfc822.defects import DefectKind
from couriermail.rfc822.errors import PgpError
from couriermail.rfc822.message import Message
from couriermail.rfc822.pgp_parts import (
    ENCRYPTED_CONTROL,
    SIGNATURE,
    SplitHeader,
    breaks_out,
    canonical_pieces,
    container_pieces,
    line_end_of,
    splice,
    windows,
    with_line_end,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

    from couriermail.rfc822.entity import Entity
    from couriermail.rfc822.pgp_engine import PgpEngine

__all__ = ["encrypt_message", "sign_message"]

_OPAQUE = ("multipart/signed", "multipart/encrypted")


def sign_message(
    message: Message, engine: PgpEngine, *, agent: str = "mimegpg", charset: str = "utf-8"
) -> Iterator[bytes]:
    """Makes a message a multipart/signed.

    What is signed is first given a form that transports leave alone (RFC 3156 3): 7-bit, no
    blanks at the ends of lines, no line that starts with `From `.  Headers, and what stands
    between the parts of multiparts that need no change, stay as they are.

    Args:
        message: what to sign; only its content is signed, not Subject, From and the like.
        engine: makes the signature.
        agent: who changed encodings, for X-Mime-Autoconverted.
        charset: named where text has none.

    Returns:
        The signed message, in pieces.

    Raises:
        PgpError: it could not be signed, or only with a digest that is not safe any more.
    """
    data = _converted(message, agent, charset)
    line_end = line_end_of(data)
    root = Message(data, limits=message.limits, strict_mime=False).root.entity
    header = SplitHeader(data, root, line_end)
    inner = header.inner + line_end
    payload = canonical_pieces(data, root.body, root.end, inner)
    signature = engine.sign(payload).require()
    if not signature.micalg:
        raise PgpError("the signature was made with a digest that is unknown or not safe")
    armour = with_line_end(
        f"Content-Type: {SIGNATURE}\nContent-Transfer-Encoding: 7bit\n\n".encode()
        + signature.output,
        line_end,
    )
    parameters = [f"micalg={signature.micalg}", f'protocol="{SIGNATURE}"']
    return container_pieces(
        header.outer,
        "multipart/signed",
        parameters,
        [_signed_pieces(inner, data, root), [armour]],
        boundary=pick_boundary([data, armour]),
        line_end=line_end,
    )


def encrypt_message(
    message: Message, engine: PgpEngine, *, sign: bool = False, each_part: bool = False
) -> Iterator[bytes]:
    """Makes a message a multipart/encrypted.

    Args:
        message: what to encrypt; only its content is encrypted, not Subject, From and the like.
        engine: encrypts.
        sign: sign too, inside the encryption.
        each_part: encrypt the leaves of multiparts one by one where they are, and leave alone
            what stands between them.  Embedded messages, and what is signed or encrypted
            already, count as leaves.  Not together with `sign`, which takes all as one.

    Returns:
        The encrypted message, in pieces.

    Raises:
        PgpError: it could not be encrypted, or has more parts than the limits allow to find.
    """
    data = message.data
    line_end = line_end_of(data)
    root = Message(data, limits=message.limits, strict_mime=False).root.entity
    entities = _leaves(root) if each_part and not sign else [root]
    replacements = [
        (entity.start, entity.end, _encrypted(data, entity, engine, line_end, sign=sign))
        for entity in entities
    ]
    return splice(data, replacements, line_end)


def _converted(message: Message, agent: str, charset: str) -> bytes | mmap:
    source = Message(message.data, limits=message.limits, strict_mime=False)
    conversion = Autoconvert(source, "signable", charset=charset, agent=agent)
    data = b"".join(conversion.pieces()) if conversion.is_needed else message.data
    # the line end before the delimiter would make one line end with it
    return data[:] + line_end_of(data) if data[-1:] == b"\r" else data


def _signed_pieces(header: bytes, data: bytes | mmap, root: Entity) -> Iterator[bytes]:
    yield header
    yield from windows(data, root.body, root.end)


def _leaves(root: Entity) -> list[Entity]:
    found = []
    pending = [root]
    while pending:
        entity = pending.pop()
        if any(defect.kind == DefectKind.TOO_COMPLEX for defect in entity.defects):
            # parts that were not found would stay readable
            raise PgpError("the message has too many parts to encrypt each of them")
        is_walked = entity.is_multipart and str(entity.content_type) not in _OPAQUE
        if entity.children and is_walked:
            pending += reversed(entity.children)
        else:
            found.append(entity)
    return found


def _encrypted(
    data: bytes | mmap, entity: Entity, engine: PgpEngine, line_end: bytes, *, sign: bool
) -> bytes:
    """What stands in the place of a part."""
    header = SplitHeader(data, entity, line_end)
    inner = b"Mime-Version: 1.0\n" + header.inner + b"\n"
    payload = canonical_pieces(data, entity.body, entity.end, inner)
    ciphertext = engine.encrypt(payload, sign=sign).require().output
    control = f"Content-Type: {ENCRYPTED_CONTROL}\nContent-Transfer-Encoding: 7bit\n\nVersion: 1\n"
    kind = b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: 7bit\n\n"
    pieces = container_pieces(
        header.outer,
        "multipart/encrypted",
        [f'protocol="{ENCRYPTED_CONTROL}"'],
        [[with_line_end(text, line_end)] for text in (control.encode(), kind + ciphertext)],
        boundary=pick_boundary([data, ciphertext]),
        line_end=line_end,
    )
    made = b"".join(pieces)
    if breaks_out(made, entity):
        raise PgpError("a boundary of the message looks like the armour of OpenPGP")
    return made
