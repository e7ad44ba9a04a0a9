"""Filters that users write in Python: actions, their edits, and scripts that fail (spec filter 4.24)."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from couriermail.filter.courierfilter import (
    Action,
    FilterConfigError,
    FilteredMessage,
    FilterProtocolError,
    FilterRequest,
    ScriptJudge,
    accept,
    accept_final,
    defer,
    discard,
    judge_request,
    reject,
    userscript,
)

BODY = b"Subject: hello\nX-Old: 1\nx-old: 2\n\ntext\n"
CONTROLS = (
    "sann@example.com\nM1.2.3\nrbob@example.com\nR\nN\nreve@example.com\nR\nN\niann\n"
    "OTCPREMOTEIP=192.0.2.1\n",
    "sann@example.com\nM1.2.4\nrjoe@example.com\nR\nN\n",
)
UNAVAILABLE = b"432 Mail filters temporarily unavailable.\n"
NOW = 1_790_000_000.0
IMPORTS = "from couriermail.filter.courierfilter import accept, discard, reject\n"


@pytest.fixture
def request_(tmp_path: Path) -> FilterRequest:
    """A message for three recipients in two control files."""
    body = tmp_path / "D"
    body.write_bytes(BODY)
    paths = [tmp_path / f"C{number}" for number in range(len(CONTROLS))]
    for path, text in zip(paths, CONTROLS, strict=True):
        path.write_text(text)
    return FilterRequest(str(body), tuple(map(str, paths)))


@pytest.fixture
def script(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


def added_records(request: FilterRequest) -> list[str]:
    """What stands behind the original records of each control file."""
    return [
        Path(path).read_text().removeprefix(text)
        for path, text in zip(request.controls, CONTROLS, strict=True)
    ]


@pytest.mark.parametrize(
    ("action", "reply"),
    [
        (accept(), "200 Ok.\n"),
        (accept_final(), "050 Ok.\n"),
        (discard(), "200 Ok.\n"),
        (reject(550, "5.7.1 Not here."), "550 5.7.1 Not here.\n"),
        (reject(554, "one\r\ntwo"), "554-one\n554 two\n"),
        (reject(550, ""), "550 \n"),
        (defer("later"), "451 later\n"),
    ],
    ids=["accept", "final", "discard", "reject", "two-lines", "no-text", "defer"],
)
def test_an_action_says_its_reply(action: Action, reply: str) -> None:
    assert action.reply() == reply


@pytest.mark.parametrize("code", [0, 250, 399, 600])
def test_a_refusal_needs_a_code_that_refuses(code: int) -> None:
    with pytest.raises(FilterProtocolError, match="refuses nothing"):
        reject(code, "no")


@pytest.mark.parametrize("address", ["", "bob", "@x", "bob@", "a@b\nSx", "a@b c"])
def test_a_recipient_needs_an_address(address: str) -> None:
    with pytest.raises(FilterProtocolError, match="no address"):
        accept().add_recipient(address)
    with pytest.raises(FilterProtocolError, match="no address"):
        accept().quarantine(address)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        (accept(), BODY),
        (accept().add_header("X-New", "1"), BODY.replace(b"\n\n", b"\nX-New: 1\n\n")),
        (accept().remove_header("X-OLD"), b"Subject: hello\n\ntext\n"),
        (accept().replace_body(b"new\n"), BODY.replace(b"text", b"new")),
        (
            accept().remove_header("x-old").add_header("X-Old", "3").replace_body(b""),
            b"Subject: hello\nX-Old: 3\n\n",
        ),
        (reject(550, "no").replace_body(b"new\n"), BODY),
    ],
    ids=["none", "add", "remove", "body", "all", "refused"],
)
def test_edits_change_the_body_file_in_place(
    request_: FilterRequest, action: Action, body: bytes
) -> None:
    before = os.stat(request_.body).st_ino
    action.apply(FilteredMessage(request_), now=lambda: NOW)
    assert Path(request_.body).read_bytes() == body
    assert os.stat(request_.body).st_ino == before
    assert added_records(request_) == ["", ""]


@pytest.mark.parametrize("header", [b"Subject: x\n", b"Subject: x", b"", b"\n"])
def test_a_new_body_never_becomes_part_of_the_header(
    request_: FilterRequest, header: bytes
) -> None:
    Path(request_.body).write_bytes(header)
    accept().replace_body(b"X-Evil: 1\n").apply(FilteredMessage(request_))
    message = FilteredMessage(request_)
    assert message.headers.get("X-Evil") is None
    assert message.entity.root.body() == b"X-Evil: 1\n"
    message.close()


def test_a_line_end_in_a_field_begins_no_other_field(request_: FilterRequest) -> None:
    accept().add_header("X-New", "a\nX-Evil: 1\r\n\r\nb").apply(FilteredMessage(request_))
    message = FilteredMessage(request_)
    assert message.headers.get("X-Evil") is None
    assert message.entity.root.body() == b"text\n"
    message.close()


DONE = "I{0} R Removed by a mail filter.\nS{0} 1790000000\n"


@pytest.mark.parametrize(
    ("action", "records"),
    [
        (accept().add_recipient("new@example.com"), ["rnew@example.com\nR\nN\n", ""]),
        (accept().remove_recipient("eve@example.com"), [DONE.format(1), ""]),
        (accept().remove_recipient("nobody@example.com"), ["", ""]),
        (discard(), [DONE.format(0) + DONE.format(1), DONE.format(0)]),
        (
            accept().quarantine("q@example.com"),
            [DONE.format(0) + DONE.format(1) + "rq@example.com\nR\nN\n", DONE.format(0)],
        ),
        (reject(550, "no").add_recipient("new@example.com"), ["", ""]),
    ],
    ids=["add", "remove", "stranger", "discard", "quarantine", "refused"],
)
def test_recipients_change_at_the_end_of_the_control_files(
    request_: FilterRequest, action: Action, records: list[str]
) -> None:
    action.apply(FilteredMessage(request_), now=lambda: NOW)
    assert added_records(request_) == records
    assert Path(request_.body).read_bytes() == BODY


def test_a_recipient_without_a_control_file_is_an_error(request_: FilterRequest) -> None:
    alone = FilterRequest(request_.body, ())
    with pytest.raises(FilterProtocolError, match="no control file"):
        accept().add_recipient("a@example.com").apply(FilteredMessage(alone))


def test_a_check_sees_the_message_and_its_envelope(request_: FilterRequest, script: Path) -> None:
    script.write_text(
        IMPORTS + "async def check(msg):\n"
        "    seen = [msg.headers['Subject'], msg.entity.root.text(), msg.envelope.sender,\n"
        "        msg.auth, msg.envelope.remote_ip, str(len(msg.recipients))]\n"
        "    return reject(550, '|'.join(map(repr, seen)))\n"
    )
    answer = ScriptJudge(str(script))(FilteredMessage(request_))
    assert answer == "550 'hello'|'text\\n'|'ann@example.com'|'ann'|'192.0.2.1'|'3'\n"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("def filterdata(path): return ''", "200 Ok.\n"),
        ("def filterdata(path): return '550 No.'", "550 No.\n"),
        (
            "def filterdata(path): return '550 No.'\ndef filtercontrol(path): return '450 Later.'",
            "450 Later.\n",
        ),
        (
            "def filterdata(path): return '550-a\\n550 b'\ndef filtercontrol(path): return ''",
            "550-a\n550 b\n",
        ),
        ("def filtercontrol(path): return '500 ' + path[-2:]", "500 C1\n"),
    ],
    ids=["no-objection", "one", "last-counts", "empty-does-not", "each-control-file"],
)
def test_functions_of_paths_answer_replies(
    request_: FilterRequest, script: Path, text: str, answer: str
) -> None:
    script.write_text(text)
    assert ScriptJudge(str(script))(FilteredMessage(request_)) == answer


@pytest.mark.parametrize(
    "text",
    [
        "def filterdata(path): raise ValueError('oops')",
        "def filterdata(path): exit(0)",
        "def filterdata(path): pass",
        "def filterdata(path): return 'hello'",
        "async def check(msg): return 1 / 0",
        "async def check(msg): raise SystemExit(0)",
        "async def check(msg): return '200 Ok.'",
        "def check(msg): return None",
        "check = None",
        IMPORTS + "async def check(msg): return accept().add_header('a b', 'c')",
        "def filterdata(path) return ''",
        "import nothing_like_this",
        "raise SystemExit(0)",
        "x = 1",
        "\0",
    ],
    ids=lambda text: text.splitlines()[-1][:40].replace("\0", "nul"),
)
def test_a_script_that_fails_is_never_a_pass(
    request_: FilterRequest, script: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    script.write_text(text)
    with caplog.at_level(logging.ERROR, "couriermail.filter.courierfilter"):
        assert judge_request(ScriptJudge(str(script)), request_) == UNAVAILABLE
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert Path(request_.body).read_bytes() == BODY
    assert added_records(request_) == ["", ""]


def test_a_check_that_waits_for_ever_is_given_up(
    request_: FilterRequest,
    script: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(userscript, "CHECK_SECONDS", 0.01)
    script.write_text("import asyncio\nasync def check(msg): await asyncio.Event().wait()")
    assert judge_request(ScriptJudge(str(script)), request_) == UNAVAILABLE
    assert "TimeoutError" in caplog.text


def test_an_action_that_cannot_be_made_whole_changes_nothing(
    request_: FilterRequest, script: Path
) -> None:
    Path(request_.controls[1]).unlink()
    script.write_text(IMPORTS + "async def check(msg): return discard().replace_body(b'x')")
    assert judge_request(ScriptJudge(str(script)), request_) == UNAVAILABLE
    assert Path(request_.body).read_bytes() == BODY


def test_an_error_names_the_line_of_the_script(script: Path) -> None:
    script.write_text("x = 1\n\ndef filterdata(path) return ''\n")
    with pytest.raises(FilterConfigError, match=r"script\.py:3: cannot be loaded: SyntaxError"):
        ScriptJudge(str(script)).load()
    script.write_text("x = 1\nimport nothing_like_this\n")
    with pytest.raises(FilterConfigError, match=r"script\.py:2: .*nothing_like_this"):
        ScriptJudge(str(script)).load()
    script.unlink()
    with pytest.raises(FilterConfigError, match="cannot be read: No such file"):
        ScriptJudge(str(script)).load()


def test_a_changed_script_is_loaded_again_and_a_broken_one_refuses_for_now(
    request_: FilterRequest, script: Path
) -> None:
    judge = ScriptJudge(str(script))
    script.write_text("def filterdata(path): return '550 one'")
    assert judge_request(judge, request_) == b"550 one\n"
    script.write_text("def filterdata(path) return '550 broken'")
    assert judge_request(judge, request_) == UNAVAILABLE
    assert judge_request(judge, request_) == UNAVAILABLE
    script.write_text("def filterdata(path): return '550 three'")
    assert judge_request(judge, request_) == b"550 three\n"


def test_a_script_keeps_what_it_remembers(request_: FilterRequest, script: Path) -> None:
    script.write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass Seen:\n    count: int = 0\n"
        "seen = Seen()\ndef filterdata(path):\n    seen.count += 1\n    return f'550 {seen.count}'"
    )
    judge = ScriptJudge(str(script))
    assert [judge_request(judge, request_) for _ in range(2)] == [b"550 1\n", b"550 2\n"]


def test_a_module_is_a_script_as_well(
    request_: FilterRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site_filter_for_test.py").write_text("def filterdata(path): return '550 module'")
    monkeypatch.syspath_prepend(str(tmp_path))
    judge = ScriptJudge("site_filter_for_test")
    assert judge_request(judge, request_) == b"550 module\n"
    del sys.modules["site_filter_for_test"]
