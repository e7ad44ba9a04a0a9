"""`maildirquota`: show the quota of maildirs, count them anew, choose what counts.

A well-formed command line is read here, without typer, because scripts run this command once
per account; `--help` loads the typer app.  Courier has no such command.
"""

from __future__ import annotations

import sys

from couriermail.cli.message_io import CommandError, run_filter, write_out
from couriermail.cli.option_words import take_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from couriermail.cli.maildrop_progress import Progress
    from couriermail.maildir.quota import Quota, Usage
    from couriermail.maildir.quotareport import QuotaRecount, QuotaReport

__all__ = ["OPTIONS_WITH_VALUE", "SWITCHES", "Request", "main", "read_command_line"]

USAGE = (
    "Usage: maildirquota [--recalculate] [--json] [--exclude FOLDER] [--include FOLDER] MAILDIR..."
)
SWITCHES = {"--recalculate": "recalculate", "--json": "as_json"}
_UNITS = 1000  # of the progress bar for a maildir
OPTIONS_WITH_VALUE = {"--exclude": "exclude", "--include": "include"}


class Request:
    """One command line, understood.

    Attributes:
        maildirs: the maildirs.
        recalculate: True for `--recalculate`.
        as_json: True for `--json`.
        exclude: folders that shall not count from now on.
        include: folders that shall.
    """

    __slots__ = ("as_json", "exclude", "include", "maildirs", "recalculate")

    def __init__(self) -> None:
        self.maildirs: list[str] = []
        self.recalculate = self.as_json = False
        self.exclude: list[str] = []
        self.include: list[str] = []


def read_command_line(words: Sequence[str]) -> Request:
    """Read the words after the command's name; options may stand between maildirs.

    Raises:
        CommandError: the usage, for a line that cannot be understood.
    """
    request = Request()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            request.maildirs += rest
            break
        if word in SWITCHES:
            setattr(request, SWITCHES[word], True)
        elif option := take_value(word, rest, letters={}, words=OPTIONS_WITH_VALUE):
            getattr(request, option[0]).append(option[1])
        elif word.startswith("-") and word != "-":
            raise CommandError(USAGE, on_stdout=True)
        else:
            request.maildirs.append(word)
    if not all(request.maildirs or [""]):
        raise CommandError(USAGE, on_stdout=True)
    return request


def run(request: Request) -> int:
    """Do what a command line asks for, maildir by maildir, and return the exit code.

    Returns:
        1 when one of them failed; its line was printed, and the others were done.
    """
    from couriermail.cli.maildrop_progress import Progress
    from couriermail.maildir.errors import InvalidNameError, MaildirError

    code = 0
    with Progress(len(request.maildirs) * _UNITS) as bar:
        for maildir in request.maildirs:
            try:
                _treat(maildir, request, bar)
            except InvalidNameError as error:
                _complain(bar, maildir, str(error))
                code = 1
            except MaildirError as error:
                _complain(bar, error.path or maildir, error.reason)
                code = 1
    return code


def main() -> None:
    """Run the command and exit."""
    words = sys.argv[1:]
    if "--help" in words:
        from couriermail.cli.maildirquota_app import app

        app(["--help"], prog_name="maildirquota")
    run_filter("maildirquota", lambda: run(read_command_line(words)))


def _treat(maildir: str, request: Request, bar: Progress) -> None:
    from couriermail.maildir.quotareport import recalculate_quota, report_quota
    from couriermail.maildir.quotarules import RULES_FILE, read_quota_rules

    if request.exclude or request.include:
        _change_rules(maildir, request)
    recount = None
    counted = 0  # of the units of this maildir
    if request.recalculate:
        recount = recalculate_quota(maildir)
        if recount is not None and not recount.is_exact:
            _complain(bar, maildir, "mail moved during every count; totals may be off by it")
        counted = _UNITS // 2
        bar.advance(counted)

    def show(done: int, folders: int) -> None:
        nonlocal counted
        share = _UNITS * done // folders
        bar.advance(max(share - counted, 0))
        counted = max(share, counted)

    report = report_quota(maildir, progress=show)
    bar.clear()
    file = f"{report.maildir}/{RULES_FILE}"
    read_quota_rules(report.maildir, lambda line: _complain(bar, file, f"no folder: {line!r}"))
    text = _json(report, recount) if request.as_json else _lines(report, recount)
    write_out(text.encode("utf-8", "surrogateescape"))


def _change_rules(maildir: str, request: Request) -> None:
    from couriermail.maildir.maildir import Maildir
    from couriermail.maildir.quotarules import QuotaRules

    box = Maildir.open(maildir)
    rules = box.quota_rules
    added, taken = QuotaRules(request.exclude), QuotaRules(request.include)
    excluded = (rules.excluded | added.excluded) - taken.excluded
    changed = QuotaRules(excluded, trash_counts=rules.trash_counts)
    if changed != rules:
        box.set_quota_rules(changed)


def _lines(report: QuotaReport, recount: QuotaRecount | None) -> str:
    """Five columns a line, with tabs between: maildir, what, octets, messages, remark."""
    rows: list[tuple[object, ...]] = [
        (each.name, each.usage.size, each.usage.messages, "" if each.is_counted else "excluded")
        for each in report.folders
    ]
    quota = report.quota
    rows.append(("counted", report.counted.size, report.counted.messages, _share(report)))
    if quota is None or report.recorded is None:
        rows.append(("quota", "-", "-", "none"))
    else:
        if recount is not None:
            rows.append(("before", recount.before.size, recount.before.messages, ""))
        recorded = report.recorded
        rows.append(("recorded", recorded.size, recorded.messages, f"{quota.percent(recorded)}%"))
        rows.append(("quota", quota.size or "-", quota.messages or "-", ""))
    return "".join("\t".join(map(_column, (report.maildir, *row))) + "\n" for row in rows)


def _share(report: QuotaReport) -> str:
    return "" if report.quota is None else f"{report.percent}%"


def _column(value: object) -> str:
    """A cell without anything that ends a cell or a line."""
    return "".join(
        f"\\{ord(char):03o}" if char < " " or char == "\x7f" else char for char in str(value)
    )


def _json(report: QuotaReport, recount: QuotaRecount | None) -> str:
    """One object on one line."""
    import json

    document: dict[str, object] = {
        "maildir": report.maildir,
        "quota": _pair(report.quota),
        "recorded": _pair(report.recorded),
        "counted": _pair(report.counted),
        "percent": report.percent,
        "folders": [
            {"name": each.name, **(_pair(each.usage) or {}), "counts": each.is_counted}
            for each in report.folders
        ],
    }
    if recount is not None:
        document |= {"before": _pair(recount.before), "is_exact": recount.is_exact}
    return json.dumps(document, ensure_ascii=False) + "\n"


def _pair(value: Quota | Usage | None) -> dict[str, int] | None:
    return None if value is None else {"size": value.size, "messages": value.messages}


def _complain(bar: Progress, what: str, reason: str) -> None:
    bar.clear()
    sys.stderr.write(f"maildirquota: {what}: {reason}\n")


if __name__ == "__main__":
    main()
