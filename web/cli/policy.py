"""`grantbook policy`: registration and session policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.cli.commands import store_command

if TYPE_CHECKING:
    from web.cli.store import Cli


@click.group("policy", help="Who may register apps, and how long access lives.")
def policy() -> None:
    pass


@store_command(policy, "show", help="Show both policies; lengths of time in seconds.")
def show(cli: Cli) -> None:
    from dataclasses import asdict

    from application.lookups import account_of

    account = account_of(cli.services, cli.account_id)
    both = {**asdict(account.registration_policy), **asdict(account.session_policy)}
    cli.out.one(both, {name: name for name in both})


@store_command(policy, "set", help="Set any of them: registration=approval access_token_ttl=10m idle_window=7d refresh_grace=30s …")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE…")
def set_policy(cli: Cli, changes: tuple[str, ...]) -> None:
    from application.manage_policies import change_policy

    wanted: dict[str, str] = {}
    for text in changes:
        name, found, value = text.partition("=")
        if not found:
            raise click.UsageError(f"{text!r} is no NAME=VALUE.")
        if name in wanted:
            raise click.UsageError(f"{name} is given twice.")
        wanted[name] = value
    done = change_policy(cli.services, cli.account_id, wanted, origin=cli.origin)
    for warning in done.warnings:
        cli.out.warn(warning)
    cli.changed(done.recorded, f"Set {', '.join(wanted)}.", "That is the policy already.", set=wanted, warnings=done.warnings)
