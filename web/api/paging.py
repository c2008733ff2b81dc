"""Pages by position: an opaque cursor says where the last page ended, so that nothing shifts when something new comes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from web.api.problems import Problem

TRow = TypeVar("TRow")
NEWEST = 2**62


def after(kind: str, cursor: str | None) -> int | None:
    """The position that a cursor of this list names; None for the first page."""
    if cursor is None:
        return None
    try:
        name, _, position = base64.urlsafe_b64decode(cursor.encode() + b"==").decode().partition(":")
    except (binascii.Error, ValueError):
        name, position = "", ""
    if name != kind or not position.isascii() or not position.isdigit() or len(position) > 18:
        raise Problem("invalid-input", errors=[{"parameter": "cursor", "detail": "This is no cursor of this list."}])
    return int(position)


def page(kind: str, rows: Sequence[TRow], limit: int, position: Callable[[TRow], int]) -> dict[str, Any]:
    """At most `limit` of the rows, of which one more was read, and the cursor of the next page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return {"data": shown, "next_cursor": cursor(kind, position(shown[-1])) if more else None}


def cursor(kind: str, position: int) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).decode().rstrip("=")
