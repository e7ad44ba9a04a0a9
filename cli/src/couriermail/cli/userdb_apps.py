"""The typer apps of the userdb and password commands: their help.

The commands read their words themselves, because their options are Courier's own style
(`-show`, `-hmac-md5`); tests keep both in step.
"""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["authpasswd", "courierauthconfig", "makeuserdb", "userdb", "userdbpw"]


def _app() -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


userdb = _app()
makeuserdb = _app()
userdbpw = _app()
authpasswd = _app()
courierauthconfig = _app()


@userdb.command(
    epilog="""
Exit codes: 0 done, 1 anything else.

\b
Examples:
  userdb john set home=/home/john uid=1001 gid=1001
  userdbpw | userdb john set systempw          a value without = is read from standard input
  userdb example.com/john@example.com del      a record of the file userdb/example.com
  userdb -show john                            its fields
  userdb -show -f FILE                         the names of all records
"""
)
def _userdb(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH/]NAME (set FIELD=VALUE... | unset FIELD... | del)"),
    ] = None,
    show: Annotated[bool, typer.Option("-show", help="Print names, or fields of one.")] = False,
    file: Annotated[
        str | None, typer.Option("-f", metavar="FILE", help="This file, not the userdb.")
    ] = None,
) -> None:
    """Show or change records of the userdb; run makeuserdb afterwards."""


@makeuserdb.command(
    epilog="""
Exit codes: 0 done, 1 anything else; then nothing was changed.

\b
Examples:
  makeuserdb
  makeuserdb -f /srv/mail/userdb
"""
)
def _makeuserdb(
    file: Annotated[
        str | None, typer.Option("-f", metavar="FILE", help="The userdb, a file or directory.")
    ] = None,
) -> None:
    """Compile the userdb into userdb.dat and userdbshadow.dat."""


@userdbpw.command(
    epilog="""
Exit codes: 0 done, 1 unknown option or no password.

The environment variable COURIERMAIL_PASSWORD_SCHEME names another scheme than sha512-crypt.

\b
Examples:
  userdbpw | userdb john set systempw
  userdbpw -hmac-sha256 | userdb john set hmac-sha256pw
  userdbpw -scram-sha-256 | userdb john set scram-sha-256pw
"""
)
def _userdbpw(
    md5: Annotated[bool, typer.Option("-md5", help="MD5-crypt, for old programs.")] = False,
    hmac_md5: Annotated[bool, typer.Option("-hmac-md5", help="For CRAM-MD5.")] = False,
    hmac_sha1: Annotated[bool, typer.Option("-hmac-sha1", help="For CRAM-SHA1.")] = False,
    hmac_sha256: Annotated[bool, typer.Option("-hmac-sha256", help="For CRAM-SHA256.")] = False,
    scram_sha_256: Annotated[
        bool, typer.Option("-scram-sha-256", help="For SCRAM-SHA-256.")
    ] = False,
) -> None:
    """Read a password and print what a userdb field holds of it."""


@authpasswd.command(
    epilog="""
Exit codes: 0 done, 1 unknown method or no password.

\b
Methods: md5 md5raw sha (sha1) ssha sha256 sha512 ssha256 ssha512 crypt md5-crypt
sha256-crypt sha512-crypt bcrypt yescrypt gost-yescrypt scrypt argon2id

\b
Examples:
  authpasswd
  authpasswd ssha256
"""
)
def _authpasswd(
    method: Annotated[
        str | None, typer.Argument(help="Default: the strongest that crypt(3) has here.")
    ] = None,
) -> None:
    """Read a password and print its hash."""


@courierauthconfig.command(
    epilog="""
Exit codes: 0 done, 1 unknown option.

\b
Examples:
  courierauthconfig --version
  courierauthconfig --version=0.1          prints yes or no
  courierauthconfig --configfiles
"""
)
def _courierauthconfig(
    version: Annotated[
        str | None, typer.Option(metavar="[V]", help="Our version, or whether it is at least V.")
    ] = None,
    configfiles: Annotated[
        bool, typer.Option("--configfiles", help="Files, user and group, as key=value.")
    ] = False,
    ldflags: Annotated[bool, typer.Option("--ldflags", help="Prints nothing.")] = False,
    cppflags: Annotated[bool, typer.Option("--cppflags", help="Prints nothing.")] = False,
) -> None:
    """Print version and places of the authentication library."""
