"""The one clock of the program."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present in UTC, aware."""
    return datetime.now(UTC)
