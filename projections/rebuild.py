"""Builds a projection's tables anew beside the live ones, catches up, and switches in one transaction: no downtime."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Self

from projections import view
from projections.comparing.comparison import Changed, changes
from projections.connection import Connection
from projections.definition import Projection
from projections.events import PersonalReader, PoisonEvent
from projections.feed.feed import Feed
from projections.pausing import collector_paused
from projections.preparing import new_suffix
from projections.runner import Fenced, apply_batch

BATCH = 5000
CLOSE = 500
_LOCK_WAIT_MS = 500
_BUILDER_ENDS = 2.0  # seconds: how long a killed builder's session may hold its lock


class RebuildFailed(Exception):
    """The projection can't be built: the message names the event."""


class AlreadyBuilding(Exception):
    """Another process builds this projection now."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build is: events up to `position` of `head` are in the new tables."""

    name: str
    position: int
    head: int
    phase: str
    changed: tuple[Changed, ...] = ()
    """Once it is `compared`: what the switch is going to change, table by table."""


def rebuild(
    connection: Connection, projection: Projection, reader: PersonalReader, batch: int = BATCH, *, snapshot: Connection | None = None
) -> Iterator[Progress]:
    """Rebuild, compare and switch, yielding after each batch. Needs an autocommit connection of its own; the old tables serve until the switch.

    `snapshot`: another one, to read ahead and to compare with what is live; without it nothing is compared.
    """
    with Build(connection, projection, reader, batch, ahead=snapshot) as build:
        yield from build.catch_up(CLOSE)
        yield replace(build.progress(), phase="indexing")
        projection.index(connection, projection.names(build.suffix), "CONCURRENTLY")
        if snapshot is not None:
            yield from _compared(connection, snapshot, projection, build)
        while not build.try_switch():
            yield from build.catch_up(CLOSE)
        yield replace(build.progress(), phase="switched")


def _compared(connection: Connection, snapshot: Connection, projection: Projection, build: Build) -> Iterator[Progress]:
    """Both at one position, by the columns that both have. A view that stopped, or lags, is not compared: it is replaced."""
    with snapshot.transaction():
        snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        live = view.standing(snapshot, projection.name)
        if live is None or live.state != "live" or live.position < build.position:
            return
        yield from build.catch_up(0, until=live.position)
        old, new = replace(projection, version=live.version).names(live.suffix), projection.names(build.suffix)
        tables = [(table, key) for table, key in projection.tables.items() if view.exists(snapshot, old[table])]
        found = [changes(snapshot, old[table], connection, new[table], table, key) for table, key in tables]
    yield replace(build.progress(), phase="compared", changed=tuple(each for each in found if each is not None))


class Build:
    """New tables under way: a row `NAME/building` says how far, and a session lock keeps other builders out.

    `ahead`: another autocommit connection, which reads the next batch while the last is written.
    """

    def __init__(
        self,
        connection: Connection,
        projection: Projection,
        reader: PersonalReader,
        batch: int,
        purpose: str = "building",
        *,
        ahead: Connection | None = None,
    ) -> None:
        self._connection = connection
        self._feed = Feed(connection, projection.topics, ahead)
        self._projection = projection
        self._batch = batch
        self._row = f"{projection.name}/{purpose}"
        self._reader = reader.again(view.erased_members(connection))
        self.suffix = new_suffix()
        self.position = 0
        self._beside = replace(projection, name=self._row)

    def __enter__(self) -> Self:
        if not view.lock_within(self._connection, f"grantbook {self._row}", _BUILDER_ENDS):
            raise AlreadyBuilding(f"{self._projection.name} is being built by another process.")
        try:
            self._clear()
            with self._connection.transaction():
                self._projection.create(self._connection, self._projection.names(self.suffix))
                view.add_standing(self._connection, self._row, self._projection.version, self.suffix, "building")
        except BaseException:
            view.unlock(self._connection, f"grantbook {self._row}")
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and view.is_lost(error):
            return
        self._clear()
        view.unlock(self._connection, f"grantbook {self._row}")

    def progress(self) -> Progress:
        return Progress(self._projection.name, self.position, view.head(self._connection), "building")

    def catch_up(self, close: int, until: int | None = None) -> Generator[Progress]:
        """Take at least one batch, and go on until at most `close` events are left before the head (or exactly to `until`).

        `ahead` is free again at its end, wherever that comes.
        """
        head = view.head(self._connection) if until is None else until
        try:
            while self.position < head:
                end = min(self.position + self._batch, head)
                self._take(end, then=min(end + self._batch, head))
                yield Progress(self._projection.name, self.position, head, "building")
                if until is None:
                    newest = view.head(self._connection)
                    head = newest if newest - self.position > close else self.position
        finally:
            self._feed.rest()

    @collector_paused()
    def _take(self, until: int, then: int = 0) -> None:
        events = self._reader.prepared(self._feed.read(self.position, until, then))
        try:
            apply_batch(self._connection, self._beside, self.suffix, events, self.position, until, self._reader)
        except PoisonEvent as poison:
            raise RebuildFailed(f"{self._projection.name} can't be built: {poison}") from poison
        except Fenced:
            raise AlreadyBuilding(f"Another process took over the build of {self._projection.name}.") from None
        except Exception as error:
            if not view.is_fault(error):
                raise
            where = f"an event from {self.position + 1} to {until}"
            raise RebuildFailed(f"{self._projection.name} can't be built: the database refuses {where}: {type(error).__name__}") from error
        self.position = until

    def try_switch(self) -> bool:
        """Bring the new tables to where the live ones stand and show them instead; False if readers hold the views too long."""
        before = self.position
        try:
            with self._connection.transaction():
                view.patience(self._connection, _LOCK_WAIT_MS)
                view.prepare_lock(self._connection)
                live = view.standing(self._connection, self._projection.name, lock=True)
                if live is None:
                    view.add_standing(self._connection, self._projection.name, self._projection.version, self.suffix, "live")
                elif live.version > self._projection.version:
                    raise RebuildFailed(f"{self._projection.name} was built by a newer release; run that one.")
                elif live.position > self.position:
                    self._take(live.position)
                view.switch(self._connection, self._projection, self.suffix, self.position)
                view.remove_standing(self._connection, self._row)
        except Exception as error:
            self.position = before
            if view.is_lock_timeout(error):
                return False
            raise
        return True

    def _clear(self) -> None:
        clear(self._connection, self._projection, self._row)


def clear(connection: Connection, projection: Projection, row: str) -> None:
    """Drop what neither a live view nor a build under way uses: old tables after a switch, leftovers of a killed build. The caller holds its lock."""
    view.remove_standing(connection, row)
    tables = view.tables_of(connection, projection)  # before their users: a table and its row appear together
    standings = view.standings(connection).values()
    used = {table for s in standings if s.name.partition("/")[0] == projection.name for table in view.names_at(projection, s)}
    for table in tables:
        if table not in used:
            view.drop_table(connection, table)
