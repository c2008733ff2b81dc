"""Requests to addresses that an admin typed: https only, the address checked and pinned, no redirects, small and quick."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import certifi
import httpx

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_NAT64 = ip_network("64:ff9b::/96")
_COMPANY = [ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")]
"""Private networks stay allowed: a company's provider often stands in one, and its certificate must fit its name all the same."""


class OutboundFailed(Exception):
    """Nothing usable came back. The message says why and may be shown to an admin."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    media_type: str
    body: bytes = field(repr=False)


class Outbound:
    """`loopback`: this server itself is reached on this computer only, so that a provider here may be too, over plain http."""

    def __init__(self, *, loopback: bool = False, seconds: float = 5.0, in_all: float = 10.0, largest: int = 256 * 1024) -> None:
        self._loopback, self._seconds, self._in_all, self._largest = loopback, seconds, in_all, largest

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self._ask("GET", url, headers or {}, None)

    def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Answer:
        return self._ask("POST", url, headers or {}, form)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        target = self._checked(url)
        sent = {"Accept": "application/json, text/plain;q=0.5", "User-Agent": "Grantbook", **headers, "Accept-Encoding": "identity"}
        began = time.monotonic()
        try:
            with httpx.Client(transport=_Pinned(loopback=self._loopback), timeout=self._seconds, follow_redirects=False, trust_env=False) as client:
                data = None if form is None else dict(form)
                with client.stream(method, target, headers=sent, data=data) as response:
                    body = self._body(response, began)
                    return Answer(response.status_code, response.headers.get("content-type", "").partition(";")[0].strip().lower(), body)
        except httpx.TimeoutException:
            raise OutboundFailed(f"{target.host} did not answer in time.") from None
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, UnicodeError) as error:
            raise OutboundFailed(f"{target.host} can't be reached over {target.scheme}: {_plainly(error)}.") from None

    def _checked(self, url: str) -> httpx.URL:
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            raise OutboundFailed("That is no URL.") from None
        here = self._loopback and target.host in _LOOPBACK
        if not target.host or target.userinfo or not (target.scheme == "https" or (here and target.scheme == "http")):
            raise OutboundFailed("Only https addresses are asked.")
        return target

    def _body(self, response: httpx.Response, began: float) -> bytes:
        host = response.request.url.host
        if response.is_redirect:
            raise OutboundFailed("It answered with a redirect, which is not followed.")
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise OutboundFailed("It answered compressed, which was not asked for.")
        parts, size = [], 0
        for part in response.iter_raw():
            parts.append(part)
            size += len(part)
            if size > self._largest:
                raise OutboundFailed(f"The answer is longer than {self._largest // 1024} KiB.")
            if time.monotonic() - began > self._in_all:
                raise OutboundFailed(f"{host} did not answer in time.")
        return b"".join(parts)


class _Pinned(httpx.BaseTransport):
    """Looks a name up once, refuses addresses that nobody's provider has, and connects to the very address that it checked."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback
        self._inner = httpx.HTTPTransport(verify=tls_of_both(), trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=str(self._address(host, request.url.port or (443 if request.url.scheme == "https" else 80))))
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()

    def _address(self, host: str, port: int) -> IPv4Address | IPv6Address:
        try:
            found = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("the name is not known") from error
        if not found or any(_refused(address, loopback=self._loopback and host in _LOOPBACK) for address in found):
            raise httpx.ConnectError("the address is not one that may be asked")
        return found[0]


def _refused(address: IPv4Address | IPv6Address, *, loopback: bool) -> bool:
    plain = _unwrapped(address)
    if plain.is_loopback:
        return not loopback
    return not (plain.is_global and not plain.is_multicast) and not any(plain in network for network in _COMPANY)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv4Address):
        return address
    inside = IPv4Address(address.packed[12:]) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or inside or address


@cache
def tls_of_both() -> ssl.SSLContext:
    """The system's certificate authorities (a company's own among them) and the public ones."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _plainly(error: Any) -> str:
    words = " ".join(str(error).split())[:120]
    return words.rstrip(".") or "the connection failed"
