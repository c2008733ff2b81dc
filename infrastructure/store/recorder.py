"""The library's recorder on our tables, so that eventsourcing's own `Application` and tools run on them; the hot path goes beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import Notification, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

_INSERT = b"""INSERT INTO events (originator_id, originator_version, topic, state, account_id)
SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::bytea[], %s::uuid[]) RETURNING notification_id"""
_NOTIFICATIONS = """SELECT p.position, e.originator_id, e.originator_version, e.topic, e.state
FROM positions p JOIN events e USING (originator_id, originator_version)"""


class _Account(msgspec.Struct):
    account_id: UUID


_account_of = msgspec.json.Decoder(_Account).decode


class EventRecorder(PostgresApplicationRecorder):
    """Appends without a table lock and without NOTIFY; notification ids are positions, so a late commit is never stepped over.

    The tables are made by migrations. Appends here are guarded by the streams' versions alone: nothing that grants goes this way.
    """

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="events")
        self.sql_create_statements = []
        self.lock_table_statements = []

    def create_table(self) -> None:
        """Nothing to make: see infrastructure/migrations."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        if not stored_events:
            return []
        columns = [
            [e.originator_id for e in stored_events],
            [e.originator_version for e in stored_events],
            [e.topic for e in stored_events],
            [e.state for e in stored_events],
            [_account_of(e.state).account_id for e in stored_events],
        ]
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            return [row["notification_id"] for row in cursor.execute(_INSERT, columns)]

    def select_notifications(
        self, start: int | None, limit: int, stop: int | None = None, topics: Sequence[str] = (), *, inclusive_of_start: bool = True
    ) -> Sequence[Notification]:
        """Events in position order; `start` and `stop` are positions."""
        conditions, parameters = ["true"], list[Any]()
        if start is not None:
            conditions.append("p.position >= %s" if inclusive_of_start else "p.position > %s")
            parameters.append(start)
        if stop is not None:
            conditions.append("p.position <= %s")
            parameters.append(stop)
        if topics:
            conditions.append("e.topic = ANY(%s)")
            parameters.append(list(topics))
        sql = f"{_NOTIFICATIONS} WHERE {' AND '.join(conditions)} ORDER BY p.position LIMIT %s"
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            rows = cursor.execute(sql.encode(), [*parameters, limit]).fetchall()
        return [_notification(row) for row in rows]

    def max_notification_id(self) -> int | None:
        with self.datastore.get_connection() as connection, connection.cursor() as cursor:
            row = cursor.execute("SELECT max(position) AS position FROM positions").fetchone()
        return None if row is None else row["position"]


def datastore(dsn: str) -> PostgresDatastore:
    """The library's connection pool for a libpq string."""
    given = conninfo_to_dict(dsn)
    name, host, port, user, password = (str(given.get(part) or "") for part in ("dbname", "host", "port", "user", "password"))
    return PostgresDatastore(name, host, port, user, password)


def _notification(row: dict[str, Any]) -> Notification:
    return Notification(
        originator_id=row["originator_id"],
        originator_version=row["originator_version"],
        topic=row["topic"],
        state=bytes(row["state"]),
        id=row["position"],
    )
