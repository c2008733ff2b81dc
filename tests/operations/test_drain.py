"""Restarting one node of several: nobody is refused, nothing that began is cut off."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import psycopg

from tests.operations.conftest import Node, Site

METADATA = {"client_name": "App", "redirect_uris": ["http://127.0.0.1:9/callback"], "token_endpoint_auth_method": "none"}


@dataclass
class Balancer:
    """What a proxy does: asks each node whether it is ready, takes turns, and tries the next one where a connection is refused."""

    nodes: Sequence[Node]
    ready: dict[str, bool] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    turn: itertools.count[int] = field(default_factory=itertools.count)

    def watch(self) -> None:
        while not self.over.wait(0.05):
            for node in self.nodes:
                try:
                    answer = httpx.get(f"{node.url}/readyz", timeout=2)
                except httpx.HTTPError:
                    self.ready[node.url] = False
                    continue
                self.ready[node.url] = answer.status_code == 200
                if answer.status_code != 200:
                    self.said.append(answer.text)

    def send(self) -> None:
        with httpx.Client(timeout=10) as http:
            while not self.over.wait(0.02):
                self.one(http)

    def one(self, http: httpx.Client) -> None:
        chosen = next(self.turn)
        order = [self.nodes[(chosen + n) % len(self.nodes)] for n in range(len(self.nodes))]
        for node in sorted(order, key=lambda n: not self.ready.get(n.url, True)):
            try:
                if chosen % 2:
                    answer = http.post(f"{node.url}/oauth/token", data={"grant_type": "refresh_token", "refresh_token": "x", "client_id": "y"})
                else:
                    answer = http.get(f"{node.url}/.well-known/oauth-authorization-server")
            except httpx.ConnectError:
                continue
            except httpx.HTTPError as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                return
            self.answers[answer.status_code] += 1
            if answer.status_code not in (200, 401):
                self.failures.append(answer.text)
            return
        self.failures.append("refused by all nodes")


def test_a_rolling_restart_refuses_nobody(site: Site) -> None:
    nodes = [site.node("--no-projector", "--workers", "1", GRANTBOOK_DRAIN_SECONDS="3") for _ in range(2)]
    for node in nodes:
        node.start()
    balancer = Balancer(nodes)
    threads = [threading.Thread(target=balancer.send) for _ in range(4)] + [threading.Thread(target=balancer.watch)]
    for thread in threads:
        thread.start()
    try:
        for node in nodes:
            time.sleep(0.5)
            node.signal()
            assert node.wait() == 0
            node.start()
    finally:
        balancer.over.set()
        for thread in threads:
            thread.join()
    assert balancer.failures == []
    assert balancer.answers[200] > 50
    assert balancer.answers[401] > 50
    assert any("about to end" in said for said in balancer.said)


def test_what_has_begun_is_finished(site: Site) -> None:
    node = site.node("--no-projector", "--workers", "1", GRANTBOOK_DRAIN_SECONDS="0")
    node.start()
    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(site.database.owner_dsn) as blocker:
            blocker.execute("LOCK TABLE rate_counters IN ACCESS EXCLUSIVE MODE")
            waiting = pool.submit(httpx.post, f"{node.url}/oauth/register", json=METADATA, timeout=20)
            while not blocker.execute("SELECT FROM pg_locks WHERE NOT granted").fetchall():
                assert not waiting.done()
                time.sleep(0.02)
            node.signal()
            time.sleep(0.6)
            assert not waiting.done()
            blocker.rollback()
        assert waiting.result().status_code == 201
    assert node.wait() == 0


def test_a_second_signal_ends_the_draining(site: Site) -> None:
    node = site.node("--no-projector", "--workers", "1", GRANTBOOK_DRAIN_SECONDS="60")
    node.start()
    node.signal()
    for _ in range(100):
        answer = httpx.get(f"{node.url}/readyz")
        if answer.status_code == 503:
            break
        time.sleep(0.05)
    assert "about to end" in answer.json()["checks"]["serving"]
    assert answer.headers["connection"] == "close"
    assert httpx.get(f"{node.url}/healthz").status_code == 200
    node.signal()
    assert node.wait() == 0
