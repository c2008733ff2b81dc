"""Posting to a service that the operator configured: no redirects, small answers, an end in time whatever the other side does."""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx

from infrastructure.ledger.deposits.places import PlaceFailed
from infrastructure.outbound import tls_of_both

LARGEST = 256 * 1024
_Ends = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `media_type` without parameters, in lower case."""

    status: int
    media_type: str
    body: bytes = field(repr=False)


def post(url: str, body: bytes, media_type: str, seconds: float) -> Answer:
    """The whole answer, or `PlaceFailed`. A name and a password in the URL go into the header (RFC 7617)."""
    headers: dict[bytes | str, bytes | str] = {
        "Content-Type": media_type,
        "User-Agent": "Grantbook",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    try:
        target = httpx.URL(url)
        if target.userinfo:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{target.username}:{target.password}".encode()).decode()
        address = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        timeouts = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), seconds)}
        with (
            httpcore.ConnectionPool(ssl_context=tls_of_both(), network_backend=_Ending(time.monotonic() + seconds)) as pool,
            pool.stream("POST", address, headers=headers, content=body, extensions=timeouts) as response,
        ):
            return Answer(response.status, _media_type(response.headers), _small(response.iter_stream()))
    except httpcore.TimeoutException:
        raise PlaceFailed(f"It did not answer within {seconds:g} s.") from None
    except (httpx.InvalidURL, httpcore.UnsupportedProtocol, UnicodeError):
        raise PlaceFailed("Its address can't be asked: it is no http or https URL.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        raise PlaceFailed(f"It can't be reached, or its answer broke off: {_plainly(error)}.") from None


def text_of(answer: Answer) -> str:
    """Why it refuses: a status, and the first words in one line, without control characters."""
    if 300 <= answer.status < 400:
        return f"{answer.status}, a redirect, and redirects are not followed: configure the address where it stands"
    words = "".join(c if c.isprintable() else " " for c in answer.body[:400].decode("utf-8", "replace"))
    return f"{answer.status}: {' '.join(words.split())[:120].rstrip('.') or 'it said nothing'}"


def _media_type(headers: Iterable[tuple[bytes, bytes]]) -> str:
    found = next((value for name, value in headers if name.lower() == b"content-type"), b"")
    return found.decode("latin-1").partition(";")[0].strip().lower()


def _small(parts: Iterable[bytes]) -> bytes:
    found = bytearray()
    for part in parts:
        found += part
        if len(found) > LARGEST:
            raise PlaceFailed(f"Its answer is longer than {LARGEST // 1024} KiB.")
    return bytes(found)


def _plainly(error: Exception) -> str:
    words = " ".join(str(error).split())[:120]
    return words.rstrip(".") or "the connection was closed"


class _Ending(httpcore.SyncBackend):
    """Connections that end at a time of `time.monotonic`, however slowly something goes on coming: a limit for each read alone lets one byte after
    another hold it for ever."""

    def __init__(self, until: float) -> None:
        self._until = until

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, *given: Any, **named: Any) -> httpcore.NetworkStream:
        return _EndingStream(super().connect_tcp(host, port, self._left(), *given, **named), self._left)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left


class _EndingStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, left: _Ends) -> None:
        self._inner, self._left = inner, left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None) -> httpcore.NetworkStream:
        return _EndingStream(self._inner.start_tls(ssl_context, server_hostname, self._left()), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
