"""RFC 9700 4.1, 4.4, 4.11 and 4.12: redirect tricks, mix-up, open redirectors, header injection."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.support.oauth_world import CALLBACK, ISSUER, World


@pytest.fixture(scope="module")
def client_id(shared: World) -> str:
    return shared.client_id(redirect_uris=[CALLBACK, "http://127.0.0.1:8787/cb", "cursor://app/cb"])


@pytest.mark.parametrize(
    "trick",
    [
        "https://app.example.evil.example/cb", "https://evil.example/https://app.example/cb", "https://app.example@evil.example/cb", "https://app.example/cb@evil.example",
        "https://app.example/cb/../../evil", "https://app.example/cb%2f..%2fevil", "https://app.example/cb?next=https://evil.example", "https://app.example/cb#x",
        "https://app.example/cb\\@evil.example", "https://app.example\t/cb", "//evil.example/cb", "javascript:alert(1)//https://app.example/cb",
        "http://app.example/cb", "HTTPS://app.example/cb", "https://APP.example/cb", "https://app.example./cb", "https://xn--app-.example/cb",
        "http://127.0.0.1:8787@evil.example/cb", "http://127.0.0.1.evil.example:8787/cb", "http://127.0.0.1:8787.evil.example/cb", "http://127.0.0.2:8787/cb",
        "http://0.0.0.0:8787/cb", "http://[::1]:8787/cb", "http://127.0.0.1:8787/cb/../x", "http://127.0.0.1:-1/cb", "http://127.0.0.1:\uff18\uff17\uff18\uff17/cb",
        "cursor://app/cb2", "cursor://evil/cb", "Cursor://app/cb",
    ],
)  # fmt: skip
def test_no_trick_makes_another_redirect_uri_of_a_registered_one(shared: World, client_id: str, trick: str) -> None:
    response = shared.authorize(client_id, redirect_uri=trick)
    assert response.status_code == 400
    assert "Location" not in response.headers


def test_errors_never_go_to_a_redirect_uri_that_was_not_registered(shared: World, client_id: str) -> None:
    response = shared.authorize(client_id, redirect_uri="https://evil.example/cb", response_type="nonsense", scope="nonsense", code_challenge=None)
    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: x=1", "a\nb", "\x00", "\x7f"])
def test_a_state_with_line_breaks_splits_no_header(shared: World, client_id: str, state: str) -> None:
    response = shared.authorize(client_id, state=state)
    assert "Set-Cookie" not in response.headers
    if response.status_code == 303:
        assert parse_qs(urlsplit(response.headers["Location"]).query)["error"] == ["invalid_request"]
        assert "state" not in parse_qs(urlsplit(response.headers["Location"]).query)


def test_a_hostile_state_comes_back_as_it_was_and_adds_no_parameter(shared: World, client_id: str) -> None:
    state = "x&code=evil&iss=https://evil.example#frag<script>%0d%0a"
    back = shared.approve(client_id, state=state)
    assert back["state"] == state
    assert back["iss"] == ISSUER
    assert back["code"] != "evil"


def test_a_crlf_in_the_raw_query_reaches_no_header(shared: World, client_id: str) -> None:
    response = shared.http.get(f"/oauth/authorize?client_id={client_id}&redirect_uri={quote(CALLBACK)}&response_type=co%0d%0aX-Evil:%201")
    assert "X-Evil" not in response.headers


def test_mix_up_is_prevented_by_iss_in_every_answer(shared: World, client_id: str) -> None:
    assert shared.approve(client_id)["iss"] == ISSUER
    for changes in ({"scope": "nonsense"}, {"response_type": "token"}, {"code_challenge": None}, {"resource": "https://evil.example"}):
        where = urlsplit(shared.authorize(client_id, **changes).headers["Location"])
        assert parse_qs(where.query)["iss"] == [ISSUER]


def test_no_redirect_repeats_a_post(shared: World, client_id: str) -> None:
    query = shared.authorize(client_id).request.query_string
    for response in (
        shared.http.get(f"/oauth/authorize?{query.decode()}"),
        shared.http.post("/oauth/authorize", data=query, content_type="application/x-www-form-urlencoded"),
    ):
        assert response.status_code == 303


def test_the_error_page_escapes_what_was_sent(shared: World, client_id: str) -> None:
    for sent in ('https://evil.example/"><script>alert(1)</script>', "https://evil.example/{{7*7}}"):
        text = shared.authorize(client_id, redirect_uri=sent).text
        assert "<script>alert" not in text
        assert "/49" not in text


def test_the_server_is_no_open_redirector_before_sign_in(shared: World, client_id: str) -> None:
    for response in (shared.authorize(client_id), shared.authorize("nobody", redirect_uri="https://evil.example/")):
        assert not response.headers.get("Location", "/").startswith(("http", "//"))
