"""The rows of two tables of one shape, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from projections.connection import Connection


def rows_in_order(
    connection: Connection, table: str, key: Sequence[str], cursor: str, common: Sequence[str] | None = None
) -> Iterator[tuple[Any, ...]]:
    """Every row's key and a hash of all its columns, or of the `common` ones, by key; needs an open transaction."""
    hashed = "t::text" if common is None else f"ROW({', '.join(common)})::text"
    columns = ", ".join(f'{name}::text COLLATE "C"' if kind != "bigint" else name for name, kind in _kinds(connection, table, key))
    with connection.cursor(cursor) as rows:
        rows.itersize = 5000
        rows.execute(f"SELECT {columns}, hashtextextended({hashed}, 0) FROM {table} t ORDER BY {', '.join(str(i + 1) for i in range(len(key)))}")
        yield from rows


def row_at(connection: Connection, table: str, key: Sequence[str], values: Sequence[Any]) -> dict[str, Any] | None:
    """One row by its key."""
    condition = " AND ".join(f"{name}::text = %s" for name in key)
    row = connection.execute(f"SELECT row_to_json(t) FROM {table} t WHERE {condition}", [str(v) for v in values]).fetchone()
    return None if row is None else row[0]


def _kinds(connection: Connection, table: str, key: Sequence[str]) -> list[tuple[str, str]]:
    query = "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = ANY(%s)"
    kinds = dict(connection.execute(query, (table, list(key))).fetchall())
    return [(name, "bigint" if kinds[name] in ("bigint", "smallint") else kinds[name]) for name in key]


def columns_of(connection: Connection, table: str) -> list[str]:
    """The names of a table's columns in alphabetical order, quoted."""
    query = "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname"
    return [row[0] for row in connection.execute(query, (table,)).fetchall()]
