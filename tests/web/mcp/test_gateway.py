"""What a live token may do at the gateway: scope by tool, projects, assertions, the way back, and the record of it."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from tests.web.mcp.gateway_world import GatewayWorld


def text_of(answer: Any) -> str:
    return str(answer["result"]["content"][0]["text"])


# ---- scope by tool


def test_a_call_reaches_the_upstream_and_comes_back(shared: GatewayWorld) -> None:
    response = shared.call("query", {"metric": "revenue"})
    assert response.status_code == 200
    assert response.get_json() == {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "did query"}], "isError": False}}
    assert shared.upstream.last.message["params"] == {"name": "query", "arguments": {"metric": "revenue"}}


def test_p6_a_tool_whose_scope_was_not_consented_is_a_403_that_says_what_to_ask_for(shared: GatewayWorld) -> None:
    token = shared.token(scopes="account:read projects:query")
    before = len(shared.upstream.seen())
    response = shared.call("run", token=token)
    assert response.status_code == 403
    assert response.headers["WWW-Authenticate"] == (
        'Bearer error="insufficient_scope", error_description="The user did not allow jobs:run for this app. Ask for it in a new authorization '
        'request.", scope="account:read projects:query jobs:run", '
        'resource_metadata="http://localhost:8001/.well-known/oauth-protected-resource/api/ai/v1/mcp"'
    )
    assert response.get_json()["scope"] == "jobs:run"
    assert len(shared.upstream.seen()) == before
    assert shared.outcomes()[-1] == ("tools/call:run", "refused", "insufficient_scope")


def test_an_app_that_registered_for_less_is_not_sent_to_ask_for_what_it_would_be_refused(shared: GatewayWorld) -> None:
    narrow = "account:read projects:query"
    token = shared.world.tokens(shared.world.client_id(scope=narrow), scope=narrow, scopes=narrow)["access_token"]
    challenge = shared.call("run", token=token).headers["WWW-Authenticate"]
    assert "register anew" in challenge
    assert "Ask for it" not in challenge


def test_a_tool_that_the_map_does_not_have_is_not_offered(shared: GatewayWorld) -> None:
    before = len(shared.upstream.seen())
    for tool in ("secret", "Query", "query ", "nothing"):
        answer = shared.call(tool).get_json()
        assert answer["error"]["code"] == -32602
    assert len(shared.upstream.seen()) == before
    assert shared.outcomes()[-1] == ("tools/call", "refused", "not offered")


@pytest.mark.parametrize(
    "method", ["tasks/get", "tasks/list", "tasks/result", "tasks/cancel", "sampling/createMessage", "roots/list", "x", "tools/call/", "Tools/list"]
)
def test_methods_that_nobody_knows_are_refused_by_default(shared: GatewayWorld, method: str) -> None:
    before = len(shared.upstream.seen())
    response = shared.ask(method, {"taskId": "t-1"})
    assert response.get_json()["error"]["code"] == -32601
    assert len(shared.upstream.seen()) == before


def test_prompts_and_resources_go_through_the_map(shared: GatewayWorld) -> None:
    catalog, jobs = shared.token(scopes="catalog:read"), shared.token(scopes="jobs:run")
    assert shared.ask("prompts/get", {"name": "ask"}, token=catalog).status_code == 200
    assert shared.ask("prompts/get", {"name": "ask"}, token=jobs).status_code == 403
    assert shared.ask("prompts/get", {"name": "other"}, token=catalog).get_json()["error"]["code"] == -32602
    assert shared.ask("resources/read", {"uri": "docs://public/a"}, token=catalog).status_code == 200
    assert shared.ask("resources/read", {"uri": "docs://public/jobs/1"}, token=catalog).status_code == 403, "the longest prefix counts"
    assert shared.ask("resources/read", {"uri": "docs://public/jobs/1"}, token=jobs).status_code == 200
    assert shared.ask("resources/read", {"uri": "docs://exact"}, token=catalog).status_code == 403
    assert shared.ask("resources/subscribe", {"uri": "docs://public/a"}, token=jobs).status_code == 403
    assert shared.ask("resources/unsubscribe", {"uri": "docs://public/a"}, token=catalog).status_code == 200
    assert shared.outcomes()[-1] == ("resources/unsubscribe:docs://public/*", "ok", None)


@pytest.mark.parametrize(
    "uri", ["docs://public/../secret", "docs://public/%2e%2e/secret", "docs://public/a/%252e%252e/x", "docs://public/..\\x", "other://b"]
)
def test_a_uri_does_not_climb_out_of_its_prefix(shared: GatewayWorld, uri: str) -> None:
    assert shared.ask("resources/read", {"uri": uri}).get_json()["error"]["code"] == -32602


def test_completions_need_the_scope_of_what_they_complete(shared: GatewayWorld) -> None:
    jobs = shared.token(scopes="jobs:run")
    for reference in ({"type": "ref/prompt", "name": "ask"}, {"type": "ref/resource", "uri": "docs://public/{id}"}):
        params = {"ref": reference, "argument": {"name": "a", "value": "b"}}
        assert shared.ask("completion/complete", params, token=jobs).status_code == 403
        assert shared.ask("completion/complete", params).status_code == 200


def test_listening_to_resources_needs_their_scopes(shared: GatewayWorld) -> None:
    jobs = shared.token(scopes="jobs:run")
    params = {"notifications": {"resourceSubscriptions": ["docs://public/jobs/1", "docs://public/a"]}}
    response = shared.ask("subscriptions/listen", params, token=jobs)
    assert response.status_code == 403
    assert 'scope="jobs:run catalog:read"' in response.headers["WWW-Authenticate"]
    unknown = {"notifications": {"resourceSubscriptions": ["other://b"]}}
    assert shared.ask("subscriptions/listen", unknown).get_json()["error"]["code"] == -32602


def test_a_token_narrowed_at_refresh_may_do_no_more_than_it_says(shared: GatewayWorld) -> None:
    client = shared.world.client_id()
    tokens = shared.world.tokens(client)
    narrow = shared.world.refresh(client, tokens["refresh_token"], scope="account:read").get_json()["access_token"]
    assert shared.call("account", token=narrow).status_code == 200
    assert shared.call("query", token=narrow).status_code == 403


def test_what_a_client_typed_is_not_kept_for_ever(shared: GatewayWorld) -> None:
    for method, params in (
        ("tools/call", {"name": "jane@example.com"}), ("resources/read", {"uri": "docs://public/jane@example.com"}), ("jane@example.com", {}),
        ("resources/read", {"uri": "other://jane@example.com"}),
    ):  # fmt: skip
        shared.ask(method, params)
        assert "jane" not in str(shared.activities()[-1])


# ---- lists


def test_the_list_keeps_what_was_not_consented_and_drops_what_the_map_does_not_have(shared: GatewayWorld) -> None:
    token = shared.token(scopes="account:read")
    response = shared.ask("tools/list", token=token)
    names = [t["name"] for t in response.get_json()["result"]["tools"]]
    assert names == ["query", "run", "describe", "account", "stream", "endless"]
    assert response.get_json()["result"]["cacheScope"] == "private"
    assert response.headers["Cache-Control"] == "no-store"


def test_the_list_hides_what_the_users_own_permissions_cannot_reach(shared: GatewayWorld) -> None:
    analyst = shared.world.member("Analyst", [shared.world.projects["Sales"]])
    token = shared.token(member_id=analyst)
    for message_id in (1, "sse"):
        response = shared.ask("tools/list", token=token, message_id=message_id)
        data = response.text.split("data: ", 1)[1] if message_id == "sse" else response.text
        names = {t["name"] for t in json.loads(data)["result"]["tools"]}
        assert names == {"query", "describe", "stream", "endless", "account"}, "no tool for jobs:run"


def test_prompts_resources_and_templates_are_cut_alike(shared: GatewayWorld) -> None:
    assert shared.ask("prompts/list").get_json()["result"]["prompts"] == [{"name": "ask"}]
    assert shared.ask("resources/list").get_json()["result"]["resources"] == [{"uri": "docs://public/a"}]
    assert shared.ask("resources/templates/list").get_json()["result"]["resourceTemplates"] == [{"uriTemplate": "docs://public/{id}"}]
    operator = shared.world.member("Job Operator", [])
    assert shared.ask("tools/list", token=shared.token(member_id=operator)).status_code == 200


def test_free_methods_are_not_recorded_and_carry_no_scope(shared: GatewayWorld) -> None:
    before = len(shared.activities())
    shared.ask("tools/list")
    shared.ask("ping")
    _, claims = shared.verified(shared.upstream.last.assertion)
    assert (claims["scope"], claims["projects"]) == ("", [])
    assert len(shared.activities()) == before


# ---- projects


def test_a_call_is_limited_to_the_projects_of_the_consent(shared: GatewayWorld) -> None:
    sales = shared.world.projects["Sales"]
    token = shared.token(projects=[sales])
    assert shared.call("query", token=token).status_code == 200
    assert shared.verified(shared.upstream.last.assertion)[1]["projects"] == [sales]


@pytest.mark.parametrize("named", ["Sales", "sales", " SALES ", "id", ["Sales"]])
def test_a_call_that_names_a_project_gets_that_one_alone(shared: GatewayWorld, named: Any) -> None:
    sales = shared.world.projects["Sales"]
    assert shared.call("query", {"project": sales if named == "id" else named}).status_code == 200
    assert shared.verified(shared.upstream.last.assertion)[1]["projects"] == [sales]
    assert shared.activities()[-1].projects == (sales,)


@pytest.mark.parametrize(
    "arguments",
    [
        {"project": "Marketing"}, {"project": "id"}, {"project": ["Sales", "Marketing"]}, {"project": 7}, {"project": {"id": "Sales"}},
        {"project": ""}, {"project": "Sales", "Project": "Marketing"}, {"PROJECT": "Marketing"},
    ],
)  # fmt: skip
def test_another_project_is_refused_in_words_that_a_model_can_act_on(shared: GatewayWorld, arguments: Any) -> None:
    sales, marketing = shared.world.projects["Sales"], shared.world.projects["Marketing"]
    token = shared.token(projects=[sales])
    before = len(shared.upstream.seen())
    answer = shared.call("query", {k: marketing if v == "id" else v for k, v in arguments.items()}, token=token).get_json()
    assert answer["result"]["isError"] is True
    assert "This connection may use: Sales." in text_of(answer)
    assert len(shared.upstream.seen()) == before
    assert shared.outcomes()[-1] == ("tools/call:query", "refused", "project")


def test_a_scope_without_projects_ignores_the_choice(shared: GatewayWorld) -> None:
    token = shared.token(projects=[shared.world.projects["Sales"]])
    assert shared.call("account", token=token).status_code == 200
    assert set(shared.verified(shared.upstream.last.assertion)[1]["projects"]) == set(shared.world.projects.values())


# ---- what the upstream gets


def test_the_assertion_says_exactly_this_call(shared: GatewayWorld) -> None:
    token = shared.full
    claims, before = shared.claims(token), int(shared.world.services.clock().timestamp())
    shared.call("query", {"project": "Sales"})
    seen = shared.upstream.last
    header, said = shared.verified(seen.assertion)
    assert (header["typ"], header["alg"]) == ("grantbook-assertion+jwt", "ES256")
    assert said.pop("exp") - said["iat"] <= 60
    assert before <= said.pop("iat") <= before + 10
    assert len(said.pop("jti")) >= 22
    assert said == {
        "iss": shared.world.services.issuer,
        "aud": shared.upstream.url,
        "sub": claims["sub"],
        "client_id": claims["client_id"],
        "grant_id": claims["grant_id"],
        "scope": "projects:query",
        "projects": [shared.world.projects["Sales"]],
        "body_sha256": base64.urlsafe_b64encode(hashlib.sha256(seen.body).digest()).rstrip(b"=").decode(),
    }


def test_assertions_are_signed_with_a_key_of_their_own_and_are_no_access_tokens(shared: GatewayWorld) -> None:
    shared.call("query")
    assertion = shared.upstream.last.assertion
    kid_of = [json.loads(base64.urlsafe_b64decode(t.partition(".")[0] + "=="))["kid"] for t in (assertion, shared.full)]
    assert kid_of[0] != kid_of[1]
    assert shared.ask("ping", token=assertion).status_code == 401
    shared.call("query")
    assert shared.verified(shared.upstream.last.assertion)[1]["jti"] != shared.verified(assertion)[1]["jti"]


def test_the_upstream_never_sees_the_clients_token_cookies_or_odd_headers(shared: GatewayWorld) -> None:
    odd = {
        "Cookie": "gb_session=1", "X-Forwarded-For": "1.2.3.4", "X-Custom": "1", "Origin": "http://localhost:6274", "Forwarded": "for=1",
        "Proxy-Authorization": "Basic eA==", "User-Agent": "client/1", "Mcp-Param-Region": "eu", "MCP-Protocol-Version": "2025-11-25",
        "Referer": "http://localhost:1/", "X-Forwarded-Host": "evil", "Accept-Encoding": "br", "Mcp-Method": "tools/call", "Mcp-Name": "query",
    }  # fmt: skip
    shared.call("query", headers=odd)
    seen = shared.upstream.last
    allowed = {
        "host", "accept", "accept-encoding", "connection", "user-agent", "content-length", "content-type", "authorization",
        "mcp-protocol-version", "mcp-param-region", "mcp-method", "mcp-name",
    }  # fmt: skip
    assert seen.names <= allowed
    assert seen.header("User-Agent") == "grantbook-gateway"
    assert seen.header("Accept-Encoding") == "identity"
    assert (seen.header("Mcp-Param-Region"), seen.header("MCP-Protocol-Version")) == ("eu", "2025-11-25")
    assert shared.full not in str(seen.headers)
    assert shared.full.encode() not in seen.body


def test_cookies_of_an_upstream_are_never_kept_for_the_next_call(shared: GatewayWorld) -> None:
    """They would go out with the calls of other users."""
    shared.call("query", {"as": "cookies"})
    shared.call("query")
    assert "cookie" not in shared.upstream.last.names


def test_a_header_that_cannot_be_sent_on_is_refused(shared: GatewayWorld) -> None:
    response = shared.call("query", headers={"Mcp-Param-Region": "caf\u00e9"})
    assert response.status_code == 400
    assert "Mcp-Param-Region" in response.get_json()["error"]["message"]


# ---- what comes back


def test_odd_headers_of_the_upstream_do_not_come_back(shared: GatewayWorld) -> None:
    response = shared.call("query", {"as": "cookies"})
    assert response.status_code == 200
    names = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - a multi-dict iterates over pairs
    assert names <= {"content-type", "content-length", "cache-control", "x-content-type-options", "server"}
    assert response.headers["Server"] == "-"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("how", "status", "detail"),
    [
        ("unauthorized", 502, "upstream answered 401"), ("redirect", 502, "upstream answered 307"), ("page", 502, "upstream answered 200"),
        ("trouble", 503, "upstream answered 503"), ("broken", 502, "upstream's answer broken off"), ("huge", 502, "upstream's answer too large"),
        ("gone", 502, "upstream unreachable"), ("failing", 200, "error -32000"), ("tool_error", 200, "tool error"),
    ],
)  # fmt: skip
def test_a_failing_upstream_is_a_json_rpc_error_and_recorded_as_failed(shared: GatewayWorld, how: str, status: int, detail: str) -> None:
    response = shared.call("query", {"as": how}, message_id="m-7")
    assert response.status_code == status
    answer = response.get_json()
    assert answer["id"] == "m-7"
    assert ("error" in answer) != ("result" in answer)
    assert "secret" not in response.text
    assert "script" not in response.text
    assert "WWW-Authenticate" not in response.headers
    assert "Location" not in response.headers
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert shared.outcomes()[-1] == ("tools/call:query", "failed", detail)


def test_an_upstream_that_asks_for_patience_is_quoted(shared: GatewayWorld) -> None:
    assert shared.call("query", {"as": "trouble"}).headers["Retry-After"] == "7"


def test_an_upstream_that_is_down_is_a_502_and_recorded_as_failed(gateway: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.mcp.upstream.RECONNECT_PAUSES", ())
    gateway.add_resource("http://localhost:8001/down", "http://127.0.0.1:1/mcp")
    token = gateway.token(resource="http://localhost:8001/down")
    response = gateway.call("query", token=token, path="/down")
    assert response.status_code == 502
    assert response.get_json()["error"]["code"] == -32603
    assert gateway.outcomes()[-1] == ("tools/call:query", "failed", "upstream unreachable")


# ---- the record


def test_an_action_is_recorded_with_the_user_as_actor_and_the_client_beside_it(shared: GatewayWorld) -> None:
    shared.call("describe", {"project": "Marketing"}, headers={"User-Agent": "client/9"})
    event, claims = shared.activities()[-1], shared.claims(shared.full)
    assert (event.actor_id, event.client_id, event.grant_id) == (claims["sub"], claims["client_id"], claims["grant_id"])
    assert (event.operation, event.scope, event.outcome, event.source) == ("tools/call:describe", "catalog:read", "ok", "mcp")
    assert event.resource == claims["aud"]
    assert event.projects == (shared.world.projects["Marketing"],)


def test_a_notification_and_an_answer_of_the_client_pass(shared: GatewayWorld) -> None:
    for message in ({"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}}):
        response = shared.send(message, token=shared.full)
        assert (response.status_code, response.data) == (202, b"")
        assert shared.upstream.last.message == message


def test_what_cannot_be_recorded_is_held_back(shared: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    from application.ports import Busy

    def busy(*_: object, **__: object) -> None:
        raise Busy

    token = shared.full
    monkeypatch.setattr("web.mcp.wiring.RECORD_PAUSES", (0.0,))
    monkeypatch.setattr("application.record_action.record", busy)
    response = shared.call("query", token=token)
    assert response.status_code == 503
    assert "did query" not in response.text
    assert "could not be recorded" in response.get_json()["error"]["message"]


def test_one_grant_has_so_many_calls_under_way_and_no_more(gateway: GatewayWorld) -> None:
    gateway.wiring.calls.of_a_grant = 0
    response = gateway.call("query", message_id="m-1")
    assert (response.status_code, response.headers["Retry-After"], response.get_json()["id"]) == (429, "1", "m-1")
    assert gateway.outcomes() == [("tools/call:query", "refused", "too many calls")]
    gateway.wiring.calls.of_a_grant = 1
    for tool in ("query", "query", "stream", "stream"):
        assert gateway.call(tool).status_code == 200
    assert gateway.wiring.calls.empty
