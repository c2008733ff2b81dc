"""`grantbook session`: the apps' live sessions (grants)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import store_command
from web.cli.output import field_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from web.cli.store import Cli

COLUMNS = {
    "grant_id": "Session",
    "member_name": "Person",
    "client_name": "App",
    "status": "Status",
    "scopes": "Scopes",
    "projects": "Projects",
    "created_at": "Began",
    "last_refreshed_at": "Refreshed",
    "ended_at": "Ended",
    "ended_reason": "Because",
}


def by_name(rows: Iterable[Any], projects: Mapping[str, str]) -> list[dict[str, Any]]:
    """Sessions for a table: projects by their names, of which `projects` knows those of the time; the others keep their ids."""
    return [{name: field_of(row, name) for name in COLUMNS} | {"projects": _named(field_of(row, "projects"), projects)} for row in rows]


def _named(ids: Iterable[str] | None, projects: Mapping[str, str]) -> list[str]:
    return ["all"] if ids is None else [projects.get(id_, id_) for id_ in ids]


def _projects(cli: Cli) -> Mapping[str, str]:
    from application.lookups import account_of

    return account_of(cli.services, cli.account_id).projects


@click.group("session", help="Sessions of apps: list, show, revoke.")
def session() -> None:
    pass


@store_command(session, "list", help="List live sessions, newest first.")
@click.option("--all", "everything", is_flag=True, help="Ended ones too.")
@click.option("--user", metavar="EMAIL")
@click.option("--client", "client_ref", metavar="CLIENT_ID")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_sessions(cli: Cli, everything: bool, user: str | None, client_ref: str | None, limit: int) -> None:
    from application.lookups import client_of
    from application.manage_members import find_member
    from projections.sessions import queries
    from web.told_sessions import with_reuse

    member_id = str(find_member(cli.services, cli.account_id, user)) if user else None
    stream = str(client_of(cli.services, cli.account_id, client_ref).id) if client_ref else None
    with cli.views() as connection:
        rows = queries.list_sessions(connection, cli.account_id, member_id=member_id, client_stream=stream, live_only=not everything, limit=limit)
        told = with_reuse(cli.app, connection, cli.account_id, rows)
    cli.out.rows(told if cli.out.as_json else by_name(told, _projects(cli)), COLUMNS, "There are no sessions.")


@store_command(session, "show", help="One session, live or ended; where a spent token ended it, whether that looks like a race or a theft.")
@click.argument("grant_id", metavar="SESSION")
def show(cli: Cli, grant_id: str) -> None:
    from domain.errors import NotFound
    from projections.literals import uuid_or_none
    from projections.sessions import queries
    from web.told_sessions import with_reuse

    with cli.views() as connection:
        found = queries.session(connection, cli.account_id, grant_id) if uuid_or_none(grant_id) else None
        if found is None:
            raise NotFound("There is no such session: `grantbook session list --all` shows their ids.")
        told = with_reuse(cli.app, connection, cli.account_id, [found])[0]
    cli.out.one(told if cli.out.as_json else by_name([told], _projects(cli))[0], COLUMNS)
    if told["reuse"] is not None:
        cli.out.note(told["reuse"].words)


@store_command(session, "revoke", help="End a session at once.")
@click.argument("grant_id", metavar="SESSION")
@click.option("--reason", metavar="TEXT", help="Stands in the audit log.")
def revoke(cli: Cli, grant_id: str, reason: str | None) -> None:
    from application import revoke_grant

    recorded = revoke_grant.revoke(cli.services, cli.account_id, grant_id, by="admin", actor_id=None, origin=cli.origin, reason=reason)
    cli.changed(recorded, "The session is revoked.", "The session had ended already.", grant_id=grant_id)
