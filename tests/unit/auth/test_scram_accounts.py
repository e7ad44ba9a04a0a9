"""SCRAM secrets as accounts have them: stored (RFC 5803), or made of a clear password."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import attrs
import pytest

from couriermail.auth import Account, ScramSecret, ScramSecrets, UserdbModule, hash_password

# RFC 7677 3: user "user", password "pencil"
SALT = "W22ZaJ0SNY7soEsUEjb6gQ=="
KEYS = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
STORED = f"SCRAM-SHA-256$4096:{SALT}${KEYS}"
JOHN = Account(name="john", address="john", uid=1, gid=1, home="/h")


def test_the_stored_form_is_that_of_rfc_5803() -> None:
    secret = ScramSecret.from_text(STORED)
    assert secret is not None
    assert secret.to_text() == STORED
    assert secret.is_of("pencil")
    assert not secret.is_of("Pencil")
    assert not secret.is_of("\u0007")  # SASLprep forbids it
    made = ScramSecret.from_password("pencil", salt=secret.salt)
    assert made.to_text() == STORED
    assert KEYS[:10] not in repr(secret)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "SCRAM-SHA-256",
        STORED.replace("SHA-256", "SHA-1"),
        STORED.replace("4096", "4095"),
        STORED.replace("4096", "99999999999"),
        STORED.replace("4096", "-1"),
        STORED.replace("4096", "\u0664096"),
        STORED.replace(SALT, ""),
        STORED.replace(SALT, "not base64"),
        STORED[:-2],
        STORED.replace(":wf", "$wf"),
        f"SCRAM-SHA-256$4096:{SALT}${b64encode(b'x').decode()}:{KEYS.partition(':')[2]}",
    ],
)
def test_what_is_no_secret_is_none(text: str) -> None:
    assert ScramSecret.from_text(text) is None


def test_a_stored_secret_wins_over_a_clear_password() -> None:
    secrets = ScramSecrets(b"k" * 32)
    account = attrs.evolve(JOHN, scram=STORED, clear_password="other")
    found = secrets.of(account, "john")
    assert found is not None
    assert found.to_text() == STORED
    assert secrets.of(attrs.evolve(account, scram="broken"), "john") is None


def test_a_secret_of_a_clear_password_has_the_salt_of_its_name() -> None:
    account = attrs.evolve(JOHN, clear_password="pencil")
    first, again = (ScramSecrets(b"k" * 32).of(account, "john") for _ in range(2))
    other = ScramSecrets(b"l" * 32).of(account, "john")
    assert first == again
    assert first is not None
    assert other is not None
    assert first.is_of("pencil")
    assert other.salt != first.salt
    assert ScramSecrets(b"k").of(attrs.evolve(JOHN, clear_password="\udcff"), "john") is None


def test_a_name_without_secret_costs_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[str] = []
    original = ScramSecret.from_password

    def note(password: str, *, salt: bytes) -> ScramSecret:
        derived.append(password)
        return original(password, salt=salt)

    monkeypatch.setattr(ScramSecret, "from_password", note)
    secrets = ScramSecrets(b"k" * 32)
    assert secrets.of(None, "nobody") is None
    assert derived == []  # nobody here has a clear password
    secrets.of(attrs.evolve(JOHN, clear_password="pencil"), "john")
    assert secrets.of(None, "nobody") is None
    assert secrets.of(JOHN, "john") is None
    assert len(derived) == 3


def userdb(path: Path, fields: str) -> UserdbModule:
    path.write_text(f"john\tuid=1001|gid=1001|home=/h|{fields}\n")
    path.chmod(0o600)
    return UserdbModule.open(path, revalidate=0)


def test_the_userdb_has_one_for_a_service_and_one_for_all(tmp_path: Path) -> None:
    own = ScramSecret.from_password("own").to_text()
    module = userdb(tmp_path / "userdb", f"scram-sha-256pw={STORED}|imap-scram-sha-256pw={own}")
    scram = {}
    for service in ("esmtp", "imap"):
        account = module.lookup("john", service)
        assert account is not None
        scram[service] = account.scram
        assert "SCRAM" not in repr(account)
    assert scram == {"esmtp": STORED, "imap": own}


def test_a_password_change_changes_the_scram_secret_with_it(tmp_path: Path) -> None:
    hashed = hash_password("pencil", "ssha")
    path = tmp_path / "userdb"
    foreign = ScramSecret.from_password("another").to_text()
    module = userdb(
        path, f"systempw={hashed}|scram-sha-256pw={STORED}|esmtp-scram-sha-256pw={foreign}"
    )
    assert module.change_password("john", "pencil", "crayon", "esmtp")
    account = module.lookup("john", "imap")
    assert account is not None
    assert account.scram is not None
    secret = ScramSecret.from_text(account.scram)
    assert secret is not None
    assert secret.is_of("crayon")
    assert foreign in path.read_text()
    logged_in = module.login("john", "crayon", "imap")
    assert logged_in is not None
    assert logged_in.scram is None
    # A password that SCRAM cannot have leaves none behind: the old one must not go on.
    assert module.change_password("john", "crayon", "ab\ufffdc", "imap")
    account = module.lookup("john", "imap")
    assert account is not None
    assert account.scram == ""
