"""PROTOCOL.md 1 to 5 and 34: discovery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from tests.support.oauth_world import API, ISSUER, MCP, REAL_SCOPES, World, oauth_world
from tests.support.postgres import Database

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"


@pytest.fixture(scope="module")
def world(module_database: Database) -> Iterator[World]:
    with oauth_world(module_database) as found:
        yield found


def test_p1_the_metadata_is_sound_by_authlibs_validator(world: World) -> None:
    document = world.http.get(SERVER).get_json()
    secure = {k: v.replace("http://", "https://") if isinstance(v, str) else v for k, v in document.items()}
    AuthorizationServerMetadata(secure).validate()


def test_p2_the_issuer_is_the_same_everywhere_and_ends_without_a_slash(world: World) -> None:
    tokens = world.tokens(world.client_id())
    claims: Any = world.services.access_tokens.read(tokens["access_token"], world.services.clock())
    told = {world.http.get(SERVER).get_json()["issuer"], claims["iss"], *world.http.get(RESOURCE).get_json()["authorization_servers"]}
    assert told == {ISSUER}
    assert not ISSUER.endswith("/")
    for client in (world.http, world.front):
        assert client.get(SERVER + "/other").status_code == 404


def test_p3_what_is_published_is_what_is_served(world: World) -> None:
    document = world.http.get(SERVER).get_json()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["grant_types_supported"] == ["authorization_code", "refresh_token"]
    assert document["token_endpoint_auth_methods_supported"][0] == "none"
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["scopes_supported"] == ["offline_access", *REAL_SCOPES.split()]
    for not_served in ("client_id_metadata_document_supported", "authorization_details_types_supported", "device_authorization_endpoint"):
        assert not document.get(not_served)
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert world.http.options(url.removeprefix(ISSUER)).status_code in (200, 204), name


def test_p4_there_is_no_openid_configuration(world: World) -> None:
    assert world.http.get("/.well-known/openid-configuration").status_code == 404


def test_p5_resource_metadata_stands_at_the_root_and_path_inserted(world: World) -> None:
    for path in (RESOURCE, RESOURCE + "/", RESOURCE + "/api/ai/v1/mcp", RESOURCE + "/api/ai/v1/mcp/"):
        document = world.http.get(path).get_json()
        assert document["resource"] == MCP
        assert document["scopes_supported"] == REAL_SCOPES.split()
    assert world.http.get(RESOURCE + "/api/v1").get_json()["resource"] == API
    assert "account:manage" not in world.http.get(RESOURCE + "/api/v1").get_json()["scopes_supported"]
    assert world.http.get(RESOURCE + "/elsewhere").status_code == 404


@pytest.mark.parametrize("path", [SERVER, RESOURCE, RESOURCE + "/api/v1", "/.well-known/jwks.json"])
@pytest.mark.parametrize("short", [True, False])
def test_discovery_has_an_etag_a_lifetime_and_answers_304(world: World, path: str, short: bool) -> None:
    client: Any = world.front if short else world.http
    response = client.get(path)
    assert "max-age=" in response.headers["Cache-Control"]
    for sent in (response.headers["ETag"], f'"x", W/{response.headers["ETag"]}', "*"):
        again = client.get(path, headers={"If-None-Match": sent})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == response.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.head(path).status_code == 200
    assert client.get(path + "?x=1").data == response.data


def test_the_published_keys_are_public(world: World) -> None:
    keys = world.http.get("/.well-known/jwks.json").get_json()["keys"]
    assert len(keys) == 2
    assert all(set(k) == {"kty", "crv", "x", "y", "kid", "alg", "use"} for k in keys)


@pytest.mark.parametrize(
    "path", [SERVER, RESOURCE, RESOURCE + "/api/ai/v1/mcp", "/.well-known/jwks.json", "/oauth/register", "/oauth/token", "/oauth/revoke"]
)
def test_p34_scripts_of_other_sites_may_read_what_the_inspector_needs(world: World, path: str) -> None:
    asks = {"Origin": "http://localhost:6274", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "mcp-protocol-version"}
    preflight = world.http.options(path, headers=asks)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    allowed = {h.strip() for h in preflight.headers["Access-Control-Allow-Headers"].split(",")}
    assert {"Authorization", "Content-Type", "MCP-Protocol-Version"} <= allowed
    answer = world.http.post(path) if path.startswith("/oauth/") else world.http.get(path)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
