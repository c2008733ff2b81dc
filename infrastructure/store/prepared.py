"""Prepared statements as libpq takes them, and what its results mean."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import pq

from infrastructure.store.errors import from_sqlstate

UUID_OID, BIGINT_OID, TEXT_OID, BYTEA_OID = 2950, 20, 25, 17
BINARY = 1
STALE_AFTER_S = 1.0
"""Seconds after which a connection that may not write is given up: if new ones were, too, each request would make another."""
_COMMAND_OK, _TUPLES_OK = int(pq.ExecStatus.COMMAND_OK), int(pq.ExecStatus.TUPLES_OK)
_BAD = pq.ConnStatus.BAD


class Statement:
    """A prepared statement with the types of its parameters; parameters and results are binary."""

    __slots__ = ("formats", "name", "oids", "sql")

    def __init__(self, name: str, sql: str, oids: Sequence[int]) -> None:
        self.name, self.sql, self.oids = name.encode(), sql.encode(), tuple(oids)
        self.formats = [BINARY] * len(self.oids)


def fine(result: pq.abc.PGresult) -> bool:
    """Whether the server did what it was asked."""
    return result.status in (_TUPLES_OK, _COMMAND_OK)


def checked(connection: pq.abc.PGconn, result: pq.abc.PGresult) -> pq.abc.PGresult:
    """The result if it is fine; raises `Lost`, `Conflict`, `Busy` (`ReadOnly`) or a psycopg error."""
    if fine(result):
        return result
    sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE)
    message = result.get_error_message()
    raise from_sqlstate(None if sqlstate is None or connection.status == _BAD else sqlstate.decode(), message)
