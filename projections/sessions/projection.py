"""Grants as sessions: which rows each event adds, moves or ends, in an order that no batch size changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from domain.account import PLANS_WITH_APPS
from domain.policies import SessionPolicy, session_policy
from projections.events import Event, PersonalReader
from projections.folding import Folding
from projections.literals import uuid_or_none
from projections.sessions.steps import AccountTerms, Ended, Ending, Moved, Narrowing, Relabelled, Rows, Scrubbed, Step


def fold(events: Iterable[Event], reader: PersonalReader) -> list[Step]:
    """The steps to take, one after the other."""
    return _Fold(reader, Rows, _HANDLERS).fold(events)


class _Fold(Folding[Rows]):
    def moved(self, grant_id: str) -> Moved:
        found = self.rows.moved.get(grant_id)
        if found is None:
            found = self.rows.moved[grant_id] = Moved()
        return found

    # ---- the account

    def opened(self, event: Event) -> None:
        policy = SessionPolicy()
        self.barrier(AccountTerms(event.account_id, {**_terms(policy), "has_apps": event.facts["plan"] in PLANS_WITH_APPS}))

    def plan_changed(self, event: Event) -> None:
        self.barrier(AccountTerms(event.account_id, {"has_apps": event.facts["plan"] in PLANS_WITH_APPS}))

    def policy_changed(self, event: Event) -> None:
        self.barrier(AccountTerms(event.account_id, _terms(session_policy(event.facts["policy"]))))

    def app_blocked(self, event: Event) -> None:
        self.barrier(self._ending(event, "app", event.facts["fingerprint"], "app_blocked", "admin"))

    def resource_removed(self, event: Event) -> None:
        self.barrier(self._ending(event, "resource", event.facts["identifier"], "resource_removed", "admin"))

    # ---- the client, the member, the consent

    def registered(self, event: Event) -> None:
        if event.version == 1:
            self.rows.clients[event.stream_id] = (event.account_id, event.facts["fingerprint"])
        else:
            self.relabelled(event)

    def relabelled(self, event: Event) -> None:
        self.barrier(Relabelled(event.account_id, event.stream_id, event.facts["fingerprint"]))

    def removed(self, event: Event) -> None:
        by = {"itself": "client", "unused": "system"}.get(event.facts["by"], "admin")
        self.barrier(self._ending(event, "client", event.stream_id, "client_removed", by))

    def deactivated(self, event: Event) -> None:
        self.barrier(self._ending(event, "member", event.stream_id, "member_deactivated", "admin"))

    def erased(self, event: Event) -> None:
        self.reader.forget(event.stream_id)
        self.barrier(self._ending(event, "member", event.stream_id, "member_deactivated", "admin"))
        self.barrier(Scrubbed(event.account_id, event.stream_id))

    def given(self, event: Event) -> None:
        if event.stream_id in self.rows.narrowed:
            self.flush()
        facts = event.facts
        projects = None if facts["projects"] == "*" else tuple(facts["projects"])
        self.rows.narrowed[event.stream_id] = Narrowing(event.stream_id, event.version, tuple(facts["approved"]), projects, event.position)

    def withdrawn(self, event: Event) -> None:
        self.barrier(self._ending(event, "consent", event.stream_id, "consent_withdrawn", "member"))

    # ---- the grant itself

    def code_issued(self, event: Event) -> None:
        self.rows.new[event.stream_id] = _new_session(event)

    def code_exchanged(self, event: Event) -> None:
        moved = self.moved(event.stream_id)
        moved.exchanged_at = event.time
        moved.user_agent = self.reader.read(event.facts.get("user_agent"), event.event_id)
        _issue(moved, event)

    def tokens_refreshed(self, event: Event) -> None:
        moved = self.moved(event.stream_id)
        moved.refreshes += 1
        _issue(moved, event)

    def refresh_replayed(self, event: Event) -> None:
        moved = self.moved(event.stream_id)
        moved.races += 1
        moved.streak = event.facts["streak"]
        moved.used_at = event.time

    def reuse_detected(self, event: Event) -> None:
        self._end(event, "reuse_detected", "system")

    def code_replayed(self, event: Event) -> None:
        self._end(event, "code_replayed", "system")

    def revoked(self, event: Event) -> None:
        self._end(event, "revoked", event.facts["by"])

    def expired(self, event: Event) -> None:
        moved = self.moved(event.stream_id)
        moved.expired_at, moved.expired_which = event.time, event.facts["which"]

    def performed(self, event: Event) -> None:
        grant_id = uuid_or_none(event.facts.get("grant_id"))
        if grant_id:
            self.moved(grant_id).used_at = event.time

    def _end(self, event: Event, reason: str, by: str) -> None:
        ended = Ended(event.stream_id, event.time, reason, by, event.actor_id, *self.reader.reason(event), event.position)
        self.rows.ended.setdefault(event.stream_id, ended)

    def _ending(self, event: Event, kind: str, key: str, reason: str, by: str) -> Ending:
        note = self.reader.reason(event)
        return Ending(event.account_id, kind, key, event.version, event.time, reason, by, event.actor_id, *note, event.position)


_HANDLERS = {
    "account.opened": "opened",
    "account.plan_changed": "plan_changed",
    "account.session_policy_changed": "policy_changed",
    "account.app_blocked": "app_blocked",
    "account.resource_removed": "resource_removed",
    "client.registered": "registered",
    "client.metadata_changed": "relabelled",
    "client.removed": "removed",
    "member.deactivated": "deactivated",
    "member.erased": "erased",
    "consent.given": "given",
    "consent.narrowed": "given",
    "consent.withdrawn": "withdrawn",
    "grant.code_issued": "code_issued",
    "grant.code_exchanged": "code_exchanged",
    "grant.tokens_refreshed": "tokens_refreshed",
    "grant.refresh_replayed": "refresh_replayed",
    "grant.reuse_detected": "reuse_detected",
    "grant.code_replayed": "code_replayed",
    "grant.revoked": "revoked",
    "grant.expired": "expired",
    "action.performed": "performed",
}

TOPICS = frozenset(_HANDLERS)


def _issue(moved: Moved, event: Event) -> None:
    facts = event.facts
    moved.issued_at = moved.used_at = facts["timestamp"]
    moved.generation = facts["generation"]
    moved.access_ttl = facts["access_token_ttl"]
    moved.scope = facts["scope"]
    moved.expired_at = moved.expired_which = None


def _new_session(event: Event) -> dict[str, Any]:
    facts = event.facts
    pinned, lifetimes = facts["pinned"], facts["lifetimes"]
    defaults = SessionPolicy()
    return {
        "grant_id": event.stream_id, "account_id": event.account_id, "member_id": facts["member_id"],
        "client_stream": facts["for_client"], "client_id": facts["client_id"], "consent_id": facts["consent_id"],
        "scopes": facts["scopes"], "projects": None if facts["projects"] == "*" else facts["projects"], "resource": facts["resource"],
        "redirect_uri": facts["redirect_uri"], "keep_alive": facts["keep_alive"], "refreshable": facts["refreshable"],
        "idle_window": lifetimes["idle_window"], "absolute_lifetime": lifetimes["absolute_lifetime"],
        "code_ttl": lifetimes.get("code_ttl", defaults.code_ttl),
        "pinned_consent": pinned["consent"], "pinned_client": pinned["client"], "pinned_member": pinned["member"],
        "pinned_account": pinned["account"],
        "created": event.time, "created_position": event.position,
    }  # fmt: skip


def _terms(policy: SessionPolicy) -> dict[str, int | bool]:
    return {"idle_window": policy.idle_window, "absolute_lifetime": policy.absolute_lifetime, "code_ttl": policy.code_ttl}
