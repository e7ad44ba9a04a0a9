"""`authpasswd [method]`: print the hash of a password (spec auth 2.4).

Courier: without a method the hash is MD5-crypt, and an unknown method gives {SSHA}.  Here new
hashes are the strongest that the system has, and an unknown method is an error, exit code 1.
"""

from __future__ import annotations

import os
import sys

__all__ = ["METHODS", "main", "scheme_of"]

# Courier's methods and the scheme of each; the library's own scheme names are methods as well.
METHODS = {"sha1": "sha", "crypt": None}


def scheme_of(method: str | None) -> str | None:
    """The password scheme of a method; None is the strongest crypt(3) has here.

    Raises:
        ValueError: there is no such method.
    """
    if method is None:
        from couriermail.cli.userdbpw import SCHEME_VARIABLE

        return os.environ.get(SCHEME_VARIABLE) or None
    name = method.lower()
    if name in METHODS:
        return METHODS[name]
    from couriermail.auth.passwords import SCHEMES

    if name not in SCHEMES:
        raise ValueError(method)
    return name


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if words == ["--help"]:
        from couriermail.cli.userdb_apps import authpasswd

        authpasswd(["--help"], prog_name="authpasswd")
    from couriermail.cli.userdb_errors import fail, telling_userdb_errors

    if len(words) > 1:
        fail("Usage: authpasswd [method]")
    try:
        scheme = scheme_of(words[0] if words else None)
    except ValueError:
        fail(f"authpasswd: unknown method: {words[0]} (authpasswd --help lists them)")
    from couriermail.cli.password_input import read_password

    password = read_password()
    with telling_userdb_errors("authpasswd"):
        from couriermail.auth.passwords import hash_password

        sys.stdout.write(f"{hash_password(password, scheme)}\n")


if __name__ == "__main__":
    main()
