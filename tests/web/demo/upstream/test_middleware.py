from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.web.demo.upstream.harness import INITIALIZE, Signer, Upstream, new_key, write_keys

NOW = int(time.time())
BODY = json.dumps(INITIALIZE).encode()


def test_a_right_assertion_is_let_in(upstream: Upstream) -> None:
    answer = upstream.post(INITIALIZE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["result"]["serverInfo"]["name"] == "jaffle-analytics"


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iss": "http://evil.example"}, id="another issuer"),
        pytest.param({"aud": "unix:other"}, id="another audience"),
        pytest.param({"aud": ["unix:demo"]}, id="audience as a list"),
        pytest.param({"iat": NOW - 100, "exp": NOW - 50}, id="expired"),
        pytest.param({"iat": NOW - 86400, "exp": NOW - 86340}, id="older than the process"),
        pytest.param({"exp": NOW + 3600}, id="lives too long"),
        pytest.param({"iat": NOW + 1000, "exp": NOW + 1030}, id="from the future"),
        pytest.param({"exp": str(NOW + 30)}, id="expiry as text"),
        pytest.param({"body_sha256": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"}, id="hash of another body"),
        pytest.param({"projects": "prj_sales"}, id="projects as text"),
        pytest.param({"projects": [1]}, id="projects that are no text"),
        pytest.param({"email": "analyst@jaffle.example"}, id="personal data"),
        *[
            pytest.param({name: None}, id=f"no {name}")
            for name in ("iss", "aud", "iat", "exp", "jti", "sub", "client_id", "grant_id", "scope", "projects", "body_sha256")
        ],
        *[pytest.param({name: ""}, id=f"empty {name}") for name in ("jti", "sub", "client_id", "grant_id")],
    ],
)
def test_an_assertion_with_a_defective_claim_is_refused(upstream: Upstream, claims: dict[str, Any]) -> None:
    _refused(upstream, upstream.signer.claiming(**claims))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"typ": "JWT"}, id="another type"),
        pytest.param({"typ": "at+jwt"}, id="an access token"),
        pytest.param({"typ": None}, id="no type"),
        pytest.param({"kid": None}, id="no key id"),
        pytest.param({"kid": "other"}, id="unknown key id"),
        pytest.param({"kid": 7}, id="key id that is no text"),
        pytest.param({"jku": "http://127.0.0.1:1/jwks"}, id="keys from elsewhere"),
    ],
)
def test_an_assertion_with_a_defective_header_is_refused(upstream: Upstream, header: dict[str, Any]) -> None:
    _refused(upstream, upstream.signer.heading(**header))


def test_an_assertion_by_another_key_under_a_known_id_is_refused(upstream: Upstream) -> None:
    _refused(upstream, Signer(new_key("key-1")))


def test_an_assertion_with_another_algorithm_is_refused(upstream: Upstream) -> None:
    for alg in ("HS256", "none", "ES384"):
        _refused(upstream, upstream.signer.heading(alg=alg))


def test_a_tampered_assertion_is_refused(upstream: Upstream) -> None:
    header, _, signature = upstream.signer.sign(BODY).split(".")
    _, payload, _ = upstream.signer.claiming(sub="someone-else").sign(BODY).split(".")
    assert upstream.post(INITIALIZE, authorization=f"Bearer {header}.{payload}.{signature}").status_code == 401


def test_an_assertion_is_good_for_one_request(upstream: Upstream) -> None:
    authorization = f"Bearer {upstream.signer.sign(BODY)}"
    assert upstream.post(INITIALIZE, authorization=authorization).status_code == 200
    again = upstream.post(INITIALIZE, authorization=authorization)
    assert again.status_code == 401
    assert "used before" in again.json()["error_description"]


def test_an_assertion_for_another_body_is_refused_and_stays_unspent(upstream: Upstream) -> None:
    authorization = f"Bearer {upstream.signer.sign(BODY)}"
    assert upstream.post({**INITIALIZE, "id": 2}, authorization=authorization).status_code == 401
    assert upstream.post(INITIALIZE, authorization=authorization).status_code == 200


@pytest.mark.parametrize(
    "authorization", ["Basic YTpi", "Bearer", "Bearer x", "Bearer a.b.c", "Bearer ..", "Bearer " + "x" * 20000, "Bearer \xe9.b.c"]
)
def test_garbage_in_the_header_is_refused(upstream: Upstream, authorization: str) -> None:
    answer = upstream.send("POST", BODY, [("Authorization", authorization)])
    assert answer.status_code == 401


def test_a_request_without_an_assertion_or_with_two_is_refused(upstream: Upstream) -> None:
    assert upstream.send("POST", BODY, {}).status_code == 401
    twice = [("Authorization", f"Bearer {upstream.signer.sign(BODY)}")] * 2
    assert upstream.send("POST", BODY, twice).status_code == 401


def test_a_refusal_says_why_as_json_and_by_header(upstream: Upstream) -> None:
    answer = upstream.post(INITIALIZE, signer=upstream.signer.claiming(aud="x"))
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert answer.json() == {"error": "invalid_token", "error_description": "The assertion was refused: its audience is another."}


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_other_methods_are_refused_after_the_assertion(upstream: Upstream, method: str) -> None:
    assert upstream.send(method, b"", {}).status_code == 401
    answer = upstream.send(method, b"", {"Authorization": f"Bearer {upstream.signer.sign(b'')}"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
        b"[" * 50000,
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28", "nonsense"])
def test_a_malformed_body_is_answered_without_a_5xx(upstream: Upstream, body: bytes, version: str) -> None:
    answer = upstream.send("POST", body, {"Authorization": f"Bearer {upstream.signer.sign(body)}", "MCP-Protocol-Version": version})
    assert answer.status_code < 500


def test_a_body_that_is_too_long_is_refused(upstream: Upstream) -> None:
    body = b"x" * (1024 * 1024 + 1)
    assert upstream.send("POST", body, {"Authorization": f"Bearer {upstream.signer.sign(body)}"}).status_code == 413


def test_keys_are_read_again_when_their_file_changes(own_upstream: Upstream) -> None:
    upstream, fresh = own_upstream, Signer(new_key("key-2"))
    _refused(upstream, fresh)
    write_keys(upstream.folder / "jwks.json", fresh.key)
    assert upstream.post(INITIALIZE, signer=fresh).status_code == 200
    _refused(upstream, upstream.signer)


def test_without_readable_keys_nothing_is_let_in(own_upstream: Upstream) -> None:
    (own_upstream.folder / "jwks.json").unlink()
    answer = own_upstream.post(INITIALIZE)
    assert answer.status_code == 503
    assert answer.json()["error"] == "temporarily_unavailable"


def test_logs_hold_no_assertion(own_upstream: Upstream) -> None:
    good, bad = own_upstream.signer.sign(BODY), own_upstream.signer.claiming(aud="x").sign(BODY)
    own_upstream.post(INITIALIZE, authorization=f"Bearer {good}")
    own_upstream.post(INITIALIZE, authorization=f"Bearer {bad}")
    own_upstream.call("query_metrics", {"metric": "nonsense"})
    log = own_upstream.log
    assert "its audience is another" in log
    assert not [part for token in (good, bad) for part in token.split(".") if part in log and part != good.split(".")[0]]
    assert "eyJ" not in log


def _refused(upstream: Upstream, signer: Signer) -> None:
    answer = upstream.post(INITIALIZE, signer=signer)
    assert answer.status_code == 401, answer.text
    assert answer.json()["error"] == "invalid_token"
