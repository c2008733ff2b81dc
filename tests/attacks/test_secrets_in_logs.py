from __future__ import annotations

import io
from typing import Literal

import pytest
from werkzeug.test import create_environ

from infrastructure.logs import configure_logs
from tests.support.oauth_world import VERIFIER, World
from web.access_log import AccessLog


@pytest.mark.parametrize("log", ["json", "pretty"])
def test_no_log_line_holds_a_token_a_code_or_a_secret(
    world: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, log: Literal["json", "pretty"]
) -> None:
    written_lines = io.BytesIO()
    configure_logs(log, stream=written_lines)
    client_id = world.client_id()
    back = world.approve(client_id)
    tokens = world.exchange(client_id, back["code"]).get_json()
    world.exchange(client_id, back["code"])
    world.refresh(client_id, tokens["refresh_token"])
    world.introspect(tokens["access_token"])
    world.post("/oauth/revoke", client_id=client_id, token=tokens["refresh_token"])
    written = capfd.readouterr()
    said = written.out + written.err + caplog.text + written_lines.getvalue().decode()
    secrets = [back["code"], tokens["access_token"], tokens["refresh_token"], VERIFIER, *(secret for _, secret in world.credentials.values())]
    assert not [s for s in secrets if s in said]
    assert "/oauth/token" in said


def test_no_event_holds_a_token_a_code_or_an_address(world: World) -> None:
    client_id = world.client_id()
    back = world.approve(client_id)
    tokens = world.exchange(client_id, back["code"]).get_json()
    world.refresh(client_id, tokens["refresh_token"])
    recorded = repr(world.events(world.grant_id(tokens)))
    for secret in (back["code"], tokens["access_token"], tokens["refresh_token"], VERIFIER, "203.0.113.5", "203.0.113.9"):
        assert secret not in recorded


@pytest.mark.parametrize("log", ["json", "pretty"])
def test_a_path_can_neither_forge_a_line_nor_steer_a_terminal(world: World, log: Literal["json", "pretty"]) -> None:
    written = io.BytesIO()
    configure_logs(log, stream=written)
    for path in ("/x\nforged", "/\x1b[2J", "/\x9b2J", "/\x85next", "/a\x00b", "/\x7f"):
        app = AccessLog(world.http.application, "web")
        list(app(create_environ(path), lambda *_: print))
    lines = written.getvalue().decode().splitlines()
    assert len(lines) == 6
    assert all(line.isprintable() for line in lines)
