"""What a deed ends, to be told with it. A deed never waits long for the views, nor fails with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from domain.client import Client
    from web.cli.store import Cli

T = TypeVar("T")
_PATIENCE_S = 2.0
_MOST = 10_000


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


def sessions_of_app(cli: Cli, client: Client, *, registration_only: bool = False) -> int | None:
    """The sessions that are active now, in all registrations of the app or in this one."""
    from projections.sessions.queries import list_sessions, session_counts

    if registration_only:
        found = read_soon(cli, lambda views: list_sessions(views, cli.account_id, client_stream=str(client.id), limit=_MOST))
        return None if found is None else sum(session.status == "active" for session in found)
    counts = read_soon(cli, lambda views: session_counts(views, cli.account_id, fingerprint=client.fingerprint))
    return None if counts is None else counts.active


def sessions_of_member(cli: Cli, member_id: str) -> int | None:
    from projections.sessions.queries import session_counts

    counts = read_soon(cli, lambda views: session_counts(views, cli.account_id, member_id=member_id))
    return None if counts is None else counts.active


def sessions_of_account(cli: Cli) -> int | None:
    from projections.sessions.queries import session_counts

    counts = read_soon(cli, lambda views: session_counts(views, cli.account_id))
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


def app_name(client: Client) -> str:
    """What the app calls itself, fit for a terminal, or its client id."""
    from web.cli.output import shown

    return shown(client.name) if client.name else client.client_id
