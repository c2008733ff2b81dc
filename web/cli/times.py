"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from infrastructure.past.moments import Connection, Moment

_AGO = re.compile(r"(\d{1,6})([smhdw])\Z")
_POSITIONS = {"time": "position", "until": "until_position"}
"""What takes an event's number instead of a parameter's time, where a command has it."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class PointInTime(click.ParamType[datetime]):
    """`2026-11-24`, `2026-11-24T15:00Z`, or `7d` for seven days ago; without a zone it is UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from infrastructure.clock import now

        if isinstance(value, datetime):
            return value
        ago = _AGO.match(value.strip())
        if ago:
            try:
                return now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            except OverflowError:
                self.fail(f"{value!r} is before the year 1: give a later time.", param, ctx)
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-11-24, 2026-11-24T15:00Z or 7d.{_by_number(value.strip(), param, ctx)}", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


def _by_number(value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
    """How to say it, if the number of an event was meant."""
    if param is None or ctx is None or not value.isdecimal():
        return ""
    flag = next((each.opts[0] for each in ctx.command.params if each.name == _POSITIONS.get(param.name or "")), None)
    return f" Right after event {value} is {flag} {value}." if flag else ""


def moment_given(connection: Connection, time: datetime | None, position: int | None) -> Moment:
    """What had happened by a time, or right after a position where there is one; `NotFound` if no such event is there yet."""
    from domain.errors import InvalidInput, NotFound
    from infrastructure.clock import now
    from infrastructure.past.moments import is_to_come, moment_at, moment_of
    from web.asking import TO_COME

    if position is None:
        assert time is not None
        if is_to_come(time, now()):
            raise InvalidInput(TO_COME)
        return moment_at(connection, time)
    found = moment_of(connection, position)
    if found is None:
        raise NotFound(f"There is no event {position} yet.")
    return found


def begin(connection: Connection) -> datetime | None:
    """When the record begins; None if nothing was recorded yet."""
    from infrastructure.past.moments import moment_of

    first = moment_of(connection, 1)
    return None if first is None else first.at


def nothing_by(moment: Moment, begins: datetime | None) -> str:
    """What to say of a moment before the first event of all."""
    told = "" if begins is None else f": the record begins at {begins:%Y-%m-%d %H:%M:%S} UTC"
    return f"Nothing had been recorded by {moment.at:%Y-%m-%d %H:%M:%S} UTC{told}."
