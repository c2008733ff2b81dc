"""`grantbook audit`: the audit log, listed and exported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from web.cli.commands import store_command
from web.cli.times import PointInTime

if TYPE_CHECKING:
    from web.cli.store import Cli

COLUMNS = {
    "position": "Event",
    "created_at": "At",
    "event_type": "Type",
    "actor_name": "Who",
    "actor_ip": "From",
    "client_name": "App",
    "source": "Source",
}


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filters of both commands."""
    options = (
        click.option("--since", type=PointInTime(), metavar="TIME", help="From this time on, such as 2026-11-24 or 7d."),
        click.option("--until", type=PointInTime(), metavar="TIME", help="Until before this time."),
        click.option("--event-type", "event_types", multiple=True, metavar="T", help="Such as access_token.issued; may repeat."),
        click.option("--user", metavar="EMAIL", help="Acted or was concerned."),
        click.option("--client", metavar="CLIENT_ID"),
    )
    for option in reversed(options):
        function = option(function)
    return function


@click.group("audit", help="The audit log.")
def audit() -> None:
    pass


@store_command(audit, "list", help="List entries, newest first.")
@filter_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
def list_entries(cli: Cli, limit: int, **given: Any) -> None:
    from projections.audit_log import queries

    filters, _ = _filters(cli, **given)
    with cli.views() as connection:
        found = queries.entries(connection, cli.account_id, limit=limit, **filters)
    # An event may give two entries, and the query never splits it; who asks for so many lines gets no more.
    cli.out.rows([entry.as_record() for entry in found[:limit]], COLUMNS, "Nothing was found.")


@store_command(audit, "export", help="Export entries, newest first; the export itself is recorded.")
@filter_options
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="jsonl", show_default=True)
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="[default: standard output]")
def export(cli: Cli, form: str, file: Path | None, **given: Any) -> None:
    from application.export_audit import record_export
    from projections.audit_log import queries
    from web.audit_lines import lines

    filters, words = _filters(cli, **given)
    rows = position = 0
    with cli.views() as connection, _writer(file) as out:
        for text, entry in lines(form, queries.export(connection, cli.account_id, **filters)):
            out.write(text)
            if entry is not None:
                rows, position = rows + 1, max(position, entry.position)
        # Recorded before the file has its name: no export without its event.
        recorded = record_export(cli.services, cli.account_id, format=form, filter=words, rows=rows, position=position, origin=cli.origin)
    event = cli.position(recorded)
    if file is not None:
        cli.out.say(f"{rows:,} entries are in {file}.", rows=rows, file=str(file), format=form, position=position, event=event)


def _filters(
    cli: Cli, *, since: datetime | None, until: datetime | None, event_types: tuple[str, ...], user: str | None, client: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The filters as the query takes them, and as they were asked."""
    from application.manage_members import find_member
    from projections.audit_log.queries import EVENT_TYPES

    unknown = [t for t in event_types if t not in EVENT_TYPES]
    if unknown:
        cli.out.warn(f"No event has the type {unknown[0]!r} yet. Types: {', '.join(EVENT_TYPES)}.")
    member = str(find_member(cli.services, cli.account_id, user)) if user else None
    filters = {"since": since, "until": until, "event_type": list(event_types) or None, "member": member, "client": client}
    # An address is personal and never stands in the clear in an event: the member's id does.
    asked = {**filters, "event_type": " ".join(event_types) or None}
    return filters, {name: value.isoformat() if isinstance(value, datetime) else str(value) for name, value in asked.items() if value is not None}


@contextmanager
def _writer(file: Path | None) -> Iterator[IO[str]]:
    """Standard output, or the file in one piece: it has its name only once it is whole."""
    if file is None:
        yield sys.stdout
        return
    partial = file.with_name(f"{file.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as out:
            partial.chmod(0o600)
            yield out
        partial.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file} can't be written ({error.strerror}).") from error
    finally:
        partial.unlink(missing_ok=True)
