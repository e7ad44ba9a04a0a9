"""The statements of one word and one value (spec filter 4.7)."""

from __future__ import annotations

from couriermail.filter.errors import OverQuotaError, RecipeRuntimeError, RecipeSyntaxError
from couriermail.filter.run import Finished
from couriermail.filter.values import exit_code, is_true, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from couriermail.filter.recipe import Recipe
    from couriermail.filter.run import Run

__all__ = ["ACTIONS"]


def _to(run: Run, value: bytes) -> None:
    _deliver(run, value, verb="to")
    _finish(run)


def _finish(run: Run) -> None:
    # An exception block traps the end of a delivery when EXITCODE, whoever set it, is not 0.
    raise Finished(is_trappable=exit_code(run.variables.get(b"EXITCODE", b"")) != 0)


def _cc(run: Run, value: bytes) -> None:
    try:
        _deliver(run, value, verb="cc")
    except OverQuotaError as error:
        if not is_true(run.variables.get(b"QUOTA_CC_WARNS", b"")):
            raise
        run.host.trace(b"maildrop: warning: %b: %b" % (bytes(value), error.reason.encode()))


def _deliver(run: Run, value: bytes, *, verb: str) -> None:
    try:
        run.deliver(value, verb=verb)
    except RecipeRuntimeError:
        run.log_failure(value)
        raise


def _echo(run: Run, value: bytes) -> None:
    run.host.echo(unescape(value))


def _log(run: Run, value: bytes) -> None:
    if run.has_log:
        run.host.write_log(unescape(value))


def _logfile(run: Run, value: bytes) -> None:
    try:
        run.host.open_log(bytes(value))
    except OSError:
        raise RecipeRuntimeError("Unable to create log file.") from None
    run.has_log = True


def _include(run: Run, value: bytes) -> None:
    name = value.decode("utf-8", "surrogateescape")
    if run.include_depth >= run.limits.include_depth:
        raise RecipeRuntimeError("Too many included files.")
    try:
        text = run.host.read_file(bytes(value))
    except OSError:
        raise RecipeRuntimeError("Unable to open include file.") from None
    embedded = run.embedded
    if embedded and run.lifts_restrictions(value):
        run.reset_variables()
        run.embedded = False
    database, run.database = run.database, None
    run.include_depth += 1
    try:
        _compiled(run, text, name).program(run)
    finally:
        run.embedded = embedded
        run.include_depth -= 1
        run.close_database()
        run.database = database


def _compiled(run: Run, text: bytes, name: str) -> Recipe:
    from couriermail.filter.recipe import compile_recipe

    try:
        return compile_recipe(text, name=name, embedded=run.embedded, on_token=run.token_trace())
    except RecipeSyntaxError as error:  # in an included file it is an error that can be trapped
        run.host.trace(error.classic.encode("utf-8", "surrogateescape"))
        raise RecipeRuntimeError(str(error)) from error


def _import(run: Run, value: bytes) -> None:
    run.import_variable(bytes(value))


def _unset(run: Run, value: bytes) -> None:
    run.unset(bytes(value))


def _xfilter(run: Run, value: bytes) -> None:
    run.transform(value)


def _system(run: Run, value: bytes) -> None:
    run.system(value)


ACTIONS: dict[str, Callable[[Run, bytes], None]] = {
    "cc": _cc,
    "echo": _echo,
    "import": _import,
    "include": _include,
    "log": _log,
    "logfile": _logfile,
    "system": _system,
    "to": _to,
    "unset": _unset,
    "xfilter": _xfilter,
}
