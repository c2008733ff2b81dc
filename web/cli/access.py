"""`grantbook access`: who could do what, at any moment of the past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from web.cli.commands import client_option, project_filter, scope_filter, store_command, user_option
from web.cli.times import PointInTime, begin, moment_given, nothing_by

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infrastructure.past.answers import Past
    from infrastructure.past.holders import Asked, Held
    from infrastructure.past.moments import Connection, Moment
    from web.cli.store import Cli
    from web.differences import Difference

_DIFFERS = {"person": "Person", "app": "App", "change": "Change", "before": "Before", "after": "After", "by": "By events"}
_COLUMNS = {"person": "Person", "app": "App", "scope": "Scope", "projects": "Projects", "events": "Because of events"}


@click.group("access", help="Who could do what, now or then, and because of which events.")
def access() -> None:
    pass


@store_command(access, "as-of", help="Who could do what at TIME (or right after an event), each line citing the events that made it so.")
@click.argument("time", type=PointInTime(), required=False)
@click.option("--position", type=click.IntRange(1), metavar="N", help="Right after event N, instead of TIME.")
@user_option
@client_option
@project_filter
@scope_filter
def as_of(
    cli: Cli, time: datetime | None, position: int | None, user: str | None, client_ref: str | None, project: str | None, scope: str | None
) -> None:
    from infrastructure.past.holders import Holders

    if (time is None) == (position is None):
        raise click.UsageError("Give TIME, such as 2026-11-24T15:00Z or 7d, or --position.")
    with cli.views() as connection:
        moment = moment_given(connection, time, position)
        asked = _asked(cli, connection, (moment,), user=user, client_ref=client_ref, project=project, scope=scope)
        found = Holders(connection, cli.app.store.mapper, cli.app.keyring, cli.account_id).at(moment, asked)
        begins = None if moment.position else begin(connection)
    if cli.out.as_json:
        cli.out.say("", position=moment.position, at=moment.at, begins=begins, access=found)
        return
    if not moment.position:
        cli.out.note(nothing_by(moment, begins))
        return
    cli.out.note(f"As of {moment.at:%Y-%m-%d %H:%M:%S} UTC, after event {moment.position:,}:")
    cli.out.rows([_Line.of(line) for line in found], _COLUMNS, "No app could do anything for anybody.")


_CHANGED = "Whose access changed from TIME (or right after an event) to a later moment or now, how, and by which events."


@store_command(access, "difference", help=_CHANGED)
@click.argument("time", type=PointInTime(), required=False)
@click.option("--position", type=click.IntRange(1), metavar="N", help="Right after event N, instead of TIME.")
@click.option("--until", type=PointInTime(), metavar="TIME", help="The later moment.  [default: now]")
@click.option("--until-position", type=click.IntRange(1), metavar="N", help="Right after event N, instead of --until.")
@user_option
@client_option
@project_filter
@scope_filter
def difference(
    cli: Cli, *, time: datetime | None, position: int | None, until: datetime | None, until_position: int | None, **filters: str | None
) -> None:
    from infrastructure.past.moments import Moment, head
    from web.differences import compare, differences

    if (time is None) == (position is None):
        raise click.UsageError("Give TIME, such as 2026-11-24T15:00Z or 7d, or --position.")
    if until is not None and until_position is not None:
        raise click.UsageError("Give --until or --until-position, not both.")
    with cli.views() as connection:
        earlier = moment_given(connection, time, position)
        is_now = until is None and until_position is None
        later = Moment(head(connection), cli.services.clock()) if is_now else moment_given(connection, until, until_position)
        if later.precedes(earlier):
            raise click.UsageError(f"The later moment (event {later.position:,}) comes before the earlier one (event {earlier.position:,}).")
        asked = _asked(cli, connection, (earlier, later), **filters)
        found = differences(compare(_past(cli, connection), earlier, later, asked), "--user, --client, --project or --scope")
    if cli.out.as_json:
        cli.out.say("", position=earlier.position, at=earlier.at, until_position=later.position, until=later.at, differences=found)
        return
    begun = f"event {earlier.position:,}" if earlier.position else "before the first event"
    cli.out.note(f"From {begun} to event {later.position:,}, {later.at:%Y-%m-%d %H:%M:%S} UTC:")
    cli.out.rows([_Changed.of(line) for line in found], _DIFFERS, "Nothing changed.")


@dataclass(frozen=True, slots=True)
class _Changed:
    person: str
    app: str
    change: str
    before: str
    after: str
    by: str

    @classmethod
    def of(cls, line: Difference) -> _Changed:
        person, by = line.member_name or f"erased ({line.member_id})", ", ".join(f"{position:,}" for position in line.changed_by)
        return cls(person, line.client_name, line.change, _scopes(line.before), _scopes(line.after), by or "-")


def _scopes(scopes: Mapping[str, tuple[str, ...] | None]) -> str:
    return "; ".join(code if projects is None else f"{code} in {', '.join(projects)}" for code, projects in scopes.items()) or "-"


@dataclass(frozen=True, slots=True)
class _Line:
    person: str
    app: str
    scope: str
    projects: str
    events: str

    @classmethod
    def of(cls, line: Held) -> _Line:
        projects = "-" if line.project_names is None else ", ".join(line.project_names)
        cited = ", ".join(f"{label} {_numbers(positions)}" for label, positions in line.because.items())
        return cls(line.member_name or f"erased ({line.member_id})", line.client_name, line.scope, projects, cited)


def _numbers(positions: tuple[int, ...]) -> str:
    return "+".join(f"{position:,}" for position in positions)


def _past(cli: Cli, connection: Connection) -> Past:
    from infrastructure.past.answers import Past

    return Past(connection, cli.app.store.mapper, cli.app.keyring, cli.account_id)


def _asked(
    cli: Cli, connection: Connection, moments: Sequence[Moment], *, user: str | None, client_ref: str | None, project: str | None, scope: str | None
) -> Asked:
    """The filters: person and app must be there now, project and scope have been there by these moments."""
    from infrastructure.past.holders import Asked
    from web.asking import named_asked
    from web.cli.named import client_named, member_named

    project_id, scope = named_asked(cli.services, _past(cli, connection), moments, project=project, scope=scope)
    return Asked(
        member_id=str(member_named(cli, user, reads=True)) if user else None,
        client_stream=str(client_named(cli, client_ref, reads=True).id) if client_ref else None,
        project_id=project_id,
        scope=scope,
    )
