"""A question about the past from what a person or a program gave: names looked up, moments found, wrong values told apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from application.lookups import account_of, as_uuid, client_of
from application.manage_members import find_member
from application.services import Services
from domain.errors import InvalidInput, NotFound
from infrastructure.past.answers import Answer, Past
from infrastructure.past.moments import Connection, Moment, head, is_to_come, moment_at, moment_of
from infrastructure.past.named import named_at
from infrastructure.past.questions import Asking, Question

_EARLIEST, _LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)
Given = dict[str, Any]
TO_COME = "This is still to come: ask about a time that has passed."


def asking_of(services: Services, past: Past, question: Question, given: Given) -> Asking:
    """What the question is asked with. `InvalidInput` names a value that is missing, or that names nothing."""
    missing = question.missing(given)
    if missing:
        either = " or " if missing == question.needed else " and "
        raise InvalidInput(f"This question needs {either.join(missing)}.", field=missing[0])
    since, until = _clamped(given.get("since")), _clamped(given.get("until"))
    if since is not None and until is not None and until < since:
        raise InvalidInput("The end (until) comes before the beginning (since).", field="until")
    account_id, now = past.account_id, Moment(head(past.connection), services.clock())
    moment = _moment(past.connection, now, given.get("at"))
    client, user, grant = given.get("client"), given.get("user"), given.get("grant")
    project, scope = named_asked(services, past, (moment,), project=given.get("project"), scope=given.get("scope"))
    return Asking(
        now=now,
        moment=moment,
        client_stream=client_asked(services, account_id, client) if client else None,
        member_id=_member(services, account_id, user) if user else None,
        grant_id=_session(grant) if grant else None,
        project_id=project,
        scope=scope,
        since=since,
        until=until,
        sample=given.get("sample"),
        seed=given.get("seed") or "",
        event=_event(now, given.get("event")),
    )


def _moment(connection: Connection, now: Moment, at: datetime | None) -> Moment:
    """The moment asked about. Before the first event nothing is known, which is no answer."""
    if at is None:
        return now
    if is_to_come(at, now.at):
        raise InvalidInput(TO_COME, field="at")
    found = moment_at(connection, max(at, _EARLIEST))
    if found.position == 0:
        first = moment_of(connection, 1)
        begins = "has not begun" if first is None else f"begins at {first.at:%Y-%m-%d %H:%M:%S} UTC"
        raise InvalidInput(f"The record {begins}: ask about a later time.", field="at")
    return found


def client_asked(services: Services, account_id: str, client_ref: str) -> str:
    """The stream of a client; `InvalidInput` if there is none of that id."""
    try:
        return str(client_of(services, account_id, client_ref).id)
    except NotFound as error:
        raise InvalidInput(error.message, field="client") from error


def _member(services: Services, account_id: str, user: str) -> str:
    """By e-mail address, or by id, which people who were erased have still."""
    member_id = as_uuid(user)
    if member_id is not None:
        return str(member_id)
    try:
        return str(find_member(services, account_id, user))
    except NotFound as error:
        raise InvalidInput(f"{error.message} Somebody who was erased is asked for by id.", field="user") from error


def _session(grant: str) -> str:
    found = as_uuid(grant)
    if found is None:
        raise InvalidInput("This is no session's id.", field="grant")
    return str(UUID(int=found.int))


def named_asked(
    services: Services, past: Past, moments: Sequence[Moment], *, project: str | None, scope: str | None, project_field: str = "project"
) -> tuple[str | None, str | None]:
    """The id of a project that is named by id or name, and a scope, each as of these moments; `InvalidInput` says which there were then."""
    if not project and not scope:
        return None, None
    named = named_at(past, account_of(services, past.account_id), *moments)
    if scope and scope not in named.scope_codes:
        raise InvalidInput(named.no_scope(repr(scope)), field="scope")
    project_id = named.project(project) if project else None
    if project and project_id is None:
        raise InvalidInput(named.no_project(repr(project), project), field=project_field)
    return project_id, scope or None


def _event(now: Moment, event: int | None) -> int | None:
    if event is not None and event > now.position:
        raise InvalidInput(f"There is no event {event} yet.", field="event")
    return event


def _clamped(moment: datetime | None) -> datetime | None:
    return None if moment is None else min(max(moment, _EARLIEST), _LATEST)


def as_json(answer: Answer) -> Any:
    """The answer in plain JSON: times as ISO 8601."""
    return msgspec.to_builtins(answer)
