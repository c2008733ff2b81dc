"""The account, its projects, and who calls."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for

from application import foresee, manage_policies, manage_projects
from application.lookups import account_of, member_of
from domain.account import Account as AccountState
from domain.base import Stream
from domain.errors import NotFound
from projections.members.queries import reach
from projections.sessions.queries import list_sessions
from web.api import bodies, context
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import OWN, manages, reads
from web.api.members import AT_ONCE
from web.api.preconditions import TagOf, changing, tag
from web.schemas import account as shapes
from web.schemas.common import ReadQuery

blueprint = new_blueprint("account", "The account, its projects, and who calls.")


def _account() -> AccountState:
    return account_of(context.services(), context.account_id())


def _one(account: AccountState) -> dict[str, Any]:
    services = context.services()
    context.tagged(tag("account", account.name, account.plan))
    return {
        "account_id": str(account.id), "slug": account.slug, "name": account.name, "plan": account.plan, "has_apps": account.has_apps,
        "issuer": services.issuer, "mcp_url": services.mcp_url, "api_url": services.api_url,
    }  # fmt: skip


@blueprint.route("/account")
@reads(OWN)
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Account)
def show_account(_: dict[str, Any]) -> Any:
    """Show the account."""
    return _one(context.caller().account)


@blueprint.route("/account", methods=["PATCH"])
@manages("account.plan", conditional=True)
@blueprint.arguments(shapes.PlanChange)
@blueprint.response(200, shapes.Account)
def change_plan(body: dict[str, Any]) -> Any:
    """Change the plan."""
    services = changing(_account_tag)
    context.did(manage_policies.change_plan(services, context.account_id(), body["plan"], **actor()))
    return _one(_account())


def _account_tag(stream: Stream) -> str | None:
    return tag("account", stream.name, stream.plan) if isinstance(stream, AccountState) else None


@blueprint.route("/me")
@reads(OWN)
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Me)
def show_me(_: dict[str, Any]) -> Any:
    """Show who calls, and what that may do."""
    caller = context.caller()
    grant, client = caller.judged.standing.grant, caller.judged.standing.client
    person = bodies.member(member_of(context.services(), caller.account_id, UUID(caller.member_id)), None)
    return {
        **person, "account_id": caller.account_id, "client_id": grant.client_id, "client_name": client.name, "grant_id": str(grant.id),
        "scopes": list(caller.judged.access.scopes),
    }  # fmt: skip


# ---- projects


@blueprint.route("/projects")
@reads(OWN)
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.ProjectPage)
def list_projects(_: dict[str, Any]) -> Any:
    """List the projects."""
    found = [{"project_id": id_, "name": name} for id_, name in context.caller().account.projects.items()]
    return {"data": found, "next_cursor": None}


def _project(account: AccountState, project_id: str) -> dict[str, Any]:
    if project_id not in account.projects:
        raise NotFound("There is no such project in this account.")
    context.tagged(tag("project", project_id, account.projects[project_id]))
    return {"project_id": project_id, "name": account.projects[project_id]}


def _project_tag(project_id: str) -> TagOf:
    def current(stream: Stream) -> str | None:
        if not isinstance(stream, AccountState) or project_id not in stream.projects:
            return None
        return tag("project", project_id, stream.projects[project_id])

    return current


@blueprint.route("/projects", methods=["POST"])
@manages("projects.add")
@blueprint.arguments(shapes.NewProject)
@blueprint.response(201, shapes.Project)
def add_project(body: dict[str, Any]) -> Any:
    """Add a project."""
    made = manage_projects.add(changing(), context.account_id(), body["name"], **actor())
    context.did(made.recorded)
    shown = _project(_account(), made.project_id)
    return shown, 201, {"Location": url_for("api_account.show_project", project=made.project_id)}


@blueprint.route("/projects/<project>")
@reads(OWN)
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Project)
def show_project(_: dict[str, Any], project: str) -> Any:
    """Show one project."""
    return _project(context.caller().account, project)


@blueprint.route("/projects/<project>", methods=["PATCH"])
@manages("projects.rename", conditional=True)
@blueprint.arguments(shapes.NewProject)
@blueprint.response(200, shapes.Project)
def rename_project(body: dict[str, Any], project: str) -> Any:
    """Rename a project."""
    _project(_account(), project)
    context.did(manage_projects.rename(changing(_project_tag(project)), context.account_id(), project, body["name"], **actor()))
    return _project(_account(), project)


@blueprint.route("/projects/<project>", methods=["DELETE"])
@manages("projects.remove")
@blueprint.response(204)
def remove_project(project: str) -> Any:
    """Remove a project; no session reaches it from the next request on."""
    _project(_account(), project)
    context.did(manage_projects.remove(changing(_project_tag(project)), context.account_id(), project, **actor()))
    context.untagged()


@blueprint.route("/projects/<project>/preview")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.ProjectPreview)
def preview_removal(_: dict[str, Any], project: str) -> Any:
    """Tell what removing a project would take from live sessions, and who and what reaches it."""
    account, account_id = _account(), context.account_id()
    if project not in account.projects:
        raise NotFound("There is no such project in this account.")
    with context.views() as conn:
        rows = list_sessions(conn, account_id, project=project, limit=AT_ONCE + 1)
        reached = reach(conn, account_id, [project])[project]
    grants = [row.grant_id for row in rows[:AT_ONCE] if row.status == "active"]
    found = foresee.of_account(context.services(), account_id, manage_projects.removal(context.services(), account_id, project, **actor()), grants)
    return {**bodies.foreseen(found, more=len(rows) > AT_ONCE), "members": reached.members, "apps": reached.apps}
