"""Checks a live projection against the events: builds it beside, up to where the live one stands, and names every differing row."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from projections import view
from projections.connection import Connection
from projections.definition import Projection
from projections.events import PersonalReader
from projections.rebuild import BATCH, Build, Progress


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that isn't as the events say: `live` or `rebuilt` is None where it is missing there."""

    table: str
    key: tuple[Any, ...]
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


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
                yield from _compare(snapshot, old[table], connection, new[table], table, key)


def _live(snapshot: Connection, projection: Projection) -> view.Standing:
    live = view.standing(snapshot, projection.name)
    if live is None or live.version != projection.version:
        raise NotComparable(f"{projection.name} stands in another version: run `projections rebuild {projection.name}` first.")
    return live


def _compare(snapshot: Connection, live: str, connection: Connection, rebuilt: str, table: str, key: tuple[str, ...]) -> Iterator[Difference]:
    with connection.transaction():
        for where in _differing(view.rows_in_order(snapshot, live, key, "live"), view.rows_in_order(connection, rebuilt, key, "rebuilt")):
            yield Difference(table, where, view.row_at(snapshot, live, key, where), view.row_at(connection, rebuilt, key, where))


def _differing(left: Iterator[tuple[Any, ...]], right: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The keys at which two ordered lists of (key…, hash) disagree."""
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[:-1] < b[:-1]):
            assert a is not None
            yield a[:-1]
            a = next(left, None)
        elif a is None or b[:-1] < a[:-1]:
            yield b[:-1]
            b = next(right, None)
        else:
            if a[-1] != b[-1]:
                yield a[:-1]
            a, b = next(left, None), next(right, None)
