"""Keeps the live projections up to date: reads the feed in batches and gives each its events, rows and position in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from projections import view
from projections.connection import Connection
from projections.definition import Projection
from projections.events import Event, PersonalReader, PoisonEvent
from projections.registry import PROJECTIONS

BATCH = 1000


class Fenced(Exception):
    """Somebody else moved this projection on, or switched its tables: look again where it stands."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one round did: the furthest position reached, the head it saw, and how many events lie between for the slowest."""

    head: int
    behind: int


class Runner:
    """Runs on one autocommit connection. Several runners do no harm: each batch is fenced by the position it starts from."""

    def __init__(self, connection: Connection, reader: PersonalReader, projections: Sequence[Projection] = PROJECTIONS, batch: int = BATCH) -> None:
        self._connection = connection
        self._reader = reader
        self._projections = projections
        self._batch = batch

    def step(self) -> Step:
        """Take every live projection one batch further."""
        standings = view.standings(self._connection)
        head = view.head(self._connection)
        groups: dict[int, list[tuple[Projection, str]]] = {}
        for projection in self._projections:
            standing = standings.get(projection.name)
            if standing and standing.state == "live" and standing.version == projection.version and standing.position < head:
                groups.setdefault(standing.position, []).append((projection, standing.suffix))
        behind = 0
        for position, group in groups.items():
            until = min(position + self._batch, head)
            self._advance_group(group, position, until)
            behind = max(behind, head - until)
        return Step(head, behind)

    def _advance_group(self, group: list[tuple[Projection, str]], position: int, until: int) -> None:
        """Projections at the same position share one reading of the feed."""
        topics = frozenset[str]().union(*(p.topics for p, _ in group))
        events = view.read(self._connection, position, until, sorted(topics))
        self._reader.prepare(events)
        idle = []
        for projection, suffix in group:
            wanted = [e for e in events if e.topic in projection.topics]
            if wanted:
                self._take(projection, suffix, wanted, position, until)
            else:
                idle.append(projection.name)
        if idle:
            view.advance_idle(self._connection, idle, position, until)

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
    connection: Connection, projection: Projection, suffix: str, events: Sequence[Event], position: int, until: int, reader: PersonalReader
) -> None:
    """One batch of one projection, exactly once: its rows and its position in one transaction. `Fenced` if it stands elsewhere."""
    with connection.transaction():
        if not view.advance(connection, projection.name, position, until, suffix):
            raise Fenced(projection.name)
        projection.apply(connection, projection.names(suffix), events, reader)
