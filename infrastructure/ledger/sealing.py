"""The sealer as the projector runs it: once a second, saying in the store and in the record when it must refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from application.services import Services
from application.sum_ledger import record_sum, recorded_sum
from application.tell_of_ledger import sealer_started, sealer_stopped
from infrastructure.clock import now
from infrastructure.ledger import store
from infrastructure.ledger.deposits import record
from infrastructure.ledger.kept import KeptCheckpoint, SealRefused, advice
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealer import Sealer
from infrastructure.ledger.store import ORIGIN, Connection, Signed, origin_of
from infrastructure.logs import get_logger
from infrastructure.settings import Settings

REFUSED = "ledger.refused"
"""The key of `store_meta` under which a refusal to sign stands; empty where there is none."""

_STOPPED = "ledger.stopped"
"""Likewise whether the record says that nothing is signed."""
LATE_S = 60.0
"""Events that have waited longer when somebody begins to sign are told."""

log = get_logger("ledger")


class Outside(Protocol):
    """What the places outside say, where checkpoints are deposited."""

    def awaited(self) -> bool:
        """Whether one of them has still to say what it holds, and is waited for."""

    def objection(self) -> str | None:
        """Why nothing may be signed: a place holds what this database doesn't."""


class Sealing:
    """Makes one sealer a term of leadership."""

    def __init__(self, settings: Settings, services: Services, outside: Outside | None = None) -> None:
        self._settings, self._services, self._outside = settings, services, outside
        self._refused = Refusals(services)

    def term(self, leading: Connection) -> Callable[[Connection, Callable[[], object]], None]:
        """What the leader calls to seal what it has positioned."""
        services, folder = self._services, folder_of(self._settings)
        kept = None if folder is None else KeptCheckpoint(folder)
        services.store.tables().keep_meta(ORIGIN, self._settings.ledger_origin)
        signer = signer_of(self._settings, leading)
        sealer = Sealer(signer, kept, partial(recorded_sum, services), partial(record_sum, services))
        first = True

        def seal(connection: Connection, sequence: Callable[[], object]) -> None:
            nonlocal first
            if self._outside is not None and self._outside.awaited():
                return
            before = _Before.at(connection, signer.origin) if first or self._refused else None
            try:
                self._see_outside(signer.origin)
                sealer.seal(connection, sequence)
            except SealRefused as error:
                self._refused.begin(signer.origin, error)
            else:
                self._refused.end(signer.origin, before)
                first = False

        return seal

    def _see_outside(self, origin: str) -> None:
        why = None if self._outside is None else self._outside.objection()
        if why is not None:
            raise SealRefused(why, advice(origin))


@dataclass(frozen=True, slots=True)
class _Before:
    """Where the log stood when signing began: the size of its checkpoint, and how long the first event after it has waited."""

    size: int
    waited: float

    @classmethod
    def at(cls, connection: Connection, origin: str) -> _Before:
        last = store.newest(connection, origin)
        if last is None or last.at is None:
            return cls(0, 0.0)
        # An event's own time says nothing of how long it could have been signed: it had not come before the last checkpoint did.
        return cls(last.size, min(store.waiting_seconds(connection, last.size) or 0.0, (now() - last.at).total_seconds()))


class Refusals:
    """Says in the store, the log and the record that nothing is signed, and that it is signed again: once, whoever leads."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._said: str | None = None
        self._stopped: str | None = None

    def __bool__(self) -> bool:
        """Whether nothing was signed up to now: an adoption ends a refusal, but signs nothing."""
        if self._stopped is None:
            self._stopped = self._services.store.tables().meta(_STOPPED) or ""
        return bool(self._stopped)

    def begin(self, origin: str, error: SealRefused) -> None:
        if str(error) != self._said:
            log.error("ledger.seal_refused", reason=str(error), kept_in=str(error.kept_in or ""))
            self._say(str(error))
        if not self:
            sealer_stopped(self._services, log=origin, why=error.why)
            self._stop("yes")

    def end(self, origin: str, before: _Before | None) -> None:
        """It is signed; `before`, where the log stood, if this is the first time of a term or after a refusal."""
        if self._said != "":
            self._say("")
        if before is not None and (self or before.waited > LATE_S):
            log.warning("ledger.signed_again", size=before.size, waited_s=round(before.waited))
            sealer_started(self._services, log=origin, size=before.size, waited=round(before.waited))
        if self:
            self._stop("")

    def _say(self, refusal: str) -> None:
        self._services.store.tables().set_meta(REFUSED, refusal)
        self._said = refusal

    def _stop(self, stopped: str) -> None:
        self._services.store.tables().set_meta(_STOPPED, stopped)
        self._stopped = stopped


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
    """The log's newest checkpoint, with the cosignatures that it has."""
    origin = name_of(settings, connection)
    return _cosigned(connection, origin, store.newest(connection, origin))


def witnessed(settings: Settings, connection: Connection) -> Signed | None:
    """The newest checkpoint that a witness has cosigned: older than the newest, since each deposit is an event of its own."""
    origin = name_of(settings, connection)
    size = record.witnessed(connection, origin)
    return None if size is None else _cosigned(connection, origin, store.of_size(connection, origin, size))


def newest_for(settings: Settings, connection: Connection, position: int) -> Signed | None:
    """What to prove an event with: a checkpoint that a witness has cosigned, where one holds the event; else the newest."""
    found = witnessed(settings, connection)
    return found if found is not None and found.size >= position else newest(settings, connection)


def _cosigned(connection: Connection, origin: str, signed: Signed | None) -> Signed | None:
    return None if signed is None else replace(signed, note=signed.note + record.cosignatures(connection, origin, signed.size))


def folder_of(settings: Settings) -> Path | None:
    """Where the newest checkpoint is kept beside the database: the folder that is set, else the data directory of an embedded store."""
    if settings.ledger_folder is not None:
        return settings.ledger_folder
    return settings.data_dir / "ledger" if settings.embedded else None
