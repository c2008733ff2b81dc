"""Typed reads of how apps are used: by day, and which granted scopes are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from projections.connection import Connection
from projections.usage.reads import view


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day (UTC). `tokens`: access tokens issued, refreshes and answers within the grace among them.

    Sign-ins are the account's, and 0 where the day is an app's.
    """

    day: date
    registrations: int = 0
    consents: int = 0
    tokens: int = 0
    refreshes: int = 0
    races: int = 0
    reuses: int = 0
    actions: int = 0
    sign_ins: int = 0
    failed_sign_ins: int = 0


@dataclass(frozen=True, slots=True)
class ScopeUse:
    """Of an app's people: how many hold the scope now, how many of them used it since the moment asked about, and when it was last used."""

    scope: str
    granted: int
    used: int
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class UnusedScope:
    """A scope that people gave to an app before a moment and that it has not used since; how many people."""

    client_stream: str
    client_id: str
    name: str
    scope: str
    people: int
    last_used_at: datetime | None


def account_days(connection: Connection, account_id: str, today: date, length: int) -> list[Day]:
    """The last `length` days up to today, oldest first, quiet ones included."""
    return _every_day(view.account_days(connection, account_id, first_day(today, length)), today, length)


def app_days(connection: Connection, account_id: str, fingerprint: str, today: date, length: int) -> list[Day]:
    """The same of one app, all its registrations together."""
    return _every_day(view.app_days(connection, account_id, fingerprint, first_day(today, length)), today, length)


def requests_by_day(connection: Connection, account_id: str, fingerprints: Sequence[str], today: date, length: int) -> dict[str, tuple[int, ...]]:
    """Tokens issued and actions together, a number for each of the last `length` days, by app; apps without any are left out."""
    first, found = first_day(today, length), dict[str, list[int]]()
    for fingerprint, day, count in view.requests(connection, account_id, fingerprints, first) if fingerprints else ():
        place = (day - first).days
        if place < length:
            found.setdefault(fingerprint, [0] * length)[place] = count
    return {fingerprint: tuple(counts) for fingerprint, counts in found.items() if any(counts)}


def scope_use(connection: Connection, account_id: str, fingerprint: str, since: datetime) -> list[ScopeUse]:
    """The scopes that people have given to an app, the one that most hold first."""
    found = [ScopeUse(*row) for row in view.scopes(connection, account_id, fingerprint, since)]
    return sorted(found, key=lambda use: (-use.granted, -use.used, use.scope))


def unused_scopes(connection: Connection, account_id: str, scopes: Sequence[str], before: datetime) -> list[UnusedScope]:
    """Which apps hold these scopes since before a moment without having used them since; the one that most people gave first."""
    return [UnusedScope(*row) for row in view.unused(connection, account_id, scopes, before)]


def first_day(today: date, length: int) -> date:
    """The first of the last `length` days."""
    return today - timedelta(days=length - 1)


def _every_day(rows: Sequence[tuple[Any, ...]], today: date, length: int) -> list[Day]:
    known = {row[0]: Day(*row) for row in rows}
    days = [first_day(today, length) + timedelta(days=n) for n in range(length)]
    return [known.get(day, Day(day)) for day in days]
