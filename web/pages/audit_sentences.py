"""One sentence for each audit entry, from its type and context; names come from the views, app words are cleaned where they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from domain.scopes import OFFLINE_ACCESS
from web.pages.formatting import counted, duration, listed, number

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """Names by id: members and projects."""

    people: Mapping[str, str] = field(default_factory=dict)
    projects: Mapping[str, str] = field(default_factory=dict)

    def person(self, member_id: Any) -> str:
        return self.people.get(str(member_id), "someone") if member_id else "someone"

    def places(self, projects: Any) -> str:
        """`all projects`, or the names; a removed project by its id."""
        if projects in (None, "*"):
            return "all projects"
        return listed([self.projects.get(id_, id_) for id_ in projects]) or "no project"


def sentence_for(event_type: str, facts: Facts, known: Known, subject: str | None = None) -> str:
    """What happened, without who did it (a column of its own); an unknown type has none."""
    tell = _SENTENCES.get(event_type)
    who = "themselves" if subject is None and event_type.startswith(_OF_PEOPLE) else known.person(subject)
    return tell(facts, known, who) if tell else ""


_OF_PEOPLE: Final = ("user.", "permission.")
"""Types that always concern a member: the actor, where nobody else is named."""


def _registered(facts: Facts, _: Known, __: str) -> str:
    how = {"manual": "Added by an admin", "dynamic": "Registered itself", "metadata_document": "Registered by its metadata document"}
    uris = list((facts.get("metadata") or {}).get("redirect_uris") or ())
    more = f" and {len(uris) - 1} more" if len(uris) > 1 else ""
    waits = ", waits for approval" if facts.get("needs_approval") else ""
    return f"{how.get(str(facts.get('registration')), 'Registered')}{f' with {uris[0]}{more}' if uris else ''}{waits}"


def _removed(facts: Facts, _: Known, __: str) -> str:
    return {"unused": "Removed, since nobody used it", "itself": "Removed by itself"}.get(str(facts.get("by")), "Removed")


def _decided(verb: str) -> Callable[[Facts, Known, str], str]:
    return lambda facts, _, __: f"{verb} {facts.get('client_name', '')}".strip()


def _verified(facts: Facts, _: Known, __: str) -> str:
    return "Marked as verified" if facts.get("verified") else "No longer marked as verified"


def _approved(facts: Facts, known: Known, _: str) -> str:
    approved = facts.get("approved") or ()
    requested = [scope for scope in facts.get("requested") or () if scope != OFFLINE_ACCESS]
    alive = "keep alive on" if facts.get("keep_alive") else "keep alive off"
    return f"{len(approved)} of {counted(len(requested), 'permission')} in {known.places(facts.get('projects'))}, {alive}"


def _shown(facts: Facts, _: Known, __: str) -> str:
    return f"Was asked for {', '.join(facts.get('requested') or ()) or 'nothing'}"


def _asked(facts: Facts, _: Known, __: str) -> str:
    return f"Asked the admins to approve it, for {listed(list(facts.get('requested') or ())) or 'nothing'}"


def _narrowed(facts: Facts, known: Known, _: str) -> str:
    return f"Kept {', '.join(facts.get('approved') or ())} in {known.places(facts.get('projects'))}"


def _access_token(facts: Facts, _: Known, __: str) -> str:
    ttl = facts.get("access_token_ttl")
    return f"For {duration(ttl)}: {facts.get('scope', '')}" if ttl else "The same answer again"


def _refresh_token(facts: Facts, _: Known, __: str) -> str:
    generation = int(facts.get("generation") or 0)
    return "The first of its session" if generation <= 1 else f"Rotation {number(generation - 1)}"


def _replayed(facts: Facts, _: Known, __: str) -> str:
    streak = int(facts.get("streak") or 1)
    return f"Asked twice within grace, the same answer again{f', {streak} times running' if streak > 1 else ''}"


def _reused(facts: Facts, _: Known, __: str) -> str:
    age = int(facts.get("current") or 0) - int(facts.get("generation") or 0)
    return f"A refresh token {counted(age, 'rotation')} old came back. The session ended"


def _revoked(facts: Facts, _: Known, __: str) -> str:
    by = {"member": "by its owner", "admin": "by an admin", "client": "by the app", "system": "by the system"}
    return f"Session revoked {by.get(str(facts.get('by')), '')}".strip()


def _expired(facts: Facts, _: Known, __: str) -> str:
    which = {"idle": "Not used for too long", "absolute": "Reached its longest life", "code": "The code was never exchanged"}
    return which.get(str(facts.get("which")), "Expired")


def _signed_in(method: str) -> Callable[[Facts, Known, str], str]:
    return lambda _, __, ___: f"Signed in with {method}"


_WHY_NOT: Final = {
    "limited": "too many tries",
    "deactivated": "the account is deactivated",
    "wrong": "wrong email or password",
    "sso_enforced": "the account signs in with SSO only",
    "state_replayed": "the answer was used before",
    "state_expired": "it took too long",
    "other_browser": "begun in another browser",
    "provider_refused": "the provider refused",
    "provider_failed": "the provider did not answer as it must",
    "token_refused": "the ID token is not valid",
    "email_unverified": "the provider has not verified the e-mail address",
    "email_missing": "the provider gave no e-mail address",
    "domain_refused": "the e-mail domain is not one of the account's",
    "other_subject": "the person is linked to another login of the provider",
    "not_afresh": "the provider did not ask again",
}


def _sign_in_failed(facts: Facts, _: Known, __: str) -> str:
    count = int(facts.get("count") or 1)
    times = f"{number(count)} failed sign-ins" if count > 1 else "Failed sign-in"
    return f"{times}: {_WHY_NOT.get(str(facts.get('reason')), facts.get('reason') or 'refused')}"


_ENDED: Final = {"ended_by_member": "Ended from another browser", "ended_by_admin": "Ended a sign-in of {}"}


def _user(verb: str) -> Callable[[Facts, Known, str], str]:
    return lambda facts, _, subject: f"{verb} {subject}{_as(facts)}"


def _as(facts: Facts) -> str:
    return f" as {facts['role']}" if facts.get("role") else ""


def _permission(before: str, between: str) -> Callable[[Facts, Known, str], str]:
    def tell(facts: Facts, known: Known, subject: str) -> str:
        permission = str(facts.get("permission", ""))
        where = "" if permission.startswith(("account.", "audit.")) else f" in {known.places(facts.get('projects'))}"
        return f"{before} {permission}{where} {between} {subject}"

    return tell


def _named(verb: str, key: str = "name") -> Callable[[Facts, Known, str], str]:
    return lambda facts, _, __: f"{verb} {facts.get(key, '')}".strip()


def _policy(facts: Facts, _: Known, __: str) -> str:
    policy = facts.get("policy") or {}
    changes = [f"{name} to {_value(policy.get(name))}" for name in facts.get("changes") or ()]
    return f"Changed {listed(changes)}" if changes else "Changed"


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)


def _provider(facts: Facts, _: Known, __: str) -> str:
    settings = facts.get("settings") or {}
    if facts.get("provider_id") == "scim":
        return "Made a directory token" if settings.get("enabled") else "Removed the directory token"
    changes = [str(name).replace("_", " ") for name in settings.get("changes") or ()]
    return f"Changed single sign-on: {listed(changes)}" if changes else "Changed single sign-on"


def _action(facts: Facts, known: Known, _: str) -> str:
    outcome = {"ok": "", "refused": ", refused", "failed": ", failed"}.get(str(facts.get("outcome")), "")
    detail = f": {facts['detail']}" if facts.get("detail") and outcome else ""
    where = f" in {known.places(facts['projects'])}" if facts.get("projects") else ""
    return f"{facts.get('operation', '')}{where}{outcome}{detail}"


def _scope_changes(facts: Facts) -> str:
    """What is new, where the one who shows it has compared with the catalogue before."""
    return f": {listed([str(change) for change in facts['changes']])}" if facts.get("changes") else ""


def _key(facts: Facts, _: Known, __: str) -> str:
    """An event after the first says neither which key nor what became of it; who shows one may have looked that up (`key_changes`)."""
    return f"Key {facts['kid']} {facts.get('became', 'published')}" if facts.get("kid") else "Key put into use or retired"


def _ledger_changed(facts: Facts, _: object, __: str) -> str:
    """Each kind of change is known by a fact that only it has."""
    if "old_log" in facts:
        return "Took over a restored copy of the database" + (" and ended every session" if facts.get("sessions_ended") else "")
    if "generation" in facts:
        return "Refused a genuine token that was never recorded here: was a backup restored?"
    if "receipt" in facts:
        return f"Deposited the checkpoint of {counted(facts['size'], 'entry', 'entries')} with {facts['place']}"
    if "waited" in facts:
        return "Signing the ledger began again"
    if "why" in facts:
        return f"Signing the ledger stopped: {facts['why']}"
    if "hold_id" in facts:
        return "Placed a legal hold" if "scope" in facts else "Released a legal hold"
    if "months" in facts:
        months = facts["months"]
        return f"Addresses and user agents can be read for {counted(months, 'month')}" if months else "Addresses and user agents can be read for ever"
    if "keys" in facts:
        return f"Destroyed {counted(facts['keys'], 'data key')} of before {facts.get('before')}"
    return "Changed the ledger"


_SENTENCES: Final[dict[str, Callable[[Facts, Known, str], str]]] = {
    "account.opened": _named("Opened"),
    "plan.changed": _named("Plan is now", "plan"),
    "project.added": _named("Added project"),
    "project.renamed": _named("Project is now called"),
    "project.removed": _named("Removed project"),
    "scopes.published": lambda facts, _, __: f"Published {counted(len(facts.get('scopes') or ()), 'scope')}{_scope_changes(facts)}",
    "policy.changed": _policy,
    "auth_provider.changed": _provider,
    "resource.registered": _named("Registered", "identifier"),
    "resource.updated": _named("Changed", "identifier"),
    "resource.rotated": _named("New credentials for", "identifier"),
    "resource.removed": _named("Removed", "identifier"),
    "oauth_client.registered": _registered,
    "oauth_client.updated": lambda _, __, ___: "Changed its metadata",
    "oauth_client.approved": _decided("Approved"),
    "oauth_client.blocked": _decided("Blocked"),
    "oauth_client.unblocked": _decided("Unblocked"),
    "oauth_client.verified": _verified,
    "oauth_client.removed": _removed,
    "oauth_client.authorized": _shown,
    "oauth_client.authorization_approved": _approved,
    "oauth_client.authorization_denied": lambda _, __, ___: "Nothing was shared",
    "oauth_client.approval_requested": _asked,
    "oauth_consent.narrowed": _narrowed,
    "oauth_consent.withdrawn": lambda _, __, ___: "Took the consent back; its sessions ended",
    "authorization_code.issued": lambda facts, known, _: f"For {', '.join(facts.get('scopes') or ())} in {known.places(facts.get('projects'))}",
    "authorization_code.replayed": lambda _, __, ___: "A spent code came back. The session ended",
    "access_token.issued": _access_token,
    "refresh_token.issued": _refresh_token,
    "refresh_token.replayed": _replayed,
    "refresh_token.reuse_detected": _reused,
    "oauth_grant.revoked": _revoked,
    "oauth_grant.expired": _expired,
    "login.password.succeeded": _signed_in("password"),
    "login.sso.succeeded": _signed_in("SSO"),
    "login.password.failed": _sign_in_failed,
    "login.sso.failed": _sign_in_failed,
    "login.ended": lambda facts, _, subject: _ENDED.get(str(facts.get("reason")), "Signed out").format(subject),
    "password.changed": lambda _, __, subject: f"Changed the password of {subject}" if subject != "someone" else "Changed the password",
    "user.added": _user("Added"),
    "user.role_changed": lambda facts, _, subject: f"Changed the role of {subject} to {facts.get('role', '')}",
    "user.removed": _user("Deactivated"),
    "user.reactivated": _user("Reactivated"),
    "user.updated": lambda _, __, subject: f"Changed name or e-mail address of {subject}",
    "user.sso_linked": lambda facts, _, subject: f"Linked {subject} to a login of {facts.get('issuer', 'the provider')}",
    "user.sso_unlinked": lambda _, __, subject: f"Forgot which SSO login {subject} has",
    "user.erased": lambda _, __, ___: "Erased a person's data",
    "permission.added": _permission("Gave", "to"),
    "permission.removed": _permission("Took", "from"),
    "signing_key.rotated": _key,
    "action.performed": _action,
    "audit_log.exported": lambda facts, _, __: "Exported the audit log" + ("; it broke off" if facts.get("whole") is False else ""),
    "ledger.changed": _ledger_changed,
}

TOLD: Final = frozenset(_SENTENCES)
