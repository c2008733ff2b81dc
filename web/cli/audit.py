"""`grantbook audit`: the audit log, listed and exported."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import Named, client_option, json_option, store_command
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
        click.option("--user", type=Named(), metavar="EMAIL", help="Acted or was concerned; by e-mail address, id or name."),
        client_option,
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


@store_command(audit, "export", help="Export entries, newest first; the export itself is recorded, and FILE gets a signed manifest beside it.")
@filter_options
@click.option("--from-position", type=click.IntRange(1), metavar="N", help="Only from event N on.")
@click.option("--to-position", type=click.IntRange(1), metavar="N", help="Only up to event N.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl", "ocsf"]), default="jsonl", show_default=True, help="ocsf: OCSF 1.8.0.")
@click.option("--personal", is_flag=True, help="Names and addresses in OCSF, too.")
@click.option("--proofs", is_flag=True, help="Make FILE a zip with manifest and each event's proof.")
@click.option("-o", "--output", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="[default: standard output]")
def export(
    cli: Cli, form: str, file: Path | None, personal: bool, proofs: bool, from_position: int | None, to_position: int | None, **given: Any
) -> None:
    from infrastructure.ledger.sealing import name_of
    from projections.audit_log import queries
    from web.audit_lines import AsOcsf, lines
    from web.cli.audit_files import Taking, take

    if proofs and file is None:
        raise click.UsageError("--proofs needs -o FILE.")
    if from_position and to_position and to_position < from_position:
        raise click.UsageError(f"--to-position {to_position} comes before --from-position {from_position}.")
    filters, words = _filters(cli, **given)
    words |= {name: str(value) for name, value in (("from_position", from_position), ("to_position", to_position)) if value}
    filters |= {"from_position": from_position, "before_position": None if to_position is None else to_position + 1}
    with cli.views() as connection:
        found = queries.export(connection, cli.account_id, **filters)
        entries = lines(form, found, AsOcsf(connection, name_of(cli.app.settings, connection), personal))
        take(cli, connection, entries, Taking(form, words, file, proofs=proofs))


@audit.command("check", help="Check an export against its manifest offline: that the log signed it, and that the file is whole and unchanged.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--manifest", "manifest_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="[default: FILE.manifest.json]")
@click.option("--vkey", required=True, metavar="VKEY", help="The log's public key, or a file that holds it.")
@json_option
def check(*, file: Path, manifest_file: Path | None, vkey: str, as_json: bool) -> None:
    from infrastructure.ledger.verifier import NotProven, vkey_given
    from web.cli.output import Output
    from web.export_manifest import check as check_file

    if zipfile.is_zipfile(file):
        raise click.ClickException("This is a zip: unpack it, then check its file of entries with `--manifest manifest.json`.")
    manifest_file = manifest_file or file.with_name(f"{file.name}.manifest.json")
    if not manifest_file.exists():
        raise click.UsageError(f"There is no {manifest_file.name} beside it: name its manifest with --manifest.")
    try:
        said = check_file(file, manifest_file, vkey_given(vkey))
    except (NotProven, OSError) as error:
        raise click.ClickException(f"Not proven: {error}") from error
    sentence = f"{said['rows']:,} entries, events {said['first_position']:,} to {said['last_position']:,}, as {said['origin']} exported them."
    Output(as_json).say(sentence, **said)


def _filters(
    cli: Cli, *, since: datetime | None, until: datetime | None, event_types: tuple[str, ...], user: str | None, client_ref: str | None
) -> tuple[dict[str, Any], dict[str, str]]:
    """The filters as the query takes them, and as they were asked."""
    from projections.audit_log.queries import EVENT_TYPES
    from web.cli.named import client_named, member_named

    if since is not None and until is not None and until < since:
        raise click.UsageError(f"--until ({until:%Y-%m-%d %H:%M} UTC) comes before --since ({since:%Y-%m-%d %H:%M} UTC).")
    unknown = [t for t in event_types if t not in EVENT_TYPES]
    if unknown:
        raise click.UsageError(f"There is no event type {unknown[0]!r}. Types: {', '.join(EVENT_TYPES)}.")
    member = str(member_named(cli, user, reads=True)) if user else None
    client = client_named(cli, client_ref, reads=True).client_id if client_ref else None
    filters = {"since": since, "until": until, "event_type": list(event_types) or None, "member": member, "client": client}
    # An address is personal and never stands in the clear in an event: the member's id does.
    asked = {**filters, "event_type": " ".join(event_types) or None}
    return filters, {name: value.isoformat() if isinstance(value, datetime) else str(value) for name, value in asked.items() if value is not None}
