"""`verifysmtp`: verify addresses as verifyfilter does (spec filter 2.5, 4.23)."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from couriermail.cli.errors import reporting
from couriermail.cli.filter_programs import find_places

if TYPE_CHECKING:
    from couriermail.filter.courierfilter import Finding, Probe

__all__ = ["app", "main"]

EXAMPLES = """
Examples:

  verifysmtp ann@example.org                what her mail server says

  SENDER=ann@example.org verifysmtp -n -t ~/.trackdir      in a recipe: exit code 1 when the
  sender cannot be verified; what was found is remembered in the directory, if there is one

  cp $(verifysmtp --recipes) /etc/courier/maildroprcs/     recipes that do so, for `include`

It asks the mail servers on port 25 and needs dnspython (`pip install 'couriermail-mta[verify]'`).

Exit codes: 0 all addresses are good; 1 one is not; 2 wrong arguments; 78 dnspython is missing.
"""

RECIPES = ("verifysender", "verifysenderfull")

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Mode(StrEnum):
    """What is remembered of an address."""

    full = "full"
    base = "base"


@app.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
def verifysmtp(
    addresses: Annotated[
        list[str] | None, typer.Argument(metavar="[ADDRESS]...", help="To be verified.")
    ] = None,
    quiet: Annotated[bool, typer.Option("-n", help="Nothing on standard error.")] = False,
    track: Annotated[
        str | None,
        typer.Option("-t", metavar="DIR", help="Verify $SENDER; what is known lies here."),
    ] = None,
    mode: Annotated[
        Mode, typer.Option("-m", help="With -t: remember the address, or its part before a `-`.")
    ] = Mode.base,
    config: Annotated[
        str | None, typer.Option("-C", "--config", metavar="DIR", help="Configuration directory.")
    ] = None,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="Show where the recipes for maildroprcs lie.")
    ] = False,
) -> None:
    """Ask the mail servers of addresses whether they take mail for them."""
    with reporting("verifysmtp"):
        if recipes:
            for path in _recipe_paths():
                typer.echo(path)
            raise typer.Exit(0)
        if quiet:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        probe = _probe(config)
        if track is not None:
            raise typer.Exit(_verify_sender(probe, track, is_full=mode is Mode.full))
        raise typer.Exit(_verify_all(probe, addresses or []))


def _recipe_paths() -> list[str]:
    """Recipes of `verifysender` and `verifysenderfull`, for the administrator to copy."""
    directory = os.path.join(os.path.dirname(__file__), "recipes")
    return [os.path.join(directory, name) for name in RECIPES]


def _probe(config: str | None) -> Probe:
    """The probe of the site, as the mail system's user."""
    from couriermail.mta.accounts import mail_identity
    from couriermail.mta.config import load_config
    from couriermail.mta.senderprobe import SenderProbe, require_dns
    from couriermail.mta.services import drop_privileges

    require_dns()
    loaded = load_config(find_places(config).config)
    drop_privileges(mail_identity(loaded))
    return SenderProbe(me=loaded.me)


def _verify_sender(probe: Probe, directory: str, *, is_full: bool) -> int:
    """Verify `$SENDER`, the author of the message that a recipe looks at."""
    from couriermail.filter.courierfilter import SenderVerifier, VerificationCache

    sender = os.environ.get("SENDER")
    if not sender:
        return 0
    cache = VerificationCache(directory) if os.path.isdir(directory) else None
    if cache is not None:
        cache.purge()
    finding = SenderVerifier(probe, cache, full=is_full).verify(sender)
    if finding.is_good:
        return 0
    typer.echo(finding.reply(sender))
    return 1


def _verify_all(probe: Probe, addresses: list[str]) -> int:
    from couriermail.filter.courierfilter import SenderVerifier

    verifier = SenderVerifier(probe)
    code = 0
    for place, address in enumerate(addresses):
        if place:
            typer.echo()
        finding = verifier.verify(address)
        code = code if finding.is_good else 1
        for line in _report(address, finding):
            typer.echo(line)
    return code


def _report(address: str, finding: Finding) -> list[str]:
    """What is printed about one address."""
    if finding.is_good:
        return [f"<{address}>: {finding.lines[-1] if finding.lines else 'Ok'}"]
    details = [f" >>> {finding.server}:"] if finding.server else []
    details += [f"    >>> {finding.command}"] if finding.command else []
    details += [f"    {line}" for line in finding.lines]
    return [f"<{address}>: verification failed", *details]


def main() -> None:
    """Run the command with `sys.argv` and exit."""
    sys.exit(app(prog_name="verifysmtp"))
