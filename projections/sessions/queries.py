"""Typed reads of the sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from projections.connection import Connection
from projections.sessions.reads import view

TickKind = Literal["refresh", "race", "reuse"]
_TICK_TOPICS: dict[str, TickKind] = {
    "grant.code_exchanged": "refresh",
    "grant.tokens_refreshed": "refresh",
    "grant.refresh_replayed": "race",
    "grant.reuse_detected": "reuse",
}


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the rotation strip."""

    at: datetime
    kind: TickKind


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A grant. `projects` None means all; `status` code is one that waits for its exchange. Names are None where the person was erased.

    `ended_reason`: a reason of `domain.access.EndReason`, or `code` (never exchanged) or `access_token` (it had no refresh token and its access
    token ran out). `ended_by`: member, admin, client or system; `ended_actor_id` who it was. All times are aware.
    """

    grant_id: str
    member_id: str
    member_name: str | None
    client_stream: str
    client_id: str
    client_name: str
    fingerprint: str | None
    consent_id: str
    scopes: tuple[str, ...]
    projects: tuple[str, ...] | None
    resource: str
    keep_alive: bool
    refreshable: bool
    created_at: datetime
    created_position: int
    last_refreshed_at: datetime | None
    last_used_at: datetime | None
    generation: int
    refreshes: int
    races: int
    streak: int
    user_agent: str | None
    idle_expires_at: datetime | None
    absolute_expires_at: datetime
    access_expires_at: datetime | None
    status: Literal["code", "active", "ended"]
    ended_at: datetime | None
    ended_reason: str | None
    ended_by: str | None
    ended_actor_id: str | None
    ended_actor_name: str | None
    ended_note: str | None
    ended_position: int | None
    ticks: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionCounts:
    """Live sessions of an account, people who have one, and how many end within 24 hours if nothing happens."""

    active: int
    people: int
    ending: int


def list_sessions(
    connection: Connection,
    account_id: str,
    *,
    member_id: str | None = None,
    client_stream: str | None = None,
    fingerprint: str | None = None,
    fingerprints: Sequence[str] | None = None,
    members: Sequence[str] | None = None,
    scope: str | None = None,
    project: str | None = None,
    live_only: bool | None = True,
    before: int | None = None,
    limit: int = 100,
    ticks_since: datetime | None = None,
) -> list[SessionRow]:
    """Sessions, newest first. `live_only` False takes all, None only the ended ones; `before` is the last row's `created_position`; ticks are read
    from `ticks_since` on, where it is given."""
    live = {True: True, False: None, None: False}[live_only]
    filters = {
        "member_id": member_id, "client_stream": client_stream, "fingerprint": fingerprint, "scope": scope, "project": project, "before": before,
        "fingerprints": None if fingerprints is None else list(fingerprints), "members": None if members is None else list(members),
    }  # fmt: skip
    rows = view.select(connection, account_id, live=live, limit=limit, **filters)
    marks = ticks(connection, [row[0] for row in rows], ticks_since) if ticks_since is not None else {}
    return [_session(row, marks.get(row[0], ())) for row in rows]


def session(connection: Connection, account_id: str, grant_id: str, *, ticks_since: datetime | None = None) -> SessionRow | None:
    """One session of this account."""
    rows = view.select(connection, account_id, live=None, limit=1, grant_id=grant_id)
    if not rows:
        return None
    marks = ticks(connection, [grant_id], ticks_since).get(grant_id, ()) if ticks_since is not None else ()
    return _session(rows[0], marks)


def ticks(connection: Connection, grant_ids: Sequence[str], since: datetime, limit: int = 500) -> dict[str, tuple[Tick, ...]]:
    """The newest `limit` marks of each session since a moment, oldest first."""
    marks: dict[str, list[Tick]] = {}
    if grant_ids:
        for grant_id, topic, at in view.ticks(connection, grant_ids, list(_TICK_TOPICS), since, limit):
            marks.setdefault(grant_id, []).append(Tick(at, _TICK_TOPICS[topic]))
    return {grant_id: tuple(found) for grant_id, found in marks.items()}


def session_counts(
    connection: Connection, account_id: str, *, fingerprint: str | None = None, client_stream: str | None = None, member_id: str | None = None
) -> SessionCounts:
    """The numbers on top of the list: of the account, of an app, of one of its registrations or of a person."""
    return SessionCounts(*view.counts(connection, account_id, fingerprint=fingerprint, client_stream=client_stream, member_id=member_id))


def _session(row: tuple[Any, ...], marks: tuple[Tick, ...]) -> SessionRow:
    values = list(row)
    values[8] = tuple(values[8])
    values[9] = None if values[9] is None else tuple(values[9])
    values.append(marks)
    return SessionRow(*values)


def expired_grants(connection: Connection, account_id: str, now: datetime, limit: int) -> list[str]:
    """Grants that are over by time but not said to be: what the sweep asks the write side about."""
    return view.expired(connection, account_id, now, limit)


def sessions_by_scope(connection: Connection, account_id: str) -> dict[str, int]:
    """How many live sessions have each scope."""
    return dict(view.by_scope(connection, account_id))


def sessions_over_under(connection: Connection, account_id: str, *, idle_window: int, absolute_lifetime: int) -> tuple[int, int]:
    """Live sessions that would be over at once with these lifetimes (seconds), and the people who have them."""
    return view.over_under(connection, account_id, idle_window, absolute_lifetime)


def sessions_holding(connection: Connection, account_id: str, *, resource: str | None = None, scopes: Sequence[str] | None = None) -> tuple[int, int]:
    """Live sessions for a resource that have one of these scopes (None: whichever), and the people who have them."""
    return view.holding(connection, account_id, resource, scopes)
