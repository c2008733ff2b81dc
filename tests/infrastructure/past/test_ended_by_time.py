"""Sessions that time ended, and whose app or person was ended afterwards: the first of both is their end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application import manage_members
from application.sweep import Swept, sweep
from infrastructure.past.moments import Connection
from projections.sessions import queries
from tests.infrastructure.past.questions_history import History
from tests.support.oauth_world import CLI, oauth_world
from tests.support.postgres import Database


@dataclass
class Due:
    """What the view of sessions holds to be due."""

    connection: Connection

    def expired_grants(self, account_id: str, now: datetime, limit: int) -> Iterable[str]:
        return queries.expired_grants(self.connection, account_id, now, limit)

    def unused_clients(self, *_: Any) -> Iterable[str]:
        return ()


@pytest.fixture
def history(database: Database) -> Iterator[History]:
    """One session is unused for longer than seven days, which the sweep notes; then its person leaves."""
    with oauth_world(database) as world, psycopg.connect(database.web_dsn, autocommit=True) as connection:
        made = History(world, connection)
        made.clients["app"] = world.client_id(client_name="App")
        made.members["ann"] = world.member("Analyst", ["Sales"])
        made.session("ann", "app", "ann", scopes="projects:query", keep_alive=True)
        made.mark("used")
        world.later(days=8)
        assert sweep(world.services, world.account_id, Due(connection), Swept())
        made.mark("expired")
        manage_members.deactivate(world.services, world.account_id, UUID(made.members["ann"]), origin=CLI)
        made.mark("left")
        yield made


def test_its_end_is_the_expiry_and_not_what_came_later(history: History) -> None:
    (expired,) = history.ask("ending", grant=history.grants["ann"], at="expired").lines
    (left,) = history.ask("ending", grant=history.grants["ann"], at="left").lines
    assert left.facts == expired.facts
    assert (left.facts["reason"], left.facts["by"]) == ("idle", None)
    assert left.facts["at"] < history.at["expired"].at
    assert left.because == expired.because


def test_the_population_counts_it_once_where_its_expiry_was_noted(history: History) -> None:
    noted = history.place("grant.expired")
    for until in ("expired", "left"):
        (line,) = history.ask("population", since=history.at["used"].at, until=history.at[until].at).lines
        assert (line.facts["what"], line.facts["grant_id"], line.facts["reason"]) == ("ended", history.grants["ann"], "idle")
        assert line.because == {"ended": (noted,)}
    assert history.ask("population", since=history.at["expired"].at, until=history.at["left"].at).lines == ()
