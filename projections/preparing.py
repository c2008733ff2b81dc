"""Makes what is missing before anything is read or written: the tables and stable views of every projection."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from projections import view
from projections.connection import Connection
from projections.definition import Projection
from projections.registry import PROJECTIONS


def prepare(connection: Connection, projections: Sequence[Projection] = PROJECTIONS) -> None:
    """Give every projection that has none its empty tables, at position 0. Idempotent; several processes may call it at once.

    The connection must be in autocommit.
    """
    missing = [p for p in projections if p.name not in view.standings(connection)]
    for projection in missing:
        _begin(connection, projection)


def _begin(connection: Connection, projection: Projection) -> None:
    with connection.transaction():
        view.prepare_lock(connection)
        if view.standing(connection, projection.name) is not None:
            return
        suffix = new_suffix()
        names = projection.names(suffix)
        projection.create(connection, names)
        projection.index(connection, names, "")
        view.show(connection, projection, names)
        view.add_standing(connection, projection.name, projection.version, suffix, "live")


def new_suffix() -> str:
    """A suffix for tables that no other build has."""
    return f"_{secrets.token_hex(4)}"
