"""The MCP Python SDK with its own OAuth provider: discovers, registers, lists, calls, refreshes, is revoked and refused."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, TokenStorage
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.support import asynchronous
from tests.support.browser import Choices, authorize_once
from tests.support.dataset import revenue
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser]
CALLBACK = "http://127.0.0.1:3999/callback"


@dataclass
class Storage(TokenStorage):
    """What the client keeps."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None
    walks: int = 0
    history: list[str] = field(default_factory=list)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens
        self.history.append(tokens.access_token)

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def provider(demo: Demo, storage: Storage, user: str, choices: Choices = Choices(), scope: str | None = None) -> OAuthClientProvider:
    answers: list[dict[str, str]] = []

    async def redirect(url: str) -> None:
        storage.walks += 1
        answers.append(await anyio.to_thread.run_sync(lambda: authorize_once(url, demo.user(user), choices)))

    async def callback() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    metadata = OAuthClientMetadata(client_name="Python MCP test", redirect_uris=[CALLBACK], scope=scope)  # type: ignore[list-item]  # pydantic parses it
    return OAuthClientProvider(demo.mcp_url, metadata, storage, redirect, callback)


@contextlib.asynccontextmanager
async def connected(demo: Demo, auth: OAuthClientProvider, mode: str = "auto") -> AsyncIterator[Client]:
    async with httpx2.AsyncClient(auth=auth, timeout=60) as http, Client(streamable_http_client(demo.mcp_url, http_client=http), mode=mode) as client:
        yield client


def total(result: Any) -> float:
    """The number that a metrics query answered."""
    return float(result.structured_content["total"])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_whole_flow_from_discovery_to_a_refusal_after_revocation(demo: Demo, mode: str) -> None:
    asynchronous.run(_whole_flow, demo, mode)


async def _whole_flow(demo: Demo, mode: str) -> None:
    storage = Storage()
    auth = provider(demo, storage, "operator", Choices(projects=["*"]))
    async with connected(demo, auth, mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"query_metrics", "run_job", "list_models"} <= names
        answer = await client.call_tool("query_metrics", {"metric": "revenue", "last_n_days": 30})
        assert total(answer) == pytest.approx(revenue(), abs=0.01)
        assert storage.walks == 1
        auth.context.token_expiry_time = 1
        assert not (await client.call_tool("list_projects", {})).is_error
        assert len(storage.history) == 2, "an expired token is refreshed, without asking the user"
        assert storage.walks == 1
    assert storage.client is not None
    demo.end_sessions_of(storage.client.client_id or "")
    auth.context.redirect_handler = _nobody_is_there
    with pytest.raises(BaseExceptionGroup) as refused:
        async with connected(demo, auth, mode) as client:
            await client.call_tool("list_projects", {})
    assert refused.group_contains(UserIsAway), "a revoked client has to ask the user again"
    assert len(storage.history) == 2, "and gets no token by itself"


class UserIsAway(Exception):
    """Nobody signs in."""


async def _nobody_is_there(url: str) -> None:
    raise UserIsAway(url)


def test_the_question_about_revenue_has_another_answer_for_sales_only(demo: Demo) -> None:
    asynchronous.run(_sales_only, demo)


async def _sales_only(demo: Demo) -> None:
    auth = provider(demo, Storage(), "operator", Choices(projects=[demo.project("Sales")]))
    async with connected(demo, auth) as client:
        answer = await client.call_tool("query_metrics", {"metric": "revenue", "last_n_days": 30})
        assert total(answer) == pytest.approx(revenue(("Sales",)), abs=0.01)
        assert total(answer) != pytest.approx(revenue(), abs=0.01)
        other = await client.call_tool("query_metrics", {"metric": "revenue", "last_n_days": 30, "project": "Finance"})
        assert other.is_error
        assert "Sales" in str(other.content)


def test_an_unchecked_scope_gets_403_and_the_client_steps_up_by_asking_for_it(demo: Demo) -> None:
    asynchronous.run(_step_up, demo)


async def _step_up(demo: Demo) -> None:
    storage = Storage()
    choices = [Choices(scopes=["account:read"], projects=["*"]), Choices(scopes=["account:read", "projects:query"], projects=["*"])]
    asked: list[str] = []
    answers: list[dict[str, str]] = []

    async def redirect(url: str) -> None:
        asked.append(url)
        chosen = choices[len(asked) - 1]
        answers.append(await anyio.to_thread.run_sync(lambda: authorize_once(url, demo.user("operator"), chosen)))

    async def callback() -> AuthorizationCodeResult:
        answer = answers.pop()
        return AuthorizationCodeResult(code=answer["code"], state=answer["state"], iss=answer["iss"])

    auth = provider(demo, storage, "operator")
    auth.context.redirect_handler, auth.context.callback_handler = redirect, callback
    async with connected(demo, auth) as client:
        assert storage.tokens is not None
        assert set((storage.tokens.scope or "").split()) == {"account:read", "offline_access"}
        answer = await client.call_tool("query_metrics", {"metric": "revenue", "last_n_days": 30})
        assert len(asked) == 2
        assert "projects%3Aquery" in asked[1] or "projects:query" in asked[1]
        assert total(answer) == pytest.approx(revenue(), abs=0.01)
