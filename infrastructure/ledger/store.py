"""All SQL of the log: leaf hashes by position, hashes of full tiles, entries, checkpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from infrastructure.ledger.tree import WIDTH, Edge, Tree

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A positioned event; the index of its entry in the log is `position - 1`."""

    position: int
    account_id: str
    stream_id: UUID
    version: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint as it was signed; `at` is None for one that was signed in another copy."""

    size: int
    root: bytes
    note: str
    at: datetime | None


_LEAVES = """SELECT position, account_id::text, originator_id, originator_version, leaf_hash FROM positions
WHERE position > %s ORDER BY position LIMIT %s"""
_OF_ACCOUNT = """SELECT position, account_id::text, originator_id, originator_version, leaf_hash FROM positions
WHERE account_id = %s AND position > %s AND position <= %s ORDER BY position"""
_TOPICS = """SELECT e.originator_id, e.originator_version, e.topic FROM unnest(%s::uuid[], %s::bigint[]) AS wanted(id, version)
JOIN events e ON e.originator_id = wanted.id AND e.originator_version = wanted.version"""
_HASHES = "SELECT leaf_hash FROM positions WHERE position > %s AND position <= %s ORDER BY position"
_NODES = "SELECT hash FROM ledger_nodes WHERE level = %s AND index >= %s AND index < %s ORDER BY index"
_KEEP_NODES = """INSERT INTO ledger_nodes (level, index, hash)
SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bytea[]) ON CONFLICT DO NOTHING"""
# Compare and set: what was signed before is never smaller, and no size is signed twice.
_KEEP = """INSERT INTO ledger_checkpoints (origin, size, root, note) SELECT %(origin)s, %(size)s, %(root)s, %(note)s
WHERE NOT EXISTS (SELECT FROM ledger_checkpoints WHERE origin = %(origin)s AND size >= %(size)s)"""
_SIGNED = "SELECT size, root, note, at FROM ledger_checkpoints WHERE origin = %s"
_WAITING = """SELECT extract(epoch FROM clock_timestamp() - p.at)::float FROM positions p JOIN events e USING (originator_id, originator_version)
WHERE p.position > %s AND e.topic <> 'ledger.summed' ORDER BY p.position LIMIT 1"""
_ENTRIES = """SELECT p.position, convert_to(concat_ws(E'\\n', 'gb1', e.originator_id, e.originator_version, e.topic, ''), 'UTF8') || e.state
FROM positions p JOIN events e USING (originator_id, originator_version)"""


ORIGIN = "ledger.origin"
"""The key of `store_meta` under which the log's name stands, from its first checkpoint on."""


def origin_of(connection: Connection, wanted: str | None, default: str) -> str:
    """The log's name: the one that is set, else the one it began with."""
    if wanted is not None:
        return wanted
    row = connection.execute("SELECT value FROM store_meta WHERE key = %s", (ORIGIN,)).fetchone()
    return default if row is None else str(row[0])


def leaves(connection: Connection, after: int, limit: int) -> list[Leaf]:
    """The next leaves in order."""
    return [Leaf(*row) for row in connection.execute(_LEAVES, (after, limit), prepare=True)]


def leaves_of(connection: Connection, account_id: str, after: int, to: int) -> list[Leaf]:
    """An account's leaves between two positions, the first not included."""
    return [Leaf(*row) for row in connection.execute(_OF_ACCOUNT, (account_id, after, to))]


def topics_of(connection: Connection, wanted: Sequence[Leaf]) -> dict[tuple[UUID, int], str]:
    """The topics of these events."""
    rows = connection.execute(_TOPICS, ([leaf.stream_id for leaf in wanted], [leaf.version for leaf in wanted]))
    return {(stream, version): topic for stream, version, topic in rows}


def hashes(connection: Connection, after: int, to: int) -> list[bytes]:
    """Leaf hashes from index `after` up to index `to`, that one not included."""
    return [bytes(row[0]) for row in connection.execute(_HASHES, (after, to))]


def tile(connection: Connection, level: int, index: int, width: int) -> list[bytes]:
    """The first `width` hashes of a tile."""
    first = index * WIDTH
    if level == 0:
        return hashes(connection, first, first + width)
    return [bytes(row[0]) for row in connection.execute(_NODES, (level, first, first + width))]


def tile_hash(connection: Connection, level: int, index: int) -> bytes | None:
    """A stored hash of a level above the leaves."""
    row = connection.execute("SELECT hash FROM ledger_nodes WHERE level = %s AND index = %s", (level, index)).fetchone()
    return None if row is None else bytes(row[0])


def tree(connection: Connection, size: int) -> Tree:
    """The tree of the first `size` entries."""
    return Tree(size, lambda level, index, width: tile(connection, level, index, width))


def edge(connection: Connection, size: int) -> Edge:
    """What is open of the tree at this size."""
    levels, level = [], 0
    while level == 0 or size >> (8 * level):
        width = size >> (8 * level)
        levels.append(tile(connection, level, width // WIDTH, width % WIDTH))
        level += 1
    return Edge(size, levels)


def keep(connection: Connection, origin: str, grown: Edge, root: bytes, note: str) -> bool:
    """Store the tiles that filled up and the checkpoint, in one transaction; False if as much or more was signed already."""
    with connection.transaction():
        if grown.full:
            columns = [list(column) for column in zip(*grown.full, strict=True)]
            connection.execute(_KEEP_NODES, columns)
        given = {"origin": origin, "size": grown.size, "root": root, "note": note}
        return connection.execute(_KEEP, given).rowcount == 1


def _signed(size: int, root: bytes, note: str, at: datetime) -> Signed:
    return Signed(size, bytes(root), note, at)


def newest(connection: Connection, origin: str) -> Signed | None:
    """The newest checkpoint."""
    return next(iter(newest_first(connection, origin, None, 1)), None)


def newest_first(connection: Connection, origin: str, before: int | None, limit: int) -> list[Signed]:
    """The next checkpoints smaller than `before`, or the newest."""
    sql, given = (f"{_SIGNED} AND size < %s", (origin, before, limit)) if before is not None else (_SIGNED, (origin, limit))
    return [_signed(*row) for row in connection.execute(f"{sql} ORDER BY size DESC LIMIT %s".encode(), given)]


def of_size(connection: Connection, origin: str, size: int) -> Signed | None:
    """The checkpoint of this size."""
    row = connection.execute(f"{_SIGNED} AND size = %s", (origin, size)).fetchone()
    return None if row is None else _signed(*row)


def oldest_first(connection: Connection, origin: str) -> Iterator[Signed]:
    """All checkpoints."""
    after, batch = 0, 1_000
    while rows := connection.execute(f"{_SIGNED} AND size > %s ORDER BY size LIMIT %s", (origin, after, batch)).fetchall():
        for row in rows:
            yield _signed(*row)
        after = rows[-1][0]


def origins(connection: Connection) -> list[str]:
    """Every name that a checkpoint was signed under: those of logs that were given up, too."""
    return [row[0] for row in connection.execute("SELECT DISTINCT origin FROM ledger_checkpoints ORDER BY origin")]


def entries(connection: Connection, after: int, to: int, account_id: str | None = None) -> Iterable[tuple[int, bytes]]:
    """Positions and leaf bytes between two positions, the first not included; of one account, or of all."""
    where, given = (" AND p.account_id = %s", (after, to, account_id)) if account_id else ("", (after, to))
    sql = f"{_ENTRIES} WHERE p.position > %s AND p.position <= %s{where} ORDER BY p.position"
    with connection.transaction(), connection.cursor(name="ledger_entries") as cursor:
        cursor.execute(sql.encode(), given)
        for position, leaf in cursor:
            yield position, bytes(leaf)


def waiting_seconds(connection: Connection, after: int) -> float | None:
    """How long the first event after a position has waited for a checkpoint; None where there is none but sums, which need none of their own."""
    row = connection.execute(_WAITING, (after,)).fetchone()
    return None if row is None else max(0.0, row[0])


def account_of(connection: Connection, position: int) -> str | None:
    """The account of the event at a position."""
    row = connection.execute("SELECT account_id::text FROM positions WHERE position = %s", (position,)).fetchone()
    return None if row is None else str(row[0])
