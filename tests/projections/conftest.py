"""A store, its order, and connections as the projector has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from infrastructure.database import PROJECTOR, connect, with_parameters
from infrastructure.store.keyring import Keyring
from infrastructure.store.sequencer import Sequencer
from infrastructure.store.store import PostgresStore
from projections.events import PersonalReader
from projections.preparing import prepare
from tests.infrastructure.store.given import WRAPPING_KEYS, store_on
from tests.projections.history import History
from tests.projections.scene import Scene, moments_ago
from tests.support.postgres import Database

Connection = psycopg.Connection[Any]


@pytest.fixture
def store(database: Database) -> Iterator[PostgresStore]:
    with store_on(database) as opened:
        yield opened


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """As the projector's: the web role, UTC, autocommit."""
    with connect(with_parameters(database.web_dsn, application_name=PROJECTOR, options=(("timezone", "UTC"),))) as opened:
        yield opened


@pytest.fixture
def other_connection(database: Database) -> Iterator[Connection]:
    with connect(with_parameters(database.web_dsn, application_name=PROJECTOR, options=(("timezone", "UTC"),))) as opened:
        yield opened


@pytest.fixture
def owner(database: Database) -> Iterator[Connection]:
    with connect(database.owner_dsn) as opened:
        yield opened


@pytest.fixture
def sequence(database: Database) -> Iterator[Callable[[], None]]:
    """Gives every committed event its position."""
    with connect(database.web_dsn) as opened:
        sequencer = Sequencer(opened)

        def all_of_it() -> None:
            while sequencer.sequence():
                pass

        yield all_of_it


@pytest.fixture
def new_reader(database: Database) -> Callable[[], PersonalReader]:
    """A reader with keys of its own, nothing cached."""

    def make() -> PersonalReader:
        keyring = Keyring(database.web_dsn, WRAPPING_KEYS)
        return PersonalReader(keyring.open, keyring.prefetch)

    return make


@pytest.fixture
def scene(store: PostgresStore, connection: Connection, sequence: Callable[[], None], new_reader: Callable[[], PersonalReader]) -> Scene:
    """An account opened a moment ago, with an admin."""
    prepare(connection)
    return Scene(History(store, begun=moments_ago(minutes=30)), connection, sequence, new_reader())
