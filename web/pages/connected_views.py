"""Builds a person's own page: one card per app with what it may do, where, since when, and what ends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.scopes import OFFLINE_ACCESS
from projections.consents.queries import ConsentRow
from projections.integrations.queries import IntegrationRow
from projections.sessions.queries import SessionRow
from web.pages.account_models import ConnectedApp, EndedApp, OwnSession
from web.pages.app_words import host, is_local_only
from web.pages.audit_sentences import Known
from web.pages.browsers import browser_words
from web.pages.confirmations import revoke_app, revoke_own_session
from web.pages.formatting import duration, left, listed, number, short_date
from web.pages.integration_views import mark, projects_words
from web.pages.scope_words import heading, in_order

_ENDED_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Held:
    """An app with everything that the person holds of it: the newest consent first."""

    app: IntegrationRow
    consents: list[ConsentRow]
    sessions: list[SessionRow]

    @property
    def newest(self) -> ConsentRow:
        return self.consents[0]

    @property
    def live(self) -> bool:
        return self.app.status in ("active", "pending") and any(consent.in_force for consent in self.consents)

    @property
    def active_sessions(self) -> list[SessionRow]:
        return [session for session in self.sessions if session.status == "active"]


def held(consents: Iterable[ConsentRow], apps: Mapping[str, IntegrationRow], sessions: Iterable[SessionRow]) -> list[Held]:
    """One per app: identical registrations are one."""
    given = [consent for consent in consents if consent.given_at is not None and consent.client_stream in apps]
    given.sort(key=lambda consent: -_given(consent).timestamp())
    found: dict[str, Held] = {}
    for consent in given:
        app = apps[consent.client_stream]
        found.setdefault(app.fingerprint, Held(app, [], [])).consents.append(consent)
    for session in sessions:
        session_app = apps.get(session.client_stream)
        if session_app and session_app.fingerprint in found:
            found[session_app.fingerprint].sessions.append(session)
    return sorted(found.values(), key=lambda one: -_last_used(one).timestamp())


def _last_used(one: Held) -> datetime:
    return max([_given(one.newest), *(_since(session) for session in one.sessions)])


def _given(consent: ConsentRow) -> datetime:
    return consent.given_at or consent.changed_at


def _since(session: SessionRow) -> datetime:
    return session.last_used_at or session.last_refreshed_at or session.created_at


def card(one: Held, *, projects: Mapping[str, str], now: datetime) -> ConnectedApp:
    consent = next(consent for consent in one.consents if consent.in_force)
    issued = [session for session in one.sessions if session.last_used_at or session.last_refreshed_at]
    used = max(map(_since, issued), default=None)  # what only has a code was never used
    return ConnectedApp(
        id=consent.consent_id,
        app=mark(one.app),
        where=where(one.app),
        scopes=tuple(consent.approved) + (("offline_access",) if consent.keep_alive else ()),
        projects=_projects(consent, projects),
        agreed_at=_given(consent),
        receipt=consent.given_position,
        last_used_at=used,
        sessions=_sessions(one),
        own_sessions=own_sessions(one, now),
        ends=_ends(one, now),
        unused_days=(now - (used or _given(consent))).days,
        revoke=revoke_app(consent.consent_id, one.app.name),
    )


def where(app: IntegrationRow) -> str:
    """The place an app sends people to, in words."""
    uris = tuple(app.redirect_uris)
    if is_local_only(uris):
        return "localhost, this computer"
    return ", ".join(dict.fromkeys(host(uri) or uri for uri in uris if uri.startswith("https://")))


def _projects(consent: ConsentRow, projects: Mapping[str, str]) -> str:
    words = projects_words(consent.projects, dict(projects))
    return "All projects, and later ones" if words == "all projects" else words


def _sessions(one: Held) -> str:
    live = one.active_sessions
    if not live:
        return "None, it must ask you again"
    return f"{number(len(live))}, with {listed(list(dict.fromkeys(_device(session) for session in live)))}"


def _device(session: SessionRow) -> str:
    return browser_words(session.user_agent) if session.user_agent else "an unnamed program"


def own_sessions(one: Held, now: datetime) -> tuple[OwnSession, ...]:
    """The live ones, the last used first."""
    live = sorted(one.active_sessions, key=lambda session: -_since(session).timestamp())
    return tuple(
        OwnSession(
            device=_device(session),
            began_at=session.created_at,
            last_used_at=_since(session),
            ends=_session_ends(session, now),
            revoke=revoke_own_session(session.grant_id, one.app.name, _device(session), alone=len(live) == 1),
        )
        for session in live
    )


def _session_ends(session: SessionRow, now: datetime) -> str:
    if not session.refreshable:
        return f"{left(session.access_expires_at or session.created_at, now)}, then it must ask you again"
    first = min(session.idle_expires_at or session.absolute_expires_at, session.absolute_expires_at)
    return f"{left(first, now)} if it is not used, {short_date(session.absolute_expires_at)} at the latest"


def _ends(one: Held, now: datetime) -> str:
    live = one.active_sessions
    if not live:
        return _ended_last(one)
    alive = [session for session in live if session.refreshable]
    if not alive:
        last = max(session.access_expires_at or session.created_at for session in live)
        return f"{left(last, now)}, then it must ask you again"
    last = max(session.absolute_expires_at for session in alive)
    idle = max((session.idle_expires_at - _since(session) for session in alive if session.idle_expires_at), default=timedelta(0))
    return f"after {duration(idle)} without use, {short_date(last)} at the latest"


_ENDINGS: Final = {
    "reuse_detected": "an old token of it came back, so it may have been stolen",
    "code_replayed": "its code came twice, so it may have been stolen",
    "idle": "it was not used",
    "absolute": "its time was up",
    "access_token": "its time was up",
    "client_removed": "the app was removed",
    "resource_removed": "what it was for was removed",
    "plan": "the plan has no app integrations any more",
}


def _ended_last(one: Held) -> str:
    """When the last session ended, and why; one that was never begun is none."""
    over = [session for session in one.sessions if session.ended_at and session.ended_reason != "code"]
    if not over:
        return "nothing is running"
    last = max(over, key=lambda session: session.ended_at or session.created_at)
    why = _revoked(last) if last.ended_reason == "revoked" else _ENDINGS.get(last.ended_reason or "", "")
    return f"ended {short_date(last.ended_at or last.created_at)}{f': {why}' if why else ''}"


def _revoked(session: SessionRow) -> str:
    who = {"member": "you", "client": "the app", "admin": session.ended_actor_name or "an admin"}.get(session.ended_by or "", "Grantbook")
    return _with_reason(f"{who} revoked it", session.ended_note)


def ended(ones: Iterable[Held], person: str) -> tuple[EndedApp, ...]:
    found = []
    for one in ones:
        if one.live:
            continue
        consent = one.newest
        at = consent.ended_at or one.app.decided_at or one.app.removed_at or _given(consent)
        found.append(EndedApp(app=mark(one.app), ended_at=at, why=_why(one, person), receipt=consent.given_position))
    found.sort(key=lambda app: -app.ended_at.timestamp())
    return tuple(found[:_ENDED_SHOWN])


def _why(one: Held, person: str) -> str:
    consent, app = one.newest, one.app
    if not consent.in_force:
        by = str(consent.ended_by or "")
        who = "You" if by in ("", person) else consent.ended_by_name or "An admin"
        return _with_reason(f"{who} revoked it", consent.ended_reason)
    if app.status == "blocked":
        return _with_reason(f"{app.decided_by_name or 'An admin'} blocked it", app.decision_reason)
    if app.removed_by == "unused":
        return "It was not used and was removed"
    if app.removed_by == "itself":
        return "The app removed itself"
    return _with_reason(f"{app.removed_actor_name or 'An admin'} removed it", app.removed_reason)


def _with_reason(words: str, reason: str | None) -> str:
    return f"{words}: “{reason}”" if reason else words


def receipt_sentences(facts: Mapping[str, Any], app: str, platform: str, known: Known) -> tuple[str, ...]:
    """What was agreed to, sentence by sentence."""
    may = ", ".join(heading(code).lower() for code in in_order(facts.get("approved") or ()))
    denied = ", ".join(heading(code).lower() for code in in_order(facts.get("denied") or ()) if code != OFFLINE_ACCESS)
    lifetimes = facts.get("lifetimes") or {}
    idle, longest = lifetimes.get("idle_window", 0), lifetimes.get("absolute_lifetime", 0)
    alive = f"It stays connected until it is not used for {duration(idle)}, and {duration(longest)} at the longest."
    return tuple(
        words
        for words in (
            f"You allowed {app} to act for you in {platform}.",
            f"It may: {may}.",
            f"In: {known.places(facts.get('projects'))}.",
            f"You did not allow: {denied}." if denied else "",
            alive if facts.get("keep_alive") else "It does not stay connected: it must ask you again when its access token ends.",
        )
        if words
    )
