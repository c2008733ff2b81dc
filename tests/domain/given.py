"""Ready-made states for domain tests: an account with two projects, a member, a client, a consent and a grant."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from domain import access, policies
from domain.account import Account
from domain.base import Context
from domain.client import Client
from domain.consent import Consent
from domain.extent import Projects
from domain.grant import Grant
from domain.ids import client_id_for, consent_stream
from domain.member import Member
from domain.roles import permissions_of
from domain.tokens import CODE, REFRESH, Token, TokenCodec

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
MCP = "https://data.example/mcp"
SCOPES = ("account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run")
SALES, MARKETING, FINANCE = "prj_sales", "prj_marketing", "prj_finance"
_numbers = count(1)


def new_id() -> UUID:
    return UUID(int=next(_numbers))


@dataclass
class World:
    """One account with everything a grant stands on, and a clock to turn."""

    codec: TokenCodec
    now: datetime
    account: Account
    member: Member
    client: Client
    consent: Consent
    grant: Grant
    contexts: list[Context] = field(default_factory=list)

    @property
    def context(self) -> Context:
        return Context(str(self.account.id), self.now, "oauth", lambda: "5a" * 16)

    @property
    def standing(self) -> access.Standing:
        return access.Standing(self.grant, self.consent, self.client, self.member, self.account)

    @property
    def policy(self) -> policies.SessionPolicy:
        return self.account.session_policy

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)

    def why_ended(self) -> str | None:
        return access.why_ended(self.standing, self.now)

    def scope(self) -> str:
        return access.access(self.standing).scope

    def code(self) -> Token:
        return Token(CODE, self.codec.key_id, 0, self.grant.id, 0, 1)

    def live_token(self) -> Token:
        live = self.grant.issued
        assert live is not None
        return Token(REFRESH, live.key_id, 0, self.grant.id, live.generation, live.version)

    def issue(self) -> Token:
        """Record an exchange or a rotation, as the use cases do once the decision allows it."""
        judged = self.standing.judged
        self.grant.issue_tokens(
            self.context, key_id=self.codec.key_id, access_token_id="jti", access_token_ttl=600, scope=self.scope(), judged=judged
        )
        return self.live_token()

    def refresh(self, token: Token, client_id: str | None = None) -> Any:
        return self.grant.refresh(token, client_id=client_id or self.client.client_id, now=self.now, policy=self.policy)

    def exchange(self, token: Token | None = None, **changes: Any) -> Any:
        facts = {"client_id": self.client.client_id, "code_verifier": VERIFIER, "redirect_uri": self.grant.redirect_uri, **changes}
        return self.grant.exchange(token or self.code(), now=self.now, policy=self.policy, **facts)


def consent_to(world: World, scopes: tuple[str, ...], projects: Projects = "*", *, keep_alive: bool = True) -> None:
    """The member agrees (again) and a new grant begins, pinned to what stands now."""
    grant_id = new_id()
    lifetimes = {k: v for k, v in policies.as_fact(world.policy).items() if k != "refresh_grace"}
    approved = tuple(s for s in scopes if s != "offline_access")
    world.consent.give(
        world.context,
        member_id=str(world.member.id),
        for_client=str(world.client.id),
        requested=scopes,
        approved=approved,
        denied=(),
        projects=projects,
        keep_alive=keep_alive,
        resource=MCP,
        lifetimes=lifetimes,
        text="00",
        held=(),
        grant_id=str(grant_id),
    )
    pinned = {"consent": world.consent.version, "client": world.client.version, "member": world.member.version, "account": world.account.version}
    world.grant = Grant.begin(
        Grant.CodeIssued,
        grant_id,
        world.context,
        client_id=world.client.client_id,
        for_client=str(world.client.id),
        member_id=str(world.member.id),
        consent_id=str(world.consent.id),
        pinned=pinned,
        scopes=scopes,
        projects=projects,
        resource=MCP,
        redirect_uri="https://app.example/cb",
        redirect_uri_sent=True,
        code_challenge=CHALLENGE,
        keep_alive=keep_alive,
        refreshable=keep_alive,
        lifetimes=lifetimes,
        key_id=world.codec.key_id,
    )


def a_world(
    role: str = "Job Operator", scopes: tuple[str, ...] = SCOPES, projects: Projects = "*", member_projects: Projects = "*", **client: Any
) -> World:
    context = Context(str(new_id()), START, "ui", lambda: "5a" * 16)
    account = Account.open(UUID(context.account_id), "jaffle", "Jaffle Analytics", context)
    for project_id, name in ((SALES, "Sales"), (MARKETING, "Marketing")):
        account.add_project(project_id, name, context)
    account.register_resource("res_1", MCP, SCOPES, context)
    member = Member.add(new_id(), context, role=role, permissions=permissions_of(role), projects=member_projects, name=None, email=None)
    stream = new_id()
    registered = Client.blank(stream, context)
    metadata = {"client_name": "Tool", "redirect_uris": ["https://app.example/cb"], **client}
    registered.register(context, client_id=client_id_for(stream), registration="dynamic", metadata=metadata, needs_approval=False)
    consent = Consent.blank(consent_stream(context.account_id, str(member.id), str(stream)), context)
    codec = TokenCodec((b"k" * 32,), 0)
    world = World(codec, START, account, member, registered, consent, grant=None)  # type: ignore[arg-type]  # set by the consent below
    consent_to(world, scopes, projects)
    return world


def a_session(**kwargs: Any) -> World:
    """A world whose code has been exchanged."""
    world = a_world(**kwargs)
    world.issue()
    return world


def with_policy(world: World, **changes: str) -> None:
    world.account.change_session_policy(changes, world.context)
