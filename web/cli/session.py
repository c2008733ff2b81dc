"""`grantbook session`: the apps' live sessions (grants)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import client_option, store_command, user_option
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
@user_option
@client_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_sessions(cli: Cli, everything: bool, user: str | None, client_ref: str | None, limit: int) -> None:
    from projections.sessions import queries
    from web.cli.named import client_named, member_named
    from web.told_sessions import with_reuse

    member_id = str(member_named(cli, user, reads=True)) if user else None
    stream = str(client_named(cli, client_ref, reads=True).id) if client_ref else None
    with cli.views() as connection:
        rows = queries.list_sessions(connection, cli.account_id, member_id=member_id, client_stream=stream, live_only=not everything, limit=limit)
        told = with_reuse(cli.app, connection, cli.account_id, rows)
    cli.out.rows(told if cli.out.as_json else by_name(told, _projects(cli)), COLUMNS, "There are no sessions.")


@store_command(session, "show", help="One session, live or ended; where a spent token ended it, whether that looks like a race or a theft.")
@click.argument("grant_id", metavar="SESSION")
def show(cli: Cli, grant_id: str) -> None:
    from domain.errors import Refused
    from projections.sessions import queries
    from web.cli.named import grant_named
    from web.told_sessions import with_reuse

    wanted = grant_named(cli, grant_id)
    with cli.views() as connection:
        found = queries.session(connection, cli.account_id, str(wanted.id))
        if found is None:
            raise Refused("The views don't hold this session yet; `grantbook projections status` says why.")
        told = with_reuse(cli.app, connection, cli.account_id, [found])[0]
    cli.out.one(told if cli.out.as_json else by_name([told], _projects(cli))[0], COLUMNS)
    if told["reuse"] is not None:
        cli.out.note(told["reuse"].words)


@store_command(session, "revoke", help="End a session at once.")
@click.argument("grant_id", metavar="SESSION")
@click.option("--reason", metavar="TEXT", help="Stands in the audit log.")
def revoke(cli: Cli, grant_id: str, reason: str | None) -> None:
    from application import revoke_grant
    from projections.sessions import queries
    from web.cli.ended import read_soon
    from web.cli.named import grant_named
    from web.cli.output import shown

    id_ = str(grant_named(cli, grant_id).id)
    recorded = revoke_grant.revoke(cli.services, cli.account_id, id_, by="admin", actor_id=None, origin=cli.origin, reason=reason)
    row = read_soon(cli, lambda views: queries.session(views, cli.account_id, id_))
    whose = "" if row is None else f" of {shown(row.member_name or 'somebody erased')} in {shown(row.client_name)}"
    facts = {} if row is None else {"member_name": row.member_name, "client_name": row.client_name}
    cli.changed(recorded, f"The session{whose} is revoked.", f"The session{whose} had ended already.", grant_id=id_, **facts)
