"""The gateway as it is served, in a process of its own: slow calls, clients that go away, bodies in chunks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from bench.ports import free_ports
from tests.support.oauth_world import ISSUER, KEYS, oauth_world
from tests.support.postgres import Database
from tests.web.mcp.gateway_world import PATH, GatewayWorld, Upstream, gateway_world, wait_until
from web.mcp.deciders import THREADS

ROOT = Path(__file__).parents[3]
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {}}}


@pytest.fixture(scope="module")
def world(module_database: Database, upstream: Upstream) -> Iterator[GatewayWorld]:
    with oauth_world(module_database) as world, gateway_world(world, upstream) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def process(world: GatewayWorld) -> Iterator[httpx.Client]:
    """A gateway process on the world's store; the client speaks to it as localhost:8001 with a token for everything."""
    port = free_ports(1)
    environment = {**os.environ, "GRANTBOOK_DATABASE_URL": world.world.database.web_dsn, "GRANTBOOK_BASE_URL": ISSUER, "PYTHONPATH": str(ROOT)}
    environment |= dict(zip(("GRANTBOOK_SECRET_KEYS", "GRANTBOOK_WRAPPING_KEYS", "GRANTBOOK_LEDGER_KEY"), KEYS, strict=True))
    environment |= {"GRANTBOOK_GATEWAY_PORT": str(port), "GRANTBOOK_WORKERS": "2", "GRANTBOOK_LOG": "json"}
    command = [sys.executable, "-m", "web.cli.child", "gateway", str(os.getpid())]
    started = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    headers = {"Host": "localhost:8001", "Authorization": f"Bearer {world.full}", "Accept": "application/json, text/event-stream"}
    limits = httpx.Limits(max_connections=200)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60, trust_env=False, limits=limits) as http:
            wait_until(lambda: answers(http), patience=60)
            yield http
    finally:
        started.terminate()
        started.wait(20)


def answers(http: httpx.Client) -> bool:
    try:
        return http.get("/healthz").status_code == 200
    except httpx.HTTPError:
        return False


def decide_connections(world: GatewayWorld) -> int:
    with psycopg.connect(world.world.database.superuser_dsn) as conn:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'grantbook-decide'"
        row = conn.execute(sql, (world.world.database.name,)).fetchone()
    assert row is not None
    return int(row[0])


def test_slow_calls_do_not_hold_up_others_and_share_a_few_connections(world: GatewayWorld, process: httpx.Client) -> None:
    before = decide_connections(world)
    release = threading.Event()
    slow = {**CALL, "params": {"name": "query", "arguments": {"as": "slow", "seconds": 5}}}

    tokens = [world.token(), world.token()]

    def call_slowly(number: int) -> bool:
        status = process.post(PATH, json=slow, headers={"Authorization": f"Bearer {tokens[number % 2]}"}).status_code
        return status == 200 and release.is_set()

    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(call_slowly, number) for number in range(40)]
        wait_until(lambda: sum(b'"as":"slow"' in s.body for s in world.upstream.seen()) >= 40)
        for _ in range(5):
            assert process.post(PATH, json=CALL).status_code == 200
        assert not any(w.done() for w in waiting), "the quick ones came first"
        release.set()
        assert all(w.result() for w in waiting)
    assert decide_connections(world) - before <= THREADS


def test_a_client_that_goes_away_leaves_nothing_behind(world: GatewayWorld, process: httpx.Client) -> None:
    endless = {**CALL, "params": {"name": "endless", "arguments": {}}}
    for _ in range(3):
        with process.stream("POST", PATH, json=endless) as answer:
            assert next(answer.iter_lines()) == "event: message"
    wait_until(lambda: world.upstream.state()["open_streams"] == 0)
    wait_until(lambda: world.outcomes()[-3:] == [("tools/call:endless", "failed", "client left")] * 3)


def test_a_body_in_chunks_is_read_and_limited(process: httpx.Client) -> None:
    message = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{}}}'
    headers = {"Content-Type": "application/json"}
    assert process.post(PATH, content=iter([message[:20], message[20:]]), headers=headers).status_code == 200
    refused = process.post(PATH, content=iter([b" " * 1024 * 1024] * 5), headers={**headers, "Connection": "close"})
    assert refused.status_code == 413


def test_every_answer_has_a_request_id_which_the_upstream_gets_too(world: GatewayWorld, process: httpx.Client) -> None:
    answer = process.post(PATH, json=CALL)
    assert answer.status_code == 200
    assert world.upstream.last.header("X-Request-Id") == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("path", ["/healthz", PATH, "/nothing-here"])
def test_no_answer_names_the_software_that_serves(process: httpx.Client, path: str) -> None:
    for method in ("GET", "POST", "PUT"):
        assert process.request(method, path).headers.get("server", "-") == "-"


def test_an_idle_gateway_keeps_few_threads(process: httpx.Client) -> None:
    children = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    workers = [p for p in children if "web.cli.child" in " ".join(p.cmdline()) or "granian" in p.name()]
    assert workers
    assert all(p.num_threads() < 200 for p in workers)
