"""The gateway's public keys: from a JWKS file that is read again when it changes, or from a loopback address."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import anyio
import httpx
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

MAX_BYTES = 64 * 1024
FRESH_SECONDS = 60.0
RETRY_SECONDS = 1.0


class KeysUnavailable(Exception):
    """The keys can't be had; the message says why."""


class KeySource(Protocol):
    """Where assertion keys come from."""

    async def find(self, kid: str) -> ECKey | None:
        """The key of that id, None where the issuer has none, or KeysUnavailable."""


def key_source(where: str) -> KeySource:
    """A file's path, or an http://127.0.0.1 address."""
    if "://" not in where:
        return FileKeys(Path(where))
    parts = urlsplit(where)
    if parts.scheme != "http" or parts.hostname != "127.0.0.1":
        raise KeysUnavailable("--issuer-keys takes a file or an address that begins with http://127.0.0.1")
    return UrlKeys(where)


class FileKeys:
    """Keys of a JWKS file. An unreadable file means no keys at all, so write it by renaming."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, ECKey] = {}

    async def find(self, kid: str) -> ECKey | None:
        """See KeySource."""
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._keys = parse_keys(self._path.read_bytes())
                self._stamp = stamp
        except OSError as error:
            raise KeysUnavailable(f"the key file can't be read: {error.strerror}") from error
        return self._keys.get(kid)


class UrlKeys:
    """Keys of a JWKS address, asked again after a minute and, at most once a second, for an unknown key id."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._client = httpx.AsyncClient(timeout=2.0, follow_redirects=False, trust_env=False, transport=transport)
        self._lock = anyio.Lock()
        self._asked = float("-inf")
        self._keys: dict[str, ECKey] | None = None

    async def find(self, kid: str) -> ECKey | None:
        """See KeySource."""
        async with self._lock:
            age = time.monotonic() - self._asked
            if age > FRESH_SECONDS or (age > RETRY_SECONDS and (self._keys is None or kid not in self._keys)):
                self._asked = time.monotonic()
                self._keys = None
                self._keys = await self._fetch()
            if self._keys is None:
                raise KeysUnavailable("the issuer's keys could not be fetched a moment ago")
            return self._keys.get(kid)

    async def _fetch(self) -> dict[str, ECKey]:
        try:
            answer = await self._client.get(self._url)
        except httpx.HTTPError as error:
            raise KeysUnavailable(f"the issuer's keys can't be fetched: {type(error).__name__}") from error
        if answer.status_code != httpx.codes.OK:
            raise KeysUnavailable(f"the issuer's key address answers {answer.status_code}")
        return parse_keys(answer.content)


def parse_keys(content: bytes) -> dict[str, ECKey]:
    """The P-256 verification keys of a JWKS by key id; others in it are passed over."""
    if len(content) > MAX_BYTES:
        raise KeysUnavailable("the key set is too long")
    try:
        listed = msgspec.json.decode(content, type=dict[str, Any]).get("keys")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise KeysUnavailable("the key set is not a JSON object") from error
    if not isinstance(listed, list):
        raise KeysUnavailable('the key set has no list "keys"')
    return {jwk["kid"]: _public(jwk) for jwk in listed if _usable(jwk)}


def _usable(jwk: object) -> bool:
    return (
        isinstance(jwk, dict)
        and jwk.get("kty") == "EC"
        and jwk.get("crv") == "P-256"
        and isinstance(jwk.get("kid"), str)
        and jwk.get("use", "sig") == "sig"
        and jwk.get("alg", "ES256") == "ES256"
    )


def _public(jwk: dict[str, Any]) -> ECKey:
    try:
        return ECKey.import_key({name: jwk[name] for name in ("kty", "crv", "x", "y")})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise KeysUnavailable("the key set holds a broken key") from error
