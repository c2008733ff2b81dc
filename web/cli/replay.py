"""`grantbook replay`: a view as it stood at any moment of the past."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import store_command
from web.cli.times import PointInTime, begin, moment_given, nothing_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infrastructure.past.moments import Moment
    from web.cli.store import Cli

_NEEDED = ("members", "integrations", "consents", "sessions", "usage")
"""What the pages of apps and sessions are read from. The audit log's rows never change, so its past is a part of it."""


def replay(cli: Cli, *, time: datetime | None, position: int | None, view: str, limit: int) -> None:
    """See the command's own help."""
    from web.cli.session import by_name

    if (time is None) == (position is None):
        raise click.UsageError("Give TIME, such as 2026-11-24T15:00Z or 7d, or --position.")
    with cli.views() as connection:
        moment = moment_given(connection, time, position)
        begins = None if moment.position else begin(connection)
        rows = _rows(cli, connection, moment, view, limit) if moment.position else ()
        projects = _projects(cli, connection, moment) if view == "sessions" and not cli.out.as_json else {}
    if cli.out.as_json:
        cli.out.say("", view=view, position=moment.position, at=moment.at, begins=begins, rows=rows)
        return
    if not moment.position:
        cli.out.note(nothing_by(moment, begins))
        return
    cli.out.note(f"As it stood at {moment.at:%Y-%m-%d %H:%M:%S} UTC, after event {moment.position:,}:")
    cli.out.rows(by_name(rows, projects) if view == "sessions" else rows, _columns(view), "There was nothing.")


def add_to(group: click.Group) -> None:
    """Make the command."""
    function: Any = click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True)(replay)
    choice = click.Choice(["integrations", "sessions", "audit"])
    function = click.option("--view", type=choice, default="integrations", show_default=True, help="Which one.")(function)
    function = click.option("--position", type=click.IntRange(1), metavar="N", help="Right after event N, instead of TIME.")(function)
    function = click.argument("time", type=PointInTime(), required=False)(function)
    store_command(group, "replay", help="A view as it stood at TIME, made from the events up to then by the view's own code.")(function)


def _rows(cli: Cli, connection: Any, moment: Moment, view: str, limit: int) -> Sequence[Any]:
    return _entries(cli, connection, moment, limit) if view == "audit" else _rebuilt(cli, moment, view, limit)


def _entries(cli: Cli, connection: Any, moment: Moment, limit: int) -> list[dict[str, Any]]:
    from projections.audit_log.queries import entries

    found = entries(connection, cli.account_id, before_position=moment.position + 1, limit=limit)
    return [entry.as_record() for entry in found[:limit]]


def _rebuilt(cli: Cli, moment: Moment, view: str, limit: int) -> Sequence[Any]:
    from domain.errors import Refused
    from projections.integrations.queries import list_integrations
    from projections.rebuild import AlreadyBuilding
    from projections.registry import BY_NAME
    from projections.replaying import Replay
    from projections.sessions.queries import list_sessions
    from web.cli.projections import bar, connection_of, reader_of

    with connection_of(cli) as connection, bar(f"replaying {view}") as show:
        made = Replay(connection, [BY_NAME[name] for name in _NEEDED], reader_of(cli), moment.position, moment.at)
        try:
            with made.building() as steps:
                for step in steps:
                    show(step.position, step.head)
                if view == "sessions":
                    return list_sessions(made.seen(), cli.account_id, live_only=True, limit=limit)
                return list_integrations(made.seen(), cli.account_id, removed=False)[:limit]
        except AlreadyBuilding as error:
            raise Refused("Another replay is under way: try again when it is done.") from error


def _projects(cli: Cli, connection: Any, moment: Moment) -> dict[str, str]:
    """What projects were called then."""
    from application.lookups import account_of
    from infrastructure.past.answers import Past
    from infrastructure.past.named import named_at

    past = Past(connection, cli.app.store.mapper, cli.app.keyring, cli.account_id)
    found = named_at(past, account_of(cli.services, cli.account_id), moment).projects
    return {project_id: names[-1] for project_id, names in found.items()}


def _columns(view: str) -> dict[str, str]:
    from web.cli import audit, client, session

    return {"audit": audit.COLUMNS, "integrations": client.COLUMNS, "sessions": session.COLUMNS}[view]
