"""Two builds of a projection compared, row by row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from projections.comparing import view
from projections.connection import Connection

Side = Literal["same", "gone", "new", "different"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that isn't as the events say: `live` or `rebuilt` is None where it is missing there."""

    table: str
    key: tuple[Any, ...]
    live: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


def differences(snapshot: Connection, live: str, connection: Connection, rebuilt: str, table: str, key: tuple[str, ...]) -> Iterator[Difference]:
    """Every row that is not the same in both; `snapshot` is in a transaction and sees the live one."""
    with connection.transaction():
        for where, side in _sides(view.rows_in_order(snapshot, live, key, "live"), view.rows_in_order(connection, rebuilt, key, "rebuilt")):
            if side != "same":
                yield Difference(table, where, view.row_at(snapshot, live, key, where), view.row_at(connection, rebuilt, key, where))


def _sides(left: Iterator[tuple[Any, ...]], right: Iterator[tuple[Any, ...]]) -> Iterator[tuple[tuple[Any, ...], Side]]:
    """The keys of two ordered lists of (key…, hash): only on the left `gone`, only on the right `new`, else `same` or `different`."""
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a[:-1] < b[:-1]):
            assert a is not None
            yield a[:-1], "gone"
            a = next(left, None)
        elif a is None or b[:-1] < a[:-1]:
            yield b[:-1], "new"
            b = next(right, None)
        else:
            yield a[:-1], "same" if a[-1] == b[-1] else "different"
            a, b = next(left, None), next(right, None)


@dataclass(frozen=True, slots=True)
class Changed:
    """How a table that was built anew differs from the one that it replaces, by the columns that both have; `gone` and `new`: rows of one alone."""

    table: str
    rows: int
    gone: int
    new: int
    different: int

    @property
    def same(self) -> bool:
        return not (self.gone or self.new or self.different)


def changes(snapshot: Connection, live: str, connection: Connection, rebuilt: str, table: str, key: tuple[str, ...]) -> Changed | None:
    """What a switch is going to change in a table, as `snapshot` sees the live one; None where that had another key."""
    before, after = view.columns_of(snapshot, live), view.columns_of(connection, rebuilt)
    if not set(key) <= set(before):
        return None
    common = [name for name in after if name in before]
    with connection.transaction():
        live_rows = view.rows_in_order(snapshot, live, key, "live", common)
        found = Counter(side for _, side in _sides(live_rows, view.rows_in_order(connection, rebuilt, key, "rebuilt", common)))
    return Changed(table, found.total() - found["gone"], found["gone"], found["new"], found["different"])
