"""Builds the consent page: who asks, what for, what is ticked at first, and the text whose hash the event keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.access import app_refusal, holdable
from domain.account import Account
from domain.client import Client
from domain.consent import Consent
from domain.member import Member
from domain.scopes import OFFLINE_ACCESS, Scope
from web.pages.account_models import ConsentView, ProjectChoice, RedirectKind, ScopeChoice, SessionTerms
from web.pages.app_words import host, is_loopback, is_web, scheme
from web.pages.formatting import duration, long_date
from web.pages.models import AppMark
from web.pages.scope_words import in_order, words_of

_HOW = {"manual": "by an admin", "dynamic": "by itself", "metadata_document": "by its metadata document"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A pending request with the states that its page is made of; `consent` is what the member agreed to before, if anything."""

    request_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    client: Client
    account: Account
    member: Member
    consent: Consent | None
    allowed_at: datetime | None = None

    @property
    def verified(self) -> bool:
        """Checked by an admin; an app that an admin added by hand is."""
        return self.client.registration == "manual" or self.account.app(self.client.fingerprint).verified

    @property
    def before(self) -> Consent | None:
        return self.consent if self.consent is not None and self.consent.in_force else None

    @property
    def offered(self) -> tuple[Scope, ...]:
        """The requested scopes that have a box, in the catalogue's order."""
        codes = in_order(code for code in self.scopes if code != OFFLINE_ACCESS)
        return tuple(words_of(code, self.account.scopes) for code in codes)

    @property
    def projects(self) -> dict[str, str]:
        """The projects in which the member could use at least one of the scopes."""
        needed = [scope.permission for scope in self.offered if scope.per_project and scope.permission]
        return {id_: name for id_, name in self.account.projects.items() if any(self.member.holds(p, id_) for p in needed)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the person chose so far."""

    scopes: frozenset[str]
    all_projects: bool
    project_ids: frozenset[str]
    keep_alive: bool


def consent_view(asked: Asked, *, email: str, now: datetime, chosen: Choices | None = None, errors: dict[str, str] | None = None) -> ConsentView:
    client, account = asked.client, asked.account
    choices = chosen or first_choices(asked)
    decision = account.app(client.fingerprint)
    return ConsentView(
        request_id=asked.request_id,
        app=AppMark(name=client.name, key=client.client_id, verified=asked.verified),
        redirect_kind=redirect_kind(asked.redirect_uri),
        redirect_host=host(asked.redirect_uri),
        redirect_scheme=scheme(asked.redirect_uri),
        registered_at=client.created_on,
        registered_how=_HOW[client.registration],
        allowed_by="by an admin" if decision.status == "approved" and client.registration != "manual" else "",
        allowed_at=asked.allowed_at,
        identity_host=host(client.client_id) if client.registration == "metadata_document" else "",
        scopes=tuple(_scope_choice(asked, scope, choices) for scope in asked.offered),
        projects=tuple(ProjectChoice(id=id_, name=name, ticked=id_ in choices.project_ids) for id_, name in asked.projects.items()),
        projects_in_all=len(asked.projects),
        all_projects=choices.all_projects,
        needs_projects=bool(asked.projects),
        keep_alive_offered=client.may_refresh,
        keep_alive=choices.keep_alive,
        terms=terms(account, now),
        email=email,
        allowed_before_at=asked.before.modified_on if asked.before else None,
        pending=app_refusal(client, account) == "app_pending",
        errors=errors or {},
    )


def first_choices(asked: Asked) -> Choices:
    """What is ticked at first: unverified apps get no scope that changes things, and no project unless there is only one."""
    before = asked.before
    ticked = {scope.code for scope in asked.offered if asked.verified or not scope.acts or (before and scope.code in before.scopes)}
    projects = asked.projects
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


def _scope_choice(asked: Asked, scope: Scope, choices: Choices) -> ScopeChoice:
    held = holdable(asked.member, asked.account, scope.code)
    return ScopeChoice(
        scope=scope.code,
        title=scope.title,
        description=scope.description,
        acts=scope.acts,
        ticked=held and scope.code in choices.scopes,
        lacking="" if held else f"Your role, {asked.member.role}, does not include this.",
        new=asked.before is not None and scope.code not in asked.before.scopes,
    )


def redirect_kind(redirect_uri: str) -> RedirectKind:
    if is_loopback(redirect_uri):
        return "loopback"
    return "web" if is_web(redirect_uri) else "scheme"


def problems(asked: Asked, chosen: Choices) -> dict[str, str]:
    """What is missing before the choices can be agreed to, by field."""
    scopes = [scope for scope in asked.offered if scope.code in chosen.scopes and holdable(asked.member, asked.account, scope.code)]
    if not scopes:
        return {"scope": "Choose at least one permission, or deny."}
    needs = any(scope.per_project for scope in scopes)
    if needs and not chosen.all_projects and not chosen.project_ids & set(asked.projects):
        return {"project_id": "Choose at least one project."}
    return {}


def text_shown(view: ConsentView, platform: str) -> str:
    """The page in plain text, the same for the same page: the consent's event keeps its SHA-256."""
    lines: Iterable[str] = (
        f"Allow {view.app.name} to act for you in {platform}?",
        f"Sends you to: {view.redirect_host or view.redirect_scheme}",
        *(f"It asks to: {choice.title} ({choice.scope}). {choice.description}. {choice.lacking}".strip() for choice in view.scopes),
        f"In these projects: {', '.join(project.name for project in view.projects) or 'none'}",
        _session_text(view),
        "It never sees your password, and can do no more than you can. Every use is recorded.",
    )
    return "\n".join(line for line in lines if line)


def _session_text(view: ConsentView) -> str:
    if not view.keep_alive_offered:
        return f"Ends after {duration(view.terms.access_token)}, then it must ask you again."
    on = f"On: ends after {duration(view.terms.idle_window)} without use, and on {long_date(view.terms.ends_by)} at the latest."
    return f"Keep session alive. {on} Off: ends after {duration(view.terms.access_token)}, then it must ask you again."
