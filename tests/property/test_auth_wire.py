"""Laws of the authdaemond protocol (spec auth 4.1)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from couriermail.auth import (
    AccountFields,
    AuthRequest,
    EnumerateRequest,
    ListReader,
    PasswdRequest,
    PreRequest,
    ReplyReader,
    Request,
    RequestParser,
    WireError,
)

words = st.text(st.characters(min_codepoint=33, exclude_categories=["Cs", "Cc"]), min_size=1)
phrases = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]))
remotes = st.none() | st.sampled_from(["::1", "192.0.2.7", "2001:db8::1"])
requests: st.SearchStrategy[Request] = st.one_of(
    st.builds(
        PreRequest,
        name=phrases.map(lambda name: name.lstrip(" ")),
        service=words,
        module=words,
        remote=remotes,
    ),
    st.builds(
        AuthRequest, service=words, authtype=words, data=st.binary(max_size=500), remote=remotes
    ),
    st.builds(PasswdRequest, service=words, name=phrases, old=phrases, new=phrases, remote=remotes),
    st.builds(EnumerateRequest, remote=remotes),
)
# Pieces that come close to being requests.
shreds = st.lists(
    st.sampled_from(
        [b"PRE ", b"AUTH ", b"23\n", b"imap\n", b"login\n", b"\n", b"=", b"PASSWD ", b"\t", b". x"]
    )
    | st.binary(max_size=8)
    | requests.map(lambda request: request.to_bytes())
).map(b"".join)


def events(portions: list[bytes]) -> list[object]:
    """The requests in portions of bytes, and the refusal that ends them, if any."""
    parser, found = RequestParser(), list[object]()
    for portion in portions:
        parser.receive_data(portion)
        try:
            while (request := parser.next_request()) is not None:
                found.append(request)
        except WireError:
            return [*found, WireError]
    return found


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    """The data in portions that end at these places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(places)]


@given(requests)
def test_a_request_is_read_as_it_was_written(request: Request) -> None:
    """Law: parse(to_bytes(request)) == [request]."""
    assert events([request.to_bytes()]) == [request]


@given(shreds, st.lists(st.integers(0, 5000)))
def test_any_split_gives_the_same_requests(data: bytes, cuts: list[int]) -> None:
    """Law: split anywhere, same events; and no other exception than `WireError`."""
    assert events(split(data, cuts)) == events([data])


@given(shreds)
def test_bytes_one_by_one_give_the_same_requests(data: bytes) -> None:
    """Law: split anywhere, same events."""
    assert events([bytes([octet]) for octet in data]) == events([data])


texts = st.none() | phrases
numbers = st.none() | st.integers(0, 2**32 - 2)
fields_values = st.builds(
    AccountFields,
    system_user=texts,
    uid=numbers,
    gid=numbers,
    home=texts,
    address=texts,
    full_name=texts,
    maildir=texts,
    quota=texts,
    password=texts,
    clear_password=texts,
    options=texts,
)


@given(fields_values, st.lists(st.integers(0, 500)))
def test_an_account_is_read_as_it_was_written(fields: AccountFields, cuts: list[int]) -> None:
    """Law: read(to_bytes(fields)) == fields, however the reply is split."""
    reader = ReplyReader()
    for portion in split(fields.to_bytes(), cuts):
        assert not reader.is_complete
        reader.receive_data(portion)
    assert reader.fields == fields


@given(
    st.lists(st.sampled_from([b"a\t5\t6\t/h\n", b"# x\n", b"\n", b"b\t1\t1\t/\t\to\n", b"\xff"]))
)
def test_a_list_is_the_same_however_it_is_split(lines: list[bytes]) -> None:
    """Law: split anywhere, same events."""
    data = b"".join(lines) + b"\n.\n"
    whole, single = ListReader(), ListReader()
    found = [each for octet in data for each in single.receive_data(bytes([octet]))]
    assert found == list(whole.receive_data(data))
    assert single.is_complete
    assert whole.is_complete
