"""`maildrop --check`, `--explain`, `--dry-run`, `--convert-old`: recipes, without a delivery.

Separate from the command that delivers, so that it loads none of this.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from couriermail.cli.errors import reporting, usage_errors_end_with
from couriermail.cli.layout import config_directory
from couriermail.cli.maildrop import Request, starting_variables
from couriermail.cli.maildrop_identity import TEMPORARY, become
from couriermail.cli.maildrop_progress import Progress
from couriermail.filter import (
    Decision,
    DryRunTotals,
    Finding,
    MessageSource,
    Recipe,
    Severity,
    check_recipe,
    compile_recipe,
    convert_old,
    dry_run,
)
from couriermail.filter.explaining import explain
from couriermail.filter.printable import printable

__all__ = ["APPS", "study"]

CLEAN, WARNINGS, ERRORS, UNREADABLE = 0, 1, os.EX_DATAERR, os.EX_NOINPUT

_CHECK_HELP = """
Exit codes: 0 nothing found; 1 warnings; 65 errors; 66 a recipe cannot be read.

\b
Examples:
  maildrop --check ~/.mailfilter
  maildrop --check --mailboxes --home ~ ~/.mailfilter
"""
_EXPLAIN_HELP = """
The message is read from standard input. Nothing is delivered, and no command is run.

Exit codes: 0 explained; 65 the recipe has a syntax error; 66 it cannot be read.

\b
Examples:
  maildrop --explain --home ~ ~/.mailfilter < message
  maildrop --explain --json ~/.mailfilter < message
"""
_DRY_RUN_HELP = """
MESSAGES is a maildir (with all its folders), an mbox file, one message, or a directory of
*.eml files. Nothing is delivered, and no command is run.

Exit codes: 0 done; 65 the recipe has a syntax error; 66 there are no messages, or no recipe;
75 some messages would be kept and tried again.

\b
Examples:
  maildrop --dry-run --home ~ ~/Maildir ~/.mailfilter
  maildrop --dry-run --totals archive.mbox ./new-recipe
  maildrop --dry-run --json ~/Maildir ./new-recipe
"""
_CONVERT_HELP = """
The new recipe is written to standard output. What could not be converted is listed on standard
error, and a comment in the new recipe names it.

Exit codes: 0 all was converted; 65 something was not; 66 the recipe cannot be read.

\b
Example:
  maildrop --convert-old ~/.mailfilter > new-recipe
"""

_RUN_COMMANDS = typer.Option(
    "--run-commands", help="Run `commands`, xfilter and system, but no deliveries."
)
_JSON = typer.Option("--json", help="Write JSON, for programs.")
_EMBEDDED = typer.Option("-m", help="The recipe judges only.")
_HOME = typer.Option(
    "--home", metavar="DIRECTORY", help="What $HOME is, and where relative paths start."
)
_SENDER = typer.Option("-f", metavar="ADDRESS", help="Envelope sender.")


def _app() -> typer.Typer:
    return typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
check_app, explain_app, dry_run_app, convert_app = _app(), _app(), _app(), _app()
APPS = {
    "--check": check_app,
    "--explain": explain_app,
    "--dry-run": dry_run_app,
    "--convert-old": convert_app,
}


def study(arguments: Sequence[str]) -> NoReturn:
    """Run the study that the first word names, and exit with its status."""
    word, *others = arguments
    if isinstance(sys.stdout, TextIOWrapper):  # signs that the locale lacks are escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    with reporting("maildrop"), usage_errors_end_with(TEMPORARY):
        try:
            APPS[word](others, prog_name=f"maildrop {word}")
        finally:
            sys.stdout.flush()
    sys.exit(0)


@check_app.command(epilog=_CHECK_HELP, context_settings=_HELP_NAMES)
def check(
    recipes: Annotated[list[str], typer.Argument(metavar="RECIPE...")],
    as_json: Annotated[bool, _JSON] = False,
    embedded: Annotated[bool, _EMBEDDED] = False,
    mailboxes: Annotated[
        bool, typer.Option("--mailboxes", help="Also look whether the mailboxes are there.")
    ] = False,
    home: Annotated[Path | None, _HOME] = None,
) -> None:
    """Look for mistakes in recipes, and in the files that they include."""
    found: list[Finding] = []
    for name in recipes:
        found += check_recipe(
            _read_recipe(name),
            name=name,
            embedded=embedded,
            home=home or Path.cwd(),
            variables={"HOME": _environment(name, home)["HOME"]},
            checks_mailboxes=mailboxes,
        )
    if as_json:
        _print_json([finding.as_json() for finding in found])
    else:
        for finding in found:
            print(finding.render())
    if any(finding.severity is Severity.ERROR for finding in found):
        sys.exit(ERRORS)
    sys.exit(WARNINGS if found else CLEAN)


@explain_app.command(epilog=_EXPLAIN_HELP, context_settings=_HELP_NAMES)
def explain_message(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE")],
    as_json: Annotated[bool, _JSON] = False,
    embedded: Annotated[bool, _EMBEDDED] = False,
    sender: Annotated[str | None, _SENDER] = None,
    run_commands: Annotated[bool, _RUN_COMMANDS] = False,
    home: Annotated[Path | None, _HOME] = None,
) -> None:
    """Show which line of a recipe matched what in the message on standard input."""
    text = _read_recipe(recipe)
    explanation = explain(
        _compiled(text, recipe, embedded=embedded),
        sys.stdin.buffer.read().replace(b"\r\n", b"\n"),
        source=text,
        home=home or Path.cwd(),
        env=_environment(recipe, home),
        imports=dict(os.environ),
        sender=sender,
        runs_commands=run_commands,
    )
    if as_json:
        _print_json(explanation.as_json())
    else:
        sys.stdout.write(explanation.render())


@dry_run_app.command(epilog=_DRY_RUN_HELP, context_settings=_HELP_NAMES)
def dry_run_messages(
    messages: Annotated[str, typer.Argument(metavar="MESSAGES")],
    recipe: Annotated[str, typer.Argument(metavar="RECIPE")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON, one line per message and one of totals.")
    ] = False,
    totals_only: Annotated[bool, typer.Option("--totals", help="Write the totals only.")] = False,
    embedded: Annotated[bool, _EMBEDDED] = False,
    run_commands: Annotated[bool, _RUN_COMMANDS] = False,
    home: Annotated[Path | None, _HOME] = None,
) -> None:
    """Show where each of many messages would go."""
    compiled = _compiled(_read_recipe(recipe), recipe, embedded=embedded)
    source, totals = MessageSource(messages), DryRunTotals()
    decisions = dry_run(
        compiled,
        source,
        home=home or Path.cwd(),
        env=_environment(recipe, home),
        imports=dict(os.environ),
        runs_commands=run_commands,
    )
    with Progress(source.weight) as progress:
        for decision in decisions:
            totals.add(decision)
            if not totals_only:
                progress.clear()
                _print_decision(decision, as_json=as_json)
            progress.advance(decision.weight)
    _print_totals(totals, as_json=as_json)
    sys.exit(TEMPORARY if totals.failed else 0)


@convert_app.command(epilog=_CONVERT_HELP, context_settings=_HELP_NAMES)
def convert(recipe: Annotated[str, typer.Argument(metavar="RECIPE")]) -> None:
    """Rewrite the patterns of a recipe of maildrop 1.x for today's language."""
    conversion = convert_old(_read_recipe(recipe), recipe)
    sys.stdout.buffer.write(conversion.text)
    for finding in conversion.findings:
        print(finding.render(), file=sys.stderr)
    sys.exit(ERRORS if conversion.findings else CLEAN)


def _read_recipe(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        print(f"maildrop: {name}: {error.strerror}", file=sys.stderr)
        sys.exit(UNREADABLE)


def _compiled(text: bytes, name: str, *, embedded: bool) -> Recipe:
    """The recipe, or the end of the command with its mistake shown as by --check."""
    from couriermail.filter import RecipeSyntaxError

    try:
        return compile_recipe(text, name=name, embedded=embedded)
    except RecipeSyntaxError:
        for finding in check_recipe(text, name=name, embedded=embedded):
            print(finding.render(), file=sys.stderr)
        sys.exit(ERRORS)


def _environment(recipe: str, home: Path | None) -> dict[str, str]:
    """The variables that the recipe would start with if `maildrop RECIPE` ran it now.

    Args:
        recipe: the recipe's file name.
        home: another HOME than the account's, or None.
    """
    identity = become(user=None, ids=None, config=config_directory())
    if home is not None:
        identity.home = str(home.absolute())
    request = Request()
    request.arguments = [recipe]
    variables = starting_variables(request, identity, recipe, [], None)
    return {os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()}


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=True, indent=2))


def _print_decision(decision: Decision, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(decision.as_json()))
        return
    label = printable(os.fsencode(decision.label))
    places = ", ".join(_shown(place) for place in decision.destinations)
    remark = f"  ({_shown(decision.error)})" if decision.error else ""
    if decision.unrun:
        remark += "  (depends on commands that were not run)"
    print(f"{label} -> {places}{remark}")


def _print_totals(totals: DryRunTotals, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"totals": totals.as_json()}))
        return
    print(f"\n{totals.messages} messages")
    for place, count in totals.ranked():
        print(f"{count:8}  {_shown(place)}")
    if totals.failed:
        print(f"{totals.failed} would be kept and tried again")
    if totals.uncertain:
        print(f"{totals.uncertain} depend on commands that were not run (--run-commands)")


def _shown(text: str) -> str:
    return printable(text.encode("utf-8", "surrogateescape"))
