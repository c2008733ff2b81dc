"""`grantbook account`: the accounts of the store and their plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import store_command

if TYPE_CHECKING:
    from web.cli.store import Cli


@click.group("account", help="Accounts and their plan.")
def account() -> None:
    pass


@store_command(account, "list", help="List the accounts of this store.")
def list_accounts(cli: Cli) -> None:
    from application.lookups import account_of

    rows: list[dict[str, Any]] = []
    for account_id, slug, name in cli.app.store.tables().accounts():
        found = account_of(cli.app.services, account_id)
        rows.append({"slug": slug, "name": name, "plan": found.plan, "projects": len(found.projects), "account_id": account_id})
    columns = {"slug": "Account", "name": "Name", "plan": "Plan", "projects": "Projects", "account_id": "Id"}
    cli.out.rows(rows, columns, "There is no account yet: run `grantbook init`.")


@account.group("plan", help="Show or set the plan.")
def plan() -> None:
    pass


@store_command(plan, "show", help="Show the plan and whether it includes app integrations.")
def show_plan(cli: Cli) -> None:
    from application.lookups import account_of

    found = account_of(cli.services, cli.account_id)
    cli.out.one({"plan": found.plan, "apps": found.has_apps}, {"plan": "Plan", "apps": "App integrations"})


@store_command(plan, "set", help="Set the plan: starter, team, enterprise or enterprise+.")
@click.argument("name", metavar="PLAN")
def set_plan(cli: Cli, name: str) -> None:
    from application.lookups import account_of
    from application.manage_policies import change_plan
    from web.cli.ended import active_sessions, and_ended

    sessions = active_sessions(cli)
    recorded = change_plan(cli.services, cli.account_id, name, origin=cli.origin)
    apps = account_of(cli.services, cli.account_id).has_apps
    told = "" if apps else f", which includes no apps{and_ended(sessions)}"
    ended = sessions if recorded and not apps else 0
    cli.changed(recorded, f"The plan is {name}{told}.", f"The plan was {name} already.", plan=name, sessions_ended=ended)
