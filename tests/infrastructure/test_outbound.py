from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from application.identity_ports import ProviderFailed, Request
from infrastructure.identity import DomainProofs
from infrastructure.oidc import OidcProvider
from infrastructure.outbound import Outbound, OutboundFailed


class Handler(BaseHTTPRequestHandler):
    """Answers by path; counts what it was asked."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]  # set by the fixture
        answer: Callable[[Handler], None] = self.server.answers.get(self.path, Handler.nothing)  # type: ignore[attr-defined]  # likewise
        answer(self)

    do_POST = do_GET  # noqa: N815  # the name that the base class asks for

    def nothing(self) -> None:
        self.send_error(404)

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


class Here:
    """A server on this computer."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.asked: list[str] = server.asked  # type: ignore[attr-defined]  # set by the fixture
        self.answers: dict[str, Callable[[Handler], None]] = server.answers  # type: ignore[attr-defined]  # likewise

    def json(self, path: str, value: Any) -> None:
        self.answers[path] = lambda handler: handler.say(json.dumps(value).encode())


@pytest.fixture
def here() -> Iterator[Here]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.answers = [], {}  # type: ignore[attr-defined]  # what the handler reads
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Here(server)
    server.shutdown()
    thread.join(5)
    server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/", "http://example.com/", "ftp://example.com/", "https://user:secret@example.com/", "https:///x", "file:///etc/passwd",
        "gopher://127.0.0.1", "", "https://exa mple.com", "//example.com", "http://localhost.evil.example/",
    ],
)  # fmt: skip
def test_only_https_is_asked(url: str) -> None:
    with pytest.raises(OutboundFailed):
        Outbound().get(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "::1", "169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "fe80::1", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "192.0.2.1",
    ],
)  # fmt: skip
@pytest.mark.parametrize("loopback", [False, True])
def test_a_name_that_leads_to_an_address_of_nobodys_provider_is_refused(monkeypatch: pytest.MonkeyPatch, address: str, loopback: bool) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.215.14", 443)), (0, 0, 0, "", (address, 443))])
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("it connected"))
    with pytest.raises(OutboundFailed, match="not one that may be asked"):
        Outbound(loopback=loopback).get("https://idp.example/")


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes between check and use (DNS rebinding) is looked up once only."""
    connected: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("10.1.2.3", 443))])

    def refuse(address: Any, *_: Any, **__: Any) -> Any:
        connected.append(address)
        raise OSError("no")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(OutboundFailed):
        Outbound().get("https://idp.example:8443/")
    assert connected == [("10.1.2.3", 8443)]


def test_redirects_are_not_followed(here: Here) -> None:
    here.answers["/a"] = lambda handler: handler.say(b"", 302, Location="/b")
    with pytest.raises(OutboundFailed, match="redirect"):
        Outbound(loopback=True).get(f"{here.url}/a")
    assert here.asked == ["/a"]


def test_long_and_compressed_answers_are_refused(here: Here) -> None:
    here.answers["/long"] = lambda handler: handler.say(b"x" * 5000)
    here.answers["/zip"] = lambda handler: handler.say(b"x", Content_Encoding="gzip")
    with pytest.raises(OutboundFailed, match="longer than 4 KiB"):
        Outbound(loopback=True, largest=4096).get(f"{here.url}/long")
    with pytest.raises(OutboundFailed, match="compressed"):
        Outbound(loopback=True).get(f"{here.url}/zip")


def test_an_answer_that_trickles_in_is_given_up(here: Here) -> None:
    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(50):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.05)

    here.answers["/slow"] = trickle
    with pytest.raises(OutboundFailed, match="in time"):
        Outbound(loopback=True, in_all=0.2).get(f"{here.url}/slow")


def test_a_domains_proof_is_asked_of_that_domain_only() -> None:
    for domain in ("127.0.0.1:1/x", "a.example/../b", "localhost", "a..example", "a.example:80", "[::1]"):
        with pytest.raises(ProviderFailed):
            DomainProofs(Outbound(loopback=True))(domain)


# ---- discovery and keys


def discovered(here: Here, **changes: Any) -> OidcProvider:
    metadata = {
        "issuer": here.url, "authorization_endpoint": f"{here.url}/auth?tenant=1",
        "token_endpoint": f"{here.url}/token", "jwks_uri": f"{here.url}/jwks",
    }  # fmt: skip
    here.json("/.well-known/openid-configuration", {**metadata, **changes})
    here.json("/jwks", {"keys": []})
    return OidcProvider(Outbound(loopback=True))


def request_to(here: Here) -> Request:
    return Request(here.url, "grantbook", "https://us.example/sso/callback", "the-state", "the-nonce", "v" * 43)


def test_discovery_is_read_once_and_asked_again_by_a_test(here: Here) -> None:
    provider = discovered(here)
    for _ in range(3):
        url = provider.authorization_url(request_to(here), scopes=("email",), afresh=False)
    assert url.startswith(f"{here.url}/auth?tenant=1&response_type=code&client_id=grantbook&")
    assert "scope=openid+email" in url
    assert "code_challenge_method=S256" in url
    assert here.asked == ["/.well-known/openid-configuration"]
    provider.examine(here.url)
    assert here.asked[1:] == ["/.well-known/openid-configuration", "/jwks"]


@pytest.mark.parametrize(
    "changes", [{"issuer": "https://other.example"}, {"issuer": None}, {"token_endpoint": None}, {"jwks_uri": "javascript:1"}, {"jwks_uri": 7}]
)
def test_discovery_that_can_not_be_used_is_told(here: Here, changes: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailed, match="Discovery"):
        discovered(here, **changes).examine(here.url)


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_discovery_that_is_no_json_object_is_told(here: Here, body: bytes) -> None:
    provider = discovered(here)
    here.answers["/.well-known/openid-configuration"] = lambda handler: handler.say(body)
    with pytest.raises(ProviderFailed, match="JSON object"):
        provider.examine(here.url)


def test_made_up_key_ids_do_not_make_us_read_the_keys_for_ever(here: Here) -> None:
    provider = discovered(here)
    header = "eyJhbGciOiJFUzI1NiIsImtpZCI6Im1hZGUtdXAifQ"
    here.json("/token", {"id_token": f"{header}.e30.c2ln", "token_type": "Bearer"})
    for _ in range(12):
        with pytest.raises(ProviderFailed):
            provider.identity(request_to(here), secret="s", code="c", iss=None, groups_claim="", now=datetime(2026, 11, 24, tzinfo=UTC))
    assert here.asked.count("/jwks") == 6, "the first time, and five more in a minute"
