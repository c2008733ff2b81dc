"""The leading projector's part of retention: keys that are due go, then the views are built anew without what those had sealed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from application.expire_keys import expire
from infrastructure.bootstrap import App
from infrastructure.database import PROJECTOR, connect, with_parameters
from infrastructure.logs import get_logger
from infrastructure.store.erasure_tables import REBUILD_DUE
from projections.events import PersonalReader
from projections.rebuild import AlreadyBuilding, RebuildFailed, rebuild
from projections.registry import PROJECTIONS

_DUE = "SELECT EXISTS (SELECT FROM store_meta WHERE key = %s AND value = '1')"

log = get_logger("erasure")


class Expiry:
    """One per process."""

    def __init__(self, app: App, new_reader: Callable[[], PersonalReader]) -> None:
        self._app, self._new_reader = app, new_reader

    def round(self) -> int:
        """Destroy what is due in every account; how many keys. Then, or after a crash in between, the views are built anew."""
        services = self._app.services
        done = sum(expire(services, account_id) for account_id, _, _ in services.store.tables().accounts())
        if done:
            log.info("erasure.keys_expired", keys=done)
        with connect(with_parameters(self._app.dsn, application_name=PROJECTOR, options=(("timezone", "UTC"),))) as connection:
            if _is_due(connection):
                self._rebuild(connection)
        return done

    def _rebuild(self, connection: psycopg.Connection[Any]) -> None:
        self._app.keyring.forget_all()
        try:
            for projection in PROJECTIONS:
                for _ in rebuild(connection, projection, self._new_reader()):
                    pass
        except (AlreadyBuilding, RebuildFailed) as error:  # the next round tries again
            log.warning("erasure.rebuild_waits", error=str(error))
            return
        connection.execute("UPDATE store_meta SET value = '' WHERE key = %s", (REBUILD_DUE,))


def _is_due(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(_DUE, (REBUILD_DUE,)).fetchone()
    return row is not None and bool(row[0])
