"""What projections share that turn events into steps: row changes whose order is free, and barriers between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from projections.connection import Connection
from projections.definition import Names
from projections.events import Event, PersonalReader, handle

TRows = TypeVar("TRows")
TStep = TypeVar("TStep")


class Folding(Generic[TRows]):
    """One batch being folded. Subclasses have a method for each handler's name; `rows` takes what needs no order until the next `flush`.

    `new_rows` makes empty rows, which are false until something stands in them.
    """

    def __init__(self, reader: PersonalReader, new_rows: Callable[[], TRows], handlers: Mapping[str, str]) -> None:
        self.reader = reader
        self.steps: list[Any] = []
        self.rows = new_rows()
        self._new_rows = new_rows
        self._handlers: dict[str, Callable[[Event], None]] = {topic: getattr(self, name) for topic, name in handlers.items()}

    def fold(self, events: Iterable[Event]) -> list[Any]:
        """The steps to take, one after the other."""
        handle(events, self._handlers)
        self.flush()
        return self.steps

    def flush(self) -> None:
        if self.rows:
            self.steps.append(self.rows)
            self.rows = self._new_rows()

    def barrier(self, step: object) -> None:
        """A step that must see everything before it and nothing after it."""
        self.flush()
        self.steps.append(step)


class SteppedView:
    """The tables of such a projection: what makes and indexes them, and the SQL that takes each kind of step."""

    def __init__(self, create: Sequence[str], index: Sequence[str], fold: Callable[[Iterable[Event], PersonalReader], Sequence[Any]]) -> None:
        self._create, self._index, self._fold = create, index, fold
        self._takers: dict[type, Callable[[Any, Connection, Names], None]] = {}

    def takes(self, kind: type[TStep]) -> Callable[[Callable[[TStep, Connection, Names], None]], Callable[[TStep, Connection, Names], None]]:
        """Decorator: this function writes the steps of a kind."""

        def keep(taker: Callable[[TStep, Connection, Names], None]) -> Callable[[TStep, Connection, Names], None]:
            self._takers[kind] = taker
            return taker

        return keep

    def create(self, connection: Connection, names: Names) -> None:
        for statement in self._create:
            connection.execute(statement.format(**names))

    def index(self, connection: Connection, names: Names, how: str) -> None:
        for statement in self._index:
            connection.execute(statement.format(how=how, **names))

    def apply(self, connection: Connection, names: Names, events: Iterable[Event], reader: PersonalReader) -> None:
        for step in self._fold(events, reader):
            self._takers[type(step)](step, connection, names)
