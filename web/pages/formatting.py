"""How times, numbers and durations are written on the pages: pure functions that become Jinja filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY
_UNITS = (("day", _DAY), ("hour", _HOUR), ("minute", _MINUTE), ("second", 1))


def machine_time(moment: datetime) -> str:
    """The value of a `datetime` attribute: UTC, whole seconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def absolute(moment: datetime) -> str:
    """`24 November 2026, 12:51:08 UTC`"""
    moment = moment.astimezone(UTC)
    return f"{long_date(moment)}, {moment:%H:%M:%S} UTC"


def to_the_millisecond(moment: datetime) -> str:
    """`24 November 2026, 12:51:08.412 UTC`"""
    moment = moment.astimezone(UTC)
    return f"{long_date(moment)}, {moment:%H:%M:%S}.{moment.microsecond // 1000:03d} UTC"


def long_date(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.day} {MONTHS[moment.month - 1]} {moment.year}"


def short_date(moment: datetime) -> str:
    moment = moment.astimezone(UTC)
    return f"{moment.day} {MONTHS[moment.month - 1][:3]} {moment.year}"


def relative(moment: datetime, now: datetime) -> str:
    """Under seven days how long ago, then the date; `static/time.js` uses the same words."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    past = (now - moment).total_seconds()
    if past < _MINUTE:
        return f"{max(1, int(past))} s ago"
    if past < _HOUR:
        return f"{int(past // _MINUTE)} min ago"
    days = (now.date() - moment.date()).days
    if past < 12 * _HOUR or days == 0:
        return f"{int(past // _HOUR)} h ago"
    if days == 1:
        return "yesterday"
    return f"{days} days ago" if days < 7 else short_date(moment)


def left(moment: datetime, now: datetime) -> str:
    """The time until then: `in 6 d 23 h`, `in 8 h 35 min`, `ended`."""
    seconds = (moment - now).total_seconds()
    if seconds <= 0:
        return "ended"
    days, rest = divmod(int(seconds), _DAY)
    hours, minutes = rest // _HOUR, rest % _HOUR // _MINUTE
    if days:
        return f"in {days} d {hours} h" if hours else f"in {days} d"
    if hours:
        return f"in {hours} h {minutes} min" if minutes else f"in {hours} h"
    return f"in {minutes} min" if minutes else f"in {max(1, int(seconds))} s"


def ago(seconds: float) -> str:
    """The age in a lag line: `0.2 s ago`, `14 s ago`, `6 min ago`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s ago"
    if seconds < _MINUTE:
        return f"{int(seconds)} s ago"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min ago"
    return f"{number(int(seconds // _HOUR))} h ago" if seconds < _YEAR else "long ago"


def number(value: int) -> str:
    return f"{value:,}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """`1 session`, `31 sessions`, `23 people`"""
    return f"{number(count)} {noun if count == 1 else plural or noun + 's'}"


def duration(value: timedelta | float) -> str:
    """A length in words, at most two units: `7 days`, `90 seconds` as `1 minute 30 seconds`."""
    seconds = int(value.total_seconds() if isinstance(value, timedelta) else value)
    words: list[str] = []
    for name, size in _UNITS:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(counted(count, name))
    return " ".join(words[:2]) or "0 seconds"


def listed(words: tuple[str, ...] | list[str]) -> str:
    """`a`, `a and b`, `a, b and c`"""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(words: str) -> str:
    """The same words with a capital first letter."""
    return words[:1].upper() + words[1:]


def share(moment: datetime, start: datetime, end: datetime) -> float:
    """How much of the way from start to end is still left at that moment, 0 to 1."""
    whole = (end - start).total_seconds()
    return 0.0 if whole <= 0 else min(1.0, max(0.0, (end - moment).total_seconds() / whole))
