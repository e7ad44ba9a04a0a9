"""What the rewriting of a pattern gives (`couriermail.filter.pcre`)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from couriermail.filter.chains import Chain

__all__ = ["Translation"]


class Translation:
    """A rewritten pattern.

    Attributes:
        source: the pattern in the syntax of `regex` VERSION1.
        is_block_safe: True when it may search many lines at once.
        needs_text: True when it cannot be compiled for byte subjects.
        required: literals that every match contains, as written.
        chain: the whole pattern when it is literals joined by `.*`; None for other patterns.
    """

    __slots__ = ("chain", "is_block_safe", "needs_text", "required", "source")

    def __init__(
        self,
        source: str,
        *,
        is_block_safe: bool,
        needs_text: bool,
        required: tuple[str, ...],
        chain: Chain | None,
    ) -> None:
        self.source = source
        self.is_block_safe = is_block_safe
        self.needs_text = needs_text
        self.required = required
        self.chain = chain
