"""Which audit event types each topic becomes: the names that admins filter by (docs/events.md says the same; a test holds them together)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

TYPES: dict[str, tuple[str, ...]] = {
    "account.opened": ("account.opened",),
    "account.plan_changed": ("plan.changed",),
    "account.project_added": ("project.added",),
    "account.project_renamed": ("project.renamed",),
    "account.project_removed": ("project.removed",),
    "account.scope_catalogue_published": ("scopes.published",),
    "account.registration_policy_changed": ("policy.changed",),
    "account.session_policy_changed": ("policy.changed",),
    "account.auth_provider_changed": ("auth_provider.changed",),
    "account.resource_registered": ("resource.registered",),
    "account.resource_changed": ("resource.updated",),
    "account.resource_rotated": ("resource.rotated",),
    "account.resource_removed": ("resource.removed",),
    "account.app_approved": ("oauth_client.approved",),
    "account.app_blocked": ("oauth_client.blocked",),
    "account.app_unblocked": ("oauth_client.unblocked",),
    "account.app_verified": ("oauth_client.verified",),
    "member.added": ("user.added",),
    "member.role_changed": ("user.role_changed",),
    "member.permission_granted": ("permission.added",),
    "member.permission_revoked": ("permission.removed",),
    "member.deactivated": ("user.removed",),
    "member.reactivated": ("user.reactivated",),
    "member.password_changed": ("password.changed",),
    "member.profile_changed": ("user.updated",),
    "member.sso_linked": ("user.sso_linked",),
    "member.sso_unlinked": ("user.sso_unlinked",),
    "member.erased": ("user.erased",),
    "sign_in.succeeded": ("login.password.succeeded", "login.sso.succeeded"),
    "sign_in.failed": ("login.password.failed", "login.sso.failed"),
    "sign_in.ended": ("login.ended",),
    "client.registered": ("oauth_client.registered",),
    "client.metadata_changed": ("oauth_client.updated",),
    "client.removed": ("oauth_client.removed",),
    "consent.given": ("oauth_client.authorized", "oauth_client.authorization_approved"),
    "consent.refused": ("oauth_client.authorized", "oauth_client.authorization_denied"),
    "consent.approval_requested": ("oauth_client.approval_requested",),
    "consent.narrowed": ("oauth_consent.narrowed",),
    "consent.withdrawn": ("oauth_consent.withdrawn",),
    "grant.code_issued": ("authorization_code.issued",),
    "grant.code_exchanged": ("access_token.issued", "refresh_token.issued"),
    "grant.tokens_refreshed": ("access_token.issued", "refresh_token.issued"),
    "grant.refresh_replayed": ("access_token.issued", "refresh_token.replayed"),
    "grant.reuse_detected": ("refresh_token.reuse_detected",),
    "grant.code_replayed": ("authorization_code.replayed",),
    "grant.revoked": ("oauth_grant.revoked",),
    "grant.expired": ("oauth_grant.expired",),
    "signing_key.published": ("signing_key.rotated",),
    "signing_key.activated": ("signing_key.rotated",),
    "signing_key.retired": ("signing_key.rotated",),
    "action.performed": ("action.performed",),
    "ledger.audit_exported": ("audit_log.exported",),
    "ledger.summed": (),
    "ledger.hold_placed": ("ledger.changed",),
    "ledger.hold_released": ("ledger.changed",),
    "ledger.retention_changed": ("ledger.changed",),
    "ledger.keys_expired": ("ledger.changed",),
    "ledger.adopted": ("ledger.changed",),
    "ledger.sealer_started": ("ledger.changed",),
    "ledger.sealer_stopped": ("ledger.changed",),
    "ledger.checkpoint_deposited": ("ledger.changed",),
    "ledger.rollback_suspected": ("ledger.changed",),
}

EVENT_TYPES: tuple[str, ...] = tuple(sorted({name for names in TYPES.values() for name in names}))
TOPICS = frozenset(topic for topic, names in TYPES.items() if names)

_SHOWN: dict[str, tuple[str, ...]] = {
    "access_token.issued": ("access_token_id", "access_token_ttl", "scope", "judged"),
    "refresh_token.issued": ("generation",),
    "refresh_token.replayed": ("generation", "streak"),
    "oauth_client.authorized": ("requested", "resource", "text"),
}
"""The facts that belong to an entry which stands beside another; every other entry shows all."""


def kind_of(topic: str, facts: Mapping[str, Any]) -> str:
    """What an event is in the log: its types, joined by `+`. One row holds them all, and becomes its entries when it is read."""
    if topic == "grant.code_exchanged":
        return _EXCHANGED[bool(facts["refreshable"])]
    if topic in ("sign_in.succeeded", "sign_in.failed"):
        return f"login.{facts['method']}.{topic.removeprefix('sign_in.')}"
    return _KINDS[topic]


def kinds_with(event_types: Iterable[str]) -> list[str]:
    """The kinds of row that hold an entry of one of these types."""
    wanted = set(event_types)
    return [kind for kind in _ALL_KINDS if wanted & set(kind.split("+"))]


def entries_of(kind: str, context: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The types of a row in order, each with what belongs to it."""
    return [(name, {k: context[k] for k in _SHOWN[name] if k in context} if name in _SHOWN else context) for name in kind.split("+")]


_EXCHANGED = {True: "access_token.issued+refresh_token.issued", False: "access_token.issued"}
_KINDS = {topic: "+".join(names) for topic, names in TYPES.items()}
_SIGN_INS = [name for topic in ("sign_in.succeeded", "sign_in.failed") for name in TYPES[topic]]
_ALL_KINDS = sorted({*_KINDS.values(), *_EXCHANGED.values(), *_SIGN_INS})
