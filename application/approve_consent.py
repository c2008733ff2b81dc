"""The member's decision on the consent page: consent and code in one append, or a refusal; either answers at the redirect URI."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from application.begin_authorization import PendingRequest, allowed_scopes
from application.ports import Tables
from application.retrying import until_settled
from application.services import Origin, Services
from domain.access import app_refusal
from domain.account import Account
from domain.base import Context, Stream
from domain.client import Client
from domain.consent import Consent
from domain.errors import InvalidInput, Refused
from domain.extent import Projects
from domain.grant import Grant
from domain.ids import consent_stream
from domain.member import Member
from domain.scopes import OFFLINE_ACCESS
from domain.tokens import CODE

_LIFETIMES = ("access_token_ttl", "idle_window", "absolute_lifetime", "code_ttl")


class RequestEnded(Refused):
    """The authorization request was decided before, or is too old."""


class AppRefused(Refused):
    """The app may not act now; `why` is one of `domain.access.EndReason`."""

    def __init__(self, message: str, why: str) -> None:
        super().__init__(message)
        self.why = why


def approve(
    services: Services, pending: PendingRequest, member_id: str, *, scopes: Iterable[str], project_access: str, project_ids: Iterable[str],
    keep_alive: bool, text: str, origin: Origin,
) -> str:  # fmt: skip
    """Record consent and code; the URL to send the browser to.

    `text` is what the page showed. `InvalidInput` (field `scope` or `project_id`) says what to choose; `Refused` that it can't be.
    What was not asked for or is not held is left out: the form can only take away.
    """
    ticked, chosen = frozenset(scopes), tuple(dict.fromkeys(project_ids))

    def attempt() -> str:
        account, client, member, consent = _load(services, pending, member_id, origin)
        allowed = allowed_scopes(account, client)
        asked = [s for s in pending.scopes if s in ticked and s in allowed and s != OFFLINE_ACCESS]
        projects = _projects(account, asked, project_access, chosen)
        approved = _held(account, member, asked, projects)
        context = services.context(pending.account_id, origin, actor_id=member_id, client_stream=pending.client_stream)
        grant = _grant(
            services, pending, context, (account, client, member, consent), approved, projects, keep=keep_alive and client.may_refresh, text=text
        )
        services.store.append([consent, grant], judged=[client, member, account], also=lambda tables: _use(tables, pending, text, context))
        code = services.codec.make(CODE, grant.id, 0, grant.version, grant.code_key_id)
        return answer_url(pending.redirect_uri, services.issuer, pending.state, code=code)

    return until_settled(attempt)


def deny(services: Services, pending: PendingRequest, member_id: str, *, text: str, origin: Origin) -> str:
    """Record the refusal; the URL to send the browser to."""

    def attempt() -> str:
        _, _, member, consent = _load(services, pending, member_id, origin, may_be_refused=True)
        context = services.context(pending.account_id, origin, actor_id=member_id, client_stream=pending.client_stream)
        consent.refuse(
            context,
            member_id=str(member.id),
            for_client=pending.client_stream,
            requested=pending.scopes,
            resource=pending.resource,
            text=digest_of(text),
        )
        services.store.append([consent], also=lambda tables: _use(tables, pending, text, context))
        return answer_url(pending.redirect_uri, services.issuer, pending.state, error="access_denied", error_description="The user did not allow it.")

    return until_settled(attempt)


def answer_url(redirect_uri: str, issuer: str, state: str | None, **parameters: str) -> str:
    """The redirect URI with the answer's parameters, the request's state and `iss` (RFC 9207)."""
    answer = {**parameters, **({} if state is None else {"state": state}), "iss": issuer}
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{urlencode(answer)}"


def _load(
    services: Services, pending: PendingRequest, member_id: str, origin: Origin, *, may_be_refused: bool = False
) -> tuple[Account, Client, Member, Consent]:
    consent_id = consent_stream(pending.account_id, member_id, pending.client_stream)
    wanted: list[tuple[type[Stream], UUID]] = [
        (Account, UUID(pending.account_id)),
        (Client, UUID(pending.client_stream)),
        (Member, UUID(member_id)),
        (Consent, consent_id),
    ]
    account, client, member, consent = services.store.load_many(wanted)
    if account is None or client is None:
        raise RequestEnded("This request is not valid any more.")
    if member is None or member.account_id != pending.account_id or not member.active:
        raise Refused("You can't allow apps in this account.")
    refusal = app_refusal(client, account)
    if refusal and not may_be_refused:
        raise AppRefused("This app may not act in this account now.", refusal)
    if consent is None:
        return account, client, member, Consent.blank(consent_id, services.context(pending.account_id, origin))
    return account, client, member, consent.copy()


def _projects(account: Account, asked: list[str], access: str, chosen: tuple[str, ...]) -> Projects:
    if not any(account.scopes[s].per_project for s in asked):
        return ()
    if access == "all":
        return "*"
    if access != "selected":
        raise InvalidInput("Choose all projects or only selected ones.", field="project_id")
    if any(p not in account.projects for p in chosen):
        raise InvalidInput("One of the chosen projects does not exist any more. Choose again.", field="project_id")
    if not chosen:
        raise InvalidInput("Choose at least one project.", field="project_id")
    return chosen


def _held(account: Account, member: Member, asked: list[str], projects: Projects) -> tuple[str, ...]:
    """Those of the scopes that the member holds somewhere in the chosen projects."""
    here = tuple(account.projects) if projects == "*" else projects
    approved = []
    for code in asked:
        scope = account.scopes[code]
        places = here if scope.per_project else (None,)
        if any(member.holds(scope.permission, place) for place in places):
            approved.append(code)
    if asked and not approved:
        raise InvalidInput("You hold none of these permissions in the chosen projects.", field="project_id" if here else "scope")
    if not approved:
        raise InvalidInput("Choose at least one permission, or deny.", field="scope")
    return tuple(approved)


def _grant(
    services: Services, pending: PendingRequest, context: Context, streams: tuple[Account, Client, Member, Consent], approved: tuple[str, ...],
    projects: Projects, *, keep: bool, text: str,
) -> Grant:  # fmt: skip
    """Record the consent on its stream and begin the grant, pinned to what it was judged on."""
    account, client, member, consent = streams
    grant_id = services.new_id()
    offline = (OFFLINE_ACCESS,) if keep and OFFLINE_ACCESS in pending.scopes else ()
    lifetimes = {name: int(getattr(account.session_policy, name)) for name in _LIFETIMES}
    shared: dict[str, Any] = {
        "member_id": str(member.id), "for_client": pending.client_stream, "resource": pending.resource, "projects": projects, "keep_alive": keep,
        "lifetimes": lifetimes,
    }  # fmt: skip
    consent.give(
        context, requested=pending.scopes, approved=approved, denied=tuple(s for s in pending.scopes if s not in approved + offline),
        text=digest_of(text), held=tuple(p for p, extent in member.held.items() if not extent.empty), grant_id=str(grant_id), **shared,
    )  # fmt: skip
    pinned = {"consent": consent.version, "client": client.version, "member": member.version, "account": account.version}
    return Grant.begin(
        Grant.CodeIssued, grant_id, context, client_id=client.client_id, consent_id=str(consent.id), pinned=pinned,
        scopes=tuple(s for s in pending.scopes if s in approved + offline), redirect_uri=pending.redirect_uri,
        redirect_uri_sent=pending.redirect_uri_sent, code_challenge=pending.code_challenge, refreshable=keep, key_id=services.codec.key_id,
        **shared,
    )  # fmt: skip


def _use(tables: Tables, pending: PendingRequest, text: str, context: Context) -> None:
    """In the append's transaction: the request is used up, and the text that was shown is kept under its hash."""
    if not tables.use_authorization_request(pending.request_id, context.now):
        raise RequestEnded("This request was answered before or is too old. Go back to the app and connect again.")
    tables.add_consent_text(bytes.fromhex(digest_of(text)), "en", text)


def digest_of(text: str) -> str:
    """What a consent's event keeps of the text that was shown: its SHA-256, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
