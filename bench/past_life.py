"""A year of an account for questions about the past: sessions that live by the rules, each on the consent, client, member and account of its day."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from bench.audit_life import ALIVE, DISTINCT_APPS, KEY, Deed, Held, Life, salt
from bench.projections import LIFETIMES, Row
from domain.base import Context
from domain.client import Client
from domain.consent import Consent
from domain.grant import Grant
from domain.ids import consent_stream
from domain.member import Member

CLIENTS = 300
PROJECTS = ("Sales", "Marketing", "Finance")
SCOPES = ("account:read", "projects:query", "catalog:read", "jobs:run")
_ABSOLUTE = timedelta(seconds=LIFETIMES["absolute_lifetime"])
_SWEPT = timedelta(seconds=LIFETIMES["idle_window"] + 3600)
_AWAY = timedelta(days=20)


@dataclass
class PastLife(Life):
    """Nothing happens that the server would have refused: who is blocked, deactivated or past the end gets no tokens."""

    resource: str = ""
    consents: dict[UUID, Consent] = field(default_factory=dict)
    idle: list[tuple[datetime, int, Held]] = field(default_factory=list)
    away: list[tuple[datetime, int, Member]] = field(default_factory=list)
    blocked: list[tuple[datetime, int, Client]] = field(default_factory=list)
    counted: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.resource = next(iter(self.account.resources))

    def people(self) -> Iterator[Row]:
        """Projects, everybody, all registrations and the first sessions."""
        for number, name in enumerate(PROJECTS, 1):
            self.account.add_project(f"prj_{number}", name, self.context(self.admin, source="ui"))
        yield from self.rows(self.account)
        yield from super().people()

    def deeds(self, events: int) -> list[Deed]:
        return [
            (self.refresh, 85), (self.act, 10), (self.sign_in, 1), (self.fail, 0.3), (self.sign_out, 0.8), (self.abandon, 0.25), (self.revoke, 0.06),
            (self.replay, 0.2), (self.reuse, 0.01), (self.refuse, 0.02), (self.narrow, 0.03), (self.withdraw, 0.03), (self.permission, 0.02),
            (self.leave, 0.003), (self.block, 1e2 / events * 100), (self.policy, 1e1 / events * 100), (self.export, 1e2 / events * 100),
        ]  # fmt: skip

    def since_then(self) -> Iterator[Row]:
        """What time brings: sweeps, people and apps that come back, and new sessions for those that ended."""
        while self.idle and self.idle[0][0] <= self.moment:
            held = heapq.heappop(self.idle)[2]
            held.grant.record(Grant.Expired, self.context(None, held.client, "system"), which="idle")
            yield from self.rows(held.grant)
        while self.away and self.away[0][0] <= self.moment:
            member = heapq.heappop(self.away)[2]
            member.reactivate(self.context(self.admin, source="ui"))
            yield from self.rows(member)
        while self.blocked and self.blocked[0][0] <= self.moment:
            client = heapq.heappop(self.blocked)[2]
            self.account.unblock_app(client.fingerprint, client.name, self.context(self.admin, source="ui"), "looked at")
            yield from self.rows(self.account)
        while len(self.alive) < ALIVE:
            yield from self.connect()

    # ---- sessions

    def register(self, number: int) -> Iterator[Row]:
        return super().register(number) if len(self.clients) < CLIENTS else iter(())

    def connect(self) -> Iterator[Row]:
        member, client = self._member(), self._client()
        if not member.active or self.account.app(client.fingerprint).status == "blocked":
            return
        who, app, grant_id = str(member.id), str(client.id), uuid4()
        consent = self.consent(who, app)
        projects = "*" if self.dice.random() < 0.7 else ("prj_1", "prj_2")
        consent.give(
            self.context(who, app), **self._asked(who, app), approved=SCOPES, denied=(), projects=projects, keep_alive=True, lifetimes=LIFETIMES,
            held=(), grant_id=str(grant_id),
        )  # fmt: skip
        pinned = {"consent": consent.version, "client": client.version, "member": member.version, "account": self.account.version}
        grant = Grant.begin(
            Grant.CodeIssued, grant_id, self.context(who, app), client_id=client.client_id, for_client=app, member_id=who, consent_id=str(consent.id),
            pinned=pinned, scopes=(*SCOPES, "offline_access"), projects=projects, resource=self.resource, redirect_uri=client.redirect_uris[0],
            redirect_uri_sent=True, code_challenge="x" * 43, keep_alive=True, refreshable=True, lifetimes=LIFETIMES, key_id=KEY,
        )  # fmt: skip
        held = Held(grant, who, app)
        self._issue(held)
        self.alive.append(held)
        yield from self.rows(consent)
        yield from self.rows(grant)

    def refresh(self) -> Iterator[Row]:
        number = self.dice.randrange(len(self.alive))
        held = self.alive[number]
        if self.moment - held.grant.created_on >= _ABSOLUTE:
            self.alive[number] = self.alive[-1]
            self.alive.pop()
            held.grant.record(Grant.Expired, self.context(None, held.client, "system"), which="absolute")
        else:
            self._rotate(held)
        return self.rows(held.grant)

    def abandon(self) -> Iterator[Row]:
        """Not used again; a sweep says so when the window has closed."""
        held = self._ending()
        issued = held.grant.issued
        assert issued is not None
        self._later(self.idle, issued.at + _SWEPT, held)
        return iter(())

    # ---- decisions

    def consent(self, who: str, app: str) -> Consent:
        stream_id = consent_stream(self.account_id, who, app)
        return self.consents.setdefault(stream_id, Consent.blank(stream_id, self.context(who, app)))

    def withdraw(self) -> Iterator[Row]:
        held = self._ending()
        consent = self.consent(held.member, held.client)
        if not consent.in_force:
            return iter(())
        consent.withdraw(self.context(held.member, held.client, "ui"), "done with it")
        self._end(lambda one: (one.member, one.client) == (held.member, held.client))
        return self.rows(consent)

    def narrow(self) -> Iterator[Row]:
        held = self.dice.choice(self.alive)
        consent = self.consent(held.member, held.client)
        kept = tuple(scope for scope in consent.scopes if scope != "jobs:run")
        consent.narrow(kept, "*" if consent.projects.holds_all() else ("prj_1",), self.context(held.member, held.client, "ui"))
        return self.rows(consent)

    def permission(self) -> Iterator[Row]:
        member, context = self._member(), self.context(self.admin, source="ui")
        if member.active:
            deed = member.forbid if member.holds("jobs.run", "prj_1") else member.permit
            deed("jobs.run", self.dice.choice(("*", ("prj_1",))), context)
        return self.rows(member)

    def leave(self) -> Iterator[Row]:
        """A person is deactivated, and comes back."""
        member = self.dice.choice(self.members)
        if member.active:
            member.deactivate(self.context(self.admin, source="ui"), "on leave")
            self._end(lambda one: one.member == str(member.id))
            self._later(self.away, self.moment + _AWAY, member)
        return self.rows(member)

    def block(self) -> Iterator[Row]:
        """An app is blocked, and unblocked; the five that most people use are left alone."""
        client = self.dice.choice(self.apps[self.dice.randrange(5, DISTINCT_APPS)])
        if self.account.app(client.fingerprint).status != "blocked":
            self.account.block_app(client.fingerprint, client.name, self.context(self.admin, source="ui"), "as the policy says")
            ended = {str(one.id) for one in self.clients if one.fingerprint == client.fingerprint}
            self._end(lambda one: one.client in ended)
            self._later(self.blocked, self.moment + _AWAY, client)
        return self.rows(self.account)

    # ---- helpers

    def _end(self, over: Callable[[Held], bool]) -> None:
        self.alive = [held for held in self.alive if not over(held)]

    def _later(self, queue: list[tuple[datetime, int, Any]], when: datetime, what: object) -> None:
        self.counted += 1
        heapq.heappush(queue, (when, self.counted, what))

    def _rotate(self, held: Held) -> None:
        """Told without address and program: sealing them would take two thirds of the time, and what happened then is judged without them."""
        self.moment += self.pace
        self._issued(held, Context(self.account_id, self.moment, "oauth", salt, held.member, held.client))

    def _issue(self, held: Held) -> None:
        self._issued(held, self.context(held.member, held.client))

    def _issued(self, held: Held, context: Context) -> None:
        held.grant.issue_tokens(
            context, scope=" ".join(SCOPES), judged=(1, 1, 1, 2), key_id=KEY,
            access_token_id=f"{self.dice.getrandbits(64):016x}", access_token_ttl=600,
        )  # fmt: skip
