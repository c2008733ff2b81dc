"""Reads the form of the page Replay: whom and what it is narrowed to, and its two moments; each wrong value is told, none is dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from application.lookups import as_uuid
from infrastructure.past.holders import Asked
from infrastructure.past.moments import Connection, Moment, moment_at, moment_of
from infrastructure.past.named import named_at
from projections.members.queries import find_members, member_by_email
from web.pages import context
from web.pages.people import row_of

_LONGEST: Final = 320
_SHOWN: Final = 60
_READ: Final = 500
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What the comparison is narrowed to. `person` keeps those whose name holds it; `words` say it after “No app could do anything”."""

    asked: Asked
    person: str
    words: str
    given: dict[str, str]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fields:
    """The names of one moment's fields; `instead` says what stands for it where it is wrong."""

    date: str
    time: str
    was: str
    position: str
    instead: str


FROM: Final = Fields("date", "time", "was", "position", "so this is now")
UNTIL: Final = Fields("until_date", "until_time", "until_was", "until", "so it is compared with now")


def narrowed(conn: Connection, args: Mapping[str, str], *moments: Moment) -> Narrowed:
    """A person by member id, whole e-mail address or part of a name; a project by id or name, as of either moment."""
    given = {name: args.get(name, "").strip()[:_LONGEST] for name in ("user", "project", "changes")}
    member_id, whom, unknown = _whom(conn, given["user"])
    problems, where = [unknown] if unknown else [], ""
    if given["project"]:
        named, quoted = named_at(context.past(conn), context.account(), *moments), _quoted(given["project"])
        project = named.project(given["project"])
        if project is None:
            problems.append(named.no_project(quoted, given["project"]))
        given["project"] = project or given["project"]
        where = f" in {next(iter(named.names(project)), quoted) if project else quoted}"
    return Narrowed(
        asked=Asked(member_id=member_id, project_id=given["project"] or None), person="" if member_id else given["user"], words=f"for {whom}{where}",
        given={name: value for name, value in given.items() if value}, problems=tuple(problems),
    )  # fmt: skip


def _whom(conn: Connection, typed: str) -> tuple[str | None, str, str]:
    """The member's id if one was named, how to call who was meant, and what is wrong."""
    account_id, wanted = context.account_id(), as_uuid(typed) if typed else None
    if not typed:
        return None, "anybody", ""
    if wanted is not None:
        row = row_of(conn, account_id, str(wanted))
        return str(wanted), (row and (row.name or row.email)) or "this member", "" if row else f"There is no member {_quoted(typed)} in this account."
    row = member_by_email(conn, account_id, typed) if "@" in typed else None
    if row is not None:
        return row.member_id, row.name or typed, ""
    part = typed.casefold()
    if any(part in (found.name or "").casefold() for found in find_members(conn, account_id, text=typed, limit=_READ)):
        return None, f"anybody whose name holds {_quoted(typed)}", ""
    if "@" in typed:
        return None, "them", f"Nobody here has the email address {_quoted(typed)}: type the whole address, part of a name, or a member ID."
    return None, "them", f"Nobody's name holds {_quoted(typed)}: type part of a name, a whole email address, or a member ID."


def _quoted(typed: str) -> str:
    return f"“{typed[:_SHOWN]}”"


# ---- the moments


def timed(args: Mapping[str, str]) -> bool:
    """Whether a date or a time is given for either moment."""
    return any(args.get(name) for fields in (FROM, UNTIL) for name in (fields.date, fields.time))


def position(conn: Connection, args: Mapping[str, str], fields: Fields, now: Moment) -> tuple[str, str]:
    """The position at a date and time, or the one that was given instead of them; and what was wrong.

    `was` is the position that the form showed in whole seconds: if its date and time weren't changed, it stays.
    """
    given = args.get(fields.position, "")[:_LONGEST]
    day, hour = args.get(fields.date, ""), args.get(fields.time, "")
    if not day:
        return given, f"The time {_quoted(hour)} has no date, so it was left out: give a date with it." if hour else ""
    try:
        on = date.fromisoformat(day)
    except ValueError:
        return "", f"{_quoted(day)} is no date, {fields.instead}. Write it as 2026-11-24."
    try:
        at = time.fromisoformat(hour or "00:00")
    except ValueError:
        at = time(tzinfo=UTC)
    if at.tzinfo is not None:
        return "", f"{_quoted(hour)} is no time, {fields.instead}. Write it as 15:00, in UTC."
    wanted = datetime.combine(on, at, UTC)
    text = args.get(fields.was, "")
    shown = moment_of(conn, int(text)) if is_position(text) else None
    if shown is not None and shown.at.replace(microsecond=0) == wanted:
        return text, ""
    if wanted > now.at:
        return "", f"This is still to come: {wanted:%Y-%m-%d %H:%M} UTC, {fields.instead}."
    return str(moment_at(conn, wanted).position), ""


def moment(conn: Connection, text: str, now: Moment, fields: Fields) -> tuple[Moment, str]:
    """The moment after an event, or the nearest there is, and what was wrong."""
    if not text:
        return now, ""
    if not is_position(text):
        return now, f"{_quoted(text)} is no event's number, {fields.instead}."
    number = int(text)
    if number == now.position:
        return now, ""
    if number > now.position:
        return now, f"There is no event {number:,} yet, {fields.instead}."
    found = moment_of(conn, number)
    return (
        (found, "")
        if found is not None
        else (moment_of(conn, 1) or now, "Nothing had been recorded before event 1, so this is the first moment there is.")
    )


def is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
