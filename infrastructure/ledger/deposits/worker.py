"""Depositing, in the leading projector: each place in a thread of its own, so that one that hangs holds up neither sealing nor the others."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import psycopg

from application.counting import count
from application.ports import Busy
from application.services import Services
from application.tell_of_ledger import checkpoint_deposited
from infrastructure.clock import now
from infrastructure.database import PROJECTOR, connect, first_line, with_parameters
from infrastructure.ledger import store
from infrastructure.ledger.deposits import record
from infrastructure.ledger.deposits.configured import configured
from infrastructure.ledger.deposits.places import Deposit, Place, PlaceAhead, PlaceFailed
from infrastructure.ledger.deposits.record import Another, Made, Trouble
from infrastructure.ledger.kept import difference
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealing import signer_of
from infrastructure.ledger.store import Connection, Signed
from infrastructure.logs import get_logger
from infrastructure.projector_workers import LOST
from infrastructure.settings import Settings

LOOK_S = 1.0
"""How often to see whether there is something to deposit."""
PATIENCE_S = 10.0
"""How long a new leader waits for what the places hold before it signs all the same."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 600.0
"""Before the second try, and at most between two."""
AHEAD_PAUSE_S = 30.0

_WORDS = {"folder": "The folder", "git": "The repository", "witness": "The witness", "timestamp": "The authority"}

_T = TypeVar("_T")

log = get_logger("ledger")


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds; see above."""

    look: float = LOOK_S
    patience: float = PATIENCE_S
    first: float = FIRST_PAUSE_S
    longest: float = LONGEST_PAUSE_S
    ahead: float = AHEAD_PAUSE_S


class Depositing:
    """One per projector. It is `infrastructure.ledger.sealing.Outside`: what the places said stands here until they say otherwise."""

    def __init__(self, settings: Settings, services: Services, dsn: str, pauses: Pauses | None = None) -> None:
        self._settings, self._services, self._pauses = settings, services, pauses or Pauses()
        self._dsn = with_parameters(dsn, application_name=PROJECTOR, options=(("timezone", "UTC"),))
        self._places = configured(settings.deposits)
        self._objections: dict[Place, str] = {}
        self._silent: set[Place] = set()
        self._until = 0.0

    def term(self, demoted: threading.Event) -> list[threading.Thread]:
        """A thread for each place, not started yet; they end soon after `demoted` is set, unless a place keeps them waiting."""
        self._silent, self._until = set(self._places), time.monotonic() + self._pauses.patience
        return [_PlaceThread(place, self, self._dsn, self._settings, self._services, self._pauses, demoted) for place in self._places]

    def awaited(self) -> bool:
        return bool(self._silent) and time.monotonic() < self._until

    def objection(self) -> str | None:
        return next(iter(dict(self._objections).values()), None)

    def object(self, place: Place, why: str | None) -> None:
        """It holds what this database doesn't; None: it doesn't any more."""
        if why is None:
            self._objections.pop(place, None)
        else:
            self._objections[place] = f"{_WORDS[place.kind]} {place.name} is ahead: {why}"

    def has_spoken(self, place: Place) -> None:
        """It was asked, whether it answered or not."""
        self._silent.discard(place)


class _PlaceThread(threading.Thread):
    """Deposits at one place for a term."""

    def __init__(
        self, place: Place, depositing: Depositing, dsn: str, settings: Settings, services: Services, pauses: Pauses, demoted: threading.Event
    ) -> None:
        super().__init__(name=f"deposits: {place.kind} {place.name}", daemon=True)
        self._place, self._depositing, self._dsn, self._settings, self._services = place, depositing, dsn, settings, services
        self._pauses, self._demoted = pauses, demoted
        self._unsure = True
        """Whether the place has not shown yet that it holds nothing which this database doesn't."""
        self._to_look, self._warned = True, False
        """Whether to see if another log of this name stands there, and whether it was told that one does."""

    def run(self) -> None:
        while not self._demoted.is_set():
            try:
                with connect(self._dsn) as connection:
                    while not self._demoted.is_set():
                        self._demoted.wait(self._round(connection))
            except (*LOST, Busy) as error:
                log.warning("ledger.deposits_interrupted", place=self._place.name, error=first_line(error))
            except Exception:
                if self._demoted.is_set():  # whoever made this thread has closed the store
                    return
                log.exception("ledger.deposits_failed", place=self._place.name)
            self._demoted.wait(self._pauses.first)

    def _round(self, connection: Connection) -> float:
        """Deposit what is due; the seconds until the next round."""
        signer = signer_of(self._settings, connection)
        known = record.trouble(connection, signer.origin, self._place.kind, self._place.name)
        if self._unsure and known is not None and known.ahead:
            self._depositing.object(self._place, known.why)
        try:
            pause = self._step(connection, signer)
        except PlaceAhead as error:
            self._unsure = True
            self._depositing.object(self._place, str(error))
            return self._keep(connection, self._trouble(signer, known, str(error), self._pauses.ahead, error))
        except PlaceFailed as error:
            return self._keep(connection, self._trouble(signer, known, str(error), self._back_off(known)))
        except (*LOST, Busy):
            raise
        except Exception as error:
            if self._demoted.is_set():
                raise
            log.exception("ledger.deposit_broke", place=self._place.name)
            return self._keep(connection, self._trouble(signer, known, _unforeseen(error), self._back_off(known)))
        finally:
            self._depositing.has_spoken(self._place)
        self._depositing.object(self._place, None)
        if known is not None:
            record.set_trouble(connection, self._place.kind, self._place.name, None)
        return pause

    def _step(self, connection: Connection, signer: LogSigner) -> float:
        if self._unsure:
            self._see_what_it_holds(connection, signer)
            if self._place.kind != "witness":
                self._unsure = False
                self._depositing.has_spoken(self._place)
        if self._to_look:
            self._see_whose_else(connection, signer)
        made = record.last(connection, signer.origin, self._place.kind, self._place.name)
        signed = store.newest(connection, signer.origin)
        if signed is not None and (self._unsure or self._due(connection, made, signed)):
            self._deposit(connection, signer, signed, made)
        self._unsure = False
        return self._pauses.look

    def _see_what_it_holds(self, connection: Connection, signer: LogSigner) -> None:
        """A witness shows nothing: it says so where it is asked to sign, so it is asked at once."""
        held = self._asked(lambda: self._place.holds(signer))
        if held is None:
            return
        why = difference(connection, store.newest(connection, signer.origin), held.size, held.root, "that stands there")
        if why is not None:
            raise PlaceAhead(why, held.size)

    def _see_whose_else(self, connection: Connection, signer: LogSigner) -> None:
        """Once, and after each deposit while there is another: who moves it away hears that it is gone. A key that was in use before signed parts of
        this very log, so what fits it is no other."""
        newest = store.newest(connection, signer.origin)
        others = self._asked(lambda: self._place.others(signer))
        other = next((each for each in others if difference(connection, newest, each.size, each.root, "there") is not None), None)
        found = None if other is None else Another(signer.origin, other.size)
        record.set_another(connection, self._place.kind, self._place.name, found)
        if found is not None and not self._warned:
            log.warning("ledger.another_log", kind=self._place.kind, place=self._place.name, origin=signer.origin, size=found.size)
        self._to_look, self._warned = False, found is not None

    def _due(self, connection: Connection, made: Made | None, signed: Signed) -> bool:
        if made is None:
            return True
        late_enough = made.age_seconds >= self._settings.deposits.seconds
        return late_enough and signed.size > made.size and record.has_news(connection, made.size, signed.size)

    def _deposit(self, connection: Connection, signer: LogSigner, signed: Signed, made: Made | None) -> None:
        before = made.size if made else 0
        tree = store.tree(connection, signed.size)

        def consistency(old: int) -> list[bytes]:
            if not 0 <= old <= signed.size:
                raise PlaceFailed(f"It asks for a proof from {old} entries on, and the checkpoint has {signed.size}.")
            return tree.consistency(old)

        given = Deposit(signer, signed.size, signed.root, signed.note, consistency)
        try:
            receipt = self._asked(lambda: self._place.deposit(given, min(before, signed.size)))
        except PlaceAhead as error:
            newest = store.newest(connection, signer.origin)
            if error.size is not None and newest is not None and signed.size < error.size <= newest.size:
                return  # another projector deposited meanwhile what was signed meanwhile
            raise
        count("ledger_deposits", self._place.kind, "made")
        self._to_look = self._warned
        if signed.size <= before:
            return
        place = self._place.kind, self._place.name
        told = {"kind": place[0], "place": place[1], "size": signed.size, "root": signed.root.hex(), "receipt": receipt.told}
        with connection.transaction():  # kept first: what can't be kept is not told, each time anew
            record.keep(connection, signer.origin, *place, signed.size, signed.root, receipt)
            checkpoint_deposited(self._services, record.whose_news(connection, before, signed.size), log=signer.origin, **told)
        log.info("ledger.deposited", kind=place[0], place=place[1], size=signed.size)

    def _asked(self, ask: Callable[[], _T]) -> _T:
        """What the place answers; a fault of ours on the way is told as one of its failures, and is no end to the others."""
        try:
            return ask()
        except (PlaceFailed, PlaceAhead, psycopg.Error):
            raise
        except Exception as error:
            log.exception("ledger.deposit_broke", place=self._place.name)
            raise PlaceFailed(_unforeseen(error)) from error

    def _trouble(self, signer: LogSigner, known: Trouble | None, why: str, pause: float, ahead: PlaceAhead | None = None) -> Trouble:
        at, stopping = now(), ahead is not None or (known is not None and known.ahead)
        size = ahead.size if ahead is not None else known.size if known is not None else None
        since, times = (known.since, known.times + 1) if known is not None else (at, 1)
        # Whoever can't be reached has taken nothing back.
        said = known.why if known is not None and known.ahead and ahead is None else why
        return Trouble(signer.origin, since, times, said, at + timedelta(seconds=pause), stopping, size)

    def _back_off(self, known: Trouble | None) -> float:
        """Doubled each time, less up to a half at random: whoever comes back isn't asked by everybody at once."""
        pause = min(self._pauses.longest, self._pauses.first * 2.0 ** min(20, known.times if known else 0))
        return pause * (0.5 + secrets.randbelow(501) / 1000)

    def _keep(self, connection: Connection, found: Trouble) -> float:
        count("ledger_deposits", self._place.kind, "ahead" if found.ahead else "failed")
        log.warning("ledger.deposit_failed", kind=self._place.kind, place=self._place.name, why=found.why, times=found.times)
        record.set_trouble(connection, self._place.kind, self._place.name, found)
        return max(0.0, (found.next_try - now()).total_seconds())


def _unforeseen(error: Exception) -> str:
    return f"It failed in a way that was not foreseen ({type(error).__name__}): see the projector's log."
