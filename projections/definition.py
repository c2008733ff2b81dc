"""What makes a projection: its name and version, the topics it wants, and the functions that create and write its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from projections.connection import Connection
from projections.events import Event, PersonalReader

Names = Mapping[str, str]
"""Table name as the stable view has it -> the qualified table that is written."""


@dataclass(frozen=True, slots=True)
class Projection:
    """`tables`: the stable view names with the columns that tell rows apart. A change of tables or of the fold needs a new `version`."""

    name: str
    version: int
    topics: frozenset[str]
    tables: Mapping[str, tuple[str, ...]]
    create: Callable[[Connection, Names], None]
    """Make empty tables with the keys that writing needs."""
    index: Callable[[Connection, Names, str], None]
    """Add the indexes that only reading needs: `CONCURRENTLY` on filled tables, outside any transaction, or plainly (``) on empty ones."""
    apply: Callable[[Connection, Names, Iterable[Event], PersonalReader], None]
    """Fold events, which come once and in order, into the tables; runs inside the batch's transaction."""
    copies: bool = False
    """Whether `apply` uses COPY, which can't share a pipeline."""

    def names(self, suffix: str) -> dict[str, str]:
        """The tables of this version with a suffix."""
        return {table: f"views.{table}_v{self.version}{suffix}" for table in self.tables}
