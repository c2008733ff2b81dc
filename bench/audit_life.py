"""An account's life for the audit log's figures: people, apps and types spread as in life, made by the domain, time running over a year."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import accumulate
from typing import Any, Literal
from uuid import uuid4

from bench.projections import LIFETIMES, MCP, SCOPES, Row, Source
from domain.account import Account
from domain.activity import Activity
from domain.base import Context, Personal
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import client_id_for, consent_stream
from domain.ledger import Ledger
from domain.member import Member
from domain.roles import permissions_of
from domain.sign_in import SignIn

APPS = ("Claude Code", "Cursor", "ChatGPT", "Visual Studio Code", "MCP Inspector", "Windsurf", "Zed", "n8n", "Goose", "Continue")
PEOPLE, REGISTRATIONS, DISTINCT_APPS, ALIVE = 1000, 1000, 60, 3000
_ROLES = ("Developer", "Analyst", "Job Operator", "Member", "Account Viewer")
_ASKED = (*SCOPES, "projects:develop", "jobs:run", "offline_access")
KEY = "00000000"
_DEALT = 10_000
_Revoker = Literal["member", "admin", "client"]
Deed = tuple[Callable[[], Iterator[Row]], float]
"""Something that happens, and how often beside the others."""


@dataclass(slots=True)
class Held:
    """A session under way."""

    grant: Grant
    member: str
    client: str


@dataclass
class Life(Source):
    """The account stands already; `account` is its stream as last recorded, `pace` the time from one event to the next."""

    account: Account = None  # type: ignore[assignment]  # a field after those with defaults needs one; always given
    pace: timedelta = timedelta(seconds=6)
    seed: int = 7
    alive: list[Held] = field(default_factory=list)
    browsers: list[SignIn] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.dice = random.Random(self.seed)
        self.busy: list[float] = list(accumulate(1 / (rank + 1) ** 0.8 for rank in range(PEOPLE)))
        self.liked: list[float] = list(accumulate(1 / (rank + 1) ** 1.1 for rank in range(DISTINCT_APPS)))
        self.apps: list[list[Client]] = [[] for _ in range(DISTINCT_APPS)]
        self.admin: str | None = None

    def context(self, actor: str | None, client: str | None = None, source: Any = "oauth") -> Context:
        self.moment += self.pace
        subject = actor or f"account:{self.account_id}"
        address = Personal(subject, f"192.0.2.{self.dice.randrange(1, 255)}")
        return Context(self.account_id, self.moment, source, salt, actor, client, address, Personal(subject, "claude-code/2.1 (linux)"))

    def people(self) -> Iterator[Row]:
        """Everybody, and a third of the registrations; the others come in the course of time."""
        for number in range(PEOPLE):
            member_id, role = uuid4(), _ROLES[number % len(_ROLES)]
            who = str(member_id)
            self.app.keyring.begin_subject(who, member_id, self.account_id)
            name, email = Personal(who, f"Person {number}"), Personal(who, f"p{number}@example.com")
            facts: dict[str, Any] = {"role": role, "permissions": permissions_of(role), "projects": "*", "name": name, "email": email}
            member = Member.add(member_id, self.context(self.admin, source="ui"), **facts)
            self.members.append(member)
            yield from self.rows(member)
        for number in range(DISTINCT_APPS):
            yield from self.register(number)
        for _ in range(REGISTRATIONS // 3 - DISTINCT_APPS):
            yield from self.register(self._app())
        while len(self.alive) < ALIVE:
            yield from self.connect()

    def days(self, events: int) -> Iterator[Row]:
        """`events` of them at least, in the order of time."""
        deeds = self.deeds(events)
        choices, weights, made = [deed for deed, _ in deeds], list(accumulate(weight for _, weight in deeds)), 0
        while made < events:
            dealt = self.dice.choices(choices, cum_weights=weights, k=_DEALT)
            for happens in (*dealt, self.since_then):
                for row in happens():
                    made += 1
                    yield row

    def deeds(self, events: int) -> list[Deed]:
        """What happens, and how much of it, in a life of so many events."""
        return [
            (self.refresh, 62), (self.act, 22), (self.sign_in, 5), (self.fail, 1.5), (self.sign_out, 2), (self.connect, 1.5), (self.expire, 1.05),
            (self.revoke, 0.3), (self.replay, 0.3), (self.reuse, 0.02), (self.refuse, 0.1), (self.narrow, 0.05), (self.withdraw, 0.1),
            (self.permission, 0.01), (self.decide, 2e3 / events), (self.policy, 1e3 / events), (self.export, 3e3 / events),
            (self.register_some, 100 * REGISTRATIONS / 1.5 / events),
        ]  # fmt: skip

    def since_then(self) -> Iterator[Row]:
        """What time brings by itself, now and then: here nothing."""
        return iter(())

    # ---- apps and sessions

    def register(self, number: int) -> Iterator[Row]:
        stream_id = uuid4()
        context = self.context(None, str(stream_id))
        name = APPS[number] if number < len(APPS) else f"Tool {number}"
        metadata = {"client_name": name, "redirect_uris": [f"http://localhost:{self.dice.randrange(3000, 9000)}/callback"]}
        client = Client.blank(stream_id, context)
        client.register(context, client_id=client_id_for(stream_id), registration="dynamic", metadata=metadata, needs_approval=False)
        self.apps[number].append(client)
        self.clients.append(client)
        yield from self.rows(client)

    def register_some(self) -> Iterator[Row]:
        yield from self.register(self._app())

    def connect(self) -> Iterator[Row]:
        who, client, grant_id = str(self._member().id), self._client(), uuid4()
        app = str(client.id)
        context = self.context(who, app)
        consent = Consent.blank(uuid4(), context)
        consent.give(
            context, **self._asked(who, app), approved=SCOPES, denied=_ASKED[len(SCOPES):], projects="*", keep_alive=True, lifetimes=LIFETIMES,
            held=(), grant_id=str(grant_id),
        )  # fmt: skip
        grant = Grant.begin(
            Grant.CodeIssued, grant_id, self.context(who, app), client_id=client.client_id, for_client=app, member_id=who,
            consent_id=str(consent_stream(self.account_id, who, app)), pinned={"consent": 1, "client": 1, "member": 1, "account": 2}, scopes=SCOPES,
            projects="*", resource=MCP, redirect_uri=client.redirect_uris[0], redirect_uri_sent=True, code_challenge="x" * 43, keep_alive=True,
            refreshable=True, lifetimes=LIFETIMES, key_id=KEY,
        )  # fmt: skip
        held = Held(grant, who, app)
        self._issue(held)
        self.alive.append(held)
        yield from self.rows(consent)
        yield from self.rows(grant)

    def refresh(self) -> Iterator[Row]:
        held = self.dice.choice(self.alive)
        self._issue(held)
        return self.rows(held.grant)

    def replay(self) -> Iterator[Row]:
        held = self.dice.choice(self.alive)
        held.grant.note_replay(self.context(held.member, held.client), secrets.token_hex(8))
        return self.rows(held.grant)

    def act(self) -> Iterator[Row]:
        held = self.dice.choice(self.alive)
        action = Activity.performed(
            uuid4(), self.context(held.member, held.client, "mcp"), grant_id=str(held.grant.id), client_id=held.grant.client_id, resource=MCP,
            operation="query_metrics", scope="projects:query", projects=("prj_1",), outcome="ok", detail=None,
        )  # fmt: skip
        return self.rows(action)

    def expire(self) -> Iterator[Row]:
        held = self._ending()
        held.grant.record(Grant.Expired, self.context(None, held.client, "system"), which="idle")
        return self.rows(held.grant)

    def revoke(self) -> Iterator[Row]:
        held = self._ending()
        by: _Revoker = self.dice.choice(("member", "admin", "client"))
        held.grant.revoke(by, self.context(self.admin if by == "admin" else held.member, held.client, "ui"), "no longer needed")
        return self.rows(held.grant)

    def reuse(self) -> Iterator[Row]:
        held, context = self._ending(), self.context(None, None)
        issued = held.grant.issued
        assert issued is not None
        held.grant.record(Grant.ReuseDetectedEvent, context, generation=1, current=issued.generation, rotated_at=issued.at)
        return self.rows(held.grant)

    # ---- what people decide

    def refuse(self) -> Iterator[Row]:
        who, app = str(self._member().id), str(self._client().id)
        consent = Consent.blank(uuid4(), self.context(who, app))
        consent.refuse(self.context(who, app), **self._asked(who, app))
        return self.rows(consent)

    def narrow(self) -> Iterator[Row]:
        return self._after_consent(lambda consent, context: consent.narrow(SCOPES[:1], ("prj_1",), context))

    def withdraw(self) -> Iterator[Row]:
        return self._after_consent(lambda consent, context: consent.withdraw(context, "done with it"))

    def sign_in(self) -> Iterator[Row]:
        who = str(self._member().id)
        sign_in = SignIn.blank(uuid4(), self.context(who))
        sign_in.succeed(self.context(who, source="ui"), who, self.dice.choice(("password", "sso")))
        self.browsers.append(sign_in)
        return self.rows(sign_in)

    def fail(self) -> Iterator[Row]:
        known = self.dice.choice((None, str(self._member().id)))
        sign_in = SignIn.blank(uuid4(), self.context(None))
        sign_in.fail(self.context(None, source="ui"), method="password", member_id=known, login_key=None, reason="wrong", count=1)
        return self.rows(sign_in)

    def sign_out(self) -> Iterator[Row]:
        if not self.browsers:
            return iter(())
        sign_in = self.browsers.pop(self.dice.randrange(len(self.browsers)))
        sign_in.end(self.context(sign_in.member_id, source="ui"), "signed out")
        return self.rows(sign_in)

    # ---- what admins decide

    def permission(self) -> Iterator[Row]:
        member, context = self._member(), self.context(self.admin, source="ui")
        change = member.forbid if member.holds("jobs.run") else member.permit
        change("jobs.run", "*", context)
        return self.rows(member)

    def decide(self) -> Iterator[Row]:
        client, context = self._client(), self.context(self.admin, source="ui")
        decided = self.account.app(client.fingerprint)
        deed = self.account.unblock_app if decided.status == "blocked" else self.account.block_app
        deed(client.fingerprint, client.name, context, "as the policy says")
        return self.rows(self.account)

    def policy(self) -> Iterator[Row]:
        self.account.change_session_policy({"idle_window": self.dice.choice(("7d", "14d", "30d"))}, self.context(self.admin, source="ui"))
        return self.rows(self.account)

    def export(self) -> Iterator[Row]:
        ledger = Ledger.blank(uuid4(), self.context(self.admin))
        facts = {"rows": 3, "position": 7, "whole": True}
        ledger.audit_exported(self.context(self.admin, source="ui"), format="csv", filter={"event_type": "action.performed"}, **facts)
        return self.rows(ledger)

    # ---- dice

    def _member(self) -> Member:
        return self.dice.choices(self.members, cum_weights=self.busy)[0]

    def _app(self) -> int:
        return self.dice.choices(range(DISTINCT_APPS), cum_weights=self.liked)[0]

    def _client(self) -> Client:
        return self.dice.choice(self.apps[self._app()])

    def _ending(self) -> Held:
        number = self.dice.randrange(len(self.alive))
        self.alive[number], self.alive[-1] = self.alive[-1], self.alive[number]
        return self.alive.pop()

    def _issue(self, held: Held) -> None:
        issued: dict[str, Any] = {"key_id": KEY, "access_token_id": secrets.token_hex(8), "access_token_ttl": 600}
        held.grant.issue_tokens(self.context(held.member, held.client), scope=" ".join(SCOPES), judged=(1, 1, 1, 2), **issued)

    def _after_consent(self, change: Callable[[Consent, Context], None]) -> Iterator[Row]:
        """A consent of its own, given and then changed."""
        who, app = str(self._member().id), str(self._client().id)
        consent = Consent.blank(uuid4(), self.context(who, app))
        consent.give(
            self.context(who, app), **self._asked(who, app), approved=SCOPES, denied=(), projects="*", keep_alive=True, lifetimes=LIFETIMES,
            held=(), grant_id=str(uuid4()),
        )  # fmt: skip
        change(consent, self.context(who, app, "ui"))
        return self.rows(consent)

    @staticmethod
    def _asked(who: str, app: str) -> dict[str, Any]:
        return {"member_id": who, "for_client": app, "requested": _ASKED, "resource": MCP, "text": "0" * 64}


def salt() -> str:
    return secrets.token_hex(16)
