"""The sweep of the leading projector: every account in turn, with what the views hold to be due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg

from application.sweep import Swept, sweep
from infrastructure.bootstrap import App
from projections.integrations.queries import unused_clients
from projections.sessions.queries import expired_grants


class Sweeping:
    """One per process: remembers what it has dealt with."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._swept = Swept()

    def round(self) -> int:
        """Sweep every account once; how many events were recorded."""
        services = self._app.services
        with self._app.views() as connection:
            due = _Due(connection)
            return sum(sweep(services, account_id, due, self._swept) for account_id, _, _ in services.store.tables().accounts())


class _Due:
    """`application.sweep.Candidates` from the views."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def expired_grants(self, account_id: str, now: datetime, limit: int) -> Iterable[str]:
        return expired_grants(self._connection, account_id, now, limit)

    def unused_clients(self, account_id: str, registered_before: datetime, limit: int) -> Iterable[str]:
        return unused_clients(self._connection, account_id, registered_before, limit)
