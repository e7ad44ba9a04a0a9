"""The authdaemond protocol as values (spec auth 4.1 and the wire cases of 6)."""

from __future__ import annotations

import attrs
import pytest

from couriermail.auth import (
    Account,
    AccountFields,
    AccountOptions,
    AuthError,
    AuthRequest,
    CramResponse,
    EnumerateRequest,
    InvalidLoginError,
    ListReader,
    PasswdRequest,
    PreRequest,
    ReplyReader,
    Request,
    RequestLimits,
    RequestParser,
    WireError,
    cram_request,
    login_request,
)
from couriermail.auth.wire_replies import list_line

JOHN = PreRequest(name="john", service="imap")
JANE = AuthRequest(service="imap", authtype="login", data=b"jane\nsecret\n")
CHANGE = PasswdRequest(service="imap", name="john", old="x", new="y")


def read_all(data: bytes) -> list[Request]:
    """Every request in these bytes."""
    parser = RequestParser()
    parser.receive_data(data)
    found = []
    while (request := parser.next_request()) is not None:
        found.append(request)
    return found


# What a request is on the wire, in the one form that we write.
EXACT = {
    b"PRE . imap john\n": JOHN,
    b"PRE authuserdb imap john\n": attrs.evolve(JOHN, module="authuserdb"),
    b"PRE . imap john smith\n": attrs.evolve(JOHN, name="john smith"),
    b"TCPREMOTEIP=1.2.3.4\nPRE . imap john\n": attrs.evolve(JOHN, remote="1.2.3.4"),
    b"TCPREMOTEIP=::1\nPRE . login u\n": PreRequest(name="u", service="login", remote="::1"),
    b"TCPREMOTEIP=::1\nAUTH 16\nlogin\nlogin\nu\np\n": AuthRequest(
        service="login", authtype="login", data=b"u\np\n", remote="::1"
    ),
    b"AUTH 23\nimap\nlogin\njane\nsecret\n": JANE,
    b"AUTH 22\nimap\nlogin\njane\nsecret": attrs.evolve(JANE, data=b"jane\nsecret"),
    b"PASSWD imap\tjohn\tx\ty\n": CHANGE,
    b"PASSWD login\tu\to\tn\n": PasswdRequest(service="login", name="u", old="o", new="n"),
    b"ENUMERATE\n": EnumerateRequest(),
}


@pytest.mark.parametrize(("octets", "request_value"), EXACT.items(), ids=map(repr, EXACT))
def test_a_request_and_its_bytes_belong_together(octets: bytes, request_value: Request) -> None:
    assert request_value.to_bytes() == octets
    assert read_all(octets) == [request_value]


@pytest.mark.parametrize(
    ("octets", "request_value"),
    [
        (b"PRE .  imap   john\n", JOHN),
        (b"FOO=bar\nPRE . imap john\n", JOHN),
        (b"=x\nPRE . imap john\n", JOHN),
        (b"PRE . imap john\r\n", attrs.evolve(JOHN, name="john\r")),
        (b"PRE . imap a=b\n", attrs.evolve(JOHN, name="a=b")),
        (b"PRE . imap  \n", attrs.evolve(JOHN, name="")),
        (b"PRE . imap j\xf6\n", attrs.evolve(JOHN, name="j\udcf6")),
        (b"ENUMERATE \n", EnumerateRequest()),
        (b"PASSWD imap\tjohn\tx\ty\tz\n", CHANGE),
        (
            b"TCPREMOTEIP=" + b"1" * 50 + b"\nENUMERATE\n",
            EnumerateRequest(remote="1" * 39),
        ),
    ],
)
def test_other_spellings_are_understood(octets: bytes, request_value: Request) -> None:
    assert read_all(octets) == [request_value]


@pytest.mark.parametrize(
    "octets",
    [
        b"PRE\n",
        b"PRE . imap\n",
        b"BOGUS\n",
        b"\n",
        b" PRE . imap john\n",
        b"TCPREMOTEIP =1\n",
        b"AUTH\n",
        b"AUTH x\n",
        b"AUTH -1\n",
        b"AUTH +22\n",
        b"AUTH 8192\n",
        b"AUTH 99999\n",
        b"AUTH 0\n",
        b"AUTH 5\nimap\n",
        b"PASSWD imap\tjohn\n",
        b"PASSWD\timap\tjohn\tx\ty\n",
        b"A" * 8191,
        b"A" * 8190 + b"=\n",
        b"a=b\n" * 65,
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_what_is_no_request_is_a_wire_error(octets: bytes) -> None:
    with pytest.raises(WireError):
        read_all(octets)


@pytest.mark.parametrize("octets", [b"", b"PRE . imap john", b"AUTH 22\nimap\nlogin\njane\nsecre"])
def test_an_unfinished_request_is_none_yet(octets: bytes) -> None:
    assert read_all(octets) == []


def test_the_remote_address_belongs_to_one_request() -> None:
    found = read_all(b"TCPREMOTEIP=1\nENUMERATE\nENUMERATE\n")
    assert [request.remote for request in found] == ["1", None]


def test_the_longest_lines_are_still_read() -> None:
    assert read_all(b"A" * 8189 + b"=\nENUMERATE\n") == [EnumerateRequest()]
    parser = RequestParser(RequestLimits(max_line=4))
    parser.receive_data(b"A=bcd\n")
    with pytest.raises(WireError):
        parser.next_request()


@pytest.mark.parametrize(
    "request_value",
    [
        attrs.evolve(JOHN, name="jo\nhn"),
        attrs.evolve(JOHN, service="im\tap"),
        attrs.evolve(JOHN, remote="1\n2"),
        attrs.evolve(JOHN, name=" john"),  # it would ask for john
        attrs.evolve(JOHN, service="imap x"),
        attrs.evolve(JOHN, service=""),
        attrs.evolve(JOHN, module=""),
        attrs.evolve(JANE, authtype="login\n"),
        attrs.evolve(JANE, data=b"x" * 9000),
        attrs.evolve(CHANGE, new="a\tb"),
        attrs.evolve(CHANGE, old="\x7f"),
    ],
)
def test_what_would_be_another_request_is_never_sent(request_value: Request) -> None:
    with pytest.raises(InvalidLoginError):
        request_value.to_bytes()


@pytest.mark.parametrize(("name", "password"), [("a\nb", "x"), ("a", "x\ny"), ("a", "x\r")])
def test_a_login_with_control_characters_is_none(name: str, password: str) -> None:
    with pytest.raises(InvalidLoginError):
        login_request(name, password, "imap")


def test_secrets_are_in_no_repr() -> None:
    shown = repr([JANE, PasswdRequest(service="s", name="n", old="hidden1", new="hidden2")])
    assert "secret" not in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("data", "credentials"),
    [
        (b"jane\nsecret\n", ("jane", "secret")),
        (b"jane\nsecret", ("jane", "secret")),
        (b"jane\nsecret\r\n", ("jane", "secret\r")),
        (b"jane\n", ("jane", "")),
        (b"jane", None),
    ],
)
def test_the_final_line_end_of_a_login_is_optional(
    data: bytes, credentials: tuple[str, str] | None
) -> None:
    assert attrs.evolve(JANE, data=data).credentials() == credentials


def test_a_cram_response_survives_the_wire() -> None:
    response = CramResponse(
        algorithm="sha256", challenge=b"<1@x>", name="john smith", digest="0af5"
    )
    (request,) = read_all(cram_request(response, "imap").to_bytes())
    assert isinstance(request, AuthRequest)
    assert request.authtype == "cram-sha256"
    assert request.cram() == response
    assert request.credentials() is None


@pytest.mark.parametrize(
    ("authtype", "data"),
    [
        ("cram-md5", b"not!b64\nam9obiAwMA==\n"),
        ("cram-md5", b"PDE+\nam9obg==\n"),  # no blank in the response
        ("cram-md5", b"PDE+"),
        ("cram-sha512", b"PDE+\nam9obiAwMA==\n"),
        ("CRAM-MD5", b"PDE+\nam9obiAwMA==\n"),
        ("login", b"PDE+\nam9obiAwMA==\n"),
    ],
)
def test_malformed_cram_data_is_none(authtype: str, data: bytes) -> None:
    assert AuthRequest(service="imap", authtype=authtype, data=data).cram() is None


ACCOUNT = Account(
    name="john",
    address="john",
    uid=1001,
    gid=1001,
    home="/home/john",
    maildir="./Mail",
    quota="1000S,10C",
    full_name="John Smith,Room 5",
    options=AccountOptions("disableimap=1,foo=7"),
    password="$1$x",
)
ACCOUNT_REPLY = (
    b"UID=1001\nGID=1001\nHOME=/home/john\nADDRESS=john\nNAME=John Smith\nMAILDIR=./Mail\n"
    b"QUOTA=1000S,10C\nPASSWD=$1$x\nOPTIONS=disableimap=1,foo=7\n.\n"
)


def read_reply(octets: bytes) -> ReplyReader:
    reader = ReplyReader()
    reader.receive_data(octets)
    return reader


def test_an_account_and_its_reply_belong_together() -> None:
    assert AccountFields.of(ACCOUNT).to_bytes() == ACCOUNT_REPLY
    fields = read_reply(ACCOUNT_REPLY).fields
    assert fields is not None
    assert fields.account("john") == attrs.evolve(ACCOUNT, full_name="John Smith")


def test_a_system_user_goes_by_name_and_empty_is_not_absent() -> None:
    account = attrs.evolve(ACCOUNT, system_user="bin", full_name="", maildir=None)
    reply = AccountFields.of(account).to_bytes()
    assert reply.startswith(b"USERNAME=bin\nGID=1001\n")
    assert b"UID" not in reply
    assert b"\nNAME=\n" in reply
    assert b"MAILDIR" not in reply


def test_odd_replies_are_read_as_c_clients_read_them() -> None:
    fields = read_reply(b"UID=5\nFOO=1\nnoeq\n.\n").fields
    assert fields == AccountFields(uid=5)
    assert read_reply(b"GID=6x\nUID=y\n.\n").fields == AccountFields(uid=0, gid=6)
    assert read_reply(b".\n").fields == AccountFields()


@pytest.mark.parametrize("fields", [AccountFields(gid=5), AccountFields(uid=5)])
def test_an_account_without_ids_is_none(fields: AccountFields) -> None:
    with pytest.raises(WireError):
        fields.account("x")


def test_refused_and_changed_are_whole_replies() -> None:
    assert read_reply(b"FAIL\n").is_refused
    assert read_reply(b"OK\n").is_changed
    assert not read_reply(b"FAIL").is_complete
    assert not read_reply(b"GID=6\nHOME=/h\n").is_complete


@pytest.mark.parametrize(
    "octets",
    [b"UID=1\n.\nUID=2\n", b"x" * 9000, b"FAIL\nFAIL\n", b"OK\nx", b"FAIL\nUID=1\n.\n"],
    ids=lambda raw: repr(raw[:20]),
)
def test_a_reply_that_goes_on_is_a_wire_error(octets: bytes) -> None:
    with pytest.raises(WireError):
        read_reply(octets)


def test_nothing_may_follow_a_complete_reply() -> None:
    reader = read_reply(b"FAIL\n")
    with pytest.raises(WireError):
        reader.receive_data(b"x")


@pytest.mark.parametrize("home", ["/h\nUID=0", "/" + "h" * 9000])
def test_a_value_that_would_be_another_reply_is_never_said(home: str) -> None:
    with pytest.raises(WireError):
        AccountFields.of(attrs.evolve(ACCOUNT, home=home)).to_bytes()


LIST = b"a\t5\t6\t/h\tM\to=1\tz\n# c\nb\t0\t6\t/h\n\nc\t5\t6\t/h\n"


def test_a_list_leaves_out_what_is_no_account() -> None:
    reader = ListReader()
    found = list(reader.receive_data(LIST))
    assert [(each.address, each.maildir, each.options) for each in found] == [
        ("a", "M", "o=1"),
        ("c", None, None),
    ]
    assert not reader.is_complete
    assert list(reader.receive_data(b".\nd\t5\t6\t/h\n")) == []
    assert reader.is_complete


def test_a_list_line_has_six_fields() -> None:
    line = b"john\t1001\t1001\t/home/john\t./Mail\tdisableimap=1,foo=7\n"
    assert list_line(ACCOUNT) == line
    bare = attrs.evolve(ACCOUNT, maildir=None, options=AccountOptions())
    assert list_line(bare) == b"john\t1001\t1001\t/home/john\t\t\n"
    with pytest.raises(WireError):
        list_line(attrs.evolve(ACCOUNT, home="/h\t0"))


def test_a_list_without_line_ends_is_bounded() -> None:
    with pytest.raises(WireError):
        list(ListReader().receive_data(b"x" * 9000))


def test_wire_errors_are_temporary_and_logins_with_controls_are_not() -> None:
    assert WireError("x").is_temporary
    assert not InvalidLoginError("x").is_temporary
    assert issubclass(WireError, AuthError)
