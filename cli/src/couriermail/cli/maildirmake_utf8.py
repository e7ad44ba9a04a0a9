"""`maildirmake --checkutf8` and `--convutf8`: folder names from modified UTF-7 to UTF-8."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.maildir.conversion import Conversion

__all__ = ["convert_names"]


def convert_names(maildir: str, mailfilter: str | None, *, check_only: bool) -> bool:
    """Say what a conversion changes, and convert unless this is a check (spec maildir 4.5).

    Courier: a second run fails, or takes names in UTF-8 for modified UTF-7 and garbles them;
    ours leaves alone what was converted before.

    Returns:
        False when a folder could not be renamed; the line that says so was printed.

    Raises:
        MaildirError: a name or the mail filter cannot be converted; nothing was changed.
    """
    from couriermail.maildir.conversion import plan_conversion

    sys.stdout.write(f"Checking {maildir}:\n")
    plan = plan_conversion(maildir, mailfilter)
    _announce(plan)
    if plan.is_converted and not (plan.subscriptions or plan.filters):
        sys.stdout.write(f"Already converted: {maildir}\n")
        return True
    failed = [] if check_only else plan.apply()
    for failure in failed:
        change = failure.change
        sys.stderr.write(f"FATAL ERROR RENAMING {change.old} to {change.new}: {failure.reason}\n")
    for path in (f"{maildir}/courierimapsubscribed", plan.mailfilter):
        if path is not None and os.path.exists(path):
            sys.stdout.write(f"{'Verified' if check_only else 'Updating'} {path}\n")
    return not failed


def _announce(plan: Conversion) -> None:
    lines = [f"Mail filter to {change.old} updated to {change.new}" for change in plan.filters]
    lines += (
        f"Subscription to {change.old} changed to {change.new}" for change in plan.subscriptions
    )
    lines += (f"Rename {change.old} to {change.new}" for change in plan.folders)
    sys.stdout.writelines(f"{line}\n" for line in lines)
