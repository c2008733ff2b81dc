"""Keeps the live projections up to date: reads the feed in batches; rows and position of a batch are written in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from projections import view
from projections.connection import Connection
from projections.definition import Projection
from projections.events import Event, PersonalReader, PoisonEvent
from projections.feed import view as feed
from projections.pausing import collector_paused
from projections.registry import PROJECTIONS

BATCH = 1000
LOOK_EVERY = 1.0


class Fenced(Exception):
    """Somebody else moved this projection on, or switched its tables: look again where it stands."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one round did: `taken` positions by the projection that came furthest; `more` where a batch was full."""

    taken: int
    more: bool


class Runner:
    """Runs on one autocommit connection. Several runners do no harm: each batch is fenced by the position it starts from."""

    def __init__(self, connection: Connection, reader: PersonalReader, projections: Sequence[Projection] = PROJECTIONS, batch: int = BATCH) -> None:
        self._connection = connection
        self._reader = reader
        self._projections = projections
        self._batch = batch
        self._places: dict[str, tuple[int, str]] = {}
        self._looked_at = float("-inf")

    def step(self) -> Step:
        """Take every live projection one batch further."""
        if time.monotonic() - self._looked_at > LOOK_EVERY:
            self._look()
        groups: dict[int, list[tuple[Projection, str]]] = {}
        for projection in self._projections:
            if projection.name in self._places:
                position, suffix = self._places[projection.name]
                groups.setdefault(position, []).append((projection, suffix))
        taken = [self._advance_group(group, position) for position, group in groups.items()]
        return Step(max(taken, default=0), any(n >= self._batch for n in taken))

    def _look(self) -> None:
        """Where the live projections stand, and in which tables. In between, the fence tells when that has changed."""
        standings = view.standings(self._connection)
        ours = [(p.name, standings[p.name]) for p in self._projections if p.name in standings and standings[p.name].version == p.version]
        self._places = {name: (standing.position, standing.suffix) for name, standing in ours if standing.state == "live"}
        self._looked_at = time.monotonic()

    @collector_paused()
    def _advance_group(self, group: list[tuple[Projection, str]], position: int) -> int:
        """Projections at the same position share one reading of the feed, and one transaction unless something is wrong."""
        topics = frozenset[str]().union(*(p.topics for p, _ in group))
        events, until = feed.follow(self._connection, position, self._batch, topics)
        if until == position:
            return 0
        self._reader.prepare(events)
        try:
            self._take_together(group, events, position, until)
        except Exception as error:
            if not isinstance(error, PoisonEvent) and not view.is_fault(error):
                raise
            self._looked_at = float("-inf")
            for projection, suffix in group:
                self._take(projection, suffix, [e for e in events if e.topic in projection.topics], position, until)
        else:
            self._places.update({projection.name: (until, suffix) for projection, suffix in group})
        return until - position

    def _take_together(self, group: list[tuple[Projection, str]], events: list[Event], position: int, until: int) -> None:
        """All statements but COPY travel at once: under load each round trip waits for a processor twice."""
        with self._connection.transaction():
            with self._connection.pipeline():
                view.advance_all(self._connection, {p.name: suffix for p, suffix in group}, position, until)
                for projection, suffix in group:
                    if not projection.copies:
                        self._apply(projection, suffix, events)
            for projection, suffix in group:
                if projection.copies:
                    self._apply(projection, suffix, events)

    def _apply(self, projection: Projection, suffix: str, events: list[Event]) -> None:
        wanted = [e for e in events if e.topic in projection.topics]
        if wanted:
            projection.apply(self._connection, projection.names(suffix), wanted, self._reader)

    def _take(self, projection: Projection, suffix: str, events: list[Event], position: int, until: int) -> None:
        try:
            apply_batch(self._connection, projection, suffix, events, position, until, self._reader)
        except Fenced:
            return
        except PoisonEvent as poison:
            self._stop_before(projection, suffix, events, position, poison)
        except Exception as error:
            if not view.is_fault(error):
                raise
            self._one_by_one(projection, suffix, events, position, until)

    def _one_by_one(self, projection: Projection, suffix: str, events: list[Event], position: int, until: int) -> None:
        """The database refused something in the batch: find out which event it was."""
        for event in events:
            try:
                apply_batch(self._connection, projection, suffix, [event], position, event.position, self._reader)
            except Fenced:
                return
            except PoisonEvent as poison:
                self._stop_before(projection, suffix, [event], position, poison)
                return
            except Exception as error:
                if not view.is_fault(error):
                    raise
                self._stop_before(projection, suffix, [event], position, PoisonEvent(event, error))
                return
            position = event.position
        view.advance_idle(self._connection, [projection.name], position, until)

    def _stop_before(self, projection: Projection, suffix: str, events: list[Event], position: int, poison: PoisonEvent) -> None:
        """Take what comes before the poison event, then stop this projection and no other."""
        last = poison.event.position - 1
        sound = [e for e in events if e.position <= last]
        if last > position:
            if sound:
                self._take(projection, suffix, sound, position, last)
            else:
                view.advance_idle(self._connection, [projection.name], position, last)
        view.stop(self._connection, projection.name, last, str(poison))


def apply_batch(
    connection: Connection, projection: Projection, suffix: str, events: Iterable[Event], position: int, until: int, reader: PersonalReader
) -> None:
    """One batch of one projection, exactly once: its rows and its position in one transaction. `Fenced` if it stands elsewhere."""
    with connection.transaction():
        if not view.advance(connection, projection.name, position, until, suffix):
            raise Fenced(projection.name)
        projection.apply(connection, projection.names(suffix), events, reader)
