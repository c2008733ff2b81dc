"""Audit entries as OCSF 1.8.0 events (schema.ocsf.io), for a SIEM: plain dictionaries, personal values only where they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from projections.audit_log.queries import AuditEntry

VERSION: Final = "1.8.0"
OTHER: Final = 99
INFO, LOW, MEDIUM, HIGH, CRITICAL = 1, 2, 3, 4, 5
OK, FAILED = 1, 2
ACCOUNT_CHANGE, AUTHENTICATION, AUTHORIZE_SESSION, ENTITY_MANAGEMENT, USER_ACCESS, API_ACTIVITY = 3001, 3002, 3003, 3004, 3005, 6003
_CATEGORIES: Final = {3: "Identity & Access Management", 6: "Application Activity"}
_CLASSES: Final = {
    ACCOUNT_CHANGE: "Account Change", AUTHENTICATION: "Authentication", AUTHORIZE_SESSION: "Authorize Session",
    ENTITY_MANAGEMENT: "Entity Management", USER_ACCESS: "User Access Management", API_ACTIVITY: "API Activity",
}  # fmt: skip
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What an event type is in OCSF: class, activity, and how much it matters."""

    class_uid: int
    activity_id: int
    severity: int = INFO
    failed: bool = False
    kind: str = ""


def _entity(activity: int, kind: str, severity: int = INFO) -> Mapped:
    return Mapped(ENTITY_MANAGEMENT, activity, severity, kind=kind)


_APP, _PROJECT, _RESOURCE = "OAuth client", "Project", "Protected resource"
MAPPED: Final[dict[str, Mapped]] = {
    "access_token.issued": Mapped(API_ACTIVITY, 1),
    "account.opened": _entity(1, "Account"),
    "action.performed": Mapped(API_ACTIVITY, OTHER),
    "audit_log.exported": Mapped(API_ACTIVITY, 2),
    "auth_provider.changed": _entity(3, "OpenID provider", MEDIUM),
    "authorization_code.issued": Mapped(API_ACTIVITY, 1),
    "authorization_code.replayed": Mapped(API_ACTIVITY, OTHER, HIGH, failed=True),
    "ledger.changed": _entity(3, "Ledger", MEDIUM),
    "login.ended": Mapped(AUTHENTICATION, 2),
    "login.password.failed": Mapped(AUTHENTICATION, 1, LOW, failed=True),
    "login.password.succeeded": Mapped(AUTHENTICATION, 1),
    "login.sso.failed": Mapped(AUTHENTICATION, 1, LOW, failed=True),
    "login.sso.succeeded": Mapped(AUTHENTICATION, 1),
    "oauth_client.approval_requested": _entity(OTHER, _APP),
    "oauth_client.approved": _entity(8, _APP),
    "oauth_client.authorization_approved": Mapped(AUTHORIZE_SESSION, 1),
    "oauth_client.authorization_denied": Mapped(AUTHORIZE_SESSION, OTHER, failed=True),
    "oauth_client.authorized": Mapped(AUTHORIZE_SESSION, OTHER),
    "oauth_client.blocked": _entity(9, _APP, MEDIUM),
    "oauth_client.registered": _entity(1, _APP),
    "oauth_client.removed": _entity(4, _APP),
    "oauth_client.unblocked": _entity(8, _APP),
    "oauth_client.updated": _entity(3, _APP),
    "oauth_client.verified": _entity(3, _APP),
    "oauth_consent.narrowed": Mapped(USER_ACCESS, 2),
    "oauth_consent.withdrawn": Mapped(USER_ACCESS, 2),
    "oauth_grant.expired": Mapped(USER_ACCESS, 2),
    "oauth_grant.revoked": Mapped(USER_ACCESS, 2),
    "password.changed": Mapped(ACCOUNT_CHANGE, 3),
    "permission.added": Mapped(USER_ACCESS, 1),
    "permission.removed": Mapped(USER_ACCESS, 2),
    "plan.changed": _entity(3, "Plan"),
    "policy.changed": _entity(3, "Policy", MEDIUM),
    "project.added": _entity(1, _PROJECT),
    "project.removed": _entity(4, _PROJECT),
    "project.renamed": _entity(3, _PROJECT),
    "refresh_token.issued": Mapped(API_ACTIVITY, 3),
    "refresh_token.replayed": Mapped(API_ACTIVITY, 3, LOW),
    "refresh_token.reuse_detected": Mapped(API_ACTIVITY, OTHER, HIGH, failed=True),
    "resource.registered": _entity(1, _RESOURCE),
    "resource.removed": _entity(4, _RESOURCE),
    "resource.rotated": _entity(3, _RESOURCE),
    "resource.updated": _entity(3, _RESOURCE),
    "scopes.published": _entity(3, "Scope catalogue", MEDIUM),
    "signing_key.rotated": _entity(3, "Signing key"),
    "user.added": Mapped(ACCOUNT_CHANGE, 1),
    "user.erased": Mapped(ACCOUNT_CHANGE, 6),
    "user.reactivated": Mapped(ACCOUNT_CHANGE, 2),
    "user.removed": Mapped(ACCOUNT_CHANGE, 5),
    "user.role_changed": Mapped(USER_ACCESS, 1),
    "user.sso_linked": Mapped(ACCOUNT_CHANGE, OTHER),
    "user.sso_unlinked": Mapped(ACCOUNT_CHANGE, OTHER),
    "user.updated": Mapped(ACCOUNT_CHANGE, OTHER),
}
"""Each event type of the audit log (docs/exports.md); a test walks them all."""


def ocsf(entry: AuditEntry, *, origin: str, leaf_hash: str | None = None, personal: bool = False) -> Event:
    """One event. `time` is in ms; `unmapped` places it in the ledger of this origin. Names and addresses only with `personal`."""
    mapped = _mapped(entry)
    failed = mapped.failed or entry.event_context.get("outcome") in ("refused", "failed", "denied")
    event: Event = {
        "activity_id": mapped.activity_id,
        "category_uid": mapped.class_uid // 1000,
        "category_name": _CATEGORIES[mapped.class_uid // 1000],
        "class_uid": mapped.class_uid,
        "class_name": _CLASSES[mapped.class_uid],
        "type_uid": mapped.class_uid * 100 + mapped.activity_id,
        "severity_id": mapped.severity,
        "status_id": FAILED if failed else OK,
        "time": int(entry.created_at.timestamp() * 1000),
        "metadata": {
            "version": VERSION, "product": {"name": "Grantbook", "vendor_name": "Grantbook"}, "uid": entry.id, "tenant_uid": entry.account_id,
            "sequence": entry.position, "event_code": entry.event_type,
        },
        "unmapped": {"origin": origin, "position": entry.position, "leaf_hash": leaf_hash, "source": entry.source},
    }  # fmt: skip
    if mapped.activity_id == OTHER:
        event["activity_name"] = entry.event_type
    event["actor"] = _actor(entry, personal=personal)
    event["src_endpoint"] = _endpoint(entry, personal=personal)
    return event | _OF_CLASS[mapped.class_uid](entry, mapped, personal)


def _mapped(entry: AuditEntry) -> Mapped:
    """That of its type; but that nothing is signed any more matters, and that a checkpoint was deposited is as it should be."""
    mapped = MAPPED[entry.event_type]
    if entry.event_type != "ledger.changed" or not {"why", "receipt"} & entry.event_context.keys():
        return mapped
    return replace(mapped, severity=HIGH if "why" in entry.event_context else INFO)


def _user(uid: str | None, name: str | None, *, personal: bool) -> Event:
    """A person by id; a try to sign in as nobody that is known has none."""
    user: Event = {"uid": uid or "unknown", "type_id": 1 if uid else 0}
    return user | ({"name": name} if personal and name else {})


def _actor(entry: AuditEntry, *, personal: bool) -> Event:
    app = {"app_uid": entry.client_id, "app_name": entry.client_name} if entry.client_id else {}
    if entry.actor_id:
        return app | {"user": _user(entry.actor_id, entry.actor_name, personal=personal)}
    return app or {"app_name": f"grantbook {entry.source}"}


def _endpoint(entry: AuditEntry, *, personal: bool) -> Event:
    return {"ip": entry.actor_ip} if personal and entry.actor_ip else {"svc_name": entry.source}


def _concerned(entry: AuditEntry, *, personal: bool) -> Event:
    """The person whom it is about: the subject, else who acted."""
    if entry.subject_id:
        return _user(entry.subject_id, entry.subject_name, personal=personal)
    return _user(entry.actor_id, entry.actor_name, personal=personal)


def _privileges(entry: AuditEntry) -> list[str]:
    """Scopes or permissions, as far as the entry names them."""
    facts = entry.event_context
    for name in ("approved", "scopes", "permissions", "requested"):
        if isinstance(facts.get(name), list):
            return [str(one) for one in facts[name]]
    named = facts.get("permission") or facts.get("role")
    return [str(named)] if named else ["all of the session"]


def _of_account(entry: AuditEntry, _: Mapped, personal: bool) -> Event:  # noqa: FBT001  # one shape for all classes
    return {"user": _concerned(entry, personal=personal)}


def _of_sign_in(entry: AuditEntry, _: Mapped, personal: bool) -> Event:  # noqa: FBT001
    protocol = {"auth_protocol_id": 4} if entry.event_type.startswith("login.sso.") else {}
    return {"user": _user(entry.actor_id or entry.subject_id, entry.actor_name, personal=personal), "service": {"name": "grantbook"}, **protocol}


def _of_consent(entry: AuditEntry, _: Mapped, personal: bool) -> Event:  # noqa: FBT001
    session = {"session": {"uid": entry.grant_id}} if entry.grant_id else {}
    return {"user": _concerned(entry, personal=personal), "privileges": _privileges(entry), **session}


def _of_entity(entry: AuditEntry, mapped: Mapped, _: bool) -> Event:  # noqa: FBT001
    facts = entry.event_context
    uid = facts.get("project_id") or facts.get("identifier") or facts.get("kid") or entry.client_id or entry.account_id
    entity: Event = {"uid": str(uid), "type": mapped.kind, "type_id": OTHER}
    name = entry.client_name if mapped.kind == _APP else facts.get("name")
    return {"entity": entity | ({"name": str(name)} if name else {})}


def _of_access(entry: AuditEntry, _: Mapped, personal: bool) -> Event:  # noqa: FBT001
    return {"user": _concerned(entry, personal=personal), "privileges": _privileges(entry)}


def _of_api(entry: AuditEntry, _: Mapped, __: bool) -> Event:  # noqa: FBT001
    operation = str(entry.event_context.get("operation") or entry.event_type)
    return {"api": {"operation": operation, "service": {"name": entry.service}}}


_OF_CLASS: Final[dict[int, Callable[[AuditEntry, Mapped, bool], Event]]] = {
    ACCOUNT_CHANGE: _of_account, AUTHENTICATION: _of_sign_in, AUTHORIZE_SESSION: _of_consent, ENTITY_MANAGEMENT: _of_entity,
    USER_ACCESS: _of_access, API_ACTIVITY: _of_api,
}  # fmt: skip
