"""Options with values among the words of a command line, for commands that read by table.

The loops around it differ on purpose: Courier's commands disagree about what ends the options,
whether letters may stand together and which values may be missing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["take_value"]


def take_value(
    word: str, rest: list[str], *, letters: Mapping[str, str], words: Mapping[str, str]
) -> tuple[str, str] | None:
    """The name and value of an option; the value is taken from `rest` where it is the next word.

    Args:
        word: the option: `-xVALUE`, `-x` or `--word`.
        rest: the words behind it.
        letters: names of the options of one letter, by `-x`.
        words: names of the long options, by `--word`; their value is always the next word.

    Returns:
        None for a word that is no such option, or whose value is missing.
    """
    name = words.get(word) or letters.get(word[:2])
    if name is None:
        return None
    glued = "" if word in words else word[2:]
    if not glued and not rest:
        return None
    return name, glued or rest.pop(0)
