"""The sweep of the leading projector: every account in turn, with what the views hold to be due."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import psycopg

from application.sweep import Swept, sweep
from infrastructure.bootstrap import App
from infrastructure.database import connect
from projections.integrations.queries import unused_clients
from projections.sessions.queries import expired_grants
from projections.status import is_current

NEWS_WITHIN_S = 10.0


class Sweeping:
    """One per process: remembers what it has dealt with."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._swept = Swept()

    def round(self) -> int:
        """Sweep every account once; how many events were recorded."""
        services = self._app.services
        with self._primary() as connection:
            due = _Due(connection)
            return sum(sweep(services, account_id, due, self._swept) for account_id, _, _ in services.store.tables().accounts())

    def _primary(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """Views as new as they can be: a replica may stand still without knowing it."""
        return connect(self._app.dsn) if self._app.settings.database_read_url else self._app.views()


class _Due:
    """`application.sweep.Candidates` from the views.

    The write side can't tell which client was never used, so views that stand still bring none: who was used since would lose every session.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def expired_grants(self, account_id: str, now: datetime, limit: int) -> Iterable[str]:
        return expired_grants(self._connection, account_id, now, limit)

    def unused_clients(self, account_id: str, registered_before: datetime, limit: int) -> Iterable[str]:
        return [] if not is_current(self._connection, NEWS_WITHIN_S) else unused_clients(self._connection, account_id, registered_before, limit)
