"""Checks a live projection against the events: builds it beside, up to where the live one stands, and names every differing row."""

from __future__ import annotations

from collections.abc import Generator

from projections import view
from projections.comparing.comparison import Difference, differences
from projections.connection import Connection
from projections.definition import Projection
from projections.events import PersonalReader
from projections.rebuild import BATCH, Build, Progress

__all__ = ["Difference", "NotComparable", "verify"]


class NotComparable(Exception):
    """The live tables are of another version than this program's."""


def verify(
    connection: Connection, snapshot: Connection, projection: Projection, reader: PersonalReader, batch: int = BATCH
) -> Generator[Progress | Difference]:
    """Build beside on `connection` and compare with what `snapshot` (another autocommit connection) sees; writers go on meanwhile.

    The snapshot only reads, so it has no transaction id and never stalls the order; it is taken once the rebuilt rows are about as far as the
    live ones, so that it is short.
    """
    position = _live(snapshot, projection).position
    with Build(connection, projection, reader, batch, "verifying") as build:
        yield from build.catch_up(0, until=position)
        with snapshot.transaction():
            snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            live = _live(snapshot, projection)
            if live.position < position:
                raise NotComparable(f"{projection.name} was set back meanwhile: verify it again.")
            yield from build.catch_up(0, until=live.position)
            old, new = projection.names(live.suffix), projection.names(build.suffix)
            for table, key in projection.tables.items():
                yield from differences(snapshot, old[table], connection, new[table], table, key)


def _live(snapshot: Connection, projection: Projection) -> view.Standing:
    live = view.standing(snapshot, projection.name)
    if live is None or live.version != projection.version:
        raise NotComparable(f"{projection.name} stands in another version: run `projections rebuild {projection.name}` first.")
    return live
