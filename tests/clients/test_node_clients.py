"""Clients on Node against the running demo: the MCP TypeScript SDK and oauth4webapi."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import node_client
from tests.support.browser import Choices, authorize_once
from tests.support.dataset import revenue
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.node]
CALLBACK = "http://127.0.0.1:3998/callback"


def answers(demo: Demo, choices: Choices) -> dict[str, Any]:
    def revoke(said: dict[str, Any]) -> dict[str, str]:
        demo.end_sessions_of(said["client_id"])
        return {}

    return {"open": lambda said: authorize_once(said["url"], demo.user("operator"), choices), "revoke": revoke}


def test_the_mcp_typescript_sdk_goes_through_the_whole_flow(demo: Demo) -> None:
    facts = {"mcp_url": demo.mcp_url, "callback": CALLBACK}
    result = node_client.run("mcp_sdk.mjs", facts, answers(demo, Choices(projects=["*"])))
    assert result["unauthorized"]
    assert {"query_metrics", "run_job"} <= set(result["tools"])
    assert result["total"] == pytest.approx(revenue(), abs=0.01)
    assert result["refreshed"]
    assert result["refused"]
    assert "client_secret" not in result["client"]


def test_oauth4webapi_accepts_every_answer(demo: Demo) -> None:
    facts = {"issuer": demo.issuer, "mcp_url": demo.mcp_url, "callback": CALLBACK}
    result = node_client.run("oauth4webapi.mjs", facts, answers(demo, Choices(projects=[demo.project("Sales")])))
    assert result["prm"]["resource"] == demo.mcp_url
    assert result["scope"] == "account:read projects:query offline_access"
    assert result["claims"]["aud"] == demo.mcp_url
    assert result["claims"]["authorization_details"] == [{"type": "project", "projects": [demo.project("Sales")], "actions": ["projects:query"]}]
    assert result["rotated"]
    assert result["total"] == pytest.approx(revenue(("Sales",)), abs=0.01)
    assert result["refused"] == "invalid_grant"
    assert result["challenge"] == "invalid_token"
