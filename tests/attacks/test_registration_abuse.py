"""What a hostile registration brings along: nested, endless and invisible values, addresses that must not be kept in clear."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from application.register_client import register_dynamic
from application.services import Origin
from tests.support.oauth_world import CALLBACK, World

JWK = {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "BBBB", "use": "sig", "key_ops": ["verify"], "kid": "1", "x5c": ["MII"]}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [nested(2), nested(900), "\x00", "\x1b[31m", "\u202e", {"a": 1}, 2**200, 1.5, ["\x00"], [1]])
def test_a_key_holds_texts_and_nothing_else(shared: World, value: Any) -> None:
    answer = shared.try_register(jwks={"keys": [{**JWK, "x": value}]})
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_client_metadata")


def test_beside_its_keys_a_key_set_keeps_nothing(shared: World) -> None:
    answer = shared.register(jwks={"keys": [JWK], "\x00": nested(900), "more": {"\x00": 1}})
    assert answer["jwks"] == {"keys": [JWK]}


@pytest.mark.parametrize("name", ["\x00", "a\x00", "", "\u202e"])
def test_a_key_has_members_with_plain_names(shared: World, name: str) -> None:
    assert shared.try_register(jwks={"keys": [{**JWK, name: "x"}]}).status_code == 400


@pytest.mark.parametrize("uri", ["https://[v1.x]/", "https://[::2]/", "http://[v1.localhost]/", "https://[::ffff:127.0.0.1]/cb"])
def test_a_bracketed_host_is_the_loopback_address_or_refused(shared: World, uri: str) -> None:
    assert shared.try_register(redirect_uris=[uri]).get_json()["error"] == "invalid_redirect_uri"


@pytest.mark.parametrize("uri", ["ms-msdt:/id", "search-ms:query=x", "ms-officecmd:x", "jnlp:x", "mhtml:x", "ms-its:x", "hcp:x", "shell:x", "feed:x"])
def test_a_scheme_that_makes_another_program_run_something_is_refused(shared: World, uri: str) -> None:
    assert shared.try_register(redirect_uris=[uri]).get_json()["error"] == "invalid_redirect_uri"


def test_no_counter_keeps_an_address_in_clear(world: World) -> None:
    register_dynamic(world.services, world.account_id, {"redirect_uris": [CALLBACK]}, Origin("oauth", "203.0.113.77", None))
    with psycopg.connect(world.database.web_dsn) as conn:
        buckets = [bucket for (bucket,) in conn.execute("SELECT bucket FROM rate_counters").fetchall()]
    assert buckets
    assert not any("203.0.113" in bucket for bucket in buckets)


def test_the_addresses_of_one_ipv6_network_share_one_allowance(world: World) -> None:
    world.limit(registrations_per_address=3)

    def register(last: int) -> int:
        address = {"REMOTE_ADDR": f"2001:db8:1:2::{last:x}"}
        return world.http.post("/oauth/register", json={"redirect_uris": [CALLBACK]}, environ_base=address).status_code

    assert [register(n) for n in range(5)] == [201, 201, 201, 429, 429]
