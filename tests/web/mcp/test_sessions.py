"""MCP session ids are the gateway's own: the upstream's stay behind it, and another grant's lead nowhere."""

from __future__ import annotations

from datetime import timedelta

import psycopg

from tests.web.mcp.gateway_world import GatewayWorld

HEADER = "Mcp-Session-Id"


def begin(gateway: GatewayWorld, token: str) -> str:
    response = gateway.ask("initialize", {"protocolVersion": "2025-11-25"}, token=token)
    assert response.status_code == 200
    return str(response.headers[HEADER])


def test_a_session_begins_with_an_id_of_ours_and_reaches_the_upstream_as_its_own(shared: GatewayWorld) -> None:
    ours = begin(shared, shared.full)
    assert not ours.startswith("up-")
    assert len(ours) >= 32
    theirs = f"up-{len(shared.upstream.seen())}"
    response = shared.call("query", headers={HEADER: ours})
    assert response.status_code == 200
    assert HEADER not in response.headers
    assert shared.upstream.last.header(HEADER) == theirs


def test_a_session_of_another_grant_or_of_nobody_is_not_found(shared: GatewayWorld) -> None:
    ours = begin(shared, shared.full)
    before = len(shared.upstream.seen())
    assert shared.call("query", token=shared.token(), headers={HEADER: ours}).status_code == 404
    for made_up in ("x", "up-1", "\u00ff", "a" * 5000):
        assert shared.call("query", headers={HEADER: made_up}).status_code == 404
    assert shared.send(method="DELETE", token=shared.token(), headers={HEADER: ours}).status_code == 404
    assert len(shared.upstream.seen()) == before
    assert shared.call("query", headers={HEADER: ours}).status_code == 200


def test_delete_ends_the_session_here_and_there(shared: GatewayWorld) -> None:
    ours = begin(shared, shared.full)
    theirs = f"up-{len(shared.upstream.seen())}"
    assert shared.send(method="DELETE", token=shared.full, headers={HEADER: ours}).status_code == 204
    assert (shared.upstream.last.method, shared.upstream.last.header(HEADER)) == ("DELETE", theirs)
    assert shared.verified(shared.upstream.last.assertion)[1]["scope"] == ""
    assert shared.call("query", headers={HEADER: ours}).status_code == 404
    assert shared.send(method="DELETE", token=shared.full).status_code == 400


def test_a_session_that_the_upstream_forgot_is_forgotten(shared: GatewayWorld) -> None:
    ours = begin(shared, shared.full)
    before = len(shared.upstream.seen())
    assert shared.call("query", {"as": "lost_session"}, headers={HEADER: ours}).status_code == 404
    assert shared.call("query", headers={HEADER: ours}).status_code == 404
    assert len(shared.upstream.seen()) == before + 1


def test_ids_are_stored_as_hashes_and_old_sessions_are_swept(gateway: GatewayWorld) -> None:
    kept, old = begin(gateway, gateway.full), begin(gateway, gateway.full)
    services = gateway.world.services
    with psycopg.connect(gateway.world.database.web_dsn, autocommit=True) as conn:
        rows = conn.execute("SELECT id_hash, upstream_session FROM gateway_sessions").fetchall()
        assert len(rows) == 2
        assert all(kept.encode() not in bytes(r[0]) for r in rows)
        conn.execute("UPDATE gateway_sessions SET last_seen_at = now() - interval '8 days'")
        assert gateway.call("query", headers={HEADER: kept}).status_code == 200, "using it keeps it"
        services.store.tables().prune(services.clock() + timedelta(seconds=1))
        assert conn.execute("SELECT count(*) FROM gateway_sessions").fetchone() == (1,)
    assert gateway.call("query", headers={HEADER: kept}).status_code == 200
    assert gateway.call("query", headers={HEADER: old}).status_code == 404
