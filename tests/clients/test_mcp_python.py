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

from tests.support.browser import Choices, authorize_once
from tests.support.demo import Demo

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]
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
