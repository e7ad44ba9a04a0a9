"""Encoded words: text that is not ASCII in header fields, both ways.

Decoding leaves what it cannot decode in place, so that nothing is lost from view.  Encoding
never makes a word longer than 75 characters and never splits a character from the marks
that combine with it.  Source: RFC 2047, RFC 2231 5 (language tags), spec rfc822 4.8.
"""

from __future__ import annotations

import re
from binascii import a2b_qp, b2a_base64
from itertools import groupby

from couriermail.rfc822.charset import DEFAULT_CHARSET, decode_charset, find_codec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Run", "decode_runs", "decode_words", "encode_phrase", "encode_words"]

_LONGEST_WORD = 75  # RFC 2047 2
_FIRST_CHUNK, _NEXT_CHUNK = 24, 38  # characters; spec rfc822 4.8.2
_LONGEST_LABEL = 40
_BLANKS = " \t\r\n"

_WORD = re.compile(r"=\?([^?*\s]++)(?:\*([^?\s]*+))?\?([QqBb])\?([^?]*+)\?=")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]++")
_NON_BLANK_OR_BLANK = re.compile(r"[^ \t\r\n]+|[ \t\r\n]+")

# Characters a word may hold unencoded, per policy (spec rfc822 4.8.1).
_PLAIN_WORD = {
    "any": re.compile(r"[ !#-<>@-^`-\x7f]*+\Z"),
    "comment": re.compile(r"[ !#-'*-<>@-^`-\x7f]*+\Z"),
    "word": re.compile(r"[A-Za-z0-9+/*-]*+\Z"),
}


class Run:
    """A stretch of decoded octets of one charset.  Never changed after it was made.

    Attributes:
        charset: its label in lower case; None for text outside encoded words.
        language: the language tag (RFC 2231 5), empty when there is none.
        octets: the octets in that charset; UTF-8 for text outside.
    """

    __slots__ = ("charset", "language", "octets")

    def __init__(self, charset: str | None, language: str, octets: bytes) -> None:
        self.charset = charset
        self.language = language
        self.octets = octets

    def __repr__(self) -> str:
        return f"Run({self.charset!r}, {self.language!r}, {self.octets!r})"


def decode_words(text: str, on_defect: Callable[[int, str], None] | None = None) -> str:
    """Decodes the encoded words in a text.

    Args:
        text: an unfolded value.
        on_defect: called with the character index and a description of everything that was
            left as it is or lost octets.

    Returns:
        The text as a person reads it.  Words with an unknown charset or encoding stay.
    """
    if "=?" not in text:
        return text
    pieces = [
        run.octets.decode("utf-8", "surrogatepass")
        if run.charset is None
        else decode_charset(run.octets, run.charset)[0]
        for run in decode_runs(text, on_defect)
    ]
    return "".join(pieces)


def decode_runs(text: str, on_defect: Callable[[int, str], None] | None = None) -> list[Run]:
    """Decodes the encoded words in a text into octets, charsets and languages.

    Neighbouring words of one charset are one run, since senders split characters between
    them.  White space between two encoded words is dropped (RFC 2047 6.2).
    """
    runs: list[Run] = []
    position, after_word = 0, False
    for found in _WORD.finditer(text):
        charset, language, encoding, encoded = found.groups("")
        if find_codec(charset) is None:
            _report(on_defect, found.start(), f"unknown charset {charset[:40]!r}")
            continue
        gap = text[position : found.start()]
        if gap and not (after_word and not gap.strip(_BLANKS)):
            runs.append(Run(None, "", gap.encode("utf-8", "surrogatepass")))
        octets, is_clean = _decode_word(encoding, encoded)
        if not is_clean:
            _report(on_defect, found.start(), "damaged encoded word")
        runs.append(Run(charset.lower(), language.lower(), octets))
        position, after_word = found.end(), True
    if position < len(text):
        tail = text[position:]
        if "=?" in tail:
            _report(on_defect, position + tail.index("=?"), "not an encoded word")
        runs.append(Run(None, "", tail.encode("utf-8", "surrogatepass")))
    return _join_runs(runs)


def encode_words(text: str, charset: str = DEFAULT_CHARSET, policy: str = "any") -> str:
    """Encodes the words of a text that need it.

    Args:
        text: plain text; white space passes through.
        charset: label and charset of the encoded words.  UTF-8 is used instead for a text
            that the charset cannot express.
        policy: `any` for unstructured fields, `comment` inside comments, `word` in phrases.
    """
    plain = _PLAIN_WORD[policy]
    if policy != "word" and plain.match(text):
        return text
    encoder = _find_encoder(text, charset, plain)
    pieces: list[str] = []
    limit = _FIRST_CHUNK
    for run, is_plain in _merge_words(text, plain):
        if is_plain:
            pieces.append(run)
        else:
            pieces.append(encoder.encode(run, limit))
            limit = _NEXT_CHUNK
    return "".join(pieces)


def encode_phrase(text: str, charset: str = DEFAULT_CHARSET) -> str:
    """Encodes a display name for use as a phrase (RFC 2047 5.3)."""
    return encode_words(text, charset, "word")


def _join_runs(runs: list[Run]) -> list[Run]:
    """Makes one run of neighbours that have charset and language in common."""
    return [
        Run(charset, language, b"".join(run.octets for run in group))
        for (charset, language), group in groupby(runs, lambda run: (run.charset, run.language))
    ]


def _report(on_defect: Callable[[int, str], None] | None, index: int, what: str) -> None:
    if on_defect is not None:
        on_defect(index, what)


def _decode_word(encoding: str, text: str) -> tuple[bytes, bool]:
    octets = text.encode("utf-8", "surrogatepass")
    if encoding in "Qq":
        # RFC 2047 4.2: `_` is a blank whatever the charset
        bad = _BAD_ESCAPE.search(octets) is not None
        clean = _BAD_ESCAPE.sub(b"", octets) if bad else octets
        return a2b_qp(clean, header=True), not bad
    from couriermail.rfc822.transfer import decode_base64

    return decode_base64(octets), _NOT_BASE64.search(octets.rstrip(b"=")) is None


def _merge_words(text: str, plain: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    """Runs of text that need encoding, and what stands between them."""
    pending = ""  # the run being collected
    gap = ""  # white space behind it
    for piece in _NON_BLANK_OR_BLANK.findall(text):
        if piece[0] in _BLANKS:
            if pending:
                gap = piece
            else:
                yield piece, True
        elif plain.match(piece):
            if pending:
                yield pending, False
                yield gap, True
                pending = gap = ""
            yield piece, True
        else:
            pending += gap + piece
            gap = ""
    if pending:
        yield pending, False
        yield gap, True


class _WordEncoder:
    """Writes encoded words of one charset under one policy."""

    __slots__ = ("_label", "_plain", "_room", "_to_octets")

    def __init__(
        self, label: str, to_octets: Callable[[str], bytes], plain: re.Pattern[str]
    ) -> None:
        self._label = label
        self._to_octets = to_octets
        self._plain = plain
        self._room = _LONGEST_WORD - len(label) - len("=??Q??=")

    def encode(self, run: str, limit: int) -> str:
        """Encodes a run, its first word with at most `limit` characters."""
        from couriermail.rfc822.cells import split_clusters

        clusters = split_clusters(run)
        b_cost = (len(self._to_octets(run)) + 2) // 3 * 4
        if sum(map(self._q_cost, clusters)) < b_cost:
            chunks = list(_cut(clusters, limit, self._room, self._q_cost))
            # Readers that stop at the first `?=` misread Q text that starts with an escape.
            if all(self._q_cost(chunk[0]) == 1 for chunk in chunks):
                return " ".join(f"=?{self._label}?Q?{self._to_q(chunk)}?=" for chunk in chunks)
        chunks = list(_cut(clusters, limit, self._room // 4 * 3, self._size))
        return " ".join(f"=?{self._label}?B?{self._to_b(chunk)}?=" for chunk in chunks)

    def _size(self, text: str) -> int:
        return len(self._to_octets(text))

    def _q_cost(self, text: str) -> int:
        return sum(1 if self._is_plain(char) else 3 * self._size(char) for char in text)

    def _is_plain(self, char: str) -> bool:
        return char == " " or self._plain.match(char) is not None

    def _to_q(self, text: str) -> str:
        return "".join(self._char_to_q(char) for char in text)

    def _char_to_q(self, char: str) -> str:
        if char == " ":
            return "_"
        if self._is_plain(char):
            return char
        return "".join(f"={octet:02X}" for octet in self._to_octets(char))

    def _to_b(self, text: str) -> str:
        return b2a_base64(self._to_octets(text), newline=False).decode()


def _find_encoder(text: str, charset: str, plain: re.Pattern[str]) -> _WordEncoder:
    """An encoder for the charset if it has all of the text, else for UTF-8."""
    codec = find_codec(charset)
    if codec is not None and codec.name != "utf-8":
        encode = codec.encode
        try:
            # Q keeps ASCII as it is, so the charset must have it where ASCII does.
            if encode("a")[0] == b"a" and len(charset) <= _LONGEST_LABEL:
                encode(text)
                return _WordEncoder(charset, lambda piece: encode(piece)[0], plain)
        except UnicodeError:
            pass
    label = charset if codec is not None and codec.name == "utf-8" else DEFAULT_CHARSET
    return _WordEncoder(label, _to_utf8, plain)


def _to_utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, which no octets stand for
        return text.encode("utf-8", "replace")


def _cut(
    clusters: list[str], limit: int, budget: int, cost_of: Callable[[str], int]
) -> Iterator[str]:
    """Cuts a run into texts that fit an encoded word.

    Args:
        clusters: what must not be split, unless one alone is over the budget.
        limit: characters in the first text.
        budget: cost each text may have.
        cost_of: the cost of a cluster.
    """
    chunk, cost = "", 0
    for cluster in clusters:
        whole = cost_of(cluster)
        for piece in (cluster,) if whole <= budget else cluster:
            more = whole if piece is cluster else cost_of(piece)
            if chunk and (cost + more > budget or len(chunk) + len(piece) > limit):
                yield chunk
                chunk, cost, limit = "", 0, _NEXT_CHUNK
            chunk, cost = chunk + piece, cost + more
    if chunk:
        yield chunk
