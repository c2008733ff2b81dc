"""The gateway between a hostile client and a hostile upstream."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from application import manage_resources
from application.register_client import register_manual
from tests.attacks.hostile_upstream import Upstream, hostile_upstream
from tests.support.oauth_world import CALLBACK, CLI, MCP, World
from web.mcp.app import create_gateway

OPERATIONS = {
    "tools": {"query": {"scope": "projects:query", "project_argument": "project"}, "run": "jobs:run", "look": "account:read"},
    "resources": {"file:///public/*": "catalog:read"},
}
SCOPES = ("account:read", "projects:query", "catalog:read", "projects:develop", "jobs:run")
PATH = "/api/ai/v1/mcp"


@dataclass
class Gateway:
    world: World
    http: FlaskClient
    upstream: Upstream
    client_id: str
    token: str

    def send(self, message: Any, token: str | None = None, **headers: Any) -> TestResponse:
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        told = {"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(PATH, data=body, headers=told, base_url="http://localhost:8001")

    def call(self, name: str, arguments: Any = None, **headers: Any) -> TestResponse:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments or {}}}
        return self.send(message, **headers)

    def listed(self) -> TestResponse:
        return self.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})

    def actions(self) -> list[dict[str, Any]]:
        """What was recorded, oldest first."""
        with psycopg.connect(self.world.database.web_dsn) as conn:
            rows = conn.execute("SELECT state FROM events WHERE topic = 'action.performed' ORDER BY notification_id").fetchall()
        return [json.loads(bytes(state)) for (state,) in rows]


@pytest.fixture(scope="module")
def gateway(shared: World) -> Iterator[Gateway]:
    with hostile_upstream() as upstream:
        services, account_id = shared.services, shared.account_id
        manage_resources.remove(services, account_id, MCP, origin=CLI)
        manage_resources.add(services, account_id, identifier=MCP, scopes=SCOPES, upstream=upstream.url, operations=OPERATIONS, origin=CLI)
        client = register_manual(
            services,
            account_id,
            name="Tool",
            redirect_uris=[CALLBACK],
            scopes=["offline_access", *SCOPES],
            homepage=None,
            actor_id=shared.admin_id,
            origin=CLI,
        )
        token = shared.tokens(client.client_id)["access_token"]
        yield Gateway(shared, create_gateway(shared.app).test_client(), upstream, client.client_id, token)


@pytest.fixture(autouse=True)
def _fresh(gateway: Gateway) -> None:
    gateway.upstream.json(b'{"jsonrpc":"2.0","id":1,"result":{}}')
    gateway.upstream.bodies.clear()
    gateway.upstream.headers.clear()


# ---- a hostile client


@pytest.mark.parametrize(
    "origin", ["http://[", "http://[::1", "http://a]b", "null", "file://", "http://localhost.evil.example", "https://evil.example"]
)
def test_a_page_of_an_odd_or_foreign_origin_is_refused(gateway: Gateway, origin: str) -> None:
    assert gateway.call("look", Origin=origin).status_code == 403
    assert gateway.upstream.bodies == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8001", "localhost:8001.evil.example", "localhost", "[::1", "[", "a:b:c", "x" * 5000, ""]
)
def test_a_foreign_or_odd_host_is_refused(gateway: Gateway, host: str) -> None:
    headers = {"Authorization": f"Bearer {gateway.token}"}
    answer = gateway.http.post(PATH, data=b"{}", headers=headers, environ_overrides={"HTTP_HOST": host})
    assert answer.status_code in (400, 404, 421), answer.status_code


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"run"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run","name":"look"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"run"},"params":{"name":"look"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{"project":"a","project":"b"}}}',
        b'{"jsonrpc":"2.0","id":1,"method":"pin\\u0067","params":{}}',
    ],
)
def test_the_upstream_gets_exactly_the_message_that_was_judged(gateway: Gateway, body: bytes) -> None:
    """Of two members of one name parsers take either: only one may arrive."""
    assert gateway.send(body).status_code == 200
    (arrived,) = gateway.upstream.bodies
    names: list[str] = []
    json.loads(arrived, object_pairs_hook=lambda pairs: names.extend(name for name, _ in pairs))
    assert len(names) == len(set(names))
    assert b"\\u0067" not in arrived
    assert not (b"tools/call" in arrived and b"run" in arrived)


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"run"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","Name":"run"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look"},"PARAMS":{"name":"run"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look","arguments":{},"Arguments":{"project":"x"}}}',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","param\u017f":{"name":"run"},"params":{"name":"look"}}'.encode(),
    ],
)
def test_a_second_spelling_of_a_member_is_refused(gateway: Gateway, body: bytes) -> None:
    """Some parsers don't tell upper from lower case."""
    assert gateway.send(body).status_code == 400
    assert gateway.upstream.bodies == []


@pytest.mark.parametrize("name", ["Run", "run ", "run\u0000", "r\u200bun", "run/../look", "", "\uff52un", None, 5, ["run"]])
def test_a_name_that_is_not_exactly_a_tools_runs_nothing(gateway: Gateway, name: Any) -> None:
    answer = gateway.call(name)
    assert answer.status_code in (200, 400)
    assert "error" in answer.get_json()
    assert gateway.upstream.bodies == []


def test_the_mirroring_headers_cannot_say_another_thing(gateway: Gateway) -> None:
    for headers in ({"Mcp_Name": "look"}, {"Mcp_Method": "ping"}, {"Mcp_Name": "=?base64?bG9vaw==?="}, {"Mcp_Method": "tools/call, ping"}):
        assert gateway.call("run", **headers).status_code == 400
    assert gateway.upstream.bodies == []


def test_the_upstream_sees_neither_token_nor_cookie_nor_any_other_header(gateway: Gateway) -> None:
    more = {"Cookie": "gb_session=x", "X_Forwarded_For": "1.2.3.4", "Mcp_Param_Region": "eu", "Proxy_Authorization": "x", "X_Grantbook": "x"}
    assert gateway.call("look", **more).status_code == 200
    (sent,) = gateway.upstream.headers
    assert gateway.token not in str(sent)
    assert {"cookie", "x-forwarded-for", "proxy-authorization", "x-grantbook"} & set(sent) == set()
    assert sent["mcp-param-region"] == "eu"


@pytest.mark.parametrize("name", ["x" * 100_000, "x" * 3000, "a\x00b"])
def test_nothing_is_done_under_a_name_that_could_not_be_recorded(gateway: Gateway, name: str) -> None:
    before = len(_read(gateway))
    answer = gateway.send({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": f"file:///public/{name}"}})
    assert answer.status_code in (200, 400)
    assert len(_read(gateway)) - before == len(gateway.upstream.bodies)


def _read(gateway: Gateway) -> list[str]:
    return [a["operation"] for a in gateway.actions() if a["outcome"] == "ok" and a["operation"].startswith("resources/read:")]


def test_a_session_of_another_grant_does_not_exist(gateway: Gateway) -> None:
    gateway.upstream.json(b'{"jsonrpc":"2.0","id":1,"result":{}}', Mcp_Session_Id="upstreams-own")
    ours = gateway.send({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}).headers["Mcp-Session-Id"]
    assert ours != "upstreams-own"
    other = gateway.world.tokens(gateway.client_id)["access_token"]
    assert gateway.call("look", token=other, Mcp_Session_Id=ours).status_code == 404
    assert gateway.call("look", Mcp_Session_Id="upstreams-own").status_code == 404
    assert gateway.call("look", Mcp_Session_Id=ours).status_code == 200
    assert gateway.upstream.headers[-1]["mcp-session-id"] == "upstreams-own"


def test_projects_cannot_be_named_past_the_check(gateway: Gateway) -> None:
    sales, someone = gateway.world.projects["Sales"], gateway.world.member()
    token = gateway.world.tokens(gateway.client_id, someone, scopes="projects:query", projects=[sales])["access_token"]
    marketing = gateway.world.projects["Marketing"]
    asked: Any
    for asked in (marketing, "Marketing", "MARKETING", [sales, marketing], " Marketing"):
        answer = gateway.call("query", {"project": asked}, token=token)
        assert answer.get_json()["result"]["isError"], asked
    assert gateway.upstream.bodies == []
    for asked in (sales, "sales", [sales], None, {"id": marketing}, 5, [[marketing]]):
        gateway.call("query", {"project": asked}, token=token)
    assert gateway.actions()[-1]["projects"] == [sales]


# ---- a hostile upstream


@pytest.mark.parametrize(
    "answer",
    [
        b'{"jsonrpc":"2.0","id":1,"result":{"tools":5}}', b'{"jsonrpc":"2.0","id":1,"result":{"tools":[5,null,[],{"name":[]},{"name":{}}]}}',
        b'{"jsonrpc":"2.0","id":1,"result":{"tools":{"a":1}}}', b'{"jsonrpc":"2.0","id":1,"result":[]}', b"[" * 50_000, b'{"a":' * 50_000,
        b"", b"\xff",
        b"null", b"5", b'{"error":1e999}', b'data: {"result":{"tools":5}}\n\n', b"data: " + b"[" * 5000, b"data:\r\rdata: {", b'{"result":"x"}',
    ],
)  # fmt: skip
def test_no_answer_of_an_upstream_is_a_server_error(gateway: Gateway, answer: bytes) -> None:
    gateway.upstream.json(answer)
    for response in (gateway.listed(), gateway.call("look")):
        assert response.status_code in (200, 502), response.text[:200]
        assert response.status_code == 200 or "Something went wrong" not in response.text


def test_a_tool_that_the_person_can_never_use_is_hidden_however_the_list_is_sent(gateway: Gateway) -> None:
    member = gateway.world.member("Analyst")
    token = gateway.world.tokens(gateway.client_id, member, scopes="account:read projects:query catalog:read")["access_token"]
    listing = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"look"},{"name":"run"},{"name":"unmapped"}]}}'
    half = len(listing) - 40
    for kind, body in (
        ("application/json", listing), ("application/json", b"\xef\xbb\xbf" + listing), ("application/json; charset=utf-8", b"\n\n " + listing),
        ("text/event-stream", b"event: message\ndata: " + listing + b"\n\n"), ("text/event-stream", b"data:" + listing + b"\r\n\r\n"),
        ("text/event-stream", b"data: " + listing + b"\r\r"), ("text/event-stream", b": hello\n\nretry: 5\ndata: " + listing + b"\n\n"),
        ("text/event-stream", b"data: " + listing[:half] + b"\ndata: " + listing[half:] + b"\n\n"),
        ("text/event-stream", b"\xef\xbb\xbfdata: " + listing + b"\n\n"), ("text/event-stream", b"retry: 5\ndata: " + listing + b"\n\n"),
    ):  # fmt: skip
        gateway.upstream.reply = lambda _, kind=kind, body=body: (200, {"Content-Type": kind}, body)  # type: ignore[misc]  # bound now
        answer = gateway.send({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, token=token)
        assert answer.status_code in (200, 502)
        assert "run" not in answer.text, (kind, body[:30])
        assert "unmapped" not in answer.text


def test_an_upstream_sets_no_cookie_and_no_other_header(gateway: Gateway) -> None:
    more = {"Set-Cookie": "gb_session=evil", "Location": "https://evil.example", "Access-Control-Allow-Origin": "*", "WWW-Authenticate": "Basic"}
    told = {"Content-Type": "text/html", "Content-Security-Policy": "x", "Strict-Transport-Security": "max-age=0", "Refresh": "0;url=x", **more}
    gateway.upstream.reply = lambda _: (200, told, b"<script>alert(1)</script>")
    answer = gateway.call("look")
    assert set(told) & set(answer.headers.keys()) == {"Content-Type"}
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 407, 421, 500, 599])
def test_an_upstreams_redirects_and_challenges_go_no_further(gateway: Gateway, status: int) -> None:
    gateway.upstream.reply = lambda _: (status, {"Location": "https://evil.example/", "WWW-Authenticate": "Bearer"}, b"{}")
    answer = gateway.call("look")
    assert answer.status_code not in (301, 302, 307, 401, 403, 407)
    assert {"Location", "WWW-Authenticate"} & set(answer.headers.keys()) == set()
    assert gateway.actions()[-1]["outcome"] == "failed"


def test_an_endless_or_exploding_answer_is_cut_off(gateway: Gateway) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x" * 65536

    gateway.upstream.reply = lambda _: (200, {"Content-Type": "application/json"}, endless())
    assert gateway.call("look").status_code == 502
    bomb = gzip.compress(b"x" * 100_000_000)
    gateway.upstream.reply = lambda _: (200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, bomb)
    assert gateway.call("look").status_code == 502
    assert gateway.upstream.headers[-1].get("accept-encoding", "identity") == "identity"
    assert [a["outcome"] for a in gateway.actions()[-2:]] == ["failed", "failed"]
