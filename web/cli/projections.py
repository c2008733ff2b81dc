"""`grantbook projections`: where the views stand; rebuilt, verified."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import REFUSED, store_command

if TYPE_CHECKING:
    from projections.comparing.comparison import Changed
    from projections.definition import Projection
    from projections.events import PersonalReader
    from web.cli.store import Cli

_COLUMNS = {
    "name": "Projection",
    "state": "State",
    "position": "Position",
    "head": "Of",
    "version": "Version",
    "updated_at": "Updated",
    "error": "Error",
}
names_argument = click.argument("names", nargs=-1, metavar="[NAME…]")


@click.group("projections", help="The views: status, rebuild, verify.")
def projections() -> None:
    pass


@store_command(projections, "status", help="Where each projection stands, and why one stopped; exit 1 if one did.")
def status(cli: Cli) -> None:
    from projections.status import status as read

    with cli.app.views() as connection:
        found = read(connection)
    cli.out.rows(found, _COLUMNS, "There are no projections.")
    if any(s.state == "stopped" for s in found):
        raise click.exceptions.Exit(REFUSED)


@store_command(projections, "rebuild", help="Build views anew beside the live ones and switch; all, or the named ones.")
@names_argument
def rebuild(cli: Cli, names: tuple[str, ...]) -> None:
    from projections.rebuild import rebuild as build

    done = []
    for projection in _chosen(names):
        events = 0
        changed: tuple[Changed, ...] = ()
        with connection_of(cli) as connection, connection_of(cli) as snapshot, bar(projection.name) as show:
            for progress in build(connection, projection, reader_of(cli), snapshot=snapshot):
                events, changed = progress.position, changed or progress.changed
                show(progress.position, progress.head)
        done.append({"name": projection.name, "position": events, "changed": [each for each in changed if not each.same]})
        cli.out.note(f"{projection.name} is rebuilt up to event {events:,}.")
        for each in changed:
            if not each.same:
                cli.out.note(f"  {each.table}: of {each.rows:,} rows {each.new:,} are new and {each.different:,} others; {each.gone:,} are gone.")
    if cli.out.as_json:
        cli.out.rows(done, {"name": "Projection", "position": "Position"}, "")


@store_command(projections, "verify", help="Rebuild beside and print every differing row; exit 1 if one differs.")
@names_argument
def verify(cli: Cli, names: tuple[str, ...]) -> None:
    from projections.verify import Difference
    from projections.verify import verify as compare

    with cli.views():
        pass
    differing: list[dict[str, Any]] = []
    for projection in _chosen(names):
        with connection_of(cli) as connection, connection_of(cli) as snapshot, bar(projection.name) as show:
            for step in compare(connection, snapshot, projection, reader_of(cli)):
                if isinstance(step, Difference):
                    row = {"table": step.table, "key": step.key, "live": step.live, "rebuilt": step.rebuilt}
                    differing.append({"projection": projection.name, **row})
                else:
                    show(step.position, step.head)
    for row in differing:
        cli.out.note(f"{row['projection']}: {row['table']} {row['key']}: live {row['live']}, rebuilt {row['rebuilt']}")
    verdict = "Every row is as the events say." if not differing else f"{len(differing):,} rows differ."
    cli.out.say(verdict, differences=differing)
    if differing:
        raise click.exceptions.Exit(REFUSED)


def _chosen(names: tuple[str, ...]) -> list[Projection]:
    from projections.registry import BY_NAME

    unknown = [n for n in names if n not in BY_NAME]
    if unknown:
        raise click.UsageError(f"There is no projection {unknown[0]!r}. Projections: {', '.join(BY_NAME)}.")
    return [BY_NAME[n] for n in names or BY_NAME]


def reader_of(cli: Cli) -> PersonalReader:
    from projections.events import PersonalReader

    return PersonalReader(cli.app.keyring.open, cli.app.keyring.prefetch)


def connection_of(cli: Cli) -> contextlib.AbstractContextManager[Any]:
    from infrastructure.database import CLI, connect, with_parameters

    return connect(with_parameters(cli.app.dsn, application_name=CLI, options=(("timezone", "UTC"),)))


@contextlib.contextmanager
def bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _position, _head: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda position, head: progress.update(task, completed=position, total=head)
