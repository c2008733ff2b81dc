"""What is answered about one thing: whatever can be changed as the write side has it now, everything else from the views."""

from __future__ import annotations

from typing import Any

from application.foresee import Foreseen, Loss
from application.identity_ports import NO_LOGIN, SignsInWith
from domain.access import app_refusal
from domain.account import Account
from domain.base import Sealed
from domain.client import Client
from domain.consent import Consent
from domain.extent import Extent
from domain.member import Member
from projections.consents.queries import ConsentRow
from projections.integrations.queries import IntegrationRow
from projections.members.queries import MemberRow
from web.api import context


def held(extent: Extent) -> dict[str, Any]:
    """Where a permission holds."""
    return {"everywhere": extent.all_since is not None, "projects": sorted(extent.named), "excluded": sorted(extent.excluded)}


def member(state: Member, row: MemberRow | None, signing_in: SignsInWith = NO_LOGIN) -> dict[str, Any]:
    seen = {name: getattr(row, name, None) for name in ("added_at", "last_sign_in_at", "deactivated_at", "deactivated_reason")}
    if state.active:
        seen |= {"deactivated_at": None, "deactivated_reason": None}
    return {
        "member_id": str(state.id), "name": _opened(state, "name"), "email": _opened(state, "email"), "role": state.role,
        "active": state.active, "erased": state.erased, "permissions": {p: held(e) for p, e in state.held.items() if not e.empty}, **seen,
        **_signs_in(signing_in),
    }  # fmt: skip


def _signs_in(found: SignsInWith) -> dict[str, Any]:
    return {"signs_in_with": [kind for kind, on in (("password", found.password), ("sso", found.sso)) if on], "directory": found.directory}


def _opened(state: Member, name: str) -> str | None:
    value = getattr(state, name)
    return context.grantbook().keyring.open(value, f"{state.id}:{state.profile_version}") if isinstance(value, Sealed) and not state.erased else None


def member_row(row: MemberRow, signing_in: SignsInWith = NO_LOGIN) -> dict[str, Any]:
    names = ("member_id", "name", "email", "role", "active", "erased", "added_at", "last_sign_in_at", "deactivated_at", "deactivated_reason")
    return {**{name: getattr(row, name) for name in names}, "permissions": {p: h for p, h in row.permissions.items() if h}, **_signs_in(signing_in)}


def foreseen(found: Foreseen, *, more: bool) -> dict[str, Any]:
    """What a decision would take from live sessions."""
    return {
        "judged": found.judged,
        "more": more,
        "ending": [_loss(one) for one in found.ending],
        "narrowing": [_loss(one) for one in found.narrowing],
    }


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "grant_id": loss.grant_id, "member_id": loss.member_id, "client_id": loss.client_id, "client_name": loss.client_name,
        "scopes": loss.scopes, "left": list(loss.after.scopes),
    }  # fmt: skip


def integration_row(row: IntegrationRow) -> dict[str, Any]:
    names = (
        "client_stream", "client_id", "fingerprint", "name", "redirect_uris", "registration", "metadata", "status", "verified", "decision",
        "decided_at", "decision_reason", "users", "reason", "created_at", "last_used_at", "removed_at", "removed_reason",
    )  # fmt: skip
    decided_by = {"member_id": row.decided_by, "name": row.decided_by_name} if row.decided_by else None
    return {**{name: getattr(row, name) for name in names}, "registrations": row.registrations, "decided_by": decided_by}


def integration(client: Client, account: Account, row: IntegrationRow | None) -> dict[str, Any]:
    """An app whose first registration may not be in the views yet."""
    decision = account.app(client.fingerprint)
    seen = integration_row(row) if row is not None else _new_integration(client)
    refusal = app_refusal(client, account)
    now = {"app_blocked": "blocked", "app_pending": "pending", "client_removed": "removed"}.get(refusal or "", "active")
    if now == "removed" and row is not None and row.live_registrations > 0 and row.client_stream != str(client.id):
        now = row.status
    return {**seen, "status": now, "decision": decision.status, "verified": decision.verified}


def _new_integration(client: Client) -> dict[str, Any]:
    empty = ("reason", "decided_at", "decided_by", "decision_reason", "created_at", "last_used_at", "removed_at", "removed_reason")
    return {
        "client_stream": str(client.id), "client_id": client.client_id, "fingerprint": client.fingerprint, "name": client.name,
        "redirect_uris": client.redirect_uris, "registration": client.registration, "metadata": client.metadata, "registrations": 1, "users": 0,
        **dict.fromkeys(empty),
    }  # fmt: skip


def consent_row(row: ConsentRow) -> dict[str, Any]:
    names = (
        "consent_id", "member_id", "member_name", "client_stream", "client_id", "client_name", "in_force", "denied", "projects", "keep_alive",
        "resource", "given_at", "changed_at", "changed_position", "ended_at", "ended_reason",
    )  # fmt: skip
    return {**{name: getattr(row, name) for name in names}, "scopes": row.approved if row.in_force else ()}


def consent(state: Consent, row: ConsentRow) -> dict[str, Any]:
    projects = state.projects.describe()
    now = {"in_force": state.in_force, "scopes": tuple(state.scopes), "projects": None if projects == "*" else projects}
    return {**consent_row(row), **now}
