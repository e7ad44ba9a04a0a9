"""Laws of account lookup: spec auth 3.1 and 4.2."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from couriermail.auth import AccountOptions, AuthError, UserdbDirectory, verify_password

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
option_lists = st.lists(
    st.sampled_from(["a", "b=1", "group=x", "group=y", "c=", "dd=2"]), max_size=6
).map(",".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(names, unique=True, max_size=8), names)
def test_a_name_reaches_its_own_record_or_none(stored: list[str], asked: str) -> None:
    """Lookup main record by exact name."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "userdb"
        records = [
            f"{name}\tuid={number + 1}|gid=1|home=/h\n"
            for number, name in enumerate(stored)
            if not set(name) & set("\t\n")
        ]
        path.write_text("".join(records), encoding="utf-8", newline="")
        path.chmod(0o600)
        userdb = UserdbDirectory.open(path)
        for name in [*stored, asked]:
            account = userdb.lookup(name, "courier")
            if account is not None:
                assert stored[account.uid - 1] == name


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), names)
def test_any_text_is_a_userdb_or_an_auth_error(content: bytes, name: str) -> None:
    """Untrusted input raises nothing but the room's errors."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "userdb"
        path.write_bytes(content)
        path.chmod(0o600)
        try:
            account = UserdbDirectory.open(path).lookup(name, "courier")
        except AuthError:
            return
        assert account is None or account.name == name


@given(option_lists, option_lists)
def test_defaults_never_change_what_an_account_says(own: str, defaults: str) -> None:
    """Account options first, then each default whose name is not already present."""
    options = AccountOptions(own)
    merged = options.with_defaults(AccountOptions(defaults))
    for name, _ in options:
        assert merged.all(name) == options.all(name)
    for name, _ in AccountOptions(defaults):
        assert merged.get(name) is not None


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_verification_never_raises(stored: str, password: str) -> None:
    """`verify(clear, stored)`: result NULL or different -> reject."""
    assert verify_password(stored, password) in (True, False)
