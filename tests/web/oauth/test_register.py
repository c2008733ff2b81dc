"""PROTOCOL.md 29 to 31 and 35: dynamic registration."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from werkzeug.test import TestResponse

from application import decide_app, register_client
from domain.errors import InvalidInput
from tests.support.oauth_world import CALLBACK, CLI, REAL_SCOPES, World
from web.oauth.register import _known

CURSOR = ["cursor://anysphere.cursor-mcp/oauth/callback", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"]
VS_CODE = ["https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/", "http://127.0.0.1:33418/"]


def error_of(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]


@pytest.mark.parametrize(
    "document",
    [
        {"client_name": "Claude", "redirect_uris": ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"]},
        {"client_name": "Claude Code", "redirect_uris": ["http://localhost:3118/callback"], "application_type": "native"},
        {"client_name": "Cursor", "redirect_uris": CURSOR, "token_endpoint_auth_method": "none"},
        {
            "client_name": "Visual Studio Code",
            "redirect_uris": VS_CODE,
            "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        },
        {
            "client_name": "ChatGPT",
            "redirect_uris": ["https://chatgpt.com/connector/oauth/abc123"],
            "token_endpoint_auth_method": "client_secret_basic",
        },
        {
            "client_name": "mcp-remote",
            "redirect_uris": ["http://localhost:14552/oauth/callback"],
            "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
            "software_version": "0.1.30",
            "scope": "openid email profile projects:query",
        },
        {"client_name": "Inspector", "redirect_uris": ["http://localhost:6274/oauth/callback"], "scope": ""},
        {"redirect_uris": ["com.example.app:/cb"]},
    ],
)
def test_p29_real_clients_register(shared: World, document: dict[str, Any]) -> None:
    response = shared.http.post("/oauth/register", json=document)
    assert response.status_code == 201, response.text
    assert response.get_json()["redirect_uris"] == document["redirect_uris"]
    assert response.get_json()["token_endpoint_auth_method"] == "none"
    assert response.headers["Cache-Control"] == "no-store"


def test_p29_all_metadata_is_echoed_and_unknown_members_are_ignored(shared: World) -> None:
    sent = {
        "client_name": "Café 2", "client_name#ja": "道具", "client_uri": "https://app.example", "logo_uri": "https://app.example/l.png",
        "tos_uri": "https://app.example/tos", "policy_uri": "https://app.example/p", "contacts": ["ops@app.example"], "software_id": "s",
        "software_version": "1",
        "application_type": "web", "scope": "projects:query catalog:read", "grant_types": ["authorization_code"], "response_types": ["code"],
        "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK], "jwks_uri": "https://app.example/jwks",
    }  # fmt: skip
    echo = shared.register(**sent, surprise={"a": 1}, client_secret="mine", client_id="mine")
    assert {k: echo[k] for k in sent} == sent
    assert set(echo) == {*sent, "client_id", "client_id_issued_at"}
    assert isinstance(echo["client_id_issued_at"], int)


def test_contacts_stand_sealed_in_the_event(shared: World) -> None:
    echo = shared.register(client_name="Contacts", contacts=["someone@app.example"])
    (event,) = shared.events(echo["client_id"].removeprefix("app_"))
    assert "someone" not in repr(event)
    assert "contacts" not in event.metadata  # type: ignore[attr-defined]
    assert event.contacts is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)", "javascript://app.example/%0aalert(1)", "JavaScript:alert(1)", "data:text/html,x", "data://x", "file:///etc/passwd",
        "vbscript:x", "blob:https://app.example/x", "about:blank", "http://evil.example/cb", "http://127.0.0.1.evil.example/cb", "http://localhost@evil.example/cb",
        "https://user:pw@app.example/cb", "https://app.example/cb#frag", "https://app.example/cb#", "https://*.example/cb", "/cb", "app.example/cb", "https://",
        "https:///cb", "https://app.example:0/cb", "https://app.example:99999/cb", "https://app.example/a b", "https://app.example/\r\nSet-Cookie:x",
        "https://app.example\\@evil.example/cb", "https://äpp.example/cb", "https://app.example/../cb", "http://127.1/cb", "http://2130706433/cb",
        "http://[::ffff:127.0.0.1]/cb", "https:app.example/cb", "myapp:", "", None, 5, {"a": 1},
    ],
)  # fmt: skip
def test_p31_dangerous_and_malformed_redirect_uris_are_refused(shared: World, uri: Any) -> None:
    assert error_of(shared.try_register(redirect_uris=[CALLBACK, uri])) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize("uris", [None, [], "https://app.example/cb", {}, [f"https://app.example/{n}" for n in range(31)]])
def test_p29_redirect_uris_are_required(shared: World, uris: Any) -> None:
    assert error_of(shared.try_register(redirect_uris=uris)) == (400, "invalid_redirect_uri")


@pytest.mark.parametrize(
    "body", [b"[]", b"", b"{", b'"x"', b"null", b"5", b"\xff", b'{"a":NaN}', b"[" * 30_000, b'{"redirect_uris":["https://a.example/\\ud800"]}']
)
def test_p29_a_malformed_body_gets_json_400(shared: World, body: bytes) -> None:
    response = shared.http.post("/oauth/register", data=body, content_type="application/json")
    assert response.status_code == 400
    assert response.get_json()["error"] in ("invalid_client_metadata", "invalid_redirect_uri")


def test_a_body_that_is_no_json_or_too_large_is_refused(shared: World) -> None:
    assert error_of(shared.http.post("/oauth/register", data={"redirect_uris": CALLBACK})) == (400, "invalid_client_metadata")
    assert shared.try_register(client_name="x" * 70_000).status_code == 413
    assert shared.try_register(client_name="x" * 300_000).status_code == 413
    assert error_of(shared.try_register(jwks={"keys": [{"kty": "EC", "x": "y" * 20_000}]})) == (400, "invalid_client_metadata")


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_name": 5}, {"client_name": "a\u0000b"}, {"client_name": "x" * 201}, {"client_uri": "javascript:alert(1)"}, {"logo_uri": "//x"},
        {"grant_types": "authorization_code"}, {"grant_types": ["client_credentials"]}, {"grant_types": [5]}, {"response_types": ["token"]},
        {"scope": 5}, {"scope": "nonsense"}, {"scope": "account:manage"}, {"scope": "offline_access"}, {"contacts": "x"}, {"contacts": [5]},
        {"token_endpoint_auth_method": 5}, {"jwks": []}, {"jwks": {"keys": [{"kty": "oct", "k": "secret"}]}},
        {"jwks": {"keys": []}, "jwks_uri": "https://app.example/jwks"}, {"software_id": ["x"]}, {"policy_uri": "http://a:0/"},
    ],
)  # fmt: skip
def test_wrong_metadata_is_refused(shared: World, wrong: dict[str, Any]) -> None:
    response = shared.try_register(**wrong)
    assert error_of(response) == (400, "invalid_client_metadata")
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]+", response.get_json()["error_description"])


def test_p30_nothing_is_null_or_empty_and_no_secret_is_spoken_of(shared: World) -> None:
    echo = shared.register(client_uri="", logo_uri=None, tos_uri=None, contacts=[], scope=None, client_name="")
    assert not [k for k, v in echo.items() if v in (None, "", [])]
    assert not [k for k in echo if "secret" in k]
    assert "client_uri" not in echo


def test_the_grant_types_and_scopes_that_are_served_replace_those_asked_for(shared: World) -> None:
    echo = shared.register(
        grant_types=["authorization_code", "implicit"],
        response_types=["code", "token"],
        scope="jobs:run account:manage x",
        token_endpoint_auth_method="private_key_jwt",
    )
    assert (echo["grant_types"], echo["response_types"], echo["scope"], echo["token_endpoint_auth_method"]) == (
        ["authorization_code"],
        ["code"],
        "jobs:run",
        "none",
    )


def test_p35_ids_are_unreserved_characters(shared: World) -> None:
    assert re.fullmatch(r"[A-Za-z0-9\-._~]+", shared.client_id())


def test_a_document_is_known_again_only_while_the_account_is_the_same(world: World) -> None:
    document = {"scope": "account:read projects:query"}
    first, second = world.register(**document), world.register(**document)
    assert first["client_id"] != second["client_id"]
    same = first.keys() - {"client_id", "client_id_issued_at"}
    assert {name: first[name] for name in same} == {name: second[name] for name in same}
    world.policy(dynamic_scopes="account:read")
    assert world.register(**document)["scope"] == "account:read"
    world.policy(registration="off")
    assert error_of(world.try_register(**document)) == (403, "access_denied")


def test_registrations_push_nothing_out_of_memory(world: World) -> None:
    world.client_id()
    before = world.app.services.store.cached_streams  # type: ignore[attr-defined]  # the PostgreSQL store's own
    made = [world.client_id() for _ in range(3)]
    assert world.app.services.store.cached_streams == before  # type: ignore[attr-defined]
    assert world.tokens(made[-1])["access_token"]


@pytest.mark.parametrize("written", ["contacts", "\\u0063ontacts"])
def test_contacts_are_not_remembered(shared: World, written: str) -> None:
    before = _known.cache_info()
    body = json.dumps({"client_name": "Tool", "redirect_uris": [CALLBACK], "contacts": ["dev@tool.example"]}).replace("contacts", written)
    for _ in range(2):
        assert shared.front.post("/oauth/register", data=body, content_type="application/json").get_json()["contacts"] == ["dev@tool.example"]
    assert _known.cache_info() == before


def test_policy_off_refuses_and_is_not_announced(world: World) -> None:
    assert "registration_endpoint" in world.http.get("/.well-known/oauth-authorization-server").get_json()
    world.policy(registration="off")
    world.http.application.extensions.pop("grantbook.documents")
    assert error_of(world.try_register()) == (403, "access_denied")
    assert "registration_endpoint" not in world.http.get("/.well-known/oauth-authorization-server").get_json()


def test_policy_allow_list_takes_listed_hosts_schemes_and_software(world: World) -> None:
    world.policy(registration="allow-list", allowed_redirect_hosts="claude.ai localhost cursor:", allowed_software_ids="known")
    assert error_of(world.try_register()) == (403, "access_denied")
    assert error_of(world.try_register(redirect_uris=["https://claude.ai/cb", CALLBACK])) == (403, "access_denied")
    assert world.try_register(redirect_uris=["https://claude.ai/cb", "http://localhost:1/cb", "cursor://x/cb"]).status_code == 201
    assert world.try_register(software_id="known").status_code == 201


def test_policy_approval_lets_nothing_through_before_an_admin_says_so(world: World) -> None:
    world.policy(registration="approval")
    client_id = world.client_id()
    from application.approve_consent import AppRefused

    with pytest.raises(AppRefused) as refused:
        world.approve(client_id)
    assert refused.value.why == "app_pending"
    decide_app.approve(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI, reason=None)
    assert world.tokens(client_id)["scope"].endswith(REAL_SCOPES)
    assert world.tokens(world.client_id())["refresh_token"]


def test_a_blocked_app_is_refused_at_registration_whatever_its_loopback_port(world: World) -> None:
    native = {"client_name": "Native", "redirect_uris": ["http://127.0.0.1:1000/cb"]}
    client_id = world.client_id(**native)
    decide_app.block(world.services, world.account_id, client_id, actor_id=world.admin_id, origin=CLI, reason=None)
    assert error_of(world.try_register(**{**native, "redirect_uris": ["http://127.0.0.1:2000/cb"]})) == (403, "access_denied")
    assert world.try_register(**{**native, "client_name": "Another"}).status_code == 201


def test_the_limits_per_hour_per_address_and_in_all_are_counted_in_the_database(world: World) -> None:
    world.policy(registrations_per_hour="5", registrations_total="8")
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(
                lambda n: world.http.application.test_client().post("/oauth/register", json={"client_name": str(n), "redirect_uris": [CALLBACK]}),
                range(10),
            )
        )
    assert sorted(a.status_code for a in answers) == [201] * 5 + [429] * 5
    late = next(a for a in answers if a.status_code == 429)
    assert 0 < int(late.headers["Retry-After"]) <= 3600
    world.policy(registrations_per_hour="1000")
    assert [world.try_register().status_code for _ in range(4)] == [201, 201, 201, 403]


def test_an_address_may_register_only_so_often(world: World) -> None:
    world.limit(registrations_per_address=2, loopback_factor=2)
    assert [world.try_register().status_code for _ in range(3)] == [201, 201, 429]
    local = [
        world.http.post("/oauth/register", data=json.dumps({"redirect_uris": [CALLBACK]}), content_type="application/json").status_code
        for _ in range(5)
    ]
    assert local == [201, 201, 201, 201, 429]


def test_a_manual_client_is_checked_like_any_other(shared: World) -> None:
    def add(**changes: Any) -> Any:
        facts = {"name": "Manual", "redirect_uris": [CALLBACK], "scopes": ["account:manage"], "homepage": None, **changes}
        return register_client.register_manual(shared.services, shared.account_id, actor_id=shared.admin_id, origin=CLI, **facts)

    client = add()
    assert (client.registration, client.scopes, client.needs_approval) == ("manual", ("account:manage",), False)
    for wrong, field in (
        ({"name": " "}, "name"), ({"redirect_uris": []}, "redirect_uris"), ({"redirect_uris": ["http://x/"]}, "redirect_uris"),
        ({"scopes": []}, "scope"), ({"scopes": ["x"]}, "scope"), ({"homepage": "nowhere"}, "homepage"), ({"name": "x" * 300}, "name"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as refused:
            add(**wrong)
        assert refused.value.field == field
