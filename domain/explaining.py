"""The permission function taken apart: each condition that it judges, by itself, in words. All of them hold iff it allows (a test compares them)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.access import access, ended_itself, expired

if TYPE_CHECKING:
    from datetime import datetime

    from domain.access import Standing

Conditions = dict[str, bool]


def conditions(standing: Standing, code: str, project: str | None, now: datetime) -> Conditions:
    """What must hold for a scope (in a project, or, without one, anywhere) to be used at a moment: each condition and whether it does."""
    return {**_session(standing, now), **_parties(standing), **_scope(standing, code), **_where(standing, code, project)}


def _session(standing: Standing, now: datetime) -> Conditions:
    return {
        "the session had begun": standing.grant.exchanged,
        "the session was not ended": ended_itself(standing.grant) is None,
        "its time was not over": expired(standing, now) is None,
    }


def _parties(standing: Standing) -> Conditions:
    grant, pinned, client, account = standing.grant, standing.grant.pinned, standing.client, standing.account
    decision, resource = account.app(client.fingerprint), account.resources.get(grant.resource)
    return {
        "the app was registered": client.exists and not client.removed and client.ended <= pinned.client,
        "the app was not blocked": decision.status != "blocked" and decision.ended <= pinned.account,
        "the app was approved, or did not have to be": not client.needs_approval or decision.status == "approved",
        "the plan included apps": account.has_apps,
        "the person was active": standing.member.active and standing.member.ended <= pinned.member,
        "the consent was in force": standing.consent.in_force and standing.consent.ended <= pinned.consent,
        "the resource was there": resource is not None and resource.since <= pinned.account,
    }


def _scope(standing: Standing, code: str) -> Conditions:
    grant, pinned, account = standing.grant, standing.grant.pinned, standing.account
    consented, resource = standing.consent.scopes.get(code), account.resources.get(grant.resource)
    served = None if resource is None else resource.served.get(code)
    offered = code in account.scopes and served is not None and max(served, account.scopes_since.get(code, 0)) <= pinned.account
    return {
        "the session had the scope": code in grant.scopes,
        "the consent held the scope all the time": consented is not None and consented <= pinned.consent,
        "account and resource offered the scope all the time": offered,
    }


def _where(standing: Standing, code: str, project: str | None) -> Conditions:
    scope, pinned, grant = standing.account.scopes.get(code), standing.grant.pinned, standing.grant
    if scope is None or scope.permission is None:
        return {}
    extent = standing.member.extent(scope.permission)
    held = f"the person held {scope.permission} all the time"
    if not scope.per_project:
        return {held: extent.holds_all(pinned.member)}
    if project is None:
        anywhere = grant.resource in standing.account.resources and code in access(standing).scopes
        return {f"{held}, in a project of session and consent": anywhere}
    return {
        f"{held}, in the project": extent.holds(project, pinned.member),
        "the project was there": project in standing.account.projects,
        "the session reached the project": grant.projects == "*" or project in grant.projects,
        "the consent held the project all the time": standing.consent.projects.holds(project, pinned.consent),
    }
