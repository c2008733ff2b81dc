"""The one permission function: what a grant may do now, judged from the five streams it stands on.

The token endpoint, introspection, the gateway and the replay of the past all ask here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from domain.scopes import OFFLINE_ACCESS

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from domain.account import Account
    from domain.client import Client
    from domain.consent import Consent
    from domain.grant import Grant
    from domain.member import Member

EndReason = Literal[
    "revoked", "reuse_detected", "code_replayed", "idle", "absolute", "consent_withdrawn", "client_removed", "app_blocked", "app_pending",
    "member_deactivated", "resource_removed", "plan",
]  # fmt: skip
CLIENT_REASONS: frozenset[str] = frozenset({"client_removed", "app_blocked"})
"""Reasons that refuse the client itself (401 `invalid_client`) and not only the grant."""


class Standing(NamedTuple):
    """The five states that a decision about a grant is judged on, all read at one moment."""

    grant: Grant
    consent: Consent
    client: Client
    member: Member
    account: Account

    @property
    def judged(self) -> tuple[int, int, int, int]:
        """The versions of consent, client, member and account."""
        return (self.consent.version, self.client.version, self.member.version, self.account.version)

    @property
    def outdated(self) -> bool:
        """Whether the grant was issued on something newer than what is here."""
        pinned, (consent, client, member, account) = self.grant.pinned, self.judged
        return consent < pinned.consent or client < pinned.client or member < pinned.member or account < pinned.account


@dataclass(frozen=True)
class Access:
    """What is allowed: each scope with the projects where it holds, or None for a scope that knows no projects. Never changed."""

    scopes: dict[str, tuple[str, ...] | None]

    def __bool__(self) -> bool:
        return self._holds_anything

    @cached_property
    def _holds_anything(self) -> bool:
        return any(s != OFFLINE_ACCESS for s in self.scopes)

    @cached_property
    def scope(self) -> str:
        """The space-separated scope string (RFC 6749 3.3)."""
        return " ".join(self.scopes)

    def only(self, wanted: Iterable[str]) -> Access:
        """This access, less every scope that is not wanted."""
        keep = set(wanted)
        return Access({s: p for s, p in self.scopes.items() if s in keep})

    def allows(self, scope: str, project: str | None = None) -> bool:
        """Whether the scope holds (in that project, if it is held per project)."""
        if scope not in self.scopes:
            return False
        projects = self.scopes[scope]
        return projects is None or project is None or project in projects

    @cached_property
    def details(self) -> list[dict[str, Any]]:
        """RFC 9396 authorization_details: one object per set of projects with the scopes that hold there, so that they never multiply."""
        by_projects: dict[tuple[str, ...], list[str]] = {}
        for scope, projects in self.scopes.items():
            if projects is not None:
                by_projects.setdefault(projects, []).append(scope)
        return [{"type": "project", "projects": list(projects), "actions": actions} for projects, actions in by_projects.items()]


def app_refusal(client: Client, account: Account) -> EndReason | None:
    """Why a client may not act at all right now: plan, removal, block, pending approval."""
    if client.removed or not client.exists:
        return "client_removed"
    decision = account.app(client.fingerprint)
    if decision.status == "blocked":
        return "app_blocked"
    if not account.has_apps:
        return "plan"
    if client.needs_approval and decision.status != "approved":
        return "app_pending"
    return None


def why_ended(standing: Standing, now: datetime) -> EndReason | None:
    """Why the grant gives nothing (any more), or None while it is live. What ended stays ended, whatever was restored since."""
    return ended_itself(standing.grant) or barred(standing) or expired(standing, now)


class Terms(NamedTuple):
    """How long a grant goes on under a policy: until `ends`, unused for less than `idle` (None: it may rest), access tokens for `ttl` seconds."""

    ends: datetime
    idle: timedelta | None
    ttl: int

    def over(self, grant: Grant, now: datetime) -> EndReason | None:
        """Whether time has ended the grant."""
        if now >= self.ends:
            return "absolute"
        if self.idle is not None and now >= grant.used_on + self.idle:
            return "idle"
        return None

    def lifetime(self, now: datetime) -> int:
        """Seconds that an access token issued now lives: the policy's, but never beyond the end of the grant."""
        return max(1, min(self.ttl, int((self.ends - now).total_seconds())))


def terms(standing: Standing) -> Terms:
    """They stand on the grant's first event and the account alone."""
    policy, grant = standing.account.session_policy, standing.grant
    return Terms(grant.absolute_expiry(policy), grant.idle_window(policy) if grant.keep_alive else None, grant.access_token_ttl(policy))


def ended_itself(grant: Grant) -> EndReason | None:
    """Why the grant's own stream says that it is over."""
    return grant.ended  # type: ignore[return-value]  # the grant's three reasons are among these


def barred(standing: Standing) -> EndReason | None:
    """Why the other four streams give the grant nothing, at whatever time."""
    grant, pinned = standing.grant, standing.grant.pinned
    refusal = app_refusal(standing.client, standing.account)
    if refusal:
        return refusal
    if standing.client.ended > pinned.client:
        return "client_removed"
    if standing.account.app(standing.client.fingerprint).ended > pinned.account:
        return "app_blocked"
    if not standing.member.active or standing.member.ended > pinned.member:
        return "member_deactivated"
    if not standing.consent.in_force or standing.consent.ended > pinned.consent:
        return "consent_withdrawn"
    resource = standing.account.resources.get(grant.resource)
    if resource is None or resource.since > pinned.account:
        return "resource_removed"
    return None


def expired(standing: Standing, now: datetime) -> EndReason | None:
    """Whether time has ended the grant."""
    return terms(standing).over(standing.grant, now)


def access(standing: Standing) -> Access:
    """The effective access of a live grant: scope S in project P iff the grant, the consent in force and the member's permission all hold there,
    each without a break since the grant was issued."""
    grant, chosen = standing.grant, _chosen(standing)
    allowed: dict[str, tuple[str, ...] | None] = {}
    for code in grant.scopes:
        if code == OFFLINE_ACCESS:
            if grant.keep_alive:
                allowed[code] = None
            continue
        projects = _holds(standing, code, chosen)
        if projects is not False:
            allowed[code] = projects
    return Access(allowed)


def _chosen(standing: Standing) -> tuple[str, ...]:
    """The account's projects that grant and consent in force both hold."""
    chosen, consent, pinned = standing.grant.projects, standing.consent.projects, standing.grant.pinned.consent
    return tuple(p for p in standing.account.projects if (chosen == "*" or p in chosen) and consent.holds(p, pinned))


def _holds(standing: Standing, code: str, chosen: tuple[str, ...]) -> tuple[str, ...] | Literal[False] | None:
    """Those of the chosen projects where a scope holds, None if it knows no projects, False if it holds nowhere."""
    grant, consent, account, pinned = standing.grant, standing.consent, standing.account, standing.grant.pinned
    scope, begun, served = account.scopes.get(code), consent.scopes.get(code), account.resources[grant.resource].served.get(code)
    if scope is None or begun is None or served is None:
        return False
    if begun > pinned.consent or max(served, account.scopes_since.get(code, 0)) > pinned.account:
        return False
    if scope.permission is None:
        return None
    extent = standing.member.extent(scope.permission)
    if not scope.per_project:
        return None if extent.holds_all(pinned.member) else False
    return tuple(p for p in chosen if extent.holds(p, pinned.member)) or False


def holdable(member: Member, account: Account, code: str) -> bool:
    """Whether a member could use a scope at all: what the consent page offers and `tools/list` shows."""
    scope = account.scopes.get(code)
    return scope is not None and member.holds(scope.permission)
