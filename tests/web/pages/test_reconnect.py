from __future__ import annotations

import pytest

from web.pages.reconnect import others, steps_for


@pytest.mark.parametrize(
    ("uris", "software_id", "name"),
    [
        (("https://claude.ai/api/mcp/auth_callback",), "", "Claude"),
        (("http://localhost:3118/callback",), "", "Claude Code"),
        (("http://127.0.0.1/", "http://127.0.0.1:33418/", "https://vscode.dev/redirect"), "", "Visual Studio Code"),
        (("cursor://anysphere.cursor-mcp/oauth/callback", "http://localhost:8787/callback"), "", "Cursor"),
        (("http://localhost:6274/oauth/callback",), "", "MCP Inspector"),
        (("http://localhost:19876/oauth/callback",), "", "mcp-remote"),
        (("http://localhost:19876/other",), "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d", "mcp-remote"),
        (("https://chatgpt.com/connector/oauth/abc",), "", "ChatGPT"),
    ],
)
def test_the_steps_fit_the_real_clients(uris: tuple[str, ...], software_id: str, name: str) -> None:
    steps = steps_for(uris, software_id)
    assert steps is not None
    assert steps.name == name
    assert name not in {client.name for client in others(steps)}


@pytest.mark.parametrize("uri", ["https://elsewhere.example/callback", "http://localhost:99999/x", "not a url", "https://[", ""])
def test_an_unknown_app_gets_every_client_s_sentence_and_no_steps_of_another(uri: str) -> None:
    assert steps_for((uri,)) is None
    assert len(others(None)) >= 7
    assert all(client.sentence and client.steps for client in others(None))
