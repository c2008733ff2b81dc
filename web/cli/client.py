"""`grantbook client`: the apps of the account and what admins decide about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from web.cli.commands import store_command

if TYPE_CHECKING:
    from application.ports import Recorded
    from domain.client import Client
    from web.cli.store import Cli

reason_option = click.option("--reason", metavar="TEXT", help="Stands in the audit log.")
client_argument = click.argument("client_ref", metavar="CLIENT_ID")

COLUMNS = {
    "name": "Name",
    "status": "Status",
    "registration": "Registered",
    "registrations": "Count",
    "users": "Users",
    "redirect_uris": "Redirect URLs",
    "created_at": "Created on",
    "last_used_at": "Last used on",
    "client_id": "Client id",
}
_DETAILS = {
    **COLUMNS,
    "client_stream": "Stream",
    "fingerprint": "App",
    "verified": "Verified",
    "decision": "Decision",
    "decided_by_name": "Decided by",
    "decided_at": "Decided at",
    "decision_reason": "Reason",
    "reason": "Needed because",
    "metadata": "Metadata",
    "removed_at": "Removed at",
    "removed_reason": "Removed because",
}


@click.group("client", help="Apps: add, look at, approve, block, remove.")
def client() -> None:
    pass


@store_command(client, "add", help="Register an app that doesn't register by itself; prints its client id. There is no secret.")
@click.option("--name", required=True, metavar="N")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, metavar="U", help="May repeat.")
@click.option("--scope", "scopes", multiple=True, required=True, metavar="S", help="May repeat.")
@click.option("--homepage", metavar="URL")
@click.option("--reason", metavar="TEXT", help="Why it is needed; stands in the audit log.")
def add(cli: Cli, name: str, redirect_uris: tuple[str, ...], scopes: tuple[str, ...], homepage: str | None, reason: str | None) -> None:
    from application.ports import Recorded
    from application.register_client import register_manual

    wanted = [code for text in scopes for code in text.replace(",", " ").split()]
    made = register_manual(
        cli.services,
        cli.account_id,
        name=name,
        redirect_uris=list(redirect_uris),
        scopes=wanted,
        homepage=homepage,
        actor_id=None,
        origin=cli.origin,
        reason=reason,
    )
    event = cli.position(Recorded(made.id, made.version))
    cli.out.say(made.client_id, client_id=made.client_id, client_stream=str(made.id), metadata=made.metadata, event=event)


@store_command(client, "list", help="List the apps, identical registrations as one.")
@click.option("--removed", is_flag=True, help="Removed apps too.")
def list_clients(cli: Cli, removed: bool) -> None:
    from projections.integrations.queries import list_integrations

    with cli.views() as connection:
        rows = list_integrations(connection, cli.account_id, removed=removed)
    cli.out.rows(rows, COLUMNS, "No app has registered yet.")


@store_command(client, "show", help="Show one app.")
@click.argument("client_ref", metavar="CLIENT_ID|NAME")
def show(cli: Cli, client_ref: str) -> None:
    from domain.errors import Refused
    from projections.integrations.queries import integration
    from web.cli.named import client_named

    wanted = client_named(cli, client_ref, reads=True)
    with cli.views() as connection:
        found = integration(connection, cli.account_id, wanted.client_id)
    if found is None:
        raise Refused("The views don't hold this app yet; `grantbook projections status` says why.")
    cli.out.one(found, _DETAILS)


def _decision(verb: str, told: str, help_text: str, *, ends: bool = False) -> None:
    """A command for one of the decisions about an app, which differ in nothing but what is decided. `ends`: its sessions, too."""

    @store_command(client, verb, help=help_text)
    @client_argument
    @reason_option
    def decide(cli: Cli, client_ref: str, reason: str | None) -> None:
        from application import decide_app
        from web.cli.ended import active_sessions
        from web.cli.named import client_named

        named = client_named(cli, client_ref)
        sessions = active_sessions(cli, fingerprint=named.fingerprint) if ends else None
        decided = getattr(decide_app, verb)(cli.services, cli.account_id, named.client_id, actor_id=None, origin=cli.origin, reason=reason)
        _told(cli, named, decided, told, **{"sessions_ended": sessions} if ends else {})


_decision("approve", "approved", "Let a pending app in, with every identical registration.")
_decision("block", "blocked", "Refuse an app in all its registrations and end its sessions for good.", ends=True)
_decision("unblock", "unblocked", "Let a blocked app ask again; its old sessions stay ended.")


@store_command(client, "verify", help="Say that an app is who it says it is (--undo takes it back).")
@client_argument
@click.option("--undo", is_flag=True)
@reason_option
def verify(cli: Cli, client_ref: str, undo: bool, reason: str | None) -> None:
    from application import decide_app
    from web.cli.named import client_named

    named = client_named(cli, client_ref)
    recorded = decide_app.verify(cli.services, cli.account_id, named.client_id, actor_id=None, origin=cli.origin, verified=not undo, reason=reason)
    _told(cli, named, recorded, "unverified" if undo else "verified")


@store_command(client, "remove", help="Remove one registration and end its sessions; the app has to register again.")
@client_argument
@reason_option
def remove(cli: Cli, client_ref: str, reason: str | None) -> None:
    from application import decide_app
    from web.cli.ended import active_sessions, and_ended
    from web.cli.named import client_named

    named = client_named(cli, client_ref)
    sessions = active_sessions(cli, client_stream=str(named.id))
    recorded = decide_app.remove(cli.services, cli.account_id, named.client_id, actor_id=None, origin=cli.origin, reason=reason)
    sentence = f"This registration of {_name(named)} is removed{and_ended(sessions)}."
    cli.changed(recorded, sentence, client_id=named.client_id, name=named.name, sessions_ended=sessions)


def _told(cli: Cli, app: Client, recorded: Recorded | None, what: str, **ended: int | None) -> None:
    from web.cli.ended import and_ended

    name, sessions = _name(app), "".join(map(and_ended, ended.values()))
    facts = {"client_id": app.client_id, "name": app.name, **(ended if recorded else dict.fromkeys(ended, 0))}
    cli.changed(recorded, f"{name} is {what}{sessions}.", f"{name} was {what} already.", **facts)


def _name(app: Client) -> str:
    """What the app calls itself, fit for a terminal, or its client id."""
    from web.cli.output import shown

    return shown(app.name) if app.name else app.client_id
