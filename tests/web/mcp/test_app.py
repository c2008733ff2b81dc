"""Host, token, origin and method come before anything else; whatever is refused says so in JSON and with the right headers."""

from __future__ import annotations

import pytest

from tests.support.oauth_world import API, MCP
from tests.web.mcp.gateway_world import HOST, PATH, GatewayWorld

PRM = "http://localhost:8001/.well-known/oauth-protected-resource/api/ai/v1/mcp"


def test_p6_no_token_is_a_challenge_without_an_error_code(shared: GatewayWorld) -> None:
    response = shared.send({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert response.status_code == 401
    expected = f'Bearer resource_metadata="{PRM}", scope="account:read projects:query catalog:read jobs:run"'
    assert response.headers["WWW-Authenticate"] == expected
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("token", ["x", "a.b.c", "Bearer", "eyJhbGciOiJub25lIn0.e30."])
def test_a_token_that_is_none_is_invalid(shared: GatewayWorld, token: str) -> None:
    response = shared.ask("ping", token=token)
    assert response.status_code == 401
    expected = (
        f'Bearer error="invalid_token", error_description="The access token is not valid (any more).", resource_metadata="{PRM}", '
        'scope="account:read projects:query catalog:read jobs:run"'
    )
    assert response.headers["WWW-Authenticate"] == expected


def test_a_token_of_another_resource_is_invalid(shared: GatewayWorld) -> None:
    other = str(shared.world.tokens(shared.world.client_id(), scopes="account:read", resource=API, scope="account:read")["access_token"])
    response = shared.ask("ping", token=other)
    assert response.status_code == 401
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_refresh_token_and_a_code_are_no_access_tokens(shared: GatewayWorld) -> None:
    tokens = shared.world.tokens(shared.world.client_id())
    assert shared.ask("ping", token=tokens["refresh_token"]).status_code == 401
    assert shared.ask("ping", token=shared.world.approve(shared.world.client_id())["code"]).status_code == 401


def test_a_token_in_the_query_string_does_not_count(shared: GatewayWorld) -> None:
    assert shared.send({"jsonrpc": "2.0", "id": 1, "method": "ping"}, path=f"{PATH}?access_token={shared.full}").status_code == 401


def test_get_offers_no_stream(shared: GatewayWorld) -> None:
    response = shared.send(method="GET", token=shared.full)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST, DELETE, OPTIONS"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE"])
def test_other_methods_are_refused_in_json(shared: GatewayWorld, method: str) -> None:
    response = shared.send(method=method, token=shared.full)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert response.get_json()["error"]["message"] == "This method is not served here."


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "localhost", "localhost:8000", "localhost:99999", "127.0.0.1.evil.example:8001"]
)
def test_another_host_is_refused_before_the_token_is_read(shared: GatewayWorld, host: str) -> None:
    assert shared.ask("ping", host=host).status_code in (400, 421)


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "[::1]:8001", "LOCALHOST:8001"])
def test_this_computer_has_several_names(shared: GatewayWorld, host: str) -> None:
    assert shared.ask("ping", host=host).status_code == 200


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://app.example", "https://app.example:444", "https://app.example@evil.example"]
)
def test_a_page_of_another_origin_may_not_use_a_token(shared: GatewayWorld, origin: str) -> None:
    response = shared.ask("ping", headers={"Origin": origin})
    assert response.status_code == 403


@pytest.mark.parametrize("origin", ["https://app.example", "http://localhost:6274", "http://127.0.0.1:6274", "http://localhost:8001"])
def test_a_page_at_home_reads_the_answer(shared: GatewayWorld, origin: str) -> None:
    response = shared.ask("ping", headers={"Origin": origin})
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == origin
    assert {"WWW-Authenticate", "Mcp-Session-Id"} <= set(response.headers["Access-Control-Expose-Headers"].split(", "))
    assert "Origin" in response.headers["Vary"]
    assert "Access-Control-Allow-Credentials" not in response.headers


def test_a_browser_client_can_read_its_challenge(shared: GatewayWorld) -> None:
    response = shared.send({}, headers={"Origin": "http://localhost:6274"})
    assert response.status_code == 401
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:6274"
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]


def test_a_preflight_needs_no_token(shared: GatewayWorld) -> None:
    asked = {"Origin": "http://localhost:6274", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name,mcp-param-region,x-evil"
    response = shared.send(method="OPTIONS", headers=asked)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:6274"
    allowed = {name.strip().lower() for name in response.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"authorization", "content-type", "mcp-protocol-version", "mcp-method", "mcp-name", "mcp-session-id", "mcp-param-region"} <= allowed
    assert "x-evil" not in allowed
    assert {"POST", "DELETE"} <= {m.strip() for m in response.headers["Access-Control-Allow-Methods"].split(",")}


def test_a_path_without_a_resource_is_not_found(shared: GatewayWorld) -> None:
    for path in ("/", "/api/ai/v1/other", "/api/v1", "//api/ai/v1/mcp", "/api/ai/v1/mcp/more"):
        response = shared.ask("ping", path=path)
        assert response.status_code == 404, path
        assert response.get_json()["error"]["message"]


def test_a_body_beyond_four_megabytes_is_refused(shared: GatewayWorld) -> None:
    response = shared.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","x":"' + b"x" * 4 * 1024 * 1024 + b'"}', token=shared.full)
    assert response.status_code == 413
    assert "4 MB" in response.get_json()["error"]["message"]


def test_health_and_discovery_are_served_here_too(shared: GatewayWorld) -> None:
    assert shared.http.get("/healthz").status_code == 200
    assert shared.http.get("/.well-known/oauth-authorization-server", base_url=f"http://{HOST}").get_json()["issuer"] == shared.world.services.issuer
    found = shared.http.get("/.well-known/oauth-protected-resource/api/ai/v1/mcp", base_url=f"http://{HOST}").get_json()
    assert found["resource"] == MCP


def test_an_error_of_ours_shows_nothing_of_its_cause(shared: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.mcp.gateway.handle", _broken)
    response = shared.ask("ping")
    assert response.status_code == 500
    assert "secret cause" not in response.text
    assert "Traceback" not in response.text
    assert response.get_json()["error"]["code"] == -32603


def _broken(*_: object) -> None:
    raise RuntimeError("secret cause")


def test_a_busy_store_answers_503_with_when_to_come_back(shared: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    from application.ports import Busy

    def busy(*_: object) -> None:
        raise Busy(retry_after=3)

    token = shared.full
    monkeypatch.setattr("application.introspect_token.judge", busy)
    response = shared.ask("ping", token=token, headers={"Origin": "http://localhost:6274"})
    assert (response.status_code, response.headers["Retry-After"]) == (503, "3")
    assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:6274"
