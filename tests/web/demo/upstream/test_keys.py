from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.support import asynchronous
from tests.web.demo.upstream.harness import new_key, write_keys
from web.demo.upstream.keys import FileKeys, KeysUnavailable, UrlKeys, key_source, parse_keys


def published(*names: str) -> bytes:
    return json.dumps({"keys": [new_key(name).as_dict(private=False) for name in names]}).encode()


def test_only_p256_signing_keys_are_taken() -> None:
    good = new_key("good").as_dict(private=False)
    others = [
        {**good, "kid": "use", "use": "enc"},
        {**good, "kid": "alg", "alg": "ES384"},
        {**good, "kid": "crv", "crv": "P-384"},
        {**good, "kid": 7},
        {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"},
        "text",
    ]
    assert list(parse_keys(json.dumps({"keys": [good, *others]}).encode())) == ["good"]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"keys": 1}', b"\xff", b"x" * 70_000, b'{"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": "?", "y": 1}]}']
)
def test_a_broken_key_set_is_no_key_set(content: bytes) -> None:
    with pytest.raises(KeysUnavailable):
        parse_keys(content)


def test_a_file_is_read_again_when_it_changes_and_gives_nothing_while_broken(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    source = FileKeys(path)
    with pytest.raises(KeysUnavailable):
        asynchronous.run(source.find, "a")
    write_keys(path, new_key("a"))
    assert asynchronous.run(source.find, "a") is not None
    write_keys(path, new_key("b"))
    assert asynchronous.run(source.find, "a") is None
    path.write_text("{")
    for _ in range(2):
        with pytest.raises(KeysUnavailable):
            asynchronous.run(source.find, "b")


@pytest.mark.parametrize(
    "where", ["https://127.0.0.1/jwks", "http://localhost/jwks", "http://127.0.0.1.evil.example/", "http://10.0.0.1/jwks", "file:///etc/passwd"]
)
def test_an_address_elsewhere_than_on_loopback_is_refused(where: str) -> None:
    with pytest.raises(KeysUnavailable):
        key_source(where)


class Issuer(httpx.AsyncBaseTransport):
    def __init__(self) -> None:
        self.content, self.status, self.asked = published("a"), 200, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(self.status, content=self.content)


def test_an_address_is_asked_again_after_a_minute_and_at_most_each_second_for_an_unknown_key(monkeypatch: pytest.MonkeyPatch) -> None:
    now, issuer = [1000.0], Issuer()
    monkeypatch.setattr("web.demo.upstream.keys.time.monotonic", lambda: now[0])
    source = UrlKeys("http://127.0.0.1/jwks", issuer)

    async def steps() -> None:
        assert await source.find("a") is not None
        assert await source.find("b") is None
        assert issuer.asked == 1, "a flood of unknown key ids costs the issuer one request a second"
        issuer.content = published("a", "b")
        now[0] += 1.5
        assert await source.find("b") is not None
        now[0] += 59
        assert await source.find("a") is not None
        assert issuer.asked == 2
        issuer.content = published("c")
        now[0] += 2
        assert await source.find("a") is None, "a retired key is gone after a minute"
        issuer.status = 500
        now[0] += 61
        for _ in range(2):
            with pytest.raises(KeysUnavailable):
                await source.find("c")
        assert issuer.asked == 4
        issuer.status = 200
        now[0] += 1.5
        assert await source.find("c") is not None

    asynchronous.run(steps)
