"""Laws of names: what is written into a name can be read from it again."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from couriermail.maildir.encodings import decode_modutf7, decode_smap, encode_modutf7, encode_smap
from couriermail.maildir.errors import InvalidNameError
from couriermail.maildir.folders import folder_directory
from couriermail.maildir.maildirsize import parse_size_file
from couriermail.maildir.mbox import FromQuoter
from couriermail.maildir.names import (
    current_name,
    escape_host,
    flags_of,
    key_of,
    new_name,
    size_of,
    virtual_size_of,
    with_size,
)
from couriermail.maildir.quota import Quota, parse_quota
from couriermail.maildir.virtualsize import VirtualSize

unicode_text = st.text(st.characters(exclude_categories=["Cs"]))
names = unicode_text.filter(lambda text: not any(c < " " or c in "./\x7f" for c in text))
sizes = st.integers(0, 2**63 - 1)


@given(
    now=st.floats(0, 2**33),
    pid=st.integers(1, 2**22),
    host=st.text(st.characters(codec="ascii")),
    size=sizes,
    virtual_size=st.none() | sizes,
    flags=st.text("DFPRSTabz"),
)
def test_name_round_trip(
    *, now: float, pid: int, host: str, size: int, virtual_size: int | None, flags: str
) -> None:
    """`newname = secs.MusecPpidVdevIino_uniq.host,S=size,W=size`; `curname = newname:2,flags`."""
    name = new_name(
        now,
        pid,
        "1",
        escape_host(host.replace(",S=", "").replace(",W=", "")),
        device=1,
        inode=2,
        size=size,
        virtual_size=virtual_size,
    )
    current = current_name(name, flags)
    assert "/" not in current
    assert current.count(":") == 1
    assert key_of(current) == name
    assert flags_of(current) == "".join(sorted(set(flags)))
    assert size_of(current) == (size or None)
    assert virtual_size_of(current) == (virtual_size if size else None)
    assert size_of(with_size(current, 7)) == 7
    assert virtual_size_of(with_size(current, 7)) == virtual_size_of(current)


@given(st.binary().map(lambda data: data.translate(bytes([10, 13, 65, 66] * 64))), st.data())
def test_a_virtual_size_is_that_of_crlf_lines(data: bytes, draw: st.DataObject) -> None:
    """RFC 3501 2.3.4: octets with CRLF line ends, however the message is split."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    size = VirtualSize()
    for start, end in itertools.pairwise([0, *cuts, len(data)]):
        piece = data[start:end]
        size.feed(memoryview(piece) if start % 2 else piece)
    assert size.octets == len(re.sub(rb"(?<!\r)\n", b"\r\n", data))


@given(names)
def test_modutf7_round_trip(name: str) -> None:
    """Encode then decode gives the name; the coded form is printable ASCII (RFC 3501 5.1.3)."""
    coded = encode_modutf7(name)
    assert coded.isascii()
    assert decode_modutf7(coded) == name


@given(st.text(st.sampled_from("&-A,+/Ok2Dé.\n")) | st.text())
def test_modutf7_decode_then_encode_decode_is_stable(coded: str) -> None:
    """What can be decoded at all decodes to a name whose own coding decodes to the same."""
    try:
        name = decode_modutf7(coded)
    except InvalidNameError:
        return
    assert decode_modutf7(encode_modutf7(name)) == name


@given(unicode_text.filter(bool))
def test_smap_round_trip_names_one_component(name: str) -> None:
    r"""Bytes < 0x20 and `. / ~ : \\` become `\\ooo`; decoding reverses."""
    coded = encode_smap(name)
    assert decode_smap(coded) == name
    assert not set(coded) & set("./~:\n\0")


@given(st.text(st.sampled_from("\\0127abé.")) | st.text())
def test_smap_decoding_raises_nothing_else(coded: str) -> None:
    """Any text is decoded or raises `InvalidNameError`."""
    try:
        decode_smap(coded)
    except InvalidNameError:
        pass


@given(st.text(st.sampled_from("INBOXinbox./\0\na")) | st.text())
def test_a_folder_stays_inside_its_maildir(name: str) -> None:
    """A folder name reaches `maildir/.name`, the maildir itself, or is refused."""
    try:
        directory = folder_directory("m", name)
    except InvalidNameError:
        return
    assert directory == "m" or (
        directory.startswith("m/.")
        and directory.count("/") == 1
        and ".." not in directory
        and len(directory) > 3
    )


@given(sizes, sizes)
def test_quota_text_round_trip(size: int, messages: int) -> None:
    """The canonical text reads back as the same limits."""
    quota = Quota(size, messages)
    assert parse_quota(str(quota)) == quota


@given(st.binary(max_size=6000))
def test_any_quota_file_can_be_read(data: bytes) -> None:
    """The reader is lenient: no contents make it fail (spec maildir 3.6)."""
    file = parse_size_file(data)
    assert file.lines >= 0


@given(st.text(st.sampled_from(">From \nx")), st.lists(st.integers(0, 40)))
def test_quoting_is_the_same_however_the_message_is_split(text: str, cuts: list[int]) -> None:
    """`>` is prepended to each line that matches `^>*From `; split anywhere, same result."""
    import re

    data = text.encode()
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    quoter = FromQuoter()
    pieces = [quoter.feed(data[a:b]) for a, b in itertools.pairwise(places)]
    expected = re.sub(rb"^(>*From )", rb">\1", data, flags=re.MULTILINE)
    assert b"".join(pieces) + quoter.finish() == expected
    assert quoter.ends_line is (not data or data.endswith(b"\n"))
