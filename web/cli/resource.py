"""`grantbook resource`: protected resources and their introspection credentials."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import store_command

if TYPE_CHECKING:
    from application.manage_resources import ResourceSecret
    from web.cli.store import Cli

resource_argument = click.argument("resource_ref", metavar="ID_OR_URL")
operations_option = click.option(
    "--operations",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='JSON: {"tools": {NAME: {"scope": S, "project_argument": A}}, "prompts": {NAME: S}, "resources": {URI: S}}; all else is not offered.',
)


@click.group("resource", help="Protected resources: your APIs and MCP servers.")
def resource() -> None:
    pass


@store_command(resource, "add", help="Register a protected resource; prints its introspection id and secret once. `update` changes one.")
@click.option("--identifier", required=True, metavar="URL", help="What clients name as `resource` and tokens carry as `aud`.")
@click.option("--upstream", metavar="URL", help="The MCP server that the gateway puts behind it.")
@operations_option
@click.option("--scope", "scopes", multiple=True, required=True, metavar="S", help="May repeat.")
def add(cli: Cli, identifier: str, upstream: str | None, operations: Path | None, scopes: tuple[str, ...]) -> None:
    from application import manage_resources
    from domain.errors import AlreadyExists

    mapped = _operations(operations) if operations else None
    try:
        made = manage_resources.add(
            cli.services, cli.account_id, identifier=identifier, scopes=_codes(scopes), upstream=upstream, operations=mapped, origin=cli.origin
        )
    except AlreadyExists as error:
        raise AlreadyExists(f"{error.message} `grantbook resource update {identifier} …` does that.") from error
    _print(cli, made)


@store_command(resource, "update", help="Change a resource, what is left out stays; its secret stays, and sessions lose only scopes that go.")
@resource_argument
@click.option("--upstream", metavar="URL", help='The MCP server that the gateway puts behind it; "" for none.')
@operations_option
@click.option("--scope", "scopes", multiple=True, metavar="S", help="May repeat; replaces all.")
def update(cli: Cli, resource_ref: str, upstream: str | None, operations: Path | None, scopes: tuple[str, ...]) -> None:
    from application import manage_resources

    mapped = _operations(operations) if operations else None
    if (upstream is None and mapped is None and not scopes) or (scopes and not _codes(scopes)):
        raise click.UsageError("Name at least one of --upstream, --operations and --scope.")
    recorded = manage_resources.change(
        cli.services, cli.account_id, resource_ref, scopes=_codes(scopes) or None, upstream=False if upstream == "" else upstream,
        operations=mapped, origin=cli.origin,
    )  # fmt: skip
    cli.changed(recorded, f"{resource_ref} is changed.", "It is so already.", resource=resource_ref)


@store_command(resource, "list", help="List the protected resources.")
def list_resources(cli: Cli) -> None:
    from application.lookups import account_of

    rows = [
        {"id": r.resource_id, "identifier": r.identifier, "scopes": r.scopes, "upstream": r.upstream, "operations": r.operations}
        for r in account_of(cli.services, cli.account_id).resources.values()
    ]
    cli.out.rows(rows, {"identifier": "Identifier", "id": "Id", "scopes": "Scopes", "upstream": "Upstream"}, "There are no resources yet.")


@store_command(resource, "rotate", help="Make a new secret; the old one is refused at once.")
@resource_argument
def rotate(cli: Cli, resource_ref: str) -> None:
    from application import manage_resources

    _print(cli, manage_resources.rotate(cli.services, cli.account_id, resource_ref, origin=cli.origin))


@store_command(resource, "remove", help="Remove a resource and end every session for it.")
@resource_argument
def remove(cli: Cli, resource_ref: str) -> None:
    from application import manage_resources
    from application.lookups import account_of
    from web.cli.ended import and_ended, sessions_for

    identifier = account_of(cli.services, cli.account_id).resource(resource_ref).identifier
    sessions = sessions_for(cli, identifier)
    recorded = manage_resources.remove(cli.services, cli.account_id, identifier, origin=cli.origin)
    cli.changed(recorded, f"{identifier} is removed{and_ended(sessions)}.", resource=resource_ref, sessions_ended=sessions)


def _print(cli: Cli, made: ResourceSecret) -> None:
    cli.position(made.recorded)
    shown = {"id": made.resource_id, "secret": made.secret, "identifier": made.identifier, "scopes": made.scopes}
    if not cli.out.as_json:
        cli.out.note(f"{made.identifier} for {', '.join(made.scopes)}. Introspection credentials (the secret is shown once):")
    cli.out.one(shown, {"id": "Id", "secret": "Secret"})


def _codes(scopes: tuple[str, ...]) -> list[str]:
    return [code for text in scopes for code in text.replace(",", " ").split()]


def _operations(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"--operations: {file} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise click.UsageError(f"--operations: {file} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise click.UsageError(f'--operations: {file} must hold an object such as {{"tools": {{"query": "projects:query"}}}}.')
    return found
