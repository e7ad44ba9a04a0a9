"""Dates of mail: lenient reading, fast writing.

No locale is used: RFC 5322 dates are English whatever the system speaks.
Source: RFC 5322 3.3 and 4.3, spec rfc822 4.6.
"""

from __future__ import annotations

from time import gmtime, localtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re

__all__ = ["format_date", "local_offset", "parse_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FULL_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LAST_YEAR = 9999
_FIRST_EPOCH, _LAST_EPOCH = -62135596800, 253402300799  # years 1 to 9999

# RFC 5322 4.3: the named zones; a military letter is taken as RFC 822 meant it.
_ZONES = {"ut": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6}
_ZONES |= {"pst": -8, "pdt": -7, "z": 0}
_ZONES |= {letter: -hours for hours, letter in enumerate("abcdefghiklm", 1)}
_ZONES |= {letter: hours for hours, letter in enumerate("nopqrstuvwxy", 1)}

_TWO_DIGITS = tuple(f"{number:02}" for number in range(62))
_MONTH_NUMBERS = {month.lower(): number for number, month in enumerate(_MONTHS, 1)}


def format_date(epoch: float, utc_offset: int = 0) -> str:
    """Writes a date for a header field, such as `Tue, 14 Nov 2023 17:13:20 -0500`.

    Args:
        epoch: seconds since 1970 in UTC; fractions are dropped.
        utc_offset: seconds east of UTC that the date is shown in.  An offset that is not
            whole minutes, or is a day or more, is shown as UTC instead.
    """
    if utc_offset % 60 or not -86400 < utc_offset < 86400:
        utc_offset = 0
    year, month, day, hour, minute, second, weekday, _, _ = gmtime(
        min(max(int(epoch // 1) + utc_offset, _FIRST_EPOCH), _LAST_EPOCH)
    )
    sign, minutes = ("+", utc_offset // 60) if utc_offset >= 0 else ("-", -utc_offset // 60)
    two = _TWO_DIGITS
    return (
        f"{_DAYS[weekday]}, {two[day]} {_MONTHS[month - 1]} {year:04} "
        f"{two[hour]}:{two[minute]}:{two[second]} {sign}{two[minutes // 60]}{two[minutes % 60]}"
    )


def local_offset(epoch: float) -> int:
    """Seconds east of UTC of the system's time zone at a time, for `format_date`."""
    return localtime(epoch).tm_gmtoff or 0


def parse_date(value: str | bytes) -> int | None:
    """Reads the date of a header field, as far as it can be understood.

    Weekday, comma, order of day and month, full month names, `D-Mon-YYYY`, two-digit years,
    leap seconds and comments around the zone are all accepted.

    Args:
        value: the value of a Date field.

    Returns:
        Seconds since 1970 in UTC (negative before), or None when it is no date.
    """
    text = value if isinstance(value, str) else value.decode("latin-1")
    scan = (_pattern or _compile()).finditer
    assert _usual is not None  # noqa: S101 - _compile sets it
    usual = _usual.match(text)
    if usual is not None:
        return _read_usual(usual)
    words = [(found.lastgroup or "", found[0]) for found in scan(text)]
    return _DateReader(words).read()


_pattern: re.Pattern[str] | None = None
_usual: re.Pattern[str] | None = None


def _compile() -> re.Pattern[str]:
    """Compiles on first use; writing dates does not need `re`."""
    global _pattern, _usual  # noqa: PLW0603 - compiled once per process
    import re

    _pattern = re.compile(
        r"(?P<time>[0-9]{1,9}:[0-9]{1,9}(?::[0-9]{1,9})?(?![:0-9]))"
        r"|(?P<digits>[0-9]++)|(?P<letters>[A-Za-z]++)|(?P<other>[^0-9A-Za-z \t\r\n]++)"
    )
    # RFC 5322 3.3, as nearly all dates are
    _usual = re.compile(
        r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?([0-9]{1,2}) "
        r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4}) "
        r"([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{4})(?![0-9])"
    )
    return _pattern


def _read_usual(found: re.Match[str]) -> int | None:
    """The same rules as `_DateReader`, without looking for the words."""
    day, year, hour, minute, second = map(int, found.group(1, 3, 4, 5, 6))
    month = _MONTH_NUMBERS[found[2].lower()]
    if not (1 <= day <= _days_in(month, year) and hour < 24 and minute < 60 and second <= 60):
        return None
    if year < 1:
        return None
    seconds = hour * 3600 + minute * 60 + min(second, 59)
    return _days_from_epoch(year, month, day) * 86400 + seconds - _numeric_zone(found[7], found[8])


class _DateReader:
    """Walks over the words of one date."""

    __slots__ = ("_words",)

    def __init__(self, words: list[tuple[str, str]]) -> None:
        self._words = words[::-1]  # taken from the end

    def read(self) -> int | None:
        day_and_month = self._read_day_and_month()
        if day_and_month is None:
            return None
        day, month = day_and_month
        year = self._read_year()
        if year is None or not 1 <= day <= _days_in(month, year):
            return None
        seconds = self._read_time()
        if seconds is None:
            return None
        days = _days_from_epoch(year, month, day)
        return days * 86400 + seconds - self._read_zone()

    def _read_day_and_month(self) -> tuple[int, int] | None:
        day = month = 0
        while not (day and month):
            if not self._words:
                return None
            kind, word = self._words.pop()
            if kind == "letters":
                found = _month_number(word)
                if found and month:
                    return None
                month = found or month
            elif kind == "digits":
                if day or len(word) > 9 or not int(word):
                    return None
                day = int(word)
            elif kind == "time":
                return None
        return day, month

    def _read_year(self) -> int | None:
        if self._words and self._words[-1] == ("other", "-"):  # `25-Feb-1997`
            self._words.pop()
        kind, word = self._words.pop() if self._words else ("", "")
        if kind != "digits" or len(word) > 5:
            return None
        year = int(word)
        if year < 70 and len(word) < 4:
            year += 2000
        elif year < 1000 and len(word) < 4:  # RFC 5322 4.3: three digits count from 1900
            year += 1900
        return year if 1 <= year <= _LAST_YEAR else None

    def _read_time(self) -> int | None:
        kind, word = self._words.pop() if self._words else ("", "")
        if kind != "time":
            return None
        hour, minute, second = (*map(int, word.split(":")), 0)[:3]
        if hour > 23 or minute > 59 or second > 60:
            return None
        return hour * 3600 + minute * 60 + min(second, 59)  # a leap second counts as the 59th

    def _read_zone(self) -> int:
        sign = ""
        while self._words:
            kind, word = self._words.pop()
            if kind == "letters":
                return _ZONES.get(word.lower(), 0) * 3600
            if kind == "digits":
                return _numeric_zone(sign, word)
            sign = word[-1]
        return 0


def _month_number(word: str) -> int:
    """1 to 12; 0 for a word that is no month, such as a weekday."""
    word = word.lower()
    for number, month in enumerate(_FULL_MONTHS, 1):
        if word.startswith(month[:3]) and month.startswith(word):
            return number
    return 0


def _numeric_zone(sign: str, digits: str) -> int:
    if len(digits) != 4:
        return 0
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:  # spec rfc822 4.6.4: nonsense is UTC
        return 0
    seconds = hours * 3600 + minutes * 60
    return -seconds if sign == "-" else seconds


def _days_in(month: int, year: int) -> int:
    if month == 2 and (year % 4 or (year % 100 == 0 and year % 400)):
        return 28
    return _MONTH_DAYS[month - 1]


def _days_from_epoch(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar (years counted from March)."""
    year -= month < 3
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return year * 365 + year // 4 - year // 100 + year // 400 + day_of_year - 719468
