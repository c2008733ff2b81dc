"""Typed reads of the audit log: filtered, newest first, by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from projections.audit_log import view
from projections.audit_log.event_types import EVENT_TYPES
from projections.connection import Connection
from projections.literals import clean, uuid_or_none

__all__ = ["EVENT_TYPES", "AuditEntry", "entries", "entry", "export"]

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_NO_POSITION = 2**62


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry. An event may give two, told apart by `ordinal`; `id` is `POSITION-ORDINAL`.

    `actor_type`: user, client, system or anonymous. The actor of an action through a client is the user, the client stands beside it.
    `subject_id` is the member concerned where that isn't the actor. Names and addresses are None where the person was erased.
    """

    position: int
    ordinal: int
    account_id: str
    created_at: datetime
    event_type: str
    actor_type: str
    actor_id: str | None
    actor_name: str | None
    actor_ip: str | None
    client_id: str | None
    client_name: str | None
    client_stream: str | None
    grant_id: str | None
    subject_id: str | None
    subject_name: str | None
    source: str
    service: str
    event_context: dict[str, Any]

    @property
    def id(self) -> str:
        return f"{self.position}-{self.ordinal}"

    def as_record(self) -> dict[str, Any]:
        """The fields of the contract, for the API and exports; `created_at` stays a datetime."""
        names = (
            "account_id", "created_at", "event_type", "actor_type", "actor_id", "actor_name", "actor_ip", "client_id", "client_name", "grant_id",
            "source", "service", "event_context", "position",
        )  # fmt: skip
        return {"id": self.id, **{name: getattr(self, name) for name in names}}


def entries(
    connection: Connection,
    account_id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    event_type: str | Sequence[str] | None = None,
    member: str | None = None,
    client: str | None = None,
    grant_id: str | None = None,
    before_position: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Entries from `since` until before `until`, newest first. `member`: id of who acted or was concerned; `client`: client id or stream id, with
    all registrations of its app. Never splits an event: the last one's second entry may exceed `limit` by one."""
    if (member is not None and not uuid_or_none(member)) or (grant_id is not None and not uuid_or_none(grant_id)):
        return []
    low = 0 if since is None else view.last_before(connection, since)
    high = _NO_POSITION if until is None else view.last_before(connection, until)
    if before_position is not None:
        high = min(high, before_position - 1)
    values = {
        "account": account_id, "low": low, "high": high, "since": since or _BEGINNING, "until": until or _END, "limit": limit + 1,
        "event_types": None if event_type is None else list(dict.fromkeys(map(clean, [event_type] if isinstance(event_type, str) else event_type))),
        "member": member, "client": client, "client_stream": None if client is None else uuid_or_none(client), "grant": grant_id,
    }  # fmt: skip
    rows = view.select(connection, member=member is not None, client=client is not None, values=values)
    if len(rows) > limit and rows[limit][0] != rows[limit - 1][0]:
        del rows[limit:]
    return [AuditEntry(*row) for row in rows]


def entry(connection: Connection, account_id: str, position: int) -> list[AuditEntry]:
    """What the event at a position gave: one entry or two, or none if it isn't this account's."""
    values = {
        "account": account_id, "low": position - 1, "high": position, "since": _BEGINNING, "until": _END, "limit": 10, "event_types": None,
        "member": None, "client": None, "client_stream": None, "grant": None,
    }  # fmt: skip
    return [AuditEntry(*row) for row in reversed(view.select(connection, member=False, client=False, values=values))]


def export(connection: Connection, account_id: str, *, page: int = 2000, **filters: Any) -> Iterator[AuditEntry]:
    """Every entry that the same filters of `entries` find, newest first, a page at a time: nothing is held open in between."""
    before = filters.pop("before_position", None)
    while True:
        found = entries(connection, account_id, before_position=before, limit=page, **filters)
        yield from found
        if len(found) < page:
            return
        before = found[-1].position
