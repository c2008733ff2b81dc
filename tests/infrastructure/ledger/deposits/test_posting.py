from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from infrastructure.ledger.deposits import posting
from infrastructure.ledger.deposits.places import PlaceFailed
from infrastructure.ledger.deposits.posting import post
from tests.infrastructure.ledger.deposits.authority import Authority
from tests.infrastructure.ledger.deposits.given import Request, answering, listening, reply

ANSWER = reply(b"hello", "200 OK", "Text/Plain; charset=utf-8")


def asked(answer: Callable[[Request], bytes | Iterable[bytes]], path: str = "/stamp", seconds: float = 30) -> posting.Answer:
    with answering(answer) as url:
        return post(f"{url}{path}", b"a question", "application/x-question", seconds)


def test_a_question_is_posted_and_its_answer_read_to_the_end() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> list[bytes]:
        seen.append(request)
        return [ANSWER[n : n + 7] for n in range(0, len(ANSWER), 7)]

    found = asked(answer, "/stamp/it?now=1")
    assert (found.status, found.media_type, found.body) == (200, "text/plain", b"hello")
    (request,) = seen
    assert request.head.startswith(b"POST /stamp/it?now=1 HTTP/1.1\r\n")
    assert (request.body, request.header("content-type"), request.header("host")[:10]) == (b"a question", "application/x-question", "127.0.0.1:")
    assert request.header("authorization") == ""


def test_a_name_and_a_password_of_the_address_are_sent_as_such() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> bytes:
        seen.append(request)
        return ANSWER

    with answering(answer) as url:
        post(url.replace("://", "://us:pa%3Ass@"), b"", "text/plain", 30)
    assert seen[0].header("authorization") == "Basic " + base64.b64encode(b"us:pa:ss").decode()


def drops(between: float, parts: Iterable[bytes]) -> Iterator[bytes]:
    """One after another, none of them late by itself."""
    for part in parts:
        yield part
        time.sleep(between)  # what is tried is slowness


@pytest.mark.parametrize("slow", ["head", "body", "silent"])
def test_an_answer_that_takes_too_long_ends_however_it_trickles(slow: str) -> None:
    """A byte every 20 ms comes in time for each single read."""
    head, _, _ = ANSWER.partition(b"hello")
    parts = {
        "head": [b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 500, b"\r\n", ANSWER.partition(b"\r\n")[2]],
        "body": [head.replace(b"Length: 5", b"Length: 500"), *[b"x"] * 500],
        "silent": [b"", *[b""] * 500, ANSWER],
    }
    with pytest.raises(PlaceFailed, match=r"^It did not answer within 0\.3 s\.$"):
        asked(lambda _: drops(0.02, parts[slow]), seconds=0.3)


@pytest.mark.parametrize("endless", ["head", "body"])
def test_an_answer_without_an_end_is_not_read_to_its_end(endless: str) -> None:
    def answer(_: Request) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n" + (b"" if endless == "head" else b"\r\n")
        for n in range(2_000):
            yield f"X-{n}: ".encode() + b"x" * 8_000 + b"\r\n"

    with pytest.raises(PlaceFailed, match=r"^(Its answer is longer than 256 KiB|It can't be reached, or its answer broke off: .+)\.$"):
        asked(answer)


def test_an_answer_that_breaks_off_is_none() -> None:
    for end in (0, 10, len(ANSWER) - 1):
        with pytest.raises(PlaceFailed, match=r"^It can't be reached, or its answer broke off: "):
            asked(lambda _, end=end: ANSWER[:end])  # type: ignore[misc]
    with listening(lambda _: None) as port, pytest.raises(PlaceFailed, match=r"^It can't be reached, or its answer broke off: "):
        post(f"http://127.0.0.1:{port}/", b"", "text/plain", 30)


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    seen: list[str] = []

    def answer(request: Request) -> bytes:
        seen.append(request.path)
        return reply(b"", "302 Found", "text/plain", "Location: /elsewhere")

    assert "redirects are not followed" in posting.text_of(asked(answer))
    assert seen == ["/stamp"]


def test_nobody_there_and_what_is_no_address_are_told_apart() -> None:
    with listening(lambda _: None) as port:
        pass
    with pytest.raises(PlaceFailed, match=r"^It can't be reached, or its answer broke off: .*Connection refused\.$"):
        post(f"http://127.0.0.1:{port}/", b"", "text/plain", 30)
    for url in ("ftp://user:secret@127.0.0.1/", "http://user:secret@127.0.0.1:port/", "nothing"):
        with pytest.raises(PlaceFailed, match=r"^Its address can't be asked: it is no http or https URL\.$"):
            post(url, b"", "text/plain", 30)


def test_a_server_whose_certificate_nobody_vouches_for_is_not_asked(authority: Authority) -> None:
    seen: list[Request] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority.folder / "server.pem", authority.folder / "server.key")

    def answer(request: Request) -> bytes:
        seen.append(request)
        return ANSWER

    with answering(answer, tls) as url:
        with pytest.raises(PlaceFailed, match=r"^It can't be reached, or its answer broke off: .*certificate verify failed"):
            post(url, b"", "text/plain", 30)
        assert seen == []
        with pytest.MonkeyPatch.context() as patched:
            trusting = ssl.create_default_context(cafile=Path(authority.folder / "ca.pem"))
            patched.setattr(posting, "tls_of_both", lambda: trusting)
            assert post(url, b"", "text/plain", 30).body == b"hello"
