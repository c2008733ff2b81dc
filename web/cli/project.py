"""`grantbook project`: the projects of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.cli.commands import store_command

if TYPE_CHECKING:
    from web.cli.store import Cli


@click.group("project", help="Projects, by id or name.")
def project() -> None:
    pass


@store_command(project, "add", help="Add a project.")
@click.argument("name")
def add(cli: Cli, name: str) -> None:
    from application import manage_projects

    added = manage_projects.add(cli.services, cli.account_id, name, origin=cli.origin)
    cli.changed(added.recorded, f"Project {name} has the id {added.project_id}.", id=added.project_id, name=name)


@store_command(project, "list", help="List the projects.")
def list_projects(cli: Cli) -> None:
    from application.lookups import account_of

    rows = [{"id": i, "name": n} for i, n in account_of(cli.services, cli.account_id).projects.items()]
    cli.out.rows(rows, {"id": "Id", "name": "Name"}, "There are no projects yet.")


@store_command(project, "rename", help="Rename a project.")
@click.argument("project_ref", metavar="PROJECT")
@click.argument("name")
def rename(cli: Cli, project_ref: str, name: str) -> None:
    from application import manage_projects

    recorded = manage_projects.rename(cli.services, cli.account_id, project_ref, name, origin=cli.origin)
    cli.changed(recorded, f"The project is called {name} now.", "That is its name already.", name=name)


@store_command(project, "remove", help="Remove a project; no app reaches it from the next request on.")
@click.argument("project_ref", metavar="PROJECT")
def remove(cli: Cli, project_ref: str) -> None:
    from application import manage_projects

    recorded = manage_projects.remove(cli.services, cli.account_id, project_ref, origin=cli.origin)
    cli.changed(recorded, f"Project {project_ref} is removed.", project=project_ref)
