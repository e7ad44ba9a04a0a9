"""`userdbpw [-md5] [-hmac-md5|-hmac-sha1|-hmac-sha256|-scram-sha-256]`: make a password field.

Standard: spec auth 2.7; `-scram-sha-256` is ours (RFC 5803).

Exit codes: 0 done, 1 unknown option or no password.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SCHEME_VARIABLE", "SWITCHES", "main", "read_command_line"]

SWITCHES = ("-md5", "-hmac-md5", "-hmac-sha1", "-hmac-sha256", "-scram-sha-256")
SCHEME_VARIABLE = "COURIERMAIL_PASSWORD_SCHEME"  # for hashes of crypt(3); default: $6$
DEFAULT_SCHEME = "sha512-crypt"


def read_command_line(words: Sequence[str]) -> str:
    """The switch given last, or an empty text.

    Raises:
        ValueError: an unknown word.
    """
    if not all(word in SWITCHES for word in words):
        raise ValueError(words)
    return words[-1] if words else ""


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.userdb_apps import userdbpw

        userdbpw(["--help"], prog_name="userdbpw")
    from couriermail.cli.userdb_errors import fail, telling_userdb_errors

    try:
        switch = read_command_line(words)
    except ValueError:
        fail(f"{os.path.basename(sys.argv[0])}: invalid argument.")
    from couriermail.cli.password_input import read_password

    password = read_password()
    with telling_userdb_errors("userdbpw"):
        sys.stdout.write(f"{_field_value(switch, password)}\n")


def _field_value(switch: str, password: str) -> str:
    if switch.startswith("-hmac-"):
        from couriermail.auth.hmac_context import HmacContext

        return HmacContext.from_password(switch.removeprefix("-hmac-"), password).to_hex()
    if switch == "-scram-sha-256":
        from couriermail.auth.scram import ScramSecret

        return ScramSecret.from_password(password).to_text()
    from couriermail.auth.passwords import hash_password

    chosen = os.environ.get(SCHEME_VARIABLE) or DEFAULT_SCHEME
    return hash_password(password, "md5-crypt" if switch == "-md5" else chosen)


if __name__ == "__main__":
    main()
