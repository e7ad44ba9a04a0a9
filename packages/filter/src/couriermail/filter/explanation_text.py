"""An explanation as text for people."""

from __future__ import annotations

from couriermail.filter.printable import printable, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from couriermail.filter.explaining import Explanation, Step

__all__ = ["render_explanation"]

WIDTH = 76
"""Characters of a value that are shown."""

_MAX_SHOWN_MATCHES = 5


def render_explanation(explanation: Explanation) -> str:
    """One paragraph per line of the recipe that did something, then the outcome."""
    lines = [*_step_lines(explanation)]
    if not explanation.is_complete:
        lines.append("... and more steps, which are not kept")
    lines.append("")
    lines += _outcome_lines(explanation)
    return "\n".join(lines) + "\n"


def _step_lines(explanation: Explanation) -> Iterator[str]:
    split = {name: text.split(b"\n") for name, text in explanation.sources.items()}
    shown: tuple[str, int] = ("", 0)
    for step in explanation.steps:
        place = (step.file, step.line)
        if place != shown:
            shown = place
            yield _heading(step, split.get(step.file, []))
        yield from (f"      {line}" for line in _words(step))


def _heading(step: Step, lines: list[bytes]) -> str:
    if not step.line:
        return "(no statement)"
    source = lines[step.line - 1] if step.line <= len(lines) else b""
    text = shortened(printable(source.strip()), WIDTH)
    file = printable(step.file.encode("utf-8", "surrogateescape"))
    return f"{file}:{step.line}:{step.column}:  {text}"


def _words(step: Step) -> Iterator[str]:
    """What is said of one step."""
    value = _shown(step.value)
    subject = shortened(printable(step.subject), WIDTH)
    if step.kind == "search":
        yield from _search_words(step)
    elif step.kind == "condition":
        yield f"{subject}: {value}, so {'yes' if step.is_true else 'no'}"
    elif step.kind == "value":
        yield f"{subject} = {value}"
    elif step.kind == "delivery":
        yield f"{subject}: delivered to {value}"
    elif step.kind == "exit":
        yield "exit: the recipe ends"
    elif step.kind == "trap":
        yield f"exception: goes on after: {value}"
    elif step.kind == "error":
        yield f"error: {value}"
    else:
        yield f"{subject} {value}"


def _search_words(step: Step) -> Iterator[str]:
    pattern = shortened(printable(step.subject), WIDTH)
    if not step.captures:
        looked = f" in {_shown(step.seen)}" if step.seen else ""
        yield f"/{pattern}/ found nothing{looked}"
        return
    yield f"/{pattern}/ matched in {_shown(step.seen)}"
    for match in step.captures[:_MAX_SHOWN_MATCHES]:
        for number, text in enumerate(match):
            yield f"   MATCH{number or ''} = {_shown(text)}"
    if len(step.captures) > _MAX_SHOWN_MATCHES:
        yield f"   and {len(step.captures) - _MAX_SHOWN_MATCHES} more matches"
    if step.value != b"1":
        yield f"   value {_shown(step.value)}"


def _outcome_lines(explanation: Explanation) -> Iterator[str]:
    for delivery in explanation.deliveries:
        yield f"{delivery.verb}: {_shown(delivery.target)} ({delivery.kind})"
    if explanation.error:
        yield f"The message is kept and tried again: {_words_of(explanation.error)}"
    elif not explanation.deliveries:
        yield "The message is delivered nowhere."
    for command in explanation.unrun:
        yield f"Not run, though its result may matter: {_shown(command)}"
    yield from (f"Complaint: {printable(line)}" for line in explanation.complaints if line)
    yield f"Exit code {explanation.exit_code}."


def _words_of(error: str) -> str:
    return printable(error.encode("utf-8", "surrogateescape"))


def _shown(text: bytes) -> str:
    return f'"{shortened(printable(text), WIDTH)}"'
