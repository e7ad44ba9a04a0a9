"""Whether an SMTP server asks for client certificates, and what one proves (spec smtp 8, 9)."""

from __future__ import annotations

from pathlib import Path

import pytest

from couriermail.core import ConfigError
from couriermail.mta import Config, load_config
from couriermail.mta.tlscontext import server_tls_context, subject_field

CERTIFICATE = "TLS_CERTFILE=/c.pem\n"
TRUST = CERTIFICATE + "TLS_TRUSTCERTS=/ca.pem\n"


def load(directory: Path, esmtpd: str) -> Config:
    directory.joinpath("me").write_text("mx.example.test\n")
    directory.joinpath("esmtpd").write_text(esmtpd)
    return load_config(str(directory))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "none"),
        ("TLS_VERIFYPEER=PEER\n", "none"),  # nobody could have signed it
        (TRUST, "optional"),
        (TRUST + "TLS_VERIFYPEER=NONE\n", "none"),
        (TRUST + "TLS_VERIFYPEER=peer\n", "optional"),
        (TRUST + "TLS_VERIFYPEER=REQUIREPEER\n", "required"),
    ],
)
def test_a_certificate_is_asked_for(tmp_path: Path, text: str, expected: str) -> None:
    assert load(tmp_path, text).esmtpd.tls_peer == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("TLS_VERIFYPEER=REQUIREPEER\n", "needs TLS_TRUSTCERTS"),
        (TRUST + "TLS_VERIFYPEER=YES\n", "none of NONE, PEER, REQUIREPEER"),
    ],
)
def test_settings_that_promise_what_cannot_be_checked_are_errors(
    tmp_path: Path, text: str, error: str
) -> None:
    with pytest.raises(ConfigError, match=error):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (TRUST + "TLS_EXTERNAL=emailaddress\n", "emailaddress"),
        ("TLS_EXTERNAL=cn\nTLS_TRUSTCERTS=/ca.pem\n", ""),
        (CERTIFICATE + "TLS_EXTERNAL=cn\n", ""),
        (TRUST + "TLS_EXTERNAL=cn\nTLS_VERIFYPEER=NONE\n", ""),
    ],
)
def test_only_a_verified_certificate_names_an_account(
    tmp_path: Path, text: str, field: str
) -> None:
    config = load(tmp_path, text)
    assert config.esmtpd.tls_external == field
    warnings = [str(item) for item in config.warnings if "TLS_EXTERNAL has no effect" in str(item)]
    assert bool(warnings) == (not field)


@pytest.mark.parametrize(
    ("name", "field"), [("CN", "commonName"), ("emailaddress", "emailaddress"), ("UID", "userId")]
)
def test_short_names_of_fields_are_known(name: str, field: str) -> None:
    assert subject_field(name) == field


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"/c\.pem: cannot use the certificate"):
        server_tls_context(load(tmp_path, TRUST).esmtpd)
