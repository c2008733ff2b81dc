"""`grantbook hold`: legal holds, which keep people's data from being erased and from expiring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.cli.commands import store_command

if TYPE_CHECKING:
    from web.cli.store import Cli

_COLUMNS = {"hold_id": "Hold", "keeps": "Keeps", "matter": "Matter", "placed_at": "Placed", "by": "By"}


@click.group("hold", help="Legal holds: what they cover is neither erased nor expires.")
def hold() -> None:
    pass


@store_command(hold, "place", help="Keep a member's data, or everybody's, until the hold is released.")
@click.option("--member", "who", metavar="EMAIL|MEMBER_ID", help="Whose data.")
@click.option("--everybody", is_flag=True, help="The whole account's.")
@click.option("--matter", required=True, metavar="TEXT", help="Which matter it is for; it is sealed, as names are.")
def place(cli: Cli, who: str | None, everybody: bool, matter: str) -> None:
    from application import holds
    from web.cli.named import member_named

    if (who is None) != everybody:
        raise click.UsageError("Say whose data: --member EMAIL, or --everybody.")
    member_id = None if who is None else member_named(cli, who)
    placed = holds.place(cli.services, cli.account_id, member_id=member_id, matter=matter, origin=cli.origin)
    keeps = str(member_id) if member_id else "everybody"
    cli.changed(placed.recorded, f"{placed.hold_id} keeps {keeps}'s data.", hold_id=placed.hold_id, keeps=keeps)


@store_command(hold, "list", help="List the holds that stand.")
def list_holds(cli: Cli) -> None:
    from application import holds

    found = holds.standing(cli.services, cli.account_id)
    rows = [
        {"hold_id": h.hold_id, "keeps": h.member_id or "everybody", "matter": h.matter or "(erased)", "placed_at": h.placed_at, "by": h.by}
        for h in found
    ]
    cli.out.rows(rows, _COLUMNS, "No hold stands.")


@store_command(hold, "release", help="End a hold.")
@click.argument("hold_id")
def release(cli: Cli, hold_id: str) -> None:
    from application import holds
    from domain.errors import NotFound

    try:
        recorded = holds.release(cli.services, cli.account_id, hold_id, origin=cli.origin)
    except NotFound as error:
        raise NotFound(f"There is no hold {hold_id!r} that stands: `grantbook hold list` shows those that do.") from error
    cli.changed(recorded, f"{hold_id} is released.", hold_id=hold_id)
