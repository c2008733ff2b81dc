"""requests-oauthlib against the running demo: authorization code with PKCE, automatic refresh, revoked and refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from oauthlib.oauth2 import InvalidGrantError
from requests_oauthlib import OAuth2Session

from tests.support.browser import Choices, authorize_once
from tests.support.dataset import revenue
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser]
CALLBACK = "http://127.0.0.1:3997/callback"


@pytest.fixture(autouse=True)
def _plain_http_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")


def ask_for_revenue(session: OAuth2Session, demo: Demo) -> requests.Response:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query_metrics", "arguments": {"metric": "revenue"}}}
    answer: requests.Response = session.post(demo.mcp_url, json=message, headers={"Accept": "application/json, text/event-stream"}, timeout=60)
    return answer


def test_requests_oauthlib_goes_through_the_whole_flow(demo: Demo) -> None:
    metadata = requests.get(f"{demo.issuer}/.well-known/oauth-authorization-server", timeout=20).json()
    document = {"client_name": "requests-oauthlib test", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"}
    client_id = requests.post(metadata["registration_endpoint"], json=document, timeout=20).json()["client_id"]
    saved: list[dict[str, Any]] = []
    session = OAuth2Session(
        client_id,
        redirect_uri=CALLBACK,
        scope=["account:read", "projects:query"],
        pkce="S256",
        auto_refresh_url=metadata["token_endpoint"],
        auto_refresh_kwargs={"client_id": client_id},
        token_updater=saved.append,
    )
    url, state = session.authorization_url(metadata["authorization_endpoint"], resource=demo.mcp_url)
    answer = authorize_once(url, demo.user("operator"), Choices(projects=["*"]))
    assert answer["state"] == state
    token = session.fetch_token(metadata["token_endpoint"], code=answer["code"], include_client_id=True)
    assert token["scope"] == ["account:read", "projects:query"]
    assert ask_for_revenue(session, demo).json()["result"]["structuredContent"]["total"] == pytest.approx(revenue(), abs=0.01)

    session.token = {**token, "expires_at": time.time() - 1}
    assert ask_for_revenue(session, demo).status_code == 200
    assert len(saved) == 1
    session.token = saved[0]
    assert saved[0]["refresh_token"] != token["refresh_token"]

    demo.end_sessions_of(client_id)
    assert ask_for_revenue(session, demo).status_code == 401
    with pytest.raises(InvalidGrantError):
        session.refresh_token(metadata["token_endpoint"], client_id=client_id)
