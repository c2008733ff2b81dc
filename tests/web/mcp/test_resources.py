"""Several resources behind one gateway, each with its own path, metadata, tokens and upstream."""

from __future__ import annotations

import pytest

from tests.support.oauth_world import MCP
from tests.web.mcp.gateway_world import HOST, GatewayWorld

OTHER = "http://localhost:8001/tools/mcp/"


@pytest.fixture
def several(gateway: GatewayWorld) -> GatewayWorld:
    gateway.add_resource(OTHER, f"http://127.0.0.1:{gateway.upstream.port}/other", operations={"tools": {"other": "jobs:run"}})
    gateway.add_resource("https://data.example.com", f"http://127.0.0.1:{gateway.upstream.port}/root", operations={"tools": {"q": "jobs:run"}})
    gateway.add_resource("http://localhost:8001/introspected", None)
    return gateway


def test_each_path_is_its_own_resource_with_or_without_a_slash(several: GatewayWorld) -> None:
    token = several.token(resource=OTHER)
    for path in ("/tools/mcp", "/tools/mcp/"):
        assert several.call("other", token=token, path=path).status_code == 200
        assert several.upstream.last.path == "/other"
    assert several.call("query", token=token, path="/tools/mcp").get_json()["error"]["code"] == -32602
    assert several.call("query", token=token).status_code == 401, "a token of the other resource"
    assert several.call("other", path="/tools/mcp", token=several.full).status_code == 401
    assert several.call("query", path="/api/ai/v1/mcp/").status_code == 200


def test_a_resource_may_be_a_bare_origin(several: GatewayWorld) -> None:
    response = several.call("q", path="/", host="data.example.com", token=several.full)
    assert response.status_code == 401
    assert 'resource_metadata="https://data.example.com/.well-known/oauth-protected-resource"' in response.headers["WWW-Authenticate"]
    token = several.token(resource="https://data.example.com/")
    assert several.call("q", path="/", host="data.example.com", token=token).status_code == 200
    assert several.upstream.last.path == "/root"
    assert several.call("q", path="/", host=HOST, token=token).status_code == 421


def test_a_resource_without_an_upstream_is_not_served_here(several: GatewayWorld) -> None:
    assert several.call("query", path="/introspected").status_code == 404


def test_each_resource_has_its_metadata_on_both_ports(several: GatewayWorld) -> None:
    well_known = "/.well-known/oauth-protected-resource"
    expected = {f"{well_known}/api/ai/v1/mcp": MCP, f"{well_known}/tools/mcp": OTHER, f"{well_known}/tools/mcp/": OTHER, well_known: MCP}
    for path, identifier in expected.items():
        for client, host in ((several.http, HOST), (several.world.http, "localhost:8000")):
            found = client.get(path, base_url=f"http://{host}")
            assert found.status_code == 200, (path, host)
            assert found.get_json()["resource"] == identifier
            assert "offline_access" not in found.get_json()["scopes_supported"]
    challenge = several.call("other", path="/tools/mcp", token="x").headers["WWW-Authenticate"]
    assert f'resource_metadata="http://localhost:8001{well_known}/tools/mcp/"' in challenge


def test_the_metadata_of_a_resource_on_another_host_is_found_by_its_host(several: GatewayWorld) -> None:
    path = "/.well-known/oauth-protected-resource"
    assert several.http.get(path, base_url="http://data.example.com").get_json()["resource"] == "https://data.example.com"
    assert several.http.get(path, base_url=f"http://{HOST}").get_json()["resource"] == MCP
