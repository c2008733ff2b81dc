"""The leading projector's part of retention: keys that are due go, then the views are built anew without what those had sealed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import psycopg

from application.expire_keys import expire
from infrastructure.bootstrap import App
from infrastructure.database import PROJECTOR, connect, with_parameters
from infrastructure.logs import get_logger
from infrastructure.store.era import meta, set_meta
from infrastructure.store.erasure_tables import REBUILD_DUE
from projections.events import PersonalReader
from projections.rebuild import AlreadyBuilding, RebuildFailed, rebuild
from projections.registry import PROJECTIONS

REBUILD_EVERY = timedelta(days=1)
"""The views are built anew after erasures at most so often; after keys have expired at once, since until then they show what those had sealed."""
_REBUILT = "views.rebuilt_at"

log = get_logger("erasure")


class Expiry:
    """One per process."""

    def __init__(self, app: App, new_reader: Callable[[], PersonalReader]) -> None:
        self._app, self._new_reader = app, new_reader

    def round(self) -> int:
        """Destroy what is due in every account; how many keys. Then, or after a crash in between, the views are built anew, so that not even rows
        which were written over are left in their files."""
        services = self._app.services
        done = sum(expire(services, account_id) for account_id, _, _ in services.store.tables().accounts())
        if done:
            log.info("erasure.keys_expired", keys=done)
        with connect(with_parameters(self._app.dsn, application_name=PROJECTOR, options=(("timezone", "UTC"),))) as connection:
            due = meta(connection, REBUILD_DUE)
            if self._is_due(due, meta(connection, _REBUILT)):
                self._rebuild(connection, due)
        return done

    def _is_due(self, due: str, rebuilt: str) -> bool:
        long_ago = not rebuilt or self._app.services.clock() - datetime.fromisoformat(rebuilt) >= REBUILD_EVERY
        return due.startswith("now") or (due.startswith("soon") and long_ago)

    def _rebuild(self, connection: psycopg.Connection[Any], due: str) -> None:
        """What is demanded meanwhile stays due."""
        self._app.keyring.forget_all()
        try:
            for projection in PROJECTIONS:
                for _ in rebuild(connection, projection, self._new_reader()):
                    pass
        except (AlreadyBuilding, RebuildFailed) as error:  # the next round tries again
            log.warning("erasure.rebuild_waits", error=str(error))
            return
        connection.execute("UPDATE store_meta SET value = '' WHERE key = %s AND value = %s", (REBUILD_DUE, due))
        set_meta(connection, _REBUILT, self._app.services.clock().isoformat())
