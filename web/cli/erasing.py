"""`grantbook member erase` and `member export`: a person's right to be forgotten, and to know what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from web.cli.commands import json_option, store_command, yes_option
from web.cli.member import member, who_argument
from web.cli.output import Output

if TYPE_CHECKING:
    from web.cli.store import Cli

_QUESTION = """Erase {who} for good?
What goes: name, address, every sign-in's address and device, what was written about them, their login, sessions and apps.
What stays: that a person with this id did what they did, and every proof of it. This can't be undone."""


@store_command(member, "erase", help="Destroy what is kept about a member: name, address, login, sessions. Their past stays provable. No way back.")
@who_argument
@click.option("--request", metavar="REF", help="What asked for it, such as a ticket's number; it stays in the event, so nothing personal.")
@yes_option
def erase(cli: Cli, who: str, request: str | None, yes: bool) -> None:
    from application import erase_member
    from application.lookups import member_of
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    gone = member_of(cli.services, cli.account_id, member_id).erased
    if not gone and not yes and not click.confirm(_QUESTION.format(who=who), err=True):
        raise click.Abort
    recorded = erase_member.erase(cli.services, cli.account_id, member_id, request=request, origin=cli.origin)
    if recorded is not None:
        with cli.views():  # until the audit log has followed, even where no server runs
            pass
    cli.changed(recorded, f"{member_id} is erased.", f"{member_id} was erased before.", member_id=str(member_id))


@store_command(member, "export", help="Write all that is kept about a member as a signed bundle: what they may ask to see (GDPR Art. 15).")
@who_argument
@click.option("-o", "--output", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, metavar="FILE")
def export(cli: Cli, who: str, path: Path) -> None:
    from infrastructure.subject_export import export_to
    from web.cli.files import in_one_piece
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    with cli.views(), in_one_piece(path) as partial:
        written = export_to(cli.app, cli.services, cli.account_id, member_id, partial, origin=cli.origin)
    told = f"{written.events:,} events and {written.files:,} files about {member_id} written to {path}. Hand it to nobody else."
    cli.out.say(told, member_id=str(member_id), events=written.events, file=str(path))


@member.command("check-export", help="Check an exported bundle offline: signature, files, proofs, and that what is told is what was recorded.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--vkey", required=True, metavar="VKEY", help="The log's public key or a file that holds it.")
@json_option
def check_export(file: Path, vkey: str, as_json: bool) -> None:
    from domain.errors import Refused
    from infrastructure.ledger.verifier import NotProven, vkey_given
    from infrastructure.subject_export.checking import check_export as check

    try:
        found = check(file, vkey_given(vkey))
    except NotProven as error:
        raise Refused(f"Not proven: {error}") from error
    told = f"{found.events:,} events about {found.member_id}, {found.proven:,} of them proven, are what the log recorded."
    Output(as_json).say(told, member_id=found.member_id, events=found.events, proven=found.proven)
