"""`grantbook member`: people of the account, their roles and permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from web.cli.commands import given_password, password_option, store_command

if TYPE_CHECKING:
    from collections.abc import Callable

    from web.cli.store import Cli

project_option = click.option("--project", "projects", multiple=True, metavar="P", help="Only in this project (id or name); may repeat.")
reason_option = click.option("--reason", metavar="TEXT", help="Stands in the audit log.")
who_argument = click.argument("who", metavar="EMAIL|MEMBER_ID")


@click.group("member", help="People: roles, permissions, access.")
def member() -> None:
    pass


@store_command(member, "add", help="Add a member with a role.")
@click.option("--email", required=True, metavar="E")
@click.option("--name", required=True, metavar="N")
@click.option("--role", required=True, metavar="R", help='"Account Admin", "Account Viewer", Developer, Analyst, "Job Operator" or Member.')
@project_option
@password_option
def add(cli: Cli, email: str, name: str, role: str, projects: tuple[str, ...], password_stdin: bool) -> None:
    from application.manage_members import add_member

    password, made = given_password(password_stdin)
    facts: dict[str, Any] = {"email": email, "name": name, "role": role, "projects": projects, "password": password}
    added = add_member(cli.services, cli.account_id, origin=cli.origin, **facts)
    shown = {"password": password} if made else {}
    cli.changed(added.recorded, f"{email} is a member: {role}.", member_id=str(added.member_id), email=email, role=role, **shown)
    if made:
        cli.out.note(f"Password (shown once): {password}")


@store_command(member, "list", help="List the members.")
def list_members(cli: Cli) -> None:
    from application.lookups import account_of
    from projections.members import queries

    names = account_of(cli.services, cli.account_id).projects
    with cli.views() as connection:
        found = queries.list_members(connection, cli.account_id)
    rows = [
        {
            "member_id": row.member_id,
            "email": row.email,
            "name": row.name,
            "role": row.role,
            "active": row.active,
            "erased": row.erased,
            "permissions": {name: _where(held, names) for name, held in row.permissions.items() if held},
            "added_at": row.added_at,
            "last_sign_in_at": row.last_sign_in_at,
        }
        for row in found
    ]
    columns = {"email": "E-mail", "name": "Name", "role": "Role", "active": "Active", "permissions": "Permissions", "last_sign_in_at": "Signed in"}
    cli.out.rows(rows, columns, "There are no members yet.")


@store_command(member, "deactivate", help="End everything of a member at once: sessions, apps, sign-ins to come.")
@who_argument
@reason_option
def deactivate(cli: Cli, who: str, reason: str | None) -> None:
    from application import manage_members
    from web.cli.ended import active_sessions, and_ended
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    sessions = active_sessions(cli, member_id=str(member_id))
    recorded = manage_members.deactivate(cli.services, cli.account_id, member_id, origin=cli.origin, reason=reason)
    facts = {"member_id": str(member_id), "sessions_ended": sessions if recorded else 0}
    cli.changed(recorded, f"{who} is deactivated{and_ended(sessions)}.", f"{who} was deactivated already.", **facts)


@store_command(member, "reactivate", help="Let a deactivated member act again; what ended stays ended.")
@who_argument
@reason_option
def reactivate(cli: Cli, who: str, reason: str | None) -> None:
    from application import manage_members
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    recorded = manage_members.reactivate(cli.services, cli.account_id, member_id, origin=cli.origin, reason=reason)
    cli.changed(recorded, f"{who} is active again.", f"{who} is active.", member_id=str(member_id))


def _on_permission(cli: Cli, use_case: Any, who: str, permission: str, projects: tuple[str, ...], *, did: str, was: str) -> None:
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    recorded = use_case(cli.services, cli.account_id, member_id, permission, projects=projects, origin=cli.origin)
    cli.changed(recorded, did, was, member_id=str(member_id))


def permission_command(name: str, help_text: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command about one permission, for all projects or the named ones."""

    def decorate(function: Callable[..., None]) -> click.Command:
        return store_command(member, name, help=help_text)(who_argument(click.argument("permission")(project_option(function))))

    return decorate


@permission_command("permit", "Grant one permission beside the role.")
def permit(cli: Cli, who: str, permission: str, projects: tuple[str, ...]) -> None:
    from application.manage_members import permit

    did, was = f"{who} holds {permission}.", f"{who} held {permission} there already."
    _on_permission(cli, permit, who, permission, projects, did=did, was=was)


@permission_command("forbid", "Take one permission away; felt by the next request.")
def forbid(cli: Cli, who: str, permission: str, projects: tuple[str, ...]) -> None:
    from application.manage_members import forbid

    did, was = f"{permission} is taken from {who}.", f"{who} didn't hold {permission} there."
    _on_permission(cli, forbid, who, permission, projects, did=did, was=was)


@store_command(member, "role", help="Give a member another role.")
@who_argument
@click.argument("role")
@project_option
def role(cli: Cli, who: str, role: str, projects: tuple[str, ...]) -> None:
    from application import manage_members
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    recorded = manage_members.change_role(cli.services, cli.account_id, member_id, role, projects=projects, origin=cli.origin)
    cli.changed(recorded, f"{who} is {role} now.", f"{who} was {role} there already.", member_id=str(member_id), role=role)


@store_command(member, "password", help="Set a member's password and end their browser sessions.")
@who_argument
@password_option
def password(cli: Cli, who: str, password_stdin: bool) -> None:
    from application import manage_members
    from web.cli.named import member_named

    member_id = member_named(cli, who)
    chosen, made = given_password(password_stdin)
    recorded = manage_members.set_password(cli.services, cli.account_id, member_id, _address(cli, who, str(member_id)), chosen, origin=cli.origin)
    shown = {"password": chosen} if made else {}
    cli.changed(recorded, f"{who} has a new password.", member_id=str(member_id), **shown)
    if made:
        cli.out.note(f"Password (shown once): {chosen}")


def _address(cli: Cli, who: str, member_id: str) -> str:
    """The address of somebody who was named by it or by id: a password may not hold it."""
    from domain.errors import Refused
    from projections.members.queries import member as row_of

    if "@" in who:
        return who
    with cli.views() as connection:
        row = row_of(connection, cli.account_id, member_id)
    if row is None or row.email is None:
        raise Refused("This person was erased, and their login with them.")
    return row.email


def _where(held: Any, names: dict[str, str]) -> str | list[str]:
    """Project names, or what they are not."""
    if not held.everywhere:
        return [names.get(p, p) for p in held.projects]
    return "*" if not held.excluded else f"* but {', '.join(names.get(p, p) for p in held.excluded)}"
