"""Why something was allowed or refused: every condition of the permission function, and the event that last changed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from domain.access import Standing
from domain.account import Account
from domain.base import Stream
from domain.client import Client
from domain.consent import Consent
from domain.explaining import Conditions, conditions
from domain.grant import Grant
from domain.member import Member
from infrastructure.past.answers import Answer, Line, Past, Told
from infrastructure.past.questions.asked import Asking
from infrastructure.past.questions.sessions import complete

TStream = TypeVar("TStream", bound=Stream)

_SESSIONS = """
SELECT grant_id FROM views.sessions WHERE account_id = %s AND member_id = %s AND client_stream = %s AND created_position <= %s
ORDER BY created_position DESC LIMIT 20"""


@dataclass(slots=True)
class _Condition:
    """Whether it holds, since which event, and when that was; `position` None where time changed it."""

    holds: bool
    position: int | None
    at: datetime


def explain(past: Past, asking: Asking) -> Answer:
    """A line for each condition of each session of the person and the app, the session that came closest first."""
    rows = past.connection.execute(_SESSIONS, (past.account_id, asking.member_id, asking.client_stream, asking.moment.position)).fetchall()
    told = [(grant_id, _of_session(past, asking, grant_id)) for (grant_id,) in rows]
    told.sort(key=lambda one: sum(not condition.holds for condition in one[1].values()))
    lines = tuple(
        Line(
            {"grant_id": str(grant_id), "condition": name, "holds": condition.holds, "since": condition.at},
            {"changed by": (condition.position,)} if condition.position is not None else {},
        )
        for grant_id, found in told
        for name, condition in found.items()
    )
    return Answer("explain", asking.moment.position, asking.moment.at, _says(told), lines)


def _says(told: list[tuple[UUID, dict[str, _Condition]]]) -> str:
    if not told:
        return "Refused: the person had no session with this app."
    failing = {name: condition for name, condition in told[0][1].items() if not condition.holds}
    if not failing:
        last = max((c.position or 0 for c in told[0][1].values()), default=0)
        return f"Allowed: every condition held, the last since event {last:,}."
    said = [f"{name}: no, since {'event ' + format(c.position, ',') if c.position else f'{c.at:%Y-%m-%d %H:%M:%S}'}" for name, c in failing.items()]
    return f"Refused. {'; '.join(said)}."


def _of_session(past: Past, asking: Asking, grant_id: UUID) -> dict[str, _Condition]:
    """The conditions after each event that the session stands on, and last at the moment asked about, which time alone may have changed."""
    begun = next(past.events([grant_id], asking.moment.position, ["grant.code_issued"]))
    grant: Any = begun.event
    streams = (UUID(past.account_id), UUID(grant.consent_id), UUID(grant.for_client), UUID(grant.member_id))
    states: dict[UUID, Stream] = {}
    found: dict[str, _Condition] = {}
    for told in past.events([grant_id, *streams], asking.moment.position):
        _fold(states, told)
        standing = _standing(states, grant_id, streams)
        if standing is not None:
            _note(found, conditions(standing, str(asking.scope), asking.project_id, told.at), told.position, told.at)
    standing = _standing(states, grant_id, streams)
    if standing is not None:
        _note(found, conditions(standing, str(asking.scope), asking.project_id, asking.moment.at), None, asking.moment.at)
    return found


def _note(found: dict[str, _Condition], now: Conditions, position: int | None, at: datetime) -> None:
    for name in [name for name in found if name not in now]:
        del found[name]
    for name, holds in now.items():
        if name not in found or found[name].holds != holds:
            found[name] = _Condition(holds, position, at)


def _fold(states: dict[UUID, Stream], told: Told) -> None:
    event: Any = told.event
    states[told.stream_id] = event.mutate(states.get(told.stream_id))


def _standing(states: dict[UUID, Stream], grant_id: UUID, streams: tuple[UUID, UUID, UUID, UUID]) -> Standing | None:
    account, consent, client, member = streams
    return complete(
        _as(Grant, states.get(grant_id)), _as(Consent, states.get(consent)), _as(Client, states.get(client)),
        _as(Member, states.get(member)), _as(Account, states.get(account)),
    )  # fmt: skip


def _as(kind: type[TStream], stream: Stream | None) -> TStream | None:
    return stream if isinstance(stream, kind) else None
