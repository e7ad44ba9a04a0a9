"""Laws of the userdb: editing keeps the rest, compiling keeps the answers (spec auth 2.5, 3.2)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.auth.errors import UserdbError, UserdbInputError
from couriermail.auth.userdb_compile import compile_userdb
from couriermail.auth.userdb_edit import UserdbDocument
from couriermail.auth.userdb_tables import UserdbTables
from couriermail.auth.userdb_text import UserdbText

names = st.binary(min_size=1, max_size=8)
values = st.one_of(st.none(), st.binary(max_size=8))
lines = st.one_of(
    st.sampled_from([b"# comment", b"", b"malformed", b"#a\tb=c", b"1001=\tjohn", b".", b"\tx"]),
    st.builds(
        lambda name, fields: name + b"\t" + b"|".join(fields),
        st.text("abcj@.", min_size=1, max_size=4).map(str.encode),
        st.lists(st.sampled_from([b"uid=1", b"gid=2", b"home=/h", b"xpw=1", b"pw", b"a=b=c", b""])),
    ),
)


@given(st.binary(max_size=200))
def test_a_text_comes_back_unchanged(text: bytes) -> None:
    """Lines that are comments, blank or malformed are preserved."""
    assert UserdbDocument.parse(text).to_bytes() == text


@settings(max_examples=200)
@given(st.lists(lines, max_size=8), names, st.dictionaries(names, values, max_size=3))
def test_an_edit_touches_one_line_and_can_be_taken_back(
    text_lines: list[bytes], name: bytes, fields: dict[bytes, bytes | None]
) -> None:
    """Existing fields are replaced, others kept; position of an existing record is kept."""
    text = b"".join(line + b"\n" for line in text_lines)
    document = UserdbDocument.parse(text)
    is_new = document.fields(name) is None
    try:
        document.set(name, fields)
    except UserdbInputError:
        assert document.to_bytes() == text
        return
    stored = document.fields(name) or []
    assert {field.partition(b"=")[0] for field in stored} >= set(fields)
    changed = document.to_bytes().split(b"\n")
    assert sum(one != other for one, other in zip(changed, text.split(b"\n"), strict=False)) <= 1
    if is_new:
        document.delete(name)
        assert document.to_bytes() == text


@settings(max_examples=60, deadline=None)
@given(st.lists(lines, max_size=8))
def test_compiled_and_text_give_the_same_answers(text_lines: list[bytes]) -> None:
    """Lookup of the tables is lookup of the text."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "userdb"
        path.write_bytes(b"".join(line + b"\n" for line in text_lines))
        path.chmod(0o600)
        text = UserdbText(str(path))
        try:
            compile_userdb(path)
        except UserdbError:
            return  # a duplicate; the text may still do when it is a line without a tab
        tables = UserdbTables(str(path))
        assert [name for name, _ in text.records()] == [
            name for name, record in tables.records() if record.fields != b"1"
        ]
        for name, record in text.records():
            found = tables.find(name)
            assert found is not None
            shown = name.decode()
            for service in ("x", "imap"):
                assert found.account(shown, service) == record.account(shown, service)
