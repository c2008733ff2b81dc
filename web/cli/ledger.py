"""`grantbook ledger`: the record checked against itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from web.cli.commands import REFUSED, store_command

if TYPE_CHECKING:
    from web.cli.store import Cli


@click.group("ledger", help="The order of all events and their hashes.")
def ledger() -> None:
    pass


@store_command(ledger, "verify", help="Recompute every leaf hash of the live store and name what differs or is missing; exit 1 if anything is.")
def verify(cli: Cli) -> None:
    from infrastructure.database import cli_dsn, connect
    from infrastructure.store.verify import Progress, verify_ledger

    done = Progress()

    def tell(progress: Progress) -> None:
        done.position, done.events = progress.position, progress.events
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{progress.events:,} events")

    with connect(cli_dsn(cli.app.dsn)) as connection:
        found = verify_ledger(connection, tell)
    if sys.stderr.isatty():
        sys.stderr.write("\r")
    for finding in found:
        cli.out.note(finding.message)
    verdict = "Every event is what was recorded." if not found else f"{len(found):,} findings."
    cli.out.say(f"{done.events:,} events up to position {done.position:,}. {verdict}", events=done.events, position=done.position, findings=found)
    if found:
        raise click.exceptions.Exit(REFUSED)
