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

    wanted = _wanted(changes)
    done = change_policy(cli.services, cli.account_id, wanted, origin=cli.origin)
    for warning in done.warnings:
        cli.out.warn(warning)
    cli.changed(done.recorded, f"Set {', '.join(wanted)}.", "That is the policy already.", set=wanted, warnings=done.warnings)


@store_command(policy, "what-if", help="Show which apps of the last 90 days a registration policy would have refused. Nothing changes.")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE…")
def try_policy(cli: Cli, changes: tuple[str, ...]) -> None:
    from application.policy_what_if import LOOKED_BACK, MOST_APPS, what_if
    from projections.integrations.queries import registered_since

    since = cli.services.clock() - LOOKED_BACK
    with cli.app.views() as conn:
        apps = registered_since(conn, cli.account_id, since, MOST_APPS)
    found = what_if(cli.services, cli.account_id, _wanted(changes), apps, since)
    refused = [{"name": one.app.name, "client_id": one.app.client_id, "people": len(one.app.people), "why": one.why} for one in found.refused]
    if cli.out.as_json:
        counts = {"apps": found.apps, "refused_apps": len(refused), "refused_people": found.people, "waiting_apps": found.waiting}
        cli.out.one({"since": found.since, **counts, "refused": refused}, {})
        return
    cli.out.note(
        f"With this policy the last {LOOKED_BACK.days} days would have refused {len(refused):,} of {found.apps:,} apps, "
        f"used by {found.people:,} people; {found.waiting:,} would have waited for an admin. Limits are not counted."
    )
    columns = {"name": "App", "client_id": "Client", "people": "People", "why": "It would have been told"}
    cli.out.rows(refused, columns, "None would have been refused.")


def _wanted(changes: tuple[str, ...]) -> dict[str, str]:
    wanted: dict[str, str] = {}
    for text in changes:
        name, found, value = text.partition("=")
        if not found:
            raise click.UsageError(f"{text!r} is no NAME=VALUE.")
        if name in wanted:
            raise click.UsageError(f"{name} is given twice.")
        wanted[name] = value
    return wanted
