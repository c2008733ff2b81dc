"""`ledger verify`, small form: recomputes every leaf hash from the stored bytes, apart from the SQL that made them, and names what differs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import psycopg

from infrastructure.store.era import era

BATCH = 5_000

Kind = Literal["different", "missing", "gap", "unpositioned", "version_gap", "time", "checkpoint", "sum"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the record: what, where, and in one sentence."""

    kind: Kind
    position: int | None
    event: str | None
    message: str


@dataclass(slots=True)
class Progress:
    """How far a verification came."""

    position: int = 0
    events: int = 0


def leaf_hash(originator_id: UUID, version: int, topic: str, state: bytes) -> bytes:
    """EVIDENCE.md 1: SHA-256 over 0x00 and the leaf bytes."""
    return hashlib.sha256(b"\x00" + f"gb1\n{originator_id}\n{version}\n{topic}\n".encode() + state).digest()


_ROWS = """SELECT p.position, p.originator_id, p.originator_version, p.at, p.leaf_hash, e.topic, e.state, p.account_id = e.account_id
FROM positions p LEFT JOIN events e USING (originator_id, originator_version) WHERE p.position > %s ORDER BY p.position LIMIT %s"""
_UNPOSITIONED = """SELECT e.originator_id, e.originator_version FROM events e
WHERE (e.notification_id <= %(after)s OR e.xid < %(last)s::text::xid8) AND NOT EXISTS (
    SELECT FROM positions p WHERE p.originator_id = e.originator_id AND p.originator_version = e.originator_version)
ORDER BY e.xid, e.notification_id"""
_LAST = """SELECT CASE WHEN e.notification_id > %s THEN e.xid::text ELSE '0' END
FROM positions p JOIN events e USING (originator_id, originator_version) ORDER BY p.position DESC LIMIT 1"""
_GAPS = """SELECT originator_id, originator_version FROM events e WHERE originator_version > 1 AND NOT EXISTS (
    SELECT FROM events b WHERE b.originator_id = e.originator_id AND b.originator_version = e.originator_version - 1)
ORDER BY originator_id, originator_version"""


def verify_ledger(connection: psycopg.Connection[Any], progress: Callable[[Progress], None] | None = None) -> list[Finding]:
    """Everything that is wrong with the record of this database; empty if nothing is. Reads all events, in batches."""
    return list(findings(connection, progress))


def findings(connection: psycopg.Connection[Any], progress: Callable[[Progress], None] | None = None) -> Iterator[Finding]:
    """The same one by one, as they are found. `progress` is called after each batch."""
    done = Progress()
    at: datetime | None = None
    while rows := connection.execute(_ROWS, (done.position, BATCH), prepare=True).fetchall():
        for position, stream, version, moment, stored, topic, state, same_account in rows:
            if position != done.position + 1:
                yield Finding("gap", done.position + 1, None, f"Positions {done.position + 1} to {position - 1} are missing.")
            done.position, done.events = position, done.events + 1
            yield from _event(
                position, f"{stream}:{version}", stored, same_account, None if topic is None else leaf_hash(stream, version, topic, state)
            )
            if at is not None and moment < at:
                yield Finding("time", position, f"{stream}:{version}", f"Position {position} has an earlier time than the one before it.")
            at = moment
        if progress is not None:
            progress(done)
    yield from _streams(connection)


def _event(position: int, event: str, stored: bytes, same_account: bool | None, computed: bytes | None) -> Iterator[Finding]:  # noqa: FBT001 - a column
    if computed is None:
        yield Finding("missing", position, event, f"Position {position} names event {event}, which is not there.")
    elif computed != bytes(stored):
        yield Finding("different", position, event, f"Event {event} at position {position} is not what was hashed when it was positioned.")
    elif not same_account:
        yield Finding("different", position, event, f"Event {event} at position {position} has been moved to another account.")


def _streams(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    """Events that the order passed over, and streams with a version missing."""
    after = era(connection).after
    last = connection.execute(_LAST, (after,)).fetchone()
    if last is not None:
        for stream, version in connection.execute(_UNPOSITIONED, {"after": after, "last": last[0]}):
            yield Finding("unpositioned", None, f"{stream}:{version}", f"Event {stream}:{version} is older than the last position, but has none.")
    for stream, version in connection.execute(_GAPS):
        yield Finding("version_gap", None, f"{stream}:{version}", f"Event {stream}:{version - 1} is missing before {stream}:{version}.")
