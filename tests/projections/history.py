"""A made-up history of an account, recorded through the domain and the product's own store: everything that projections must follow."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from domain.account import Account
from domain.activity import Activity
from domain.base import Context, Personal, Stream
from domain.client import Client
from domain.consent import Consent
from domain.errors import DomainError
from domain.grant import Grant
from domain.ids import account_stream, client_id_for, consent_stream, metadata_client_stream
from domain.ledger import Ledger
from domain.member import Member
from domain.roles import ROLES, permissions_of
from domain.sign_in import SignIn
from domain.signing_key import SigningKey
from infrastructure.store.store import PostgresStore

MCP = "https://localhost/mcp"
API = "https://localhost/api/v1"
SCOPES = ("account:read", "projects:query", "catalog:read", "offline_access")
LIFETIMES = {"access_token_ttl": 600, "idle_window": 604_800, "absolute_lifetime": 7_776_000, "code_ttl": 60}
KEY_ID = "00000000"
START = datetime(2026, 10, 28, 9, 0, tzinfo=UTC)
NAMES = ("Claude Code", "Cursor\tEditor", 'Back\\slash "quoted" {x}', "Zoë Ünïcode", "")


class History:
    """Keeps the aggregates in memory and appends what happens; time runs a few minutes at each step."""

    def __init__(self, store: PostgresStore, seed: int = 1, *, begun: datetime = START) -> None:
        self.store = store
        self.random = random.Random(seed)
        self.now = begun
        self.slug = f"acme-{secrets.token_hex(4)}"
        self.account_id = str(account_stream(self.slug))
        self.members: list[Member] = []
        self.clients: list[Client] = []
        self.consents: dict[UUID, Consent] = {}
        self.grants: list[Grant] = []
        self.sign_ins: list[SignIn] = []
        self.keys: list[SigningKey] = []
        self._begin()

    def context(self, actor: str | None = None, client: str | None = None, source: Any = "oauth") -> Context:
        subject = actor or f"account:{self.account_id}"
        return Context(
            account_id=self.account_id, now=self.now, source=source, new_salt=lambda: secrets.token_hex(16), actor_id=actor, client_stream=client,
            address=Personal(subject, f"192.0.2.{self.random.randrange(256)}"), user_agent=Personal(subject, "probe/1.0\n(test)"),
        )  # fmt: skip

    def append(self, *streams: Stream) -> None:
        self.store.append([s for s in streams if s.pending_events])
        for stream in streams:
            list(stream.collect_events())

    def _begin(self) -> None:
        system = self.context(source="system")
        self.account = Account.open(UUID(self.account_id), self.slug, "Acme", system)
        self.account.add_project("prj_000000000001", "Sales", system)
        self.account.add_project("prj_000000000002", "Marketing", system)
        for identifier in (MCP, API):
            self.account.register_resource(f"res_{identifier[-3:]}", identifier, tuple(self.account.scopes), system)
        self.append(self.account)
        self.add_member("Account Admin")

    # ---- what may happen

    def add_member(self, role: str | None = None) -> Member:
        role, member_id = role or self.random.choice(list(ROLES)), uuid4()
        projects: Any = "*" if role == "Account Admin" else self.random.choice(["*", ("prj_000000000001",)])
        name, email = Personal(str(member_id), f"Person {len(self.members)}"), Personal(str(member_id), f"p{len(self.members)}@example.com")
        member = Member.add(
            member_id, self.context(self.admin), role=role, permissions=permissions_of(role), projects=projects, name=name, email=email
        )
        self.append(member)
        self.members.append(member)
        return member

    @property
    def admin(self) -> str | None:
        return str(self.members[0].id) if self.members else None

    def register(self) -> Client:
        kind: Any = self.random.choice(["dynamic", "dynamic", "manual", "metadata_document"])
        url = f"https://app{self.random.randrange(3)}.example/client"
        stream_id = metadata_client_stream(self.account_id, url) if kind == "metadata_document" else uuid4()
        context = self.context(self.admin if kind == "manual" else None, str(stream_id))
        known = next((c for c in self.clients if c.id == stream_id), None)
        client = known or Client.blank(stream_id, context)
        client_id = url if kind == "metadata_document" else client_id_for(stream_id)
        port = self.random.randrange(3000, 3003)
        metadata = {"client_name": self.random.choice(NAMES), "redirect_uris": [f"http://localhost:{port}/cb", "cursor://x/cb"]}
        approval = self.random.random() < 0.3
        client.register(context, client_id=client_id, registration=kind, metadata=metadata, needs_approval=approval, contacts=context.address)
        self.append(client)
        if known is None:
            self.clients.append(client)
        return client

    def change_client(self) -> None:
        client = self.random.choice(self.clients)
        uris = [f"https://{self.random.choice('ab')}.example/cb"]
        client.change_metadata({"client_name": self.random.choice(NAMES), "redirect_uris": uris}, self.context(None, str(client.id)))
        self.append(client)

    def remove_client(self) -> None:
        client = self.random.choice(self.clients)
        by: Any = self.random.choice(["admin", "itself", "unused"])
        client.remove(by, self.context(self.admin if by == "admin" else None, str(client.id)), "no longer\tneeded\\")
        self.append(client)

    def decide(self) -> None:
        client = self.random.choice(self.clients)
        context = self.context(self.admin, str(client.id), "ui")
        deed: Any = self.random.choice([self.account.approve_app, self.account.block_app, self.account.unblock_app, self.account.verify_app])
        deed(client.fingerprint, client.name, context, reason=self.random.choice([None, "because"]))
        self.append(self.account)

    def authorize(self) -> None:
        client, member = self.random.choice(self.clients), self.random.choice(self.members)
        consent_id = consent_stream(self.account_id, str(member.id), str(client.id))
        context = self.context(str(member.id), str(client.id))
        consent = self.consents.setdefault(consent_id, Consent.blank(consent_id, context))
        decision: dict[str, Any] = {"member_id": str(member.id), "for_client": str(client.id), "requested": SCOPES, "resource": MCP, "text": "0" * 64}
        if self.random.random() < 0.15:
            consent.refuse(context, **decision)
            self.append(consent)
            return
        approved = tuple(s for s in SCOPES[:-1] if self.random.random() < 0.7) or SCOPES[:1]
        denied = tuple(s for s in SCOPES if s not in approved)
        projects: Any = self.random.choice(["*", ("prj_000000000001",), ("prj_000000000001", "prj_000000000002")])
        keep, grant_id = self.random.random() < 0.8, uuid4()
        consent.give(
            context, **decision, approved=approved, denied=denied, projects=projects, keep_alive=keep, lifetimes=LIFETIMES, held=("account.read",),
            grant_id=str(grant_id),
        )  # fmt: skip
        pinned = {"consent": consent.version, "client": client.version, "member": member.version, "account": self.account.version}
        grant = Grant.begin(
            Grant.CodeIssued, grant_id, context, client_id=client.client_id or "x", for_client=str(client.id), member_id=str(member.id),
            consent_id=str(consent_id), pinned=pinned, scopes=(*approved, "offline_access"), projects=projects,
            resource=self.random.choice([MCP, API]), redirect_uri="http://127.0.0.1/cb", redirect_uri_sent=True, code_challenge="x" * 43,
            keep_alive=keep, refreshable=keep, lifetimes=LIFETIMES, key_id=KEY_ID,
        )  # fmt: skip
        self.append(consent, grant)
        self.grants.append(grant)
        if self.random.random() < 0.85:
            self.issue(grant)

    def issue(self, grant: Grant | None = None) -> None:
        grant = grant or self._live_grant()
        context = self.context(grant.member_id, grant.for_client)
        grant.issue_tokens(
            context, key_id=KEY_ID, access_token_id=secrets.token_hex(8), access_token_ttl=600, scope=" ".join(grant.scopes), judged=(1, 1, 1, 1)
        )
        self.append(grant)

    def touch_grant(self) -> None:
        grant = self._live_grant()
        context = self.context(grant.member_id, grant.for_client)
        what = self.random.random()
        if what < 0.4 and grant.issued and grant.issued.generation > 1:
            grant.note_replay(context, secrets.token_hex(8))
        elif what < 0.5:
            grant.detect_code_replay(context)
        elif what < 0.7:
            grant.revoke(self.random.choice(["member", "admin", "client"]), context, "reason")
        elif what < 0.85:
            grant.record(Grant.Expired, self.context(None, grant.for_client, "system"), which=self.random.choice(["idle", "absolute", "code"]))
        elif grant.issued:
            grant.record(Grant.ReuseDetectedEvent, context, generation=1, current=2, rotated_at=self.now)
        self.append(grant)

    def _live_grant(self) -> Grant:
        return self.random.choice([g for g in self.grants if not g.ended])

    def act(self) -> None:
        grant = self._live_grant()
        activity = Activity.performed(
            uuid4(), self.context(grant.member_id, grant.for_client, "mcp"), grant_id=str(grant.id), client_id=grant.client_id, resource=MCP,
            operation="query_metrics", scope="projects:query", projects=("prj_000000000001",), outcome="ok", detail=None,
        )  # fmt: skip
        self.append(activity)

    def ask_approval(self) -> None:
        client, member = self.random.choice(self.clients), self.random.choice(self.members)
        consent_id = consent_stream(self.account_id, str(member.id), str(client.id))
        context = self.context(str(member.id), str(client.id))
        consent = self.consents.setdefault(consent_id, Consent.blank(consent_id, context))
        facts: dict[str, Any] = {"member_id": str(member.id), "for_client": str(client.id), "requested": SCOPES, "resource": MCP}
        consent.ask_approval(context, reason=self.random.choice([None, "I need\tit"]), **facts)
        self.append(consent)

    def end_consent(self) -> None:
        consent = self.random.choice([c for c in self.consents.values() if c.in_force])
        context = self.context(consent.member_id if self.random.random() < 0.7 else self.admin, consent.for_client)
        if self.random.random() < 0.5:
            consent.withdraw(context, "done with it")
        else:
            held = [p for p in self.account.projects if consent.projects.holds(p)]
            consent.narrow((next(iter(consent.scopes)),), tuple(held[:1]), context)
        self.append(consent)

    def change_member(self) -> None:
        member, context = self.random.choice(self.members), self.context(self.admin, source="ui")
        deed = self.random.randrange(6)
        if deed == 0:
            member.deactivate(context, "left")
        elif deed == 1:
            member.reactivate(context)
        elif deed == 2:
            role = self.random.choice(list(ROLES))
            member.change_role(role, permissions_of(role), self.random.choice(["*", ("prj_000000000002",)]), context)
        elif deed == 3:
            member.permit("jobs.run", self.random.choice(["*", ("prj_000000000001",)]), context)
        elif deed == 4:
            member.forbid("metrics.query", self.random.choice(["*", ("prj_000000000001",)]), context)
        else:
            member.change_password(context)
        self.append(member)

    def sign_in(self) -> None:
        member, sign_in = self.random.choice(self.members), SignIn.blank(uuid4(), self.context())
        if self.random.random() < 0.6:
            sign_in.succeed(self.context(str(member.id), source="ui"), str(member.id), self.random.choice(["password", "sso"]))
        else:
            known = self.random.choice([None, str(member.id)])
            sign_in.fail(self.context(source="ui"), method="password", member_id=known, login_key="ab" * 16, reason="wrong", count=1)
        self.append(sign_in)
        if self.random.random() < 0.3:
            sign_in.end(self.context(sign_in.member_id, source="ui"), "signed out")
            if sign_in.pending_events:
                self.append(sign_in)

    def change_account(self) -> None:
        context, deed = self.context(self.admin, source="ui"), self.random.randrange(7)
        if deed == 0:
            self.account.change_plan(self.random.choice(["team", "enterprise"]), context)
        elif deed == 1:
            self.account.add_project(f"prj_{secrets.token_hex(6)}", secrets.token_hex(3), context)
        elif deed == 2:
            self.account.rename_project("prj_000000000002", secrets.token_hex(3), context)
        elif deed == 3:
            self.account.change_session_policy({"idle_window": self.random.choice(["1d", "7d"])}, context)
        elif deed == 4:
            self.account.change_registration_policy({"registration": self.random.choice(["open", "approval"])}, context)
        elif deed == 5 and API in self.account.resources:
            self.account.remove_resource(API, context)
        elif API not in self.account.resources:
            self.account.register_resource("res_again", API, tuple(self.account.scopes), context)
        self.append(self.account)

    def keep_books(self) -> None:
        key = SigningKey.blank(uuid4(), self.context())
        key.publish(secrets.token_hex(4), "token", "ES256", self.context(source="system"))
        key.activate(self.context(source="system"))
        ledger = Ledger.blank(uuid4(), self.context())
        ledger.audit_exported(self.context(self.admin), format="csv", filter={"user": "x"}, rows=3, position=7, whole=True)
        self.append(key, ledger)

    def erase(self, member: Member, owner: psycopg.Connection[Any]) -> None:
        """As the product does: the keys and the subject go, then the event says so."""
        owner.execute("DELETE FROM subjects WHERE subject = %s", (str(member.id),))
        member.record(Member.Erased, self.context(self.admin), kids=("k1",), request="7")
        self.append(member)

    # ---- any of it

    def play(self, steps: int) -> None:
        """So many random deeds; those that the domain refuses change nothing."""
        deeds: list[tuple[Callable[[], Any], int]] = [
            (self.add_member, 3), (self.register, 6), (self.change_client, 2), (self.remove_client, 2), (self.decide, 4), (self.authorize, 14),
            (self.issue, 25), (self.touch_grant, 5), (self.act, 10), (self.end_consent, 3), (self.ask_approval, 3),
            (self.change_member, 4), (self.sign_in, 4), (self.change_account, 3), (self.keep_books, 1),
        ]  # fmt: skip
        for deed in self.random.choices([d for d, _ in deeds], [w for _, w in deeds], k=steps):
            self.now += timedelta(seconds=self.random.randrange(1, 3600))
            try:
                deed()
            except (DomainError, IndexError):
                continue
            except ValueError as error:
                if "append" not in str(error) and "nothing" not in str(error).lower():
                    raise
