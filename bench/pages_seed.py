"""Fills an account for the pages' figures, by the product's own use cases: many apps, people and sessions, and a little of everything else."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from application import decide_app, end_consent, manage_members, manage_policies, manage_projects, record_action, revoke_grant
from application.approve_consent import approve
from application.begin_authorization import PendingRequest, begin
from application.exchange_code import exchange_code
from application.issuing import Asked
from application.open_account import open_account
from application.refresh_tokens import refresh_tokens
from application.register_client import register_dynamic
from application.services import Origin, Services
from bench.pages_browser import ADMIN, PASSWORD
from bench.place import Place
from domain.client import Client
from domain.roles import ROLES

CLI, OAUTH, MCP = (Origin(source, "127.0.0.1", "claude-code/2.1 (linux)") for source in ("cli", "oauth", "mcp"))
REDIRECT_URI = "http://localhost:3118/callback"
SCOPES = ("account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run")
POLICY = {"registrations_per_hour": "1000000", "registrations_total": "1000000", "code_ttl": "1d"}
_ROLES = tuple(role for role in ROLES if role != "Account Admin")
_THREADS, _ALIKE, _OWN, _SOME = 4, 10, 12, 20

Item = TypeVar("Item")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Seeded:
    """The account, its admin, and one of its clients."""

    account_id: str
    admin_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its client knows it."""

    client: Client
    member_id: str
    grant_id: str
    refresh_token: str


def seed(place: Place, members: int, clients: int, sessions: int) -> Seeded:
    """Every tenth client is another registration of one app; sessions go round over people and clients; every tenth of them is used."""
    with place.app() as app:
        services = app.services
        facts: dict[str, Any] = {"slug": "bench", "name": "Bench", "admin_email": ADMIN, "admin_name": "Admin", "password": PASSWORD}
        opened = open_account(services, origin=CLI, **facts)
        account_id, admin_id = str(opened.account.id), str(opened.admin.id)
        manage_policies.change_policy(services, account_id, POLICY, origin=CLI)
        for name in ("Sales", "Marketing", "Finance"):
            manage_projects.add(services, account_id, name, origin=CLI)
        people = [admin_id, *_all(lambda n: _member(services, account_id, n), range(members - 1))]
        apps = _all(lambda n: _client(services, account_id, n), range(clients))
        # The admin has a few sessions of their own, in every state.
        who = [admin_id] * _OWN + [people[n % len(people)] for n in range(sessions - _OWN)]
        made = _all(lambda n: session(services, account_id, apps[n % len(apps)], who[n]), range(sessions))
        _all(lambda s: _use(services, account_id, s), made[::10])
        _decide(services, account_id, admin_id, apps, made)
    return Seeded(account_id, admin_id, apps[0].client_id)


def authorization(services: Services, account_id: str, client_id: str, challenge: str = "x" * 43) -> PendingRequest:
    """What waits for the person's decision at `/consent`."""
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": REDIRECT_URI, "scope": " ".join((*SCOPES, "offline_access"))}
    proof = {"code_challenge": challenge, "code_challenge_method": "S256"}
    pending = begin(services, account_id, {name: [value] for name, value in {**asked, **proof}.items()}, OAUTH)
    assert isinstance(pending, PendingRequest), pending
    return pending


def session(services: Services, account_id: str, client: Client, member_id: str) -> Session:
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    pending = authorization(services, account_id, client.client_id, challenge)
    chosen: dict[str, Any] = {"scopes": SCOPES[:1], "project_access": "all", "project_ids": (), "keep_alive": True}
    url = approve(services, pending, member_id, **chosen, text="The benchmark's consent.", origin=OAUTH)
    code = parse_qs(urlsplit(url).query)["code"][0]
    proof = {"code": code, "code_verifier": verifier, "redirect_uri": REDIRECT_URI}
    answer = exchange_code(services, account_id, client_id=client.client_id, **proof, asked=Asked(), origin=OAUTH)
    assert answer.refresh_token is not None
    return Session(client, member_id, str(answer.grant_id), answer.refresh_token)


def _all(job: Callable[[Item], Made], items: Iterable[Item]) -> list[Made]:
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(job, items))


def _member(services: Services, account_id: str, number: int) -> str:
    facts = {"email": f"p{number}@bench.example", "name": f"Person {number}", "role": _ROLES[number % len(_ROLES)]}
    return str(manage_members.add_member(services, account_id, **facts, origin=CLI).member_id)


def _client(services: Services, account_id: str, number: int) -> Client:
    metadata = {
        "client_name": f"Tool {number}" if number % _ALIKE else "Claude Code",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    return register_dynamic(services, account_id, metadata, OAUTH)


def _use(services: Services, account_id: str, used: Session) -> None:
    """Two rotations and three calls."""
    token = used.refresh_token
    for _ in range(2):
        answer = refresh_tokens(services, account_id, client_id=used.client.client_id, refresh_token=token, asked=Asked(), origin=OAUTH)
        token = answer.refresh_token or token
    for operation in ("list_projects", "get_account", "list_environments"):
        record_action.record(
            services, account_id, member_id=used.member_id, client_stream=str(used.client.id), client_id=used.client.client_id,
            grant_id=used.grant_id, resource=services.mcp_url, operation=operation, scope="account:read", projects=(), outcome="ok", origin=MCP,
        )  # fmt: skip


def _decide(services: Services, account_id: str, admin_id: str, apps: list[Client], made: list[Session]) -> None:
    """Some apps blocked, some sessions and consents ended, so that every list holds each state."""
    for client in [app for app in apps if app.name != "Claude Code"][-_SOME:]:
        decide_app.block(services, account_id, client.client_id, actor_id=admin_id, origin=CLI, reason="Not known here")
    for ending in made[_OWN - 2 : _OWN + _SOME]:
        revoke_grant.revoke(services, account_id, ending.grant_id, by="admin", actor_id=admin_id, origin=CLI, reason="Laptop lost")
    own = services.store.standing(UUID(made[0].grant_id))
    assert own is not None
    end_consent.withdraw(services, account_id, own.grant.consent_id, actor_id=admin_id, origin=CLI)
