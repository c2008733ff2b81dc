"""The registration policy and the session policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from application.lookups import account_of
from application.manage_policies import change_policy
from domain.account import Account
from domain.base import Stream
from domain.errors import InvalidInput
from domain.policies import warnings
from web.api import context
from web.api.blueprints import new_blueprint
from web.api.context import actor
from web.api.guard import manages, reads
from web.api.preconditions import TagOf, changing, tag
from web.schemas import account as shapes
from web.schemas.common import ReadQuery

blueprint = new_blueprint("policies", "Who may register apps, and how long access lives. Lengths of time are seconds.")


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


def _changed(which: str, body: Mapping[str, Any]) -> Account:
    if not body:
        raise InvalidInput("Name at least one setting.")
    texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in body.items()}
    context.did(change_policy(changing(_tag(which)), context.account_id(), texts, **actor()).recorded)
    return account_of(context.services(), context.account_id())
