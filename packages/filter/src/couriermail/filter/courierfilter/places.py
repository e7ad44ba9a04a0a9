"""Where global filters find their configuration and their sockets (spec filter 3.1, 3.7).

CONFIG/filters/NAME-mode        `all`: the filter sees mail for whitelisted recipients too
CONFIG/filters/NAME-setting     one setting, the first line of a file
CONFIG/filters/active/NAME      link to the program of a filter that is switched on
STATE/filters/NAME              socket; 0660, the mail system's user and group
STATE/allfilters/NAME           the same, of filters whose mode is `all`
"""

from __future__ import annotations

import os

import attrs

from couriermail.filter.courierfilter.errors import FilterConfigError

__all__ = ["FilterPlaces"]


@attrs.frozen
class FilterPlaces:
    """The directories of one mail system's filters.

    Attributes:
        config: the configuration directory, such as `/etc/courier`.
        state: the state directory, such as `/var/lib/courier`.
    """

    config: str
    state: str

    @property
    def settings(self) -> str:
        """Directory of the filters' settings."""
        return f"{self.config}/filters"

    @property
    def active(self) -> str:
        """Directory of the links that switch filters on."""
        return f"{self.settings}/active"

    @property
    def sockets(self) -> str:
        """Sockets of filters for mail that is not whitelisted."""
        return f"{self.state}/filters"

    @property
    def all_sockets(self) -> str:
        """Sockets of filters for all mail."""
        return f"{self.state}/allfilters"

    def first_line(self, name: str) -> str | None:
        """The first line of a settings file, without blanks around it; None if it is not there.

        Raises:
            FilterConfigError: it cannot be read.
        """
        path = f"{self.settings}/{name}"
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                return file.readline(MAX_LINE).strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FilterConfigError(f"cannot be read: {error.strerror}", path=path) from error

    def number(self, name: str, default: int, *, minimum: int = 0) -> int:
        """A settings file's number.

        Raises:
            FilterConfigError: it holds something else.
        """
        line = self.first_line(name)
        if not line:
            return default
        if not (line.isascii() and line.isdigit() and len(line) < 10):
            raise FilterConfigError("holds no number", path=f"{self.settings}/{name}")
        return max(minimum, int(line))

    def words(self, name: str) -> frozenset[str]:
        """A settings file's words: all of its lines, `#` begins a comment.

        Raises:
            FilterConfigError: it cannot be read.
        """
        path = f"{self.settings}/{name}"
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = [line.partition("#")[0] for line in file]
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise FilterConfigError(f"cannot be read: {error.strerror}", path=path) from error
        return frozenset(" ".join(lines).split())

    def socket(self, name: str) -> str:
        """Where a filter listens, as its `NAME-mode` says."""
        return f"{self._directories(name)[0]}/{name}"

    def other_socket(self, name: str) -> str:
        """Where it would listen in the other mode; nothing may be left there."""
        return f"{self._directories(name)[1]}/{name}"

    def _directories(self, name: str) -> tuple[str, str]:
        if self.first_line(f"{name}-mode") == "all":
            return self.all_sockets, self.sockets
        return self.sockets, self.all_sockets

    def active_names(self) -> list[str]:
        """The filters that are switched on, in the order of their names' octets."""
        return _names(self.active)

    def socket_paths(self, *, everybody: bool) -> list[str]:
        """Whom to ask, in order (spec filter 4.19).

        Args:
            everybody: also the filters that leave whitelisted mail alone.
        """
        directories = (self.sockets, self.all_sockets) if everybody else (self.all_sockets,)
        return [f"{path}/{name}" for path in directories for name in _names(path)]


MAX_LINE = 4096


def _names(directory: str) -> list[str]:
    """Entries that do not begin with a dot; none where there is no directory.

    Raises:
        FilterConfigError: the directory cannot be read.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise FilterConfigError(f"cannot be read: {error.strerror}", path=directory) from error
    return sorted((name for name in names if not name.startswith(".")), key=os.fsencode)
