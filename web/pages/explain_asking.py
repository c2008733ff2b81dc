"""Reads the form of the page that explains an answer: names looked up, the moment found, each wrong value told at its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

from application.lookups import as_uuid, client_of
from domain.errors import InvalidInput, NotFound
from infrastructure.past.moments import Connection, Moment, head, moment_at, moment_of
from infrastructure.past.named import Named, named_at
from infrastructure.past.questions import Asking
from projections.integrations.queries import integration
from projections.members.queries import find_members
from projections.sessions.queries import list_sessions
from web.pages import context
from web.pages.formatting import counted
from web.pages.people import matching, row_of

FIELDS: Final = ("user", "client", "scope", "project", "position", "at", "date", "time")
_LONGEST: Final = 320
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}")  # RFC 6749, appendix A.4
_READ: Final = 50
_SHOWN: Final = 60
_DIGITS: Final = 18
TFound = TypeVar("TFound")


@dataclass(frozen=True, slots=True)
class Read:
    """What the fields mean, what is wrong with them by field, and the query that keeps its meaning: ids, and a position or a whole time."""

    asking: Asking | None
    errors: dict[str, str]
    query: dict[str, str]


def given(args: Mapping[str, str]) -> dict[str, str]:
    """The fields that hold something."""
    found = {name: args.get(name, "").strip()[:_LONGEST] for name in FIELDS}
    return {name: value for name, value in found.items() if value}


def read(conn: Connection, fields: Mapping[str, str]) -> Read:
    """The question that the fields ask; None with an error at each field that is missing or wrong."""
    errors: dict[str, str] = {}

    def found(look_up: Callable[[], TFound]) -> TFound | None:
        try:
            return look_up()
        except InvalidInput as error:
            errors[error.field or "user"] = error.message
            return None

    now = Moment(head(conn), context.services().clock())
    member_id = found(lambda: _member(conn, fields.get("user", "")))
    client = found(lambda: _client(fields.get("client", "")))
    moment = found(lambda: _moment(conn, fields, now))
    named = named_at(context.past(conn), context.account(), moment or now)
    scope = found(lambda: _scope(fields.get("scope", ""), named))
    project = found(lambda: _project(fields.get("project", ""), named))
    if errors or member_id is None or client is None or moment is None:
        return Read(None, errors, {})
    where = {"at": f"{moment.at:%Y-%m-%dT%H:%M:%SZ}"} if "date" in fields else {name: fields[name] for name in ("position", "at") if name in fields}
    query = {"user": member_id, "client": fields["client"], "scope": fields["scope"], **({"project": project} if project else {}), **where}
    stream = _registration(conn, member_id, client, moment)
    return Read(Asking(now=now, moment=moment, client_stream=stream, member_id=member_id, scope=scope, project_id=project), {}, query)


def _member(conn: Connection, typed: str) -> str:
    if not typed:
        raise InvalidInput("Say who: a name, an email address or a member ID.", field="user")
    member_id = as_uuid(typed)
    if member_id is not None:
        if row_of(conn, context.account_id(), str(member_id)) is None:
            raise InvalidInput("There is no such member in this account.", field="user")
        return str(member_id)
    rows = matching(find_members(conn, context.account_id(), text=typed, limit=_READ), typed)
    if not rows:
        raise InvalidInput(f"Nobody here is called “{typed}”. Somebody who was erased is asked for by member ID.", field="user")
    if len(rows) > 1:
        raise InvalidInput(f"“{typed}” finds {counted(len(rows), 'person', 'people')}: type the whole email address.", field="user")
    return rows[0].member_id


def _client(chosen: str) -> str:
    if not chosen:
        raise InvalidInput("Choose an app.", field="client")
    try:
        return str(client_of(context.services(), context.account_id(), chosen).id)
    except NotFound as error:
        raise InvalidInput(error.message, field="client") from error


def _scope(chosen: str, named: Named) -> str:
    if not chosen:
        raise InvalidInput("Choose what the app wanted to do.", field="scope")
    if not _SCOPE.fullmatch(chosen):
        raise InvalidInput("This is no scope: a scope has no spaces, quotes or backslashes.", field="scope")
    if chosen not in named.scope_codes:
        raise InvalidInput(named.no_scope(f"“{chosen[:_SHOWN]}”"), field="scope")
    return chosen


def _project(chosen: str, named: Named) -> str | None:
    """A project by id, or by its name at the moment or today."""
    found = named.project(chosen) if chosen else None
    if chosen and found is None:
        raise InvalidInput(named.no_project(f"“{chosen[:_SHOWN]}”", chosen), field="project")
    return found


def _moment(conn: Connection, fields: Mapping[str, str], now: Moment) -> Moment:
    """Right after an event, at a time, or now."""
    date, time, at, position = (fields.get(name, "") for name in ("date", "time", "at", "position"))
    if position and (date or time or at):
        raise InvalidInput("Give an event or a time, not both: empty the other.", field="position")
    if position:
        return _after(conn, position)
    if time and not date:
        raise InvalidInput("Give a date with the time.", field="date")
    if not date and not at:
        return now
    return _by_time(conn, f"{date}T{time or '00:00'}Z" if date else at, now)


def _after(conn: Connection, position: str) -> Moment:
    digits = position.replace(",", "")
    if not digits.isascii() or not digits.isdigit() or int(digits[:_DIGITS]) == 0:
        raise InvalidInput("This is no event's number: they begin with 1.", field="position")
    found = moment_of(conn, int(digits)) if len(digits) <= _DIGITS else None
    if found is None:
        raise InvalidInput(f"There is no event {position} yet; the last one is {head(conn):,}.", field="position")
    return found


def _by_time(conn: Connection, text: str, now: Moment) -> Moment:
    try:
        wanted = datetime.fromisoformat(text)
        wanted = wanted.replace(tzinfo=UTC) if wanted.tzinfo is None else wanted.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("This is no date and time: write them as 2026-11-24 and 15:00.", field="date") from None
    if wanted > now.at:
        raise InvalidInput("This is still to come: ask about a time that has passed.", field="date")
    found = moment_at(conn, wanted)
    if found.position == 0:
        first = moment_of(conn, 1)
        begins = f" It begins on {first.at:%Y-%m-%d} at {first.at:%H:%M:%S} UTC." if first else ""
        raise InvalidInput(f"The record had not begun by then.{begins}", field="date")
    return found


def _registration(conn: Connection, member_id: str, client_stream: str, moment: Moment) -> str:
    """Of an app that registered more than once, the registration that the person had a session with by then: the chosen one, or the last."""
    account_id, before = context.account_id(), moment.position + 1
    if list_sessions(conn, account_id, member_id=member_id, client_stream=client_stream, live_only=False, before=before, limit=1):
        return client_stream
    app = integration(conn, account_id, client_stream)
    rows = list_sessions(conn, account_id, member_id=member_id, fingerprint=app.fingerprint, live_only=False, before=before, limit=1) if app else []
    return rows[0].client_stream if rows else client_stream
