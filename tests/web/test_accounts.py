"""Two accounts by host name: each its own issuer, and whatever belongs to one is nothing to the other."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import introspect_token, manage_resources, open_account, sign_in, sso_sign_in
from application.identity_ports import SsoRequest
from infrastructure.store.connection import Kept
from infrastructure.store.pipeline import Pipeline
from tests.support.accounts import PASSWORD, Program, TwoAccounts, two_accounts
from tests.support.http_flow import hidden
from tests.support.oauth_world import CLI, OAUTH
from tests.support.postgres import Database
from web.front import Front
from web.mcp.app import create_gateway
from web.served import served

SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"
KEYS = "/.well-known/jwks.json"
OTHER_HOSTS = [
    "nobody.grants.localhost:8000", "grants.localhost", "localhost", "127.0.0.1:8000", "acme.evil.example", "a.acme.grants.localhost",
    "xn--80ak6aa92e.grants.localhost", "acme.grants.localhost.", "-.grants.localhost",
]  # fmt: skip
NO_HOSTS = [
    "acme.grants.localhost,umbra.grants.localhost", "acme.grants.localhost@umbra.grants.localhost", "acme.grants.localhost:8000:1",
    "acme/.grants.localhost", "acme%2e.grants.localhost", " acme.grants.localhost", "ac\u212ae.grants.localhost", "", ".grants.localhost",
    "acme..grants.localhost", "{account}.grants.localhost", "acme.grants.localhost\n", "acme.grants.localhost:",
]  # fmt: skip


@pytest.fixture(scope="module")
def two(module_database: Database) -> Iterator[TwoAccounts]:
    with two_accounts(module_database) as found:
        yield found


@pytest.fixture(scope="module")
def gateway(two: TwoAccounts) -> Iterator[FlaskClient]:
    """The MCP endpoint of each leads to a service that is not there."""
    made = create_gateway(two.app)
    for account in (two.acme, two.umbra):
        facts: dict[str, Any] = {"identifier": account.mcp, "scopes": ["account:read"], "upstream": "unix:/nowhere"}
        manage_resources.remove(account.services, account.account_id, account.mcp, origin=CLI)
        added = manage_resources.add(account.services, account.account_id, **facts, origin=CLI)
        account.credentials[account.mcp] = (added.resource_id, added.secret)
    yield made.test_client(use_cookies=False)
    made.extensions["grantbook.gateway"].close()


@pytest.fixture(params=["before Flask", "by Flask"])
def through_flask(request: pytest.FixtureRequest) -> bool:
    return str(request.param) == "by Flask"


def fetched(two: TwoAccounts, path: str, host: str, *, through_flask: bool = True, **how: Any) -> TestResponse:
    client: Any = two.acme.http if through_flask else two.acme.front
    response: TestResponse = client.get(path, base_url=f"http://{host}", **how)
    return response


def basic(credentials: tuple[str, str]) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"}


# ---- each is an issuer of its own


def test_discovery_names_the_accounts_own_urls(two: TwoAccounts, through_flask: bool) -> None:
    for account in (two.acme, two.umbra):
        document = fetched(two, SERVER, account.host, through_flask=through_flask).get_json()
        assert document["issuer"] == account.issuer == f"http://{account.slug}.grants.localhost:8000"
        urls = [v for k, v in document.items() if k.endswith(("_endpoint", "_uri"))]
        assert len(urls) >= 6
        assert all(url.startswith(f"{account.issuer}/") for url in urls)
        assert set(document["protected_resources"]) >= {account.mcp, account.api}
        resource = fetched(two, f"{RESOURCE}/api/ai/v1/mcp", account.host, through_flask=through_flask).get_json()
        assert (resource["resource"], resource["authorization_servers"]) == (account.mcp, [account.issuer])
        assert account.mcp == f"http://{account.slug}.grants.localhost:8001/api/ai/v1/mcp"


def test_each_publishes_its_own_keys(two: TwoAccounts, through_flask: bool) -> None:
    kids = [{key["kid"] for key in fetched(two, KEYS, a.host, through_flask=through_flask).get_json()["keys"]} for a in (two.acme, two.umbra)]
    assert all(len(found) == 2 for found in kids)
    assert not kids[0] & kids[1]


def test_tokens_redirects_and_errors_carry_the_accounts_issuer(two: TwoAccounts) -> None:
    for account in (two.acme, two.umbra):
        client_id = account.client_id()
        assert account.approve(client_id)["iss"] == account.issuer
        claims = account.services.access_tokens.read(account.tokens(client_id)["access_token"], account.clock())
        assert claims is not None
        assert (claims["iss"], claims["aud"]) == (account.issuer, account.mcp)
        told = account.authorize(client_id, response_type="token").headers["Location"]
        assert f"iss=http%3A%2F%2F{account.slug}.grants.localhost%3A8000" in told


def test_the_api_describes_itself_under_the_hosts_own_name(two: TwoAccounts) -> None:
    for account in (two.acme, two.umbra, two.acme):
        assert account.http.get("/api/v1/openapi.json").get_json()["servers"] == [{"url": account.issuer}]
        page = account.http.get("/api/docs").text
        assert account.api in page
        assert account.http.get("/api/v1/members").get_json()["type"].startswith(account.issuer)


def test_sso_comes_back_to_the_accounts_own_host(two: TwoAccounts) -> None:
    assert sso_sign_in.redirect_uri(two.umbra.services) == "http://umbra.grants.localhost:8000/sso/callback"


# ---- what belongs to one is nothing to the other


def test_a_client_id_of_one_is_unknown_in_the_other(two: TwoAccounts) -> None:
    client_id = two.acme.client_id()
    page = two.umbra.authorize(client_id)
    assert page.status_code == 400
    assert "Tool" not in page.text
    assert two.umbra.exchange(client_id, "code").get_json()["error"] == "invalid_client"


def test_a_code_of_one_is_refused_by_the_other_and_stays_good(two: TwoAccounts) -> None:
    client_id, theirs = two.acme.client_id(), two.umbra.client_id()
    code = two.acme.approve(client_id)["code"]
    refused = two.umbra.exchange(client_id, code)
    assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_client")
    refused = two.umbra.exchange(theirs, code)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert two.acme.exchange(client_id, code).status_code == 200


def test_a_refresh_token_of_one_is_refused_by_the_other_and_stays_good(two: TwoAccounts) -> None:
    client_id, theirs = two.acme.client_id(), two.umbra.client_id()
    tokens = two.acme.tokens(client_id)
    refused = two.umbra.refresh(client_id, tokens["refresh_token"])
    assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_client")
    refused = two.umbra.refresh(theirs, tokens["refresh_token"])
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert two.acme.refresh(client_id, tokens["refresh_token"]).status_code == 200


def test_introspection_by_the_other_says_nothing(two: TwoAccounts, through_flask: bool) -> None:
    token = two.acme.tokens(two.acme.client_id())["access_token"]
    assert two.acme.introspect(token, two.acme.mcp)["active"]
    said = two.umbra.post("/oauth/introspect", through_flask=through_flask, headers=basic(two.umbra.credentials[two.umbra.mcp]), token=token)
    assert said.get_json() == {"active": False}
    said = two.umbra.post("/oauth/introspect", through_flask=through_flask, headers=basic(two.acme.credentials[two.acme.mcp]), token=token)
    assert (said.status_code, said.get_json()["error"]) == (401, "invalid_client")


def test_the_other_can_not_revoke(two: TwoAccounts) -> None:
    client_id, theirs = two.acme.client_id(), two.umbra.client_id()
    tokens = two.acme.tokens(client_id)
    for token in (tokens["refresh_token"], tokens["access_token"]):
        assert two.umbra.post("/oauth/revoke", client_id=client_id, token=token).status_code == 401
        assert two.umbra.post("/oauth/revoke", client_id=theirs, token=token).status_code == 200
    assert two.acme.introspect(tokens["access_token"], two.acme.mcp)["active"]


def test_a_token_is_none_of_the_other_issuers_even_where_a_signature_is_remembered(two: TwoAccounts) -> None:
    token, now = two.acme.tokens(two.acme.client_id())["access_token"], two.acme.clock()
    claims = two.acme.services.access_tokens.read(token, now)
    assert claims is not None
    for services in (two.umbra.services, two.app.services):
        assert services.access_tokens.read(token, now) is None
    assert two.acme.services.access_tokens.read(token, now) == claims
    assert introspect_token.judge_claims(two.acme.services, two.acme.account_id, claims, now) is not None
    assert introspect_token.judge_claims(two.umbra.services, two.umbra.account_id, claims, now) is None


def test_the_same_resource_url_in_both_does_not_make_their_tokens_one(two: TwoAccounts) -> None:
    shared, both = "https://shared.example/api", (two.acme, two.umbra)
    made = [manage_resources.add(a.services, a.account_id, identifier=shared, scopes=["account:read"], origin=CLI) for a in both]
    token = two.acme.tokens(two.acme.client_id(), scopes="account:read", scope="account:read", resource=shared)["access_token"]
    for account, resource, active in zip(both, made, (True, False), strict=True):
        said = account.post("/oauth/introspect", headers=basic((resource.resource_id, resource.secret)), token=token)
        assert said.get_json()["active"] is active


def test_the_api_refuses_the_others_token(two: TwoAccounts) -> None:
    token = two.acme.api_token()
    authorization = {"Authorization": f"Bearer {token}"}
    assert two.acme.http.get("/api/v1/account", headers=authorization).get_json()["issuer"] == two.acme.issuer
    refused = two.umbra.http.get("/api/v1/account", headers=authorization)
    assert refused.status_code == 401
    assert f'resource_metadata="{two.umbra.issuer}/.well-known' in refused.headers["WWW-Authenticate"]


def test_a_browser_session_of_one_counts_nothing_in_the_other(two: TwoAccounts) -> None:
    secret = two.acme.session(two.acme.admin_id)
    for account, status in ((two.acme, 200), (two.umbra, 303)):
        browser = two.client(account.host)
        browser.set_cookie("gb_session", secret, domain=account.host.partition(":")[0])
        answer = browser.get("/settings/sso")
        assert answer.status_code == status
    assert answer.headers["Location"].startswith("/sign-in?")


def test_a_waiting_request_of_one_is_not_shown_or_named_by_the_other(two: TwoAccounts) -> None:
    waiting = two.acme.pending(two.acme.client_id(client_name="Nightjar"))
    assert "Nightjar" in two.acme.http.get(f"/sign-in?next=/consent?request={waiting.request_id}").text
    assert "Nightjar" not in two.umbra.http.get(f"/sign-in?next=/consent?request={waiting.request_id}").text
    assert "Nightjar" not in two.umbra.browser.get(f"/consent?request={waiting.request_id}").text


def test_passwords_and_guesses_are_counted_apart(two: TwoAccounts) -> None:
    for attempt in range(25):
        two.umbra.services.login_key(two.umbra.account_id, str(attempt))
        sign_in.sign_in_with_password(two.umbra.services, two.umbra.account_id, "ada@acme.example", "wrong", OAUTH)
    refused = sign_in.sign_in_with_password(two.umbra.services, two.umbra.account_id, "ada@acme.example", PASSWORD, OAUTH)
    assert isinstance(refused, sign_in.SignInRefused)
    assert refused.retry_after is not None
    done = sign_in.sign_in_with_password(two.acme.services, two.acme.account_id, "ada@acme.example", PASSWORD, OAUTH)
    assert isinstance(done, sign_in.SignedIn)


def test_an_idempotency_key_of_one_is_free_in_the_other(two: TwoAccounts) -> None:
    made = []
    for account in (two.acme, two.umbra):
        headers = {"Authorization": f"Bearer {account.api_token()}", "Idempotency-Key": "the-same"}
        made.append(account.http.post("/api/v1/projects", json={"name": f"Once {account.slug}"}, headers=headers))
    assert [(r.status_code, r.headers.get("Idempotent-Replayed")) for r in made] == [(201, None), (201, None)]


def test_registrations_count_for_their_own_account(two: TwoAccounts) -> None:
    two.umbra.later(hours=1)
    two.umbra.policy(registrations_per_hour="1")
    try:
        assert [two.umbra.try_register().status_code for _ in range(2)] == [201, 429]
        assert two.acme.try_register().status_code == 201
    finally:
        two.umbra.policy(registrations_per_hour="100000")


def test_telling_accounts_apart_costs_no_statement(two: TwoAccounts, monkeypatch: pytest.MonkeyPatch) -> None:
    client_id = two.acme.client_id()
    token = two.acme.refresh(client_id, two.acme.tokens(client_id)["refresh_token"]).get_json()["refresh_token"]
    seen: list[Any] = []
    run = Kept.run

    def counted(kept: Kept, statement: Any, parameters: Any) -> Any:
        seen.append(statement)
        return run(kept, statement, parameters)

    ask = Pipeline.ask

    def counted_too(pipeline: Pipeline, statement: Any, *given: Any, **more: Any) -> None:
        seen.append(statement)
        ask(pipeline, statement, *given, **more)

    monkeypatch.setattr(Kept, "run", counted)
    monkeypatch.setattr(Pipeline, "ask", counted_too)
    assert two.acme.refresh(client_id, token).status_code == 200
    assert len(seen) == 1
    seen.clear()
    assert two.app.directory.account_for("no-name-of-ours.example") is None
    assert seen == []


# ---- the gateway


def test_the_gateway_takes_a_token_at_its_own_accounts_host_only(two: TwoAccounts, gateway: FlaskClient) -> None:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "fly", "arguments": {}}}
    token = two.acme.tokens(two.acme.client_id(), scopes="account:read", scope="account:read")["access_token"]

    def asked(host: str, **more: str) -> TestResponse:
        headers = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {token}", **more}
        return gateway.post("/api/ai/v1/mcp", json=message, headers=headers, base_url=f"http://{host}")

    assert "Not offered here: fly" in asked("acme.grants.localhost:8001").text  # admitted
    refused = asked("umbra.grants.localhost:8001")
    assert refused.status_code == 401
    metadata = 'resource_metadata="http://umbra.grants.localhost:8001/.well-known/oauth-protected-resource/api/ai/v1/mcp"'
    assert metadata in refused.headers["WWW-Authenticate"]
    assert "acme" not in refused.headers["WWW-Authenticate"]
    for host in ("nobody.grants.localhost:8001", "grants.localhost:8001", "umbra.evil.example:8001", "acme.grants.localhost:9999"):
        assert asked(host).status_code == 421
    assert asked("acme.grants.localhost:8001", Origin=two.umbra.issuer).status_code == 403


# ---- hosts


@pytest.mark.parametrize("host", OTHER_HOSTS)
def test_another_host_is_refused_in_the_form_of_each_protocol(two: TwoAccounts, host: str) -> None:
    browser = two.client(host)
    told = {
        "/settings/integrations": "No account is served under this host name.", "/sign-in": "No account is served", "/setup?token=x": "No account is",
        "/oauth/authorize?client_id=x": "No account is served", "/oauth/token": "invalid_request", "/oauth/register": "invalid_request",
        SERVER: "not_found", KEYS: "not_found", RESOURCE: "not_found",
        "/api/v1/members": "unknown-host", "/api/v1/openapi.json": "unknown-host", "/scim/v2/Users": "urn:ietf:params:scim:api:messages:2.0:Error",
        "/nothing/here": "No account is served",
    }  # fmt: skip
    for path, words in told.items():
        answer = browser.get(path)
        assert answer.status_code == 404, (path, answer.text)
        assert words in answer.text
        assert "Acme" not in answer.text
        assert "umbra" not in answer.text.lower()
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        answer = two.acme.front.post(path, data={"grant_type": "refresh_token"}, base_url=f"http://{host}")
        assert (answer.status_code, answer.get_json()["error"]) == (404, "invalid_request")
    assert 'class="btn"' not in browser.get("/sign-in").text  # every way leads to the same page
    assert browser.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["ACME.Grants.LocalHost:8000", "acme.grants.localhost", "acme.grants.localhost:443"])
def test_case_and_port_of_a_host_say_nothing(two: TwoAccounts, host: str, through_flask: bool) -> None:
    assert fetched(two, SERVER, host, through_flask=through_flask).get_json()["issuer"] == two.acme.issuer


@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_host_that_is_no_name_is_no_account(two: TwoAccounts, host: str) -> None:
    assert two.app.directory.account_for(host) is None


def test_forwarded_hosts_count_for_nothing_without_a_trusted_proxy(two: TwoAccounts, through_flask: bool) -> None:
    sent = {"X-Forwarded-Host": two.umbra.host, "Forwarded": f"host={two.umbra.host}"}
    assert fetched(two, SERVER, two.acme.host, through_flask=through_flask, headers=sent).get_json()["issuer"] == two.acme.issuer


def test_a_trusted_proxy_tells_the_account_by_host_and_by_nothing_else(two: TwoAccounts) -> None:
    proxied = Program(served(replace(two.app.settings, trusted_proxies=1), Front(two.app, two.acme.http.application), "web"))
    sent = {"X-Forwarded-Host": two.umbra.host, "X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    for path in (SERVER, f"{SERVER}?past=the-front"):
        assert proxied.get(path, base_url=two.acme.issuer, headers=sent).get_json()["issuer"] == two.acme.issuer


def test_cookies_are_of_one_host_only(two: TwoAccounts) -> None:
    browser = two.client(two.acme.host)
    form = hidden(browser.get("/sign-in").text)
    answer = browser.post("/sign-in", data={**form, "email": "ada@acme.example", "password": PASSWORD})
    assert answer.status_code == 303
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) >= 2
    assert all("domain" not in cookie.lower() for cookie in cookies)


def test_a_form_that_the_other_accounts_page_sends_is_refused(two: TwoAccounts) -> None:
    browser = two.acme.signed_in(two.acme.admin_id)
    form = {"csrf_token": hidden(browser.get("/settings/sso").text)["csrf_token"]}
    refused = browser.post("/settings/sso/scim-token", data=form, headers={"Sec-Fetch-Site": "same-site", "Origin": two.umbra.issuer})
    assert refused.status_code == 400
    assert browser.post("/settings/sso/scim-token", data=form).status_code in (200, 303)


def test_a_set_up_link_of_before_opens_nothing_and_names_nobody(two: TwoAccounts) -> None:
    token = open_account.make_setup_link(two.app.services)
    page = two.umbra.http.get(f"/setup?token={token}")
    assert page.status_code == 404
    assert "acme" not in page.text.lower()


def test_a_sign_in_begun_with_the_provider_of_one_is_not_finished_in_the_other(two: TwoAccounts) -> None:
    now = two.acme.clock()
    row = SsoRequest(two.acme.account_id, b"b" * 32, "", False, now)
    tables = two.app.services.store.tables()
    tables.add_sso_request(b"s" * 32, row, now + timedelta(minutes=5))
    assert tables.use_sso_request(b"s" * 32, two.umbra.account_id, now) is None
    found = tables.use_sso_request(b"s" * 32, two.acme.account_id, now)
    assert found is not None
    assert not found.spent


def test_an_account_that_is_opened_is_served_at_once(two: TwoAccounts) -> None:
    host = "third.grants.localhost"
    assert fetched(two, SERVER, host).status_code == 404
    open_account.open_account(
        two.app.directory.services_named("third"), slug="third", name="Third", admin_email="a@third.example", admin_name="A", password=None,
        origin=CLI, several=True,
    )  # fmt: skip
    assert fetched(two, SERVER, host).get_json()["issuer"] == "http://third.grants.localhost:8000"
