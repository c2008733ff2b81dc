"""First steps: what is worth doing next, ticked once it is done; where the first run ends, and a page to come back to."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, request, url_for

from application.lookups import client_of
from domain.account import Account
from domain.auth_provider import in_force
from domain.errors import NotFound
from projections.integrations.queries import find_integrations
from projections.members.queries import list_members
from web.pages import context
from web.pages.endpoints import answers
from web.pages.frame import settings_page
from web.pages.session import for_readers, signed_in
from web.pages.setup_models import FirstStepsView, NextStep

blueprint = Blueprint("first_steps", __name__, url_prefix="/start")

_POLICIES: Final = {
    "open": "Any app can register by itself now.",
    "approval": "An app that registers by itself waits for an admin to approve it now.",
    "allow-list": "Only listed apps can register by themselves now.",
    "off": "Only apps that an admin adds can connect now.",
}
_GIVE_IT: Final = "Give the app this URL. It registers by itself, and whoever uses it signs in here and chooses what it may do."
_FIRST_A_SERVER: Final = "First put your MCP server behind this URL, under Resources as its upstream: until then nothing answers there. "


@blueprint.get("")
@for_readers
def show() -> str:
    with context.views() as conn:
        name, client_id = _added(request.args.get("app", ""))
        steps = _steps(conn, context.account(), may_manage=signed_in().may_manage)
        view = FirstStepsView(steps=steps, app_name=name, client_id=client_id)
        return settings_page("settings/first_steps.html", conn, "First steps", here="settings.first_steps.show", view=view)


def _added(client_ref: str) -> tuple[str, str]:
    """The app that was just added by hand, straight from the write side."""
    if not 0 < len(client_ref) <= 300:
        return "", ""
    try:
        client = client_of(context.services(), context.account_id(), client_ref)
    except NotFound:
        return "", ""
    return client.name, client.client_id


def _steps(conn: Any, account: Account, *, may_manage: bool) -> tuple[NextStep, ...]:
    account_id, services = str(account.id), context.services()
    own = {services.mcp_url, services.api_url}
    protects = any(resource.upstream or identifier not in own for identifier, resource in account.resources.items())
    steps = (
        NextStep(
            words="Connect an app",
            detail=("" if answers(account, services) else _FIRST_A_SERVER) + _GIVE_IT,
            done=find_integrations(conn, account_id, limit=1).total > 0,
            url=url_for("settings.integrations.list"),
            link="App integrations",
            copy=services.mcp_url,
        ),
        NextStep(
            words="Make projects",
            detail="People choose in which of them an app may act for them.",
            done=bool(account.projects),
            url=url_for("settings.projects.list"),
            link="Projects",
        ),
        NextStep(
            words="Protect your own API or MCP server",
            detail="Apps get tokens for it, and it asks here whether a token still counts.",
            done=protects,
            url=url_for("setup_steps.resource"),
            link="Register a resource",
        ),
        NextStep(
            words="Let your people in",
            detail="Add them one by one, or connect your identity provider under Single sign-on.",
            done=in_force(account) or len(list_members(conn, account_id, active=True, limit=2)) > 1,
            url=url_for("settings.members.list"),
            link="Members and permissions",
        ),
        NextStep(
            words="Decide who may register apps",
            detail=_POLICIES[account.registration_policy.registration],
            done=account.registration_policy.registration != "open",
            url=url_for("settings.policy.show"),
            link="Policy",
        ),
    )
    return steps if may_manage else steps[:1]
