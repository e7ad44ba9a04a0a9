"""The errors of the mail system: one base, and few precise ones below it."""

from __future__ import annotations

from couriermail.core import ConfigError, CouriermailError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AliasError", "AliasErrors", "ConfigErrors", "MtaConfigError", "MtaError"]


class MtaError(CouriermailError):
    """Base of every error that the mail system raises."""


class MtaConfigError(MtaError, ConfigError):
    """One thing wrong in one configuration file, with its place."""


class ConfigErrors(MtaError, ConfigError):  # noqa: N818 - named after what it holds
    """Everything that one reading of the configuration found wrong, reported together.

    Attributes:
        errors: the single problems, in the order in which the files were read.
    """

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))


class AliasError(MtaConfigError):
    """A line of an alias source that cannot be used (spec mta 5.1)."""

    exit_code = 1


class AliasErrors(ConfigErrors):
    """All problems of an alias source; nothing was built and the old table stays."""

    exit_code = 1
