"""Whether today's code, given what a decision was judged on then, decides the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar
from uuid import UUID

from domain.access import Standing, access, terms, why_ended
from domain.base import Stream
from domain.grant import Grant
from domain.scopes import parse_scope
from infrastructure.past.answers import Answer, Facts, Line, Past, counted
from infrastructure.past.questions.asked import Asking
from infrastructure.past.states import standing_of
from infrastructure.past.tokens import ISSUING
from infrastructure.store.reader import PositionedEvent

TStream = TypeVar("TStream", bound=Stream)


class _Versions:
    """Each version that a stream has had, folded from its events."""

    def __init__(self) -> None:
        self._found: dict[tuple[UUID, int], Stream] = {}

    def take(self, told: PositionedEvent) -> None:
        before = self._found.get((told.stream_id, told.version - 1))
        event: Any = told.event
        after = event.mutate(None if before is None else before.copy())
        if after is not None:
            self._found[told.stream_id, told.version] = after

    def get(self, kind: type[TStream], stream_id: UUID, version: int) -> TStream | None:
        found = self._found.get((stream_id, version))
        return found if isinstance(found, kind) else None


def replayed(past: Past, asking: Asking) -> Answer:
    """A line for each answer with tokens that a session got, and what today's rule gives on the versions that it was judged on."""
    lines = tuple(_lines(past, asking))
    different = [line for line in lines if not line.facts["same"]]
    if not lines:
        says = "The session got no tokens."
    elif different:
        says = f"No: {len(different)} of {len(lines)} answers would be others today."
    else:
        says = f"The same today: {counted(len(lines), 'answer')}."
    return Answer("replayed", asking.moment.position, asking.moment.at, says, lines)


def _lines(past: Past, asking: Asking) -> Iterator[Line]:
    grant_id, versions = UUID(str(asking.grant_id)), _Versions()
    events = past.events([grant_id], asking.moment.position)
    if not events or events[0].topic != "grant.code_issued":
        return
    begun: Any = events[0].event
    streams = [UUID(begun.consent_id), UUID(begun.for_client), UUID(begun.member_id), UUID(past.account_id)]
    for told in past.events(streams, asking.moment.position):
        versions.take(told)
    for told in events:
        if told.topic in ISSUING and told.topic != "grant.refresh_replayed":
            yield _line(versions, told, streams)
        versions.take(told)


def _line(versions: _Versions, told: PositionedEvent, streams: list[UUID]) -> Line:
    event: Any = told.event
    said: Facts = {"scope": event.scope, "lifetime": event.access_token_ttl}
    standing = _standing(versions, told, streams)
    today: Facts = {"refused": "states missing"} if standing is None else _decided(standing, event)
    facts = {"at": told.at, "what": told.topic, "said": said, "today": today, "same": said == today, "judged_on": list(event.judged)}
    return Line(facts, {"answer": (told.position,)})


def _standing(versions: _Versions, told: PositionedEvent, streams: list[UUID]) -> Standing | None:
    judged = dict(zip(streams, told.event.judged, strict=True))

    def get(kind: type[TStream], stream_id: UUID) -> TStream | None:
        return versions.get(kind, stream_id, judged[stream_id])

    return standing_of(versions.get(Grant, told.stream_id, told.version - 1), get)


def _decided(standing: Standing, event: Any) -> Facts:
    """What the rule gives; a client may have asked for less, which it may always get."""
    ended = why_ended(standing, event.timestamp)
    if ended:
        return {"refused": ended}
    held = access(standing)
    asked = parse_scope(event.scope)
    return {"scope": held.only(asked or ()).scope, "lifetime": terms(standing).lifetime(event.timestamp)}
