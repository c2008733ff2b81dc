"""Builds the consent page: who asks, what for, what is ticked at first, and the text whose hash the event keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import request

from application.begin_authorization import ConsentState, PendingRequest, ScopeOffer
from domain.account import Account
from domain.client import Client
from domain.consent import Consent
from domain.member import Member
from domain.scopes import Scope
from web.pages.account_models import ConsentView, ProjectChoice, RedirectKind, ScopeChoice, SessionTerms
from web.pages.app_words import host, is_loopback, is_web, scheme
from web.pages.formatting import duration, long_date
from web.pages.models import AppMark
from web.pages.scope_words import in_order

_HOW = {"manual": "by an admin", "dynamic": "by itself", "metadata_document": "by its metadata document"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A pending request with the states that its page is made of; `allowed_at` is when an admin approved the app."""

    waiting: PendingRequest
    state: ConsentState
    allowed_at: datetime | None = None

    @property
    def client(self) -> Client:
        return self.state.client

    @property
    def verified(self) -> bool:
        """Checked by an admin; an app that an admin added by hand is."""
        return self.client.registration == "manual" or self.state.verified

    @property
    def before(self) -> Consent | None:
        consent = self.state.consent
        return consent if consent is not None and consent.in_force else None

    @property
    def pending(self) -> bool:
        """Whether the app waits for an admin's approval."""
        return self.state.refusal == "app_pending"

    def asked_at(self, now: datetime) -> datetime | None:
        """When the person asked the admins for this; None where they may ask."""
        consent = self.state.consent
        return consent.asked_at if consent is not None and consent.asked_recently(self.waiting.scopes, now) else None

    @property
    def offers(self) -> dict[str, ScopeOffer]:
        """The requested scopes that have a box, in the catalogue's order."""
        found = {offer.scope.code: offer for offer in self.state.scopes}
        return {code: found[code] for code in in_order(found)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the person chose so far."""

    scopes: frozenset[str]
    all_projects: bool
    project_ids: frozenset[str]
    keep_alive: bool


def choices() -> Choices:
    """What the form of this request says."""
    form = request.form
    return Choices(
        scopes=frozenset(form.getlist("scope")),
        all_projects=form.get("project_access") == "all",
        project_ids=frozenset(form.getlist("project_id")),
        keep_alive=form.get("keep_alive") == "on",
    )


def consent_view(asked: Asked, *, email: str, now: datetime, chosen: Choices | None = None, errors: dict[str, str] | None = None) -> ConsentView:
    client, state, account = asked.client, asked.state, asked.state.account
    picked = chosen or first_choices(asked)
    redirect_uri = asked.waiting.redirect_uri
    decision = account.app(client.fingerprint)
    return ConsentView(
        request_id=asked.waiting.request_id,
        app=AppMark(name=client.name, key=client.client_id, verified=asked.verified),
        redirect_kind=redirect_kind(redirect_uri),
        redirect_host=host(redirect_uri),
        redirect_scheme=scheme(redirect_uri),
        registered_at=client.created_on,
        registered_how=_HOW[client.registration],
        allowed_by="by an admin" if decision.status == "approved" and client.registration != "manual" else "",
        allowed_at=asked.allowed_at,
        identity_host=host(client.client_id) if client.registration == "metadata_document" else "",
        scopes=tuple(_scope_choice(asked, offer, picked) for offer in asked.offers.values()),
        projects=tuple(ProjectChoice(id=id_, name=name, ticked=id_ in picked.project_ids) for id_, name in state.projects.items()),
        projects_in_all=len(state.projects),
        all_projects=picked.all_projects,
        needs_projects=state.needs_projects and bool(state.projects),
        keep_alive_offered=state.may_keep_alive,
        keep_alive=picked.keep_alive,
        terms=terms(account, now),
        email=email,
        allowed_before_at=asked.before.modified_on if asked.before else None,
        pending=asked.pending,
        asked_at=asked.asked_at(now),
        reason=request.form.get("reason", "")[:200],
        errors=errors or {},
    )


def first_choices(asked: Asked) -> Choices:
    """What is ticked at first: unverified apps get no scope that changes things, and no project unless there is only one."""
    before, projects = asked.before, asked.state.projects
    ticked = {code for code, offer in asked.offers.items() if offer.agreed or asked.verified or not offer.scope.acts}
    only = frozenset(projects) if len(projects) == 1 else frozenset()
    kept = before.projects.within(projects) if before else frozenset()
    return Choices(
        scopes=frozenset(ticked),
        all_projects=bool(before and before.projects.holds_all()),
        project_ids=only | kept,
        keep_alive=before.keep_alive if before else True,
    )


def terms(account: Account, now: datetime) -> SessionTerms:
    """The lifetimes of the account's policy, as they will be agreed to."""
    policy = account.session_policy
    return SessionTerms(
        idle_window=timedelta(seconds=policy.idle_window),
        absolute_lifetime=timedelta(seconds=policy.absolute_lifetime),
        ends_by=now + timedelta(seconds=policy.absolute_lifetime),
        access_token=timedelta(seconds=policy.access_token_ttl),
    )


def _scope_choice(asked: Asked, offer: ScopeOffer, choices: Choices) -> ScopeChoice:
    scope = offer.scope
    return ScopeChoice(
        scope=scope.code,
        title=scope.title,
        description=scope.description,
        acts=scope.acts,
        ticked=offer.holdable and scope.code in choices.scopes,
        lacking="" if offer.holdable else _lacking(asked.state.member, scope),
        new=asked.before is not None and not offer.agreed,
    )


def _lacking(member: Member, scope: Scope) -> str:
    """Why the person can't give it: their role has never had it, or it was taken from them, and since when."""
    at = member.taken.get(scope.permission or "")
    if at is not None:
        return f"An admin took the permission {scope.permission} from you on {long_date(at)}; an admin can give it back."
    return f"Your role, {member.role}, does not include this."


def redirect_kind(redirect_uri: str) -> RedirectKind:
    if is_loopback(redirect_uri):
        return "loopback"
    return "web" if is_web(redirect_uri) else "scheme"


def approved_scopes(asked: Asked, chosen: Choices) -> tuple[str, ...]:
    """The chosen scopes, less what was not asked for or can't be had."""
    return tuple(code for code, offer in asked.offers.items() if code in chosen.scopes and offer.holdable)


def problems(asked: Asked, chosen: Choices) -> dict[str, str]:
    """What is missing before the choices can be agreed to, by field."""
    scopes = approved_scopes(asked, chosen)
    if not scopes:
        return {"scope": "Choose at least one permission, or deny."}
    needs = any(asked.offers[code].scope.per_project for code in scopes)
    if needs and not chosen.all_projects and not chosen.project_ids & set(asked.state.projects):
        return {"project_id": "Choose at least one project."}
    return {}


def text_shown(view: ConsentView, platform: str) -> str:
    """The page in plain text, the same for the same page: the consent's event keeps its SHA-256."""
    lines: Iterable[str] = (
        f"Allow {view.app.name} to act for you in {platform}?",
        f"Sends you to: {view.redirect_host or view.redirect_scheme}",
        _addition_text(view),
        *(f"It asks to: {choice.title} ({choice.scope}). {choice.description}. {choice.lacking}".strip() for choice in view.scopes),
        f"In these projects: {', '.join(project.name for project in view.projects) or 'none'}",
        _session_text(view),
        "It never sees your password, and can do no more than you can. Every use is recorded.",
    )
    return "\n".join(line for line in lines if line)


def _addition_text(view: ConsentView) -> str:
    new = ", ".join(choice.title for choice in view.scopes if choice.new)
    return f"It asks for more than you allowed before: {new}." if new else ""


def _session_text(view: ConsentView) -> str:
    if not view.keep_alive_offered:
        return f"Ends after {duration(view.terms.access_token)}, then it must ask you again."
    on = f"On: ends after {duration(view.terms.idle_window)} without use, and on {long_date(view.terms.ends_by)} at the latest."
    return f"Keep session alive. {on} Off: ends after {duration(view.terms.access_token)}, then it must ask you again."
