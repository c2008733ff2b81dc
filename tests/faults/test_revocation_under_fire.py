"""Eight connections refresh, exchange and introspect while access is taken away 200 times and a worker is paused at random.

Shown from the events and the clients' logs: nothing is issued after a revocation was answered unless it was judged on it, and no
introspection that begins after the answer says active.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
import pytest

from application import decide_app, end_consent, manage_members
from application.services import Origin
from tests.support.http_flow import App
from tests.support.inside import Code, Inside

ROUNDS, CONNECTIONS = 200, 8
ADMIN = Origin("ui", "127.0.0.1", "tests/1.0")
KINDS = ("block", "deactivate", "narrow", "withdraw")


@dataclass
class Target:
    """One client of one member with one live grant, and one code not yet exchanged, until it is revoked."""

    kind: str
    code: Code
    spare: Code
    refresh_token: str = ""
    access_token: str = ""
    done: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Answered:
    """A revocation that was answered: the version it has on its stream, the database's snapshot and the clock then."""

    target: Target
    version: int
    snapshot: str
    at: float


@dataclass(frozen=True)
class Introspected:
    target: Target
    began: float
    active: bool
    scope: str


class Fire:
    """The clients."""

    def __init__(self, store: Inside, targets: list[Target]) -> None:
        self.store, self.targets = store, targets
        self.stop = threading.Event()
        self.introspections: list[Introspected] = []
        self.statuses: dict[int, int] = {}
        self.credentials = store.resource()
        self._threads = [threading.Thread(target=self._client, args=(n,)) for n in range(CONNECTIONS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self, number: int) -> None:
        chance = random.Random(number)
        with httpx.Client(base_url=self.store.demo.base_url, timeout=30) as http:
            while not self.stop.is_set():
                target = chance.choice([t for t in self.targets if not t.done] or self.targets)
                act = chance.choice([self._refresh, self._refresh, self._introspect, self._introspect, self._exchange])
                act(http, target)

    def _refresh(self, http: httpx.Client, target: Target) -> None:
        token = target.refresh_token
        answer = http.post("/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token, "client_id": target.code.client_id})
        self._count(answer)
        if answer.status_code == 200:
            with target.lock:
                target.refresh_token, target.access_token = answer.json()["refresh_token"], answer.json()["access_token"]

    def _exchange(self, http: httpx.Client, target: Target) -> None:
        """The spare code's grant; each is exchanged once, late."""
        if target.lock.acquire(blocking=False):
            try:
                spare, target.spare = target.spare, target.code
                if spare is not target.code:
                    self._count(self.store.exchange(spare, http))
            finally:
                target.lock.release()

    def _introspect(self, http: httpx.Client, target: Target) -> None:
        token, began = target.access_token, time.monotonic()
        answer = http.post("/oauth/introspect", data={"token": token}, auth=self.credentials)
        self._count(answer)
        if answer.status_code == 200:
            said = answer.json()
            self.introspections.append(Introspected(target, began, said["active"], said.get("scope", "")))

    def _count(self, answer: httpx.Response) -> None:
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1


def revoke(store: Inside, target: Target, admin_id: str) -> None:
    services, account_id, code = store.services, store.account_id, target.code
    if target.kind == "block":
        decide_app.block(services, account_id, code.client_id, actor_id=admin_id, origin=ADMIN)
    elif target.kind == "deactivate":
        manage_members.deactivate(services, account_id, store.uuid(code.member_id), actor_id=admin_id, origin=ADMIN)
    elif target.kind == "withdraw":
        end_consent.withdraw(services, account_id, code.consent_id, actor_id=code.member_id, origin=ADMIN)
    else:
        end_consent.narrow(services, account_id, code.consent_id, scopes=["account:read"], projects="*", actor_id=code.member_id, origin=ADMIN)


def one(database: Any, sql: str, *parameters: Any) -> Any:
    """The one value of a query."""
    return database.execute(sql, parameters).fetchone()[0]


def pause_a_worker(workers: list[int], chance: random.Random, stop: threading.Event) -> None:
    while not stop.wait(chance.uniform(0.1, 0.6)):
        pid = chance.choice(workers)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(chance.uniform(0.05, 0.4))
        os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def targets(store: Inside) -> list[Target]:
    made = []
    with httpx.Client(base_url=store.demo.base_url, timeout=30) as http:
        for number in range(ROUNDS):
            app = App(store.demo.base_url, name=f"App {number}")
            app.register()
            member_id = store.member(number)
            code, spare = store.code(app.client_id, member_id), store.code(app.client_id, member_id)
            tokens = store.exchange(code, http).json()
            made.append(Target(KINDS[number % 4], code, spare, tokens["refresh_token"], tokens["access_token"]))
    return made


def test_nothing_outlives_an_answered_revocation(store: Inside, targets: list[Target]) -> None:
    workers, chance, stop = store.demo.web_workers(), random.Random(7), threading.Event()
    assert workers
    admin_id = str(manage_members.find_member(store.services, store.account_id, "admin@jaffle.example"))
    answered: list[Answered] = []
    pausing = threading.Thread(target=pause_a_worker, args=(workers, chance, stop))
    with store.database() as database, Fire(store, targets) as fire:
        pausing.start()
        for target in targets:
            revoke(store, target, admin_id)
            snapshot, at = one(database, "SELECT pg_current_snapshot()::text"), time.monotonic()
            stream = {"block": store.account_id, "deactivate": target.code.member_id}.get(target.kind, target.code.consent_id)
            version = one(database, "SELECT max(originator_version) FROM events WHERE originator_id = %s", stream)
            answered.append(Answered(target, version, snapshot, at))
            target.done = chance.random() < 0.5
        time.sleep(0.5)
        stop.set()
        pausing.join()
    assert fire.statuses.keys() <= {200, 400, 401, 503}, fire.statuses
    assert fire.statuses[200] > ROUNDS
    with store.database() as database:
        late = [row for revocation in answered for row in issued_after(database, revocation)]
    assert late == []
    by_target = {id(a.target): a for a in answered}
    began_after = [i for i in fire.introspections if i.began > by_target[id(i.target)].at]
    assert began_after, "no introspection began after a revocation: the test saw nothing"
    for seen in began_after:
        if seen.target.kind == "narrow":
            assert not seen.active or seen.scope == "account:read"
        else:
            assert not seen.active, seen.target.kind


ISSUED_AFTER = """SELECT g.originator_id, g.originator_version, g.topic, convert_from(g.state, 'UTF8')::json -> 'judged'
FROM events g JOIN events issued ON issued.originator_id = g.originator_id AND issued.originator_version = 1
WHERE g.topic IN ('grant.code_exchanged', 'grant.tokens_refreshed') AND NOT pg_visible_in_snapshot(g.xid, %s::pg_snapshot)
AND convert_from(issued.state, 'UTF8')::json ->> 'client_id' = %s AND issued.topic = 'grant.code_issued'"""


def issued_after(database: Any, revocation: Answered) -> list[Any]:
    """Token events of the client that committed after the answer and were not judged on the revocation."""
    rows = database.execute(ISSUED_AFTER, (revocation.snapshot, revocation.target.code.client_id)).fetchall()
    if revocation.target.kind != "narrow":
        return list(rows)
    return [row for row in rows if row[3][0] < revocation.version]


def test_the_client_of_a_blocked_app_is_told_that_it_is_no_client_any_more(store: Inside) -> None:
    app = App(store.demo.base_url, name="Blocked App")
    app.register()
    token = store.exchange(store.code(app.client_id, store.member(9000)), app.http).json()["refresh_token"]
    decide_app.block(store.services, store.account_id, app.client_id, actor_id=None, origin=ADMIN)
    answer = app.refresh(token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
