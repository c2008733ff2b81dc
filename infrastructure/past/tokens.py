"""Which tokens sessions were given, as far as it says when the last one died: read for many sessions at once, less the rotations that don't."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.access import Standing
from infrastructure.past.answers import Past
from infrastructure.past.states import HEADS
from infrastructure.store.reader import PositionedEvent

ISSUING = ("grant.code_exchanged", "grant.tokens_refreshed", "grant.refresh_replayed")

# The first token, each that came again in its grace and the rotation before it, the last rotation before the end, and all after it.
_TOLD = f"""
WITH RECURSIVE marks (id, until) AS (
    SELECT id, until FROM unnest(%(grants)s::uuid[], %(ends)s::bigint[]) AS s (id, until)
    UNION SELECT id, %(until)s FROM unnest(%(grants)s::uuid[]) AS s (id)
), {HEADS}, spans AS (
    SELECT m.id, min(coalesce(h.version, 0)) AS ended, max(h.version) AS last FROM marks m
    LEFT JOIN heads h ON h.id = m.id AND h.until = m.until GROUP BY m.id
), own AS (
    SELECT s.id, e.originator_version AS version, e.topic FROM spans s CROSS JOIN LATERAL (
        SELECT originator_version, topic FROM events WHERE originator_id = s.id AND originator_version <= s.last
        AND starts_with(topic, 'grant.') AND topic <> 'grant.tokens_refreshed' OFFSET 0) AS e
    WHERE e.topic IN ('grant.code_exchanged', 'grant.refresh_replayed')
), before AS (
    SELECT id, ended AS version FROM spans UNION SELECT id, version FROM own WHERE topic = 'grant.refresh_replayed'
), told AS (
    SELECT id, version FROM own
    UNION SELECT b.id, r.originator_version FROM before b CROSS JOIN LATERAL (
        SELECT originator_version FROM events WHERE originator_id = b.id AND originator_version <= b.version
        AND topic = 'grant.tokens_refreshed' ORDER BY originator_version DESC LIMIT 1) AS r
    UNION SELECT s.id, e.originator_version FROM spans s CROSS JOIN LATERAL (
        SELECT originator_version FROM events WHERE originator_id = s.id AND originator_version > s.ended AND originator_version <= s.last
        AND topic = 'grant.tokens_refreshed' OFFSET 0) AS e
)
SELECT p.position FROM told t CROSS JOIN LATERAL (
    SELECT position FROM positions WHERE originator_id = t.id AND originator_version = t.version OFFSET 0) AS p"""
_SINCE = """
SELECT p.position FROM unnest(%s::uuid[], %s::timestamptz[], %s::bigint[]) AS s (id, since, until) CROSS JOIN LATERAL (
    SELECT position FROM positions WHERE originator_id = s.id AND at > s.since AND position <= s.until OFFSET 0) AS p"""


def tokens_of(past: Past, standings: Mapping[str, Standing], ends: Mapping[str, int], until: int) -> dict[str, list[PositionedEvent]]:
    """Of each session, in order: the first event that gave a token, the last up to a position, all after the event that ended it (`ends`, where one
    did), and among those before it whatever gave the token that died last."""
    limits = {grant_id: min(ends.get(grant_id, until), until) for grant_id in standings}
    given = {"grants": list(limits), "ends": list(limits.values()), "until": until}
    found = _by_grant(past, (row[0] for row in past.connection.execute(_TOLD.encode(), given)))
    since = {grant_id: at for grant_id, told in found.items() if (at := _outlived_since(standings[grant_id], told, limits[grant_id])) is not None}
    if since:
        places = past.connection.execute(_SINCE, (list(since), list(since.values()), [limits[grant_id] for grant_id in since])).fetchall()
        more = _by_grant(past, (row[0] for row in places))
        for grant_id in since:
            both = {told.position: told for told in (*found[grant_id], *more.get(grant_id, ()))}
            found[grant_id] = [both[position] for position in sorted(both)]
    return found


def _by_grant(past: Past, positions: Iterable[int]) -> dict[str, list[PositionedEvent]]:
    found: dict[str, list[PositionedEvent]] = {}
    for told in past.at(positions):
        if told.topic in ISSUING:
            found.setdefault(str(told.stream_id), []).append(told)
    return found


def _outlived_since(standing: Standing, tokens: Sequence[PositionedEvent], limit: int) -> datetime | None:
    """Whether a token that was not read may have died after the last one before the end, which happens where lifetimes got shorter meanwhile; if so,
    given after this time. None is given for longer than was agreed at first."""
    before: list[Any] = [told for told in tokens if told.position <= limit and told.topic != "grant.refresh_replayed"]
    if not before:
        return None
    longest = timedelta(seconds=standing.grant.lifetimes["access_token_ttl"])
    died: datetime = max(told.at + timedelta(seconds=told.event.access_token_ttl) for told in before)
    return None if died >= before[-1].at + longest else died - longest
