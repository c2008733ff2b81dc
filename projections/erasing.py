"""Takes a person out of the rows that pages show at the moment of the erasure; the projector does the same again where it meets the event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from projections.consents import view as consents
from projections.integrations import view as integrations
from projections.members import view as members
from projections.registry import BY_NAME
from projections.sessions import view as sessions

FENCE = "LOCK TABLE projections IN EXCLUSIVE MODE"
"""Waits for the batches under way and holds the next ones up until the transaction ends, so that none of them waits for a row of ours in turn."""

_SCRUB = {"members": members.SCRUB, "consents": consents.SCRUB, "integrations": integrations.SCRUB, "sessions": sessions.SCRUB}
_TABLES = """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'views' AND c.relkind = 'r' AND c.relname ~ '_v[0-9]+(_[0-9a-f]+)?$' ORDER BY 1"""
_TABLE = re.compile(r"(.+)_v([0-9]+)((?:_[0-9a-f]+)?)\Z")


def statements(query: Callable[[str], list[tuple[Any, ...]]]) -> Iterator[str]:
    """Statements that take (account id, member id), for the live tables and those being built beside them; tables of an older version are about to
    go, and the audit log, which may be long, follows the event."""
    found = [match.groups() for (name,) in query(_TABLES) if (match := _TABLE.match(name))]
    for name, scrubs in _SCRUB.items():
        projection = BY_NAME[name]
        suffixes = {suffix for table, version, suffix in found if table in projection.tables and int(version) == projection.version}
        for suffix in sorted(suffixes):
            names = projection.names(suffix)
            present = {table for table, version, its in found if its == suffix and int(version) == projection.version}
            if present >= set(names):
                yield from (statement.format(**names) for statement in scrubs)
