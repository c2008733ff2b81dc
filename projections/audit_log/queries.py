"""Typed reads of the audit log: filtered, newest first, by position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from projections.audit_log import view
from projections.audit_log.event_types import EVENT_TYPES, entries_of, kinds_with
from projections.connection import Connection
from projections.literals import uuid_or_none

__all__ = ["EVENT_TYPES", "AuditEntry", "entries", "entry", "export"]

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 1, 1, tzinfo=UTC)
_NO_POSITION = 2**62
_FIRST, _OF_APP = 50, 200
"""Rows of an export's first page, which somebody waits for, and of the others of one app: each costs reads in all its registrations."""


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
    after_position: int | None = None,
    from_position: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Entries from `since` until before `until`, newest first. `member`: id of who acted or was concerned; `client`: client id or stream id, with
    all registrations of its app. With `after_position`: the ones next to it; `from_position`: none before it. Never splits an event: its second
    entry may exceed `limit` by one."""
    if (member is not None and not uuid_or_none(member)) or (grant_id is not None and not uuid_or_none(grant_id)):
        return []
    low = max(0 if since is None else view.last_before(connection, since), after_position or 0, (from_position or 1) - 1)
    high = _NO_POSITION if until is None else view.last_before(connection, until)
    high = high if before_position is None else min(high, before_position - 1)
    wanted = None if event_type is None else {event_type} if isinstance(event_type, str) else set(event_type)
    values = {
        "account": account_id, "low": low, "high": high, "since": since or _BEGINNING, "until": until or _END, "limit": limit,
        "kinds": None if wanted is None else kinds_with(wanted), "member": member, "client": client,
        "client_stream": None if client is None else uuid_or_none(client), "grant": grant_id,
    }  # fmt: skip
    oldest = after_position is not None
    rows = view.select(connection, member=member is not None, client=client is not None, values=values, oldest=oldest)
    found: list[AuditEntry] = []
    for row in reversed(rows) if oldest else rows:
        if len(found) >= limit:
            break
        of_one = [e for e in _entries(row) if wanted is None or e.event_type in wanted]
        found += of_one if oldest else reversed(of_one)
    return found[::-1] if oldest else found


def entries_about(connection: Connection, account_id: str, member_id: str, event_types: Sequence[str], *, limit: int = 100) -> list[AuditEntry]:
    """Entries of these types that concern a member, newest first: what was done to them, by whomever."""
    values = {
        "account": account_id, "low": 0, "high": _NO_POSITION, "since": _BEGINNING, "until": _END, "limit": limit, "member": member_id,
        "kinds": kinds_with(event_types),
    }  # fmt: skip
    return [e for row in view.select_about(connection, values) for e in reversed(_entries(row)) if e.event_type in event_types]


def entry(connection: Connection, account_id: str, position: int) -> list[AuditEntry]:
    """What the event at a position gave: one entry or two, or none if it isn't this account's."""
    values = {
        "account": account_id, "low": position - 1, "high": position, "since": _BEGINNING, "until": _END, "limit": 1, "kinds": None,
        "member": None, "client": None, "client_stream": None, "grant": None,
    }  # fmt: skip
    return [e for row in view.select(connection, member=False, client=False, values=values) for e in _entries(row)]


def _entries(row: tuple[Any, ...]) -> list[AuditEntry]:
    """The entries of a row, in their own order. The reason, which stands apart because an erasure takes it away, is told among the facts."""
    position, account_id, at, kind, *others, reason, context = row
    if reason is not None:
        context["reason"] = reason
    return [
        AuditEntry(*(position, ordinal, account_id, at, name, *others, shown)) for ordinal, (name, shown) in enumerate(entries_of(kind, context), 1)
    ]


def export(connection: Connection, account_id: str, *, page: int = 2000, **filters: Any) -> Iterator[AuditEntry]:
    """Every entry that the same filters of `entries` find, newest first, a page at a time: nothing is held open in between."""
    before, limit = filters.pop("before_position", None), min(page, _FIRST)
    while found := entries(connection, account_id, before_position=before, limit=limit, **filters):
        yield from found
        before, limit = found[-1].position, page if filters.get("client") is None else min(page, _OF_APP)
