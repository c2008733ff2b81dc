"""Typed reads of apps and their registrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from application.policy_what_if import RegisteredApp
from projections.connection import Connection
from projections.integrations.reads import view
from projections.literals import uuid_or_none

Status = Literal["active", "pending", "blocked", "removed"]
Sort = Literal["used", "name", "users", "created"]
_KINDS = {"manual": ("manual",), "dynamic": ("dynamic", "metadata_document")}
_NO_POSITION = 2**62


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """An app: all registrations of one fingerprint. Ids, name and metadata are those of its first registration; `users` have a consent in force.

    `decision`: undecided, approved or blocked; `decided_*` are of the last decision, verification included; `reason` says why an admin added it.
    `removed_*` only where no registration is left. Names and reasons of members are None where the person was erased.
    """

    client_stream: str
    client_id: str
    fingerprint: str
    name: str
    redirect_uris: tuple[str, ...]
    registration: Literal["manual", "dynamic", "metadata_document"]
    metadata: dict[str, Any]
    registrations: int
    live_registrations: int
    users: int
    status: Status
    verified: bool
    created_at: datetime
    created_position: int
    last_used_at: datetime | None
    decision: Literal["undecided", "approved", "blocked"]
    decided_by: str | None
    decided_by_name: str | None
    decided_at: datetime | None
    decision_reason: str | None
    decision_position: int | None
    registered_by: str | None
    registered_by_name: str | None
    reason: str | None
    removed_at: datetime | None
    removed_by: str | None
    removed_actor_id: str | None
    removed_actor_name: str | None
    removed_reason: str | None


@dataclass(frozen=True, slots=True)
class RegistrationRow:
    """One registration of an app."""

    client_stream: str
    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    registration: str
    metadata: dict[str, Any]
    needs_approval: bool
    created_at: datetime
    created_position: int
    registered_by: str | None
    reason: str | None
    last_used_at: datetime | None
    removed_at: datetime | None
    removed_by: str | None
    removed_reason: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the apps that match, and how many match in all."""

    rows: tuple[IntegrationRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who allows an app to act; `projects` None means all. Name and role are None where the person was erased."""

    member_id: str
    name: str | None
    role: str | None
    requested: tuple[str, ...]
    approved: tuple[str, ...]
    projects: tuple[str, ...] | None
    keep_alive: bool
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """The last time that somebody asked the admins to approve an app; name and reason are None where the person was erased."""

    client_stream: str
    client_id: str
    fingerprint: str
    member_id: str
    member_name: str | None
    requested: tuple[str, ...]
    reason: str | None
    asked_at: datetime
    position: int


def find_integrations(
    connection: Connection,
    account_id: str,
    *,
    registration: Literal["manual", "dynamic"] | None = None,
    search: str = "",
    status: Status | None = None,
    scope: str | None = None,
    sort: Sort = "used",
    offset: int = 0,
    limit: int = 50,
) -> Found:
    """Apps by a part of their name, of a redirect URL's host or of a client id. Removed ones only where that status is asked for.

    `scope`: those that somebody has allowed it, as it is now. `used` puts those that wait for approval first.
    """
    kinds = None if registration is None else _KINDS[registration]
    rows = view.find(connection, account_id, registrations=kinds, search=search, status=status, scope=scope, sort=sort, offset=offset, limit=limit)
    return Found(tuple(_integration(row[:-1]) for row in rows), rows[0][-1] if rows else 0)


def people(connection: Connection, account_id: str, fingerprint: str, *, offset: int = 0, limit: int = 100) -> tuple[list[Person], int]:
    """Those whose consent to the app is in force, the last user first, and how many they are in all (0 beyond the last page)."""
    rows = view.people(connection, account_id, fingerprint, offset, limit)
    return [_person(row[:-1]) for row in rows], rows[0][-1] if rows else 0


def used_last(connection: Connection, account_id: str, limit: int) -> list[tuple[str, str]]:
    """Client id and name of the apps that were used last."""
    return view.used_last(connection, account_id, limit)


def waiting_count(connection: Connection, account_id: str) -> int:
    """How many apps wait for an admin's approval."""
    return view.waiting(connection, account_id)


def approval_requests(connection: Connection, account_id: str, fingerprints: Sequence[str], limit: int = 100) -> list[ApprovalRequest]:
    """Who asked for these apps, the newest first, whatever was decided since."""
    rows = view.asked(connection, account_id, fingerprints, limit) if fingerprints else []
    return [_request(row) for row in rows]


def list_integrations(
    connection: Connection,
    account_id: str,
    *,
    registration: Literal["manual", "dynamic"] | None = None,
    removed: bool = False,
    before: int | None = None,
    limit: int = 500,
) -> list[IntegrationRow]:
    """Apps of an account, those that wait for approval first, then by last use. `dynamic` includes metadata documents; removed apps are left out
    unless asked for. With `before`, the last row's `created_position` (or a number beyond all): newest first."""
    kinds = None if registration is None else _KINDS[registration]
    return [_integration(row) for row in view.select(connection, account_id, registrations=kinds, removed=removed, before=before, limit=limit)]


def integration(connection: Connection, account_id: str, ref: str) -> IntegrationRow | None:
    """The app that a client id or stream id of any of its registrations belongs to, removed ones included."""
    fingerprint = view.fingerprint_of(connection, account_id, ref, uuid_or_none(ref))
    return None if fingerprint is None else integrations_of(connection, account_id, [fingerprint]).get(fingerprint)


def integrations_of(connection: Connection, account_id: str, fingerprints: Sequence[str]) -> dict[str, IntegrationRow]:
    """The apps with these fingerprints, removed ones included."""
    rows = view.select_some(connection, account_id, fingerprints) if fingerprints else []
    return {app.fingerprint: app for app in map(_integration, rows)}


def registrations(connection: Connection, account_id: str, fingerprint: str, *, before: int | None = None, limit: int = 100) -> list[RegistrationRow]:
    """The registrations of an app, newest first; `before` is the last row's `created_position`."""
    rows = view.registrations(connection, account_id, fingerprint, _NO_POSITION if before is None else before, limit)
    return [_registration(row) for row in rows]


def registered_since(connection: Connection, account_id: str, since: datetime, limit: int) -> list[RegisteredApp]:
    """Apps with a dynamic registration since then that are not blocked, by their newest one, the last registered first."""
    rows = view.registered_since(connection, account_id, since, limit)
    return [
        RegisteredApp(stream, client_id, name, metadata, at, decision == "approved", frozenset(people))
        for stream, client_id, name, metadata, at, decision, people in rows
    ]


def _integration(row: tuple[Any, ...]) -> IntegrationRow:
    values = list(row)
    values[4] = tuple(values[4])
    return IntegrationRow(*values)


def _request(row: tuple[Any, ...]) -> ApprovalRequest:
    values = list(row)
    values[5] = tuple(values[5])
    return ApprovalRequest(*values)


def _person(row: tuple[Any, ...]) -> Person:
    values = list(row)
    for i in (3, 4):
        values[i] = tuple(values[i])
    values[5] = None if values[5] is None else tuple(values[5])
    return Person(*values)


def _registration(row: tuple[Any, ...]) -> RegistrationRow:
    values = list(row)
    values[3] = tuple(values[3])
    return RegistrationRow(*values)


def unused_clients(connection: Connection, account_id: str, registered_before: datetime, limit: int) -> list[str]:
    """Dynamic registrations that never had a token and nobody consents to: what the sweep may reap."""
    return view.unused(connection, account_id, registered_before, limit)
