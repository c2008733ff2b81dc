"""A world whose events are ordered, shown and signed by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infrastructure.catch_up import catch_up
from infrastructure.ledger.sealing import Sealing, signer_of
from infrastructure.store.sequencer import Sequencer
from tests.support.oauth_world import World


def shown(world: World) -> None:
    """Everything recorded so far is positioned and in the views."""
    assert catch_up(world.app)


def signed(world: World) -> str:
    """Everything recorded so far is signed; the log's public key."""
    with leading(world) as connection:
        sequencer = Sequencer(connection)
        while sequencer.sequence():
            pass
        Sealing(world.app.settings, world.services).term(connection)(connection, sequencer.sequence)
        return signer_of(world.app.settings, connection).vkeys[0]


@contextmanager
def leading(world: World) -> Iterator[psycopg.Connection[object]]:
    with psycopg.connect(world.database.web_dsn, autocommit=True) as connection:
        yield connection
