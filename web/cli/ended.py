"""What a deed ends, to be told with it. A deed never waits long for the views, nor fails with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.cli.store import Cli

T = TypeVar("T")
_PATIENCE_S = 2.0


def read_soon(cli: Cli, read: Callable[[Any], T]) -> T | None:
    """What the views say; None where they are away, or behind for longer than a deed can wait."""
    from infrastructure.catch_up import catch_up
    from infrastructure.database import DatabaseUnavailable

    try:
        if catch_up(cli.app, _PATIENCE_S):
            with cli.app.views() as connection:
                return read(connection)
    except DatabaseUnavailable:
        pass
    return None


def active_sessions(cli: Cli, **whose: str) -> int | None:
    """How many are active now: of the account, or those that `session_counts` finds by `fingerprint`, `client_stream` or `member_id`."""
    from projections.sessions.queries import session_counts

    counts = read_soon(cli, lambda views: session_counts(views, cli.account_id, **whose))
    return None if counts is None else counts.active


def sessions_for(cli: Cli, identifier: str) -> int | None:
    """The sessions for a resource."""
    from projections.sessions.queries import sessions_holding

    found = read_soon(cli, lambda views: sessions_holding(views, cli.account_id, resource=identifier))
    return None if found is None else found[0]


def and_ended(sessions: int | None) -> str:
    """`; 2 sessions ended`, behind what was done."""
    from infrastructure.past.answers import counted

    if sessions is None:
        return ""
    return f"; {counted(sessions, 'session')} ended" if sessions else "; no session was active"
