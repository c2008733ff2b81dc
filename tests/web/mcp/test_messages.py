"""The upstream reads what was judged: one message, in one spelling, whatever the client wrote."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.web.mcp.gateway_world import GatewayWorld

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {}}}


def test_repeated_members_are_read_once_here_and_there(shared: GatewayWorld) -> None:
    raw = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run","name":"query","arguments":{"a":1,"a":2}}}'
    assert shared.send(raw, token=shared.token(scopes="projects:query")).status_code == 200
    assert shared.upstream.last.body == b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":{"a":2}}}'
    other = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query"},"params":{"name":"run"}}'
    assert shared.send(other, token=shared.token(scopes="projects:query")).status_code == 403


@pytest.mark.parametrize(
    "message",
    [
        {**CALL, "Method": "tools/list"}, {**CALL, "PARAMS": {"name": "run"}}, {**CALL, "params": {"name": "query", "Name": "run"}},
        {**CALL, "params": {"name": "query", "argument\u017f": {}}}, {**CALL, "jsonRPC": "2.0"},
    ],
)  # fmt: skip
def test_a_member_in_another_spelling_is_refused(shared: GatewayWorld, message: Any) -> None:
    before = len(shared.upstream.seen())
    response = shared.send(message, token=shared.full)
    assert response.status_code == 400
    assert "case-sensitive" in response.get_json()["error"]["message"]
    assert len(shared.upstream.seen()) == before


@pytest.mark.parametrize("declared", ["", "text/plain", "application/x-www-form-urlencoded", "application/vnd.api+json"])
def test_a_body_that_is_not_declared_to_be_json_is_told_what_to_send(shared: GatewayWorld, declared: str) -> None:
    before = len(shared.upstream.seen())
    response = shared.send(CALL, token=shared.full, headers={"Content-Type": declared})
    assert response.status_code == 415
    assert "application/json" in response.get_json()["error"]["message"]
    assert len(shared.upstream.seen()) == before


def test_json_may_be_declared_with_a_charset_and_in_any_case(shared: GatewayWorld) -> None:
    response = shared.send(CALL, token=shared.full, headers={"Content-Type": "Application/JSON; charset=utf-8"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", -32700), (b"{", -32700), (b"nonsense", -32700), (b"\xff\xfe{}", -32700), (b"[" * 100_000, -32700), (b'{"jsonrpc":"2.0"}x', -32700),
        (b'{"id":NaN}', -32700), (b"[]", -32600), (b"[{}]", -32600), (b"7", -32600), (b"null", -32600), (b'"tools/call"', -32600),
        (b"{}", -32600), (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600), (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600), (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600), (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"query","arguments":[]}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":null}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/tool","name":"x"}}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":"x"}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":"x"}}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":[1]}}}', -32602),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"' + b"q" * 5000 + b'"}}', -32602),
    ],
)  # fmt: skip
def test_a_body_that_is_no_message_is_a_json_rpc_error(shared: GatewayWorld, raw: bytes, code: int) -> None:
    before = len(shared.upstream.seen())
    response = shared.send(raw, token=shared.full)
    assert response.status_code == 400
    assert response.get_json()["error"]["code"] == code
    assert len(shared.upstream.seen()) == before


def test_headers_that_repeat_the_body_must_agree_with_it(shared: GatewayWorld) -> None:
    encoded = "=?base64?" + base64.b64encode(b"query").decode() + "?="
    assert shared.send(CALL, token=shared.full, headers={"Mcp-Method": "tools/call", "Mcp-Name": "query"}).status_code == 200
    assert shared.send(CALL, token=shared.full, headers={"Mcp-Name": encoded}).status_code == 200
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    wrong: list[tuple[Any, dict[str, str]]] = [
        (CALL, {"Mcp-Method": "tools/list"}), (CALL, {"Mcp-Name": "run"}), (CALL, {"Mcp-Name": "Query"}), (CALL, {"Mcp-Name": "=?base64?%%?="}),
        (ping, {"Mcp-Name": "query"}), (ping, {"Mcp-Method": "tools/call"}), (CALL, {"Mcp-Name": "=?base64?/w==?="}),
    ]  # fmt: skip
    for message, headers in wrong:
        response = shared.send(message, token=shared.full, headers=headers)
        assert (response.status_code, response.get_json()["error"]["code"]) == (400, -32020), headers


def test_numbers_and_text_arrive_as_they_were(shared: GatewayWorld) -> None:
    arguments = {
        "big": 123456789012345678901234567890,
        "float": 0.1,
        "text": "caf\u00e9 \U0001f600 \u2028",
        "none": None,
        "list": [1, [2, {"x": False}]],
    }
    shared.call("query", arguments)
    assert shared.upstream.last.message["params"]["arguments"] == arguments
