"""What the store raises beside the port's `Conflict` and `Busy`, and how the server's error codes map to them."""

from __future__ import annotations

from psycopg import errors

from application.counting import count
from application.ports import Busy, Conflict


class Lost(Exception):
    """The connection is gone; whether its last statement took effect is unknown."""


class ReadOnly(Busy):
    """The connection may not write: it leads to a standby, or was made while the database was closed to writers. A new one may do better."""


class UnknownTopic(Busy):
    """A stored event has a topic or class version that this release doesn't know: another release wrote it (503, never a guess)."""


class UnreadableEvent(Busy):
    """A stored event can't be decoded by the class that its topic names."""


class SealingImpossible(Busy):
    """The data key of a subject is wrapped by a key that GRANTBOOK_WRAPPING_KEYS doesn't hold."""


_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "26000", "0A000"})
"""Ended by an administrator, by a crash, starting up, idle too long (25P03, 25P04: transaction too long), and prepared statements that went stale."""

_READ_ONLY = "25006"
_CONFLICT = frozenset({"23505", "40001", "40P01"})
_BUSY_CLASSES = frozenset({"53", "57", "58", "25", "55"})


def from_sqlstate(sqlstate: str | None, message: str) -> Exception:
    """The exception for a server error: `Lost`, `Conflict`, `Busy` or psycopg's own for what is a mistake of ours."""
    if sqlstate is None or sqlstate in _LOST or sqlstate.startswith("08"):
        count("database_errors", "lost")
        return Lost(message)
    if sqlstate in _CONFLICT:
        return Conflict(message)
    if sqlstate[:2] in _BUSY_CLASSES:
        count("database_errors", "busy")
        return ReadOnly() if sqlstate == _READ_ONLY else Busy()
    count("database_errors", "other")
    try:
        return errors.lookup(sqlstate)(message)
    except KeyError:
        return errors.DatabaseError(message)
