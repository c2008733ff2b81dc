"""docs/gateway.md says what is true: its Python is run against real assertions, its operations file is registered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jwt
import pytest

from application import manage_resources
from tests.support.oauth_world import CLI
from tests.web.mcp.gateway_world import SCOPES, GatewayWorld
from web.cli.child import GATEWAY_THREADS
from web.mcp import messages, slots, upstream
from web.mcp.streams import RECHECK_SECONDS

PAGE = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text()


@pytest.fixture
def example(shared: GatewayWorld, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's code as it stands, with the published keys."""
    published = shared.http.get("/.well-known/jwks.json", base_url="http://localhost:8001").get_json()
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: published)
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    assert len([line for line in code[1].splitlines() if line.strip()]) <= 21
    names: dict[str, Any] = {"ISSUER": shared.world.services.issuer, "UPSTREAM": shared.upstream.url}
    exec(code[1], names)
    return names


def test_the_pages_example_takes_an_assertion_once_and_for_its_body_only(shared: GatewayWorld, example: dict[str, Any]) -> None:
    caller_of = example["caller_of"]
    shared.call("query", {"project": "Sales"})
    seen = shared.upstream.last
    authorization = seen.header("Authorization")
    with pytest.raises(jwt.InvalidTokenError, match="another body"):
        caller_of(authorization, seen.body + b" ")
    claims = caller_of(authorization, seen.body)
    assert claims["scope"] == "projects:query"
    assert claims["projects"] == [shared.world.projects["Sales"]]
    with pytest.raises(jwt.InvalidTokenError, match="used before"):
        caller_of(authorization, seen.body)


def test_the_pages_example_refuses_whatever_else_there_is(shared: GatewayWorld, example: dict[str, Any]) -> None:
    shared.call("query")
    seen, caller_of = shared.upstream.last, example["caller_of"]
    for authorization in (f"Bearer {shared.full}", f"Basic {seen.assertion}", "Bearer x", "Bearer ", ""):
        with pytest.raises(jwt.PyJWTError):
            caller_of(authorization, seen.body)
    example["UPSTREAM"] = "http://another.example/mcp"
    with pytest.raises(jwt.InvalidAudienceError):
        caller_of(f"Bearer {seen.assertion}", seen.body)


def test_the_pages_operations_file_can_be_registered(shared: GatewayWorld) -> None:
    text = PAGE[PAGE.index("    {\n") : PAGE.index("    }\n\n") + 6]
    services = shared.world.services
    manage_resources.add(
        services, shared.world.account_id, identifier="http://localhost:8001/documented", scopes=SCOPES, operations=json.loads(text), origin=CLI
    )
    assert json.loads(text).keys() == {"tools", "prompts", "resources"}


def test_the_pages_numbers_are_the_real_ones() -> None:
    mega = 1024 * 1024
    numbers = f"A message may have {messages.MAX_BODY // mega} MB, an answer {upstream.LARGEST_ANSWER // mega} MB"
    assert numbers in PAGE
    flowing = PAGE.replace("\n", " ")
    assert f"carries {GATEWAY_THREADS} requests at a time, {slots.CALLS_OF_A_GRANT} of one grant" in flowing
    assert f"up to {slots.STREAMS} of them may be open streams, {slots.STREAMS_OF_A_GRANT} of one grant" in flowing
    assert f"asks every {RECHECK_SECONDS:.0f} seconds" in flowing
    assert (upstream.TIMEOUT.read, "each pause in it 5 minutes" in flowing) == (300, True)
