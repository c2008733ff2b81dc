"""PROTOCOL.md 7 to 14: the authorization endpoint."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.test import TestResponse

from application import begin_authorization
from tests.support.oauth_world import API, CALLBACK, ISSUER, MCP, REAL_SCOPES, World

LOOPBACK = "http://127.0.0.1:3118/callback"


def told(response: TestResponse) -> dict[str, str]:
    """The parameters of a redirect back to the client."""
    assert response.status_code == 303, response.text
    assert response.headers["Location"].startswith(CALLBACK + "?")
    return {k: v[0] for k, v in parse_qs(urlsplit(response.headers["Location"]).query).items()}


def is_page(response: TestResponse) -> bool:
    return response.status_code in (400, 403) and "Location" not in response.headers and response.mimetype == "text/html"


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id()


@pytest.mark.parametrize(
    "other",
    ["https://app.example/cb/", "https://app.example/CB", "https://app.example/cb?x=1", "https://app.example:443/cb", "https://evil.example/cb"],
)
def test_p7_a_redirect_uri_matches_exactly_or_not_at_all(shared: World, client_id: str, other: str) -> None:
    assert is_page(shared.authorize(client_id, redirect_uri=other))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
@pytest.mark.parametrize(("registered", "sent"), [(":3118", ":50123"), ("", ":50123"), (":3118", "")])
def test_p7_the_port_of_a_loopback_redirect_may_differ(shared: World, host: str, registered: str, sent: str) -> None:
    native = shared.client_id(redirect_uris=[f"http://{host}{registered}/callback"])
    found = shared.pending(native, redirect_uri=f"http://{host}{sent}/callback")
    assert found.redirect_uri == f"http://{host}{sent}/callback"


def test_p7_nothing_but_the_port_of_a_loopback_redirect_may_differ(shared: World) -> None:
    native = shared.client_id(redirect_uris=[LOOPBACK])
    for other in (
        "http://localhost:3118/callback",
        "http://127.0.0.1:3118/other",
        "https://127.0.0.1:3118/callback",
        "http://127.0.0.1:99999/callback",
    ):
        assert is_page(shared.authorize(native, redirect_uri=other)), other


def test_p8_an_unknown_client_gets_a_page_and_no_redirect(shared: World) -> None:
    for unknown in ("app_" + "0" * 32, "nobody", "https://client.example/metadata", "", None):
        response = shared.authorize(unknown) if unknown is not None else shared.authorize("", client_id=None)
        assert is_page(response), unknown


def test_p8_a_repeated_client_id_or_redirect_uri_gets_a_page(shared: World, client_id: str) -> None:
    assert is_page(shared.authorize(client_id, client_id=[client_id, client_id]))
    assert is_page(shared.authorize(client_id, redirect_uri=[CALLBACK, "https://evil.example/cb"]))


def test_the_only_registered_redirect_uri_may_be_left_out(shared: World, client_id: str) -> None:
    found = shared.pending(client_id, redirect_uri=None)
    assert (found.redirect_uri, found.redirect_uri_sent) == (CALLBACK, False)
    several = shared.client_id(redirect_uris=[CALLBACK, "https://app.example/other"])
    assert is_page(shared.authorize(several, redirect_uri=None))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "x" * 44}, "invalid_request"),
    ],
)
def test_p9_pkce_is_required_here_and_only_s256_taken(shared: World, client_id: str, changes: dict[str, Any], error: str) -> None:
    assert told(shared.authorize(client_id, **changes))["error"] == error


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "e30."}, "request_not_supported"),
        ({"request_uri": "urn:x"}, "request_uri_not_supported"),
        ({"authorization_details": "[]"}, "invalid_authorization_details"),
        ({"scope": "projects:query nonsense"}, "invalid_scope"),
        ({"scope": "account:manage"}, "invalid_scope"),
        ({"scope": "offline_access"}, "invalid_scope"),
        ({"scope": ["account:read", "jobs:run"]}, "invalid_request"),
        ({"resource": "https://other.example/"}, "invalid_target"),
        ({"resource": "not a uri"}, "invalid_target"),
        ({"resource": MCP + "#here"}, "invalid_target"),
        ({"resource": [MCP, API]}, "invalid_target"),
        ({"resource": MCP + "//"}, "invalid_target"),
        ({"prompt": "none"}, "interaction_required"),
        ({"nonce": "a\r\nb"}, "invalid_request"),
    ],
)
def test_p10_every_error_carries_state_and_iss(shared: World, client_id: str, changes: dict[str, Any], error: str) -> None:
    answer = told(shared.authorize(client_id, **changes))
    assert (answer["error"], answer["iss"], answer["state"]) == (error, ISSUER, "s-1")


def test_p10_a_success_and_a_refusal_carry_iss_too(shared: World, client_id: str) -> None:
    from application import approve_consent
    from tests.support.oauth_world import OAUTH

    assert shared.approve(client_id)["iss"] == ISSUER
    url = approve_consent.deny(shared.services, shared.pending(client_id), shared.admin_id, text="page", origin=OAUTH)
    answer = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
    assert (answer["error"], answer["iss"], answer["state"]) == ("access_denied", ISSUER, "s-1")


def test_a_repeated_state_is_not_echoed(shared: World, client_id: str) -> None:
    assert "state" not in told(shared.authorize(client_id, state=["a", "b"]))


def test_p11_redirects_are_303_and_neither_framed_nor_stored_nor_open_to_scripts(shared: World, client_id: str) -> None:
    for response in (shared.authorize(client_id), shared.authorize(client_id, scope="nonsense")):
        assert response.status_code == 303
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
        assert "Access-Control-Allow-Origin" not in response.headers


def test_p11_nobody_is_redirected_to_a_client_before_signing_in(shared: World, client_id: str) -> None:
    consent = shared.authorize(client_id).headers["Location"]
    response = shared.http.get(consent)
    assert response.status_code == 303
    assert urlsplit(response.headers["Location"]).path == "/sign-in"


@pytest.mark.parametrize(
    "named",
    [
        None, MCP, "http://localhost:8001", "http://localhost:8001/", ISSUER, ISSUER + "/", "HTTP://LOCALHOST:8001", [MCP, MCP], MCP + "/",
        [MCP, MCP + "/"], "", ["", MCP],
    ],
)  # fmt: skip
def test_p13_the_mcp_endpoint_is_meant_by_its_url_its_origin_or_nothing(shared: World, client_id: str, named: Any) -> None:
    assert shared.pending(client_id, resource=named).resource == MCP


def test_p13_another_resource_is_meant_by_its_identifier(shared: World, client_id: str) -> None:
    found = shared.pending(client_id, resource=API, scope="account:read projects:query")
    assert (found.resource, found.scopes) == (API, ("account:read",))


def test_p14_a_quote_in_a_parameter_is_no_server_error(shared: World, client_id: str) -> None:
    assert is_page(shared.authorize(client_id, redirect_uri='https://app.example/"cb'))
    assert told(shared.authorize(client_id, response_type='co"de'))["error"] == "unsupported_response_type"
    assert is_page(shared.authorize('"<script>'))
    assert "<script>" not in shared.authorize('"<script>').text


def test_scopes_left_out_mean_those_registered_or_what_anyone_may_ask_for(shared: World, client_id: str) -> None:
    assert shared.pending(client_id, scope=None).scopes == tuple(REAL_SCOPES.split())
    registered = shared.client_id(scope="catalog:read offline_access account:manage unknown")
    assert shared.pending(registered, scope=None).scopes == ("catalog:read", "offline_access")


def test_a_scope_outside_the_registration_is_refused(shared: World) -> None:
    registered = shared.client_id(scope="catalog:read")
    for more, hint in (("jobs:run", ". For more it has to register anew."), ("account:manage", "")):
        answer = told(shared.authorize(registered, scope=f"catalog:read {more}"))
        assert (answer["error"], answer["error_description"]) == ("invalid_scope", f"This client may ask for: catalog:read{hint}")


def test_prompt_and_max_age_are_tolerated(shared: World, client_id: str) -> None:
    assert shared.pending(client_id, prompt="consent", max_age="0", nonce="n", ui_locales="en").state == "s-1"


def test_a_form_post_begins_an_authorization_too(shared: World, client_id: str) -> None:
    url = shared.authorize(client_id).request.query_string
    response = shared.http.post("/oauth/authorize", data=url, content_type="application/x-www-form-urlencoded")
    assert urlsplit(response.headers["Location"]).path == "/consent"


def test_a_request_is_kept_for_ten_minutes(world: World) -> None:
    request_id = world.pending(world.client_id()).request_id
    world.later(minutes=9)
    assert begin_authorization.pending(world.services, world.account_id, request_id)
    world.later(minutes=2)
    assert begin_authorization.pending(world.services, world.account_id, request_id) is None


def test_a_removed_and_a_blocked_client_get_a_page(world: World) -> None:
    from application import decide_app
    from tests.support.oauth_world import CLI

    removed, blocked = world.client_id(client_name="Gone"), world.client_id(client_name="Bad")
    decide_app.remove(world.services, world.account_id, removed, actor_id=world.admin_id, origin=CLI, reason=None)
    decide_app.block(world.services, world.account_id, blocked, actor_id=world.admin_id, origin=CLI, reason=None)
    assert is_page(world.authorize(removed))
    assert is_page(world.authorize(blocked))


def test_without_the_plan_nothing_begins(world: World) -> None:
    from application import manage_policies
    from tests.support.oauth_world import CLI

    client_id = world.client_id()
    manage_policies.change_plan(world.services, world.account_id, "team", origin=CLI)
    assert told(world.authorize(client_id))["error"] == "access_denied"
    assert world.try_register().status_code == 403
