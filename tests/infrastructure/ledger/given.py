"""A store with a ledger that is sealed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from domain.ids import ledger_stream
from domain.ledger import NO_SUM, Ledger, Sum
from infrastructure.ledger.kept import KeptCheckpoint
from infrastructure.ledger.notes import LogSigner
from infrastructure.ledger.sealer import Sealer
from infrastructure.store.sequencer import Sequencer
from infrastructure.store.store import PostgresStore
from tests.infrastructure.store import given
from tests.support.postgres import Database

ORIGIN = "auth.example.com/ledger"
SIGNER = LogSigner(ORIGIN, (bytes(range(32)),))
VKEY = SIGNER.vkeys[0]


@dataclass
class Book:
    """A store, its leader's connection, and a sealer of this term."""

    store: PostgresStore
    world: given.World
    connection: psycopg.Connection[Any]
    sequencer: Sequencer
    sealer: Sealer
    kept: KeptCheckpoint

    def happens(self, times: int = 1) -> None:
        """Some more events of the account."""
        for _ in range(times):
            self.store.append([_rotated(self)])
        self.sequencer.sequence()

    def seal(self) -> int | None:
        return self.sealer.seal(self.connection, self.sequencer.sequence)

    def another_term(self) -> None:
        """Somebody else leads from here on."""
        self.sealer = new_sealer(self.store, self.world, self.kept)


def _rotated(book: Book) -> Any:
    grant = book.store.standing(book.world.grant)
    assert grant is not None
    given.rotate(grant.grant, grant, book.world)
    return grant.grant


def new_sealer(store: PostgresStore, world: given.World, kept: KeptCheckpoint, signer: LogSigner = SIGNER) -> Sealer:
    return Sealer(signer, kept, partial(_recorded, store), partial(_record, store, world))


def _recorded(store: PostgresStore, account_id: str) -> Sum:
    found = store.load(Ledger, ledger_stream(account_id))
    return NO_SUM if found is None else found.sum


def _record(store: PostgresStore, world: given.World, account_id: str, found: Sum) -> None:
    context, stream = world.context(account_id=account_id, actor_id=None, address=None, user_agent=None), ledger_stream(account_id)
    ledger = store.load(Ledger, stream) or Ledger.blank(stream, context)
    ledger.summed(context, found)
    store.append([ledger])


@contextmanager
def book(database: Database, folder: Path) -> Iterator[Book]:
    with given.store_on(database) as store, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        world, kept = given.world(store), KeptCheckpoint(folder)
        sequencer = Sequencer(connection)
        sequencer.sequence()
        yield Book(store, world, connection, sequencer, new_sealer(store, world, kept), kept)
