"""The sealer as the projector runs it: once a second, saying in the store when it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from application.services import Services
from application.sum_ledger import record_sum, recorded_sum
from infrastructure.ledger import store
from infrastructure.ledger.kept import KeptCheckpoint, SealRefused
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealer import Sealer
from infrastructure.ledger.store import ORIGIN, Connection, Signed, origin_of
from infrastructure.logs import get_logger
from infrastructure.settings import Settings

REFUSED = "ledger.refused"
"""The key of `store_meta` under which a refusal to sign stands; empty where there is none."""

log = get_logger("ledger")


class Sealing:
    """Makes one sealer a term of leadership."""

    def __init__(self, settings: Settings, services: Services) -> None:
        self._settings, self._services = settings, services
        self._said: str | None = None

    def term(self, leading: Connection) -> Callable[[Connection, Callable[[], object]], None]:
        """What the leader calls to seal what it has positioned."""
        services, folder = self._services, folder_of(self._settings)
        kept = None if folder is None else KeptCheckpoint(folder)
        services.store.tables().keep_meta(ORIGIN, self._settings.ledger_origin)
        sealer = Sealer(signer_of(self._settings, leading), kept, partial(recorded_sum, services), partial(record_sum, services))

        def seal(connection: Connection, sequence: Callable[[], object]) -> None:
            try:
                sealer.seal(connection, sequence)
            except SealRefused as error:
                self._say(str(error), error.kept_in)
            else:
                self._say("")

        return seal

    def _say(self, refusal: str, kept_in: Path | None = None) -> None:
        if refusal == self._said:
            return
        if refusal:
            log.error("ledger.seal_refused", reason=refusal, kept_in=str(kept_in or ""))
        self._services.store.tables().set_meta(REFUSED, refusal)
        self._said = refusal


def refusal(connection: Connection) -> str | None:
    """Why nothing is signed at the moment, or None."""
    row = connection.execute("SELECT value FROM store_meta WHERE key = %s AND value <> ''", (REFUSED,)).fetchone()
    return None if row is None else str(row[0])


def signer_of(settings: Settings, connection: Connection) -> LogSigner:
    """The log's signer, under the log's name."""
    return LogSigner(name_of(settings, connection), settings.ledger_key)


def name_of(settings: Settings, connection: Connection) -> str:
    """The log's name."""
    return origin_of(connection, settings.ledger_origin_override, settings.ledger_origin)


def newest(settings: Settings, connection: Connection) -> Signed | None:
    """The log's newest checkpoint."""
    return store.newest(connection, name_of(settings, connection))


def folder_of(settings: Settings) -> Path | None:
    """Where the newest checkpoint is kept beside the database: the folder that is set, else the data directory of an embedded store."""
    if settings.ledger_folder is not None:
        return settings.ledger_folder
    return settings.data_dir / "ledger" if settings.embedded else None
