from __future__ import annotations

from collections.abc import Iterator

import pytest

from application.counting import COUNTS
from tests.support.oauth_world import World, oauth_world
from tests.support.postgres import Database
from web.metrics import OTHER, count_request, endpoint_of


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with oauth_world(database) as made:
        yield made


class Since:
    """What was counted since."""

    def __init__(self) -> None:
        self.before = COUNTS.read()[0]

    def __call__(self, *key: str) -> float:
        return COUNTS.read()[0].get(key, 0) - self.before.get(key, 0)


def requests(*key: str) -> float:
    return sum(COUNTS.read()[1].get(("request_seconds", *key), [0])[:-1])


def test_every_route_has_an_endpoint_that_no_client_can_make_up(world: World) -> None:
    rules = [str(rule) for rule in world.http.application.url_map.iter_rules()]
    assert {endpoint_of(rule) for rule in rules if rule.startswith(("/oauth/", "/settings", "/api/", "/static/", "/.well-known/"))} & {OTHER} == set()
    assert endpoint_of("/x?email=a@b.example") == OTHER
    assert endpoint_of("/oauth/register/app_1") == "register"
    assert endpoint_of("/api/ai/v1/mcp") == "mcp"
    assert endpoint_of("/setup/admin") == "setup"


def test_requests_are_counted_by_endpoint_and_status_class() -> None:
    before = requests("web", "token", "4xx"), requests("web", OTHER, "5xx")
    count_request("web", "/oauth/token", 401, 0.01)
    count_request("web", "/nowhere", 0, 0.01)
    assert (requests("web", "token", "4xx"), requests("web", OTHER, "5xx")) == (before[0] + 1, before[1] + 1)


def test_a_session_is_counted_from_registration_to_its_end(world: World) -> None:
    since, answered = Since(), requests("web", "token", "2xx")
    client_id = world.client_id()
    code = world.approve(client_id)["code"]
    tokens = world.exchange(client_id, code).get_json()
    first = tokens["refresh_token"]
    second = world.refresh(client_id, first).get_json()["refresh_token"]
    world.refresh(client_id, first)
    world.introspect(tokens["access_token"])
    third = world.refresh(client_id, second).get_json()["refresh_token"]
    world.refresh(client_id, first)
    world.refresh(client_id, third)
    world.introspect(tokens["access_token"])
    assert since("code_exchanges", "exchanged", "") == 1
    assert since("refreshes", "rotated", "") == 2
    assert since("refreshes", "replayed", "") == 1
    assert since("refreshes", "refused", "reuse_found") == 1
    assert since("refreshes", "refused", "reuse_detected") == 1
    assert (since("introspections", "active"), since("introspections", "inactive")) == (1, 1)
    assert since("oauth_errors", "invalid_grant") == 2
    assert requests("web", "token", "2xx") == answered + 4
    assert sum(COUNTS.read()[1]["barrier_seconds",][:-1]) >= 1


def test_a_code_used_twice_and_a_registration_refused_are_counted(world: World) -> None:
    since = Since()
    client_id = world.client_id()
    code = world.approve(client_id)["code"]
    world.exchange(client_id, code)
    world.exchange(client_id, code)
    world.http.post("/oauth/register", json={"client_name": "x", "redirect_uris": ["javascript:alert(1)"]})
    assert since("code_exchanges", "refused", "replay_found") == 1
    assert since("registrations", "refused", "invalid_redirect_uri") == 1


def test_sign_ins_are_counted_by_method_and_outcome(world: World) -> None:
    from application.sign_in import sign_in_with_password
    from tests.support.oauth_world import OAUTH

    since = Since()
    sign_in_with_password(world.services, world.account_id, "admin@jaffle.example", "wrong", OAUTH)
    assert since("sign_ins", "password", "wrong") == 1
