"""The registration policy and the session policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from application.lookups import account_of
from application.manage_policies import change_policy
from application.policy_what_if import LOOKED_BACK, MOST_APPS, what_if
from domain.account import Account
from domain.base import Stream
from domain.errors import InvalidInput
from domain.policies import warnings
from projections.integrations.queries import registered_since
from projections.sessions.queries import sessions_over_under
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.preconditions import TagOf, changing, tag
from web.schemas import account as shapes
from web.schemas import rules
from web.schemas.common import ReadQuery

blueprint = new_blueprint("policies", "Who may register apps, and how long access lives. Lengths of time are seconds.")
_SHOWN = 200


def _registration(account: Account) -> dict[str, Any]:
    return asdict(account.registration_policy)


def _session(account: Account) -> dict[str, Any]:
    return {**asdict(account.session_policy), "warnings": warnings(account.session_policy)}


def _tag(which: str) -> TagOf:
    def current(stream: Stream) -> str | None:
        return tag(which, asdict(getattr(stream, f"{which}_policy"))) if isinstance(stream, Account) else None

    return current


def _tagged(which: str, account: Account) -> Account:
    context.tagged(_tag(which)(account) or "")
    return account


@blueprint.route("/policies")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.Policies)
def show_policies(_: dict[str, Any]) -> Any:
    """Show both policies."""
    account = context.caller().account
    return {"registration": _registration(account), "session": _session(account)}


@blueprint.route("/policies/registration")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.RegistrationPolicy)
def show_registration_policy(_: dict[str, Any]) -> Any:
    """Show who may register apps."""
    return _registration(_tagged("registration", context.caller().account))


@blueprint.route("/policies/registration", methods=["PATCH"])
@manages("policies.registration", conditional=True)
@blueprint.arguments(shapes.RegistrationChange)
@blueprint.response(200, shapes.RegistrationPolicy)
def change_registration_policy(body: dict[str, Any]) -> Any:
    """Change who may register apps; what is left out stays."""
    return _registration(_tagged("registration", _changed("registration", body)))


@blueprint.route("/policies/registration/what-if")
@reads()
@blueprint.arguments(rules.RegistrationWhatIfQuery, location="query")
@blueprint.response(200, rules.RegistrationWhatIf)
def try_registration_policy(query: dict[str, Any]) -> Any:
    """Show which apps of the last 90 days this policy would have refused. Nothing changes; limits are not counted."""
    changes = {name: text for name, text in query.items() if name != "min_position"}
    services, account_id = context.services(), context.account_id()
    since = services.clock() - LOOKED_BACK
    with context.views() as conn:
        apps = registered_since(conn, account_id, since, MOST_APPS)
    found = what_if(services, account_id, changes, apps, since)
    refused = [
        {
            "client_stream": one.app.client_stream, "client_id": one.app.client_id, "name": one.app.name, "why": one.why,
            "people": len(one.app.people), "registered_at": one.app.registered_at,
        }
        for one in found.refused[:_SHOWN]
    ]  # fmt: skip
    return {
        "since": found.since, "apps": found.apps, "refused_apps": len(found.refused), "refused_people": found.people, "waiting_apps": found.waiting,
        "refused": refused,
    }  # fmt: skip


@blueprint.route("/policies/session")
@reads()
@blueprint.arguments(ReadQuery, location="query")
@blueprint.response(200, shapes.SessionPolicy)
def show_session_policy(_: dict[str, Any]) -> Any:
    """Show how long access lives."""
    return _session(_tagged("session", context.caller().account))


@blueprint.route("/policies/session", methods=["PATCH"])
@manages("policies.session", conditional=True)
@blueprint.arguments(shapes.SessionChange)
@blueprint.response(200, shapes.SessionPolicy)
def change_session_policy(body: dict[str, Any]) -> Any:
    """Change how long access lives, felt by the next request; what is left out stays."""
    return _session(_tagged("session", _changed("session", body)))


@blueprint.route("/policies/session/what-if")
@reads()
@blueprint.arguments(rules.SessionWhatIfQuery, location="query")
@blueprint.response(200, rules.SessionWhatIf)
def try_session_policy(query: dict[str, Any]) -> Any:
    """Show how many sessions would end at once with these lifetimes. Nothing changes."""
    policy = context.caller().account.session_policy
    lengths = {name: query.get(name) or getattr(policy, name) for name in ("idle_window", "absolute_lifetime")}
    with context.views() as conn:
        sessions, people = sessions_over_under(conn, context.account_id(), **lengths)
    return {"sessions": sessions, "people": people}


def _changed(which: str, body: Mapping[str, Any]) -> Account:
    if not body:
        raise InvalidInput("Name at least one setting.")
    texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in body.items()}
    context.did(change_policy(changing(_tag(which)), context.account_id(), texts, **actor()).recorded)
    return account_of(context.services(), context.account_id())
