"""The demo's resource as a process, and a gateway in miniature that signs what is sent to it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc.jwk import ECKey
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from tests.support import asynchronous
from web.demo.upstream.operations import operations

ISSUER = "http://localhost:8000"
AUDIENCE = "unix:demo"
PROJECTS = {"prj_sales": "Sales", "prj_marketing": "Marketing", "prj_finance": "Finance"}
ROOT = Path(__file__).parents[4]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", parameters={"kid": kid, "use": "sig", "alg": "ES256"})


def write_keys(path: Path, *keys: ECKey) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps({"keys": [key.as_dict(private=False) for key in keys]}))
    draft.replace(path)


def body_hash(body: bytes) -> str:
    return _base64url(hashlib.sha256(body).digest())


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _part(members: dict[str, Any]) -> str:
    return _base64url(json.dumps({name: value for name, value in members.items() if value is not None}).encode())


@dataclass(frozen=True)
class Signer:
    """Signs assertions for one member's projects; `claims` and `header` override what a right one holds (None leaves a member out)."""

    key: ECKey
    projects: tuple[str, ...] = tuple(PROJECTS)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)

    def sign(self, body: bytes, scope: str = "") -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 60,
            "jti": os.urandom(12).hex(),
            "sub": "member-1",
            "client_id": "app_1",
            "grant_id": "grant-1",
            "scope": scope,
            "projects": list(self.projects),
            "body_sha256": body_hash(body),
        } | self.claims
        header = {"alg": "ES256", "typ": "grantbook-assertion+jwt", "kid": self.key.kid} | self.header
        message = f"{_part(header)}.{_part(claims)}".encode()
        return f"{message.decode()}.{_base64url(self._signature(header['alg'], message))}"

    def _signature(self, alg: str, message: bytes) -> bytes:
        """A signature of that algorithm; HS256 takes the public key as its secret, the confusion that attackers try."""
        if alg == "none":
            return b""
        if alg == "HS256":
            return hmac.digest(self.key.as_pem(private=False), message, "sha256")
        private = self.key.private_key
        assert private is not None
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def claiming(self, **claims: Any) -> Signer:
        return replace(self, claims=claims)

    def heading(self, **header: Any) -> Signer:
        return replace(self, header=header)

    def reaching(self, *projects: str) -> Signer:
        return replace(self, projects=projects)


class GatewayAuth(httpx2.Auth):
    """Puts a fresh assertion on each request, with the scope of the tool that it calls."""

    requires_request_body = True

    def __init__(self, signer: Signer, scope: str | None = None) -> None:
        self._signer = signer
        self._scope = scope

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        message = json.loads(request.content) if request.content else {}
        scope = self._scope
        if scope is None:
            name = message.get("params", {}).get("name") if message.get("method") == "tools/call" else None
            scope = operations()[name].scope if name in operations() else ""
        request.headers["Authorization"] = f"Bearer {self._signer.sign(request.content, scope)}"
        yield request


@dataclass
class Upstream:
    """A running resource."""

    folder: Path
    process: subprocess.Popen[bytes]
    signer: Signer

    @property
    def socket(self) -> Path:
        return self.folder / "mcp.sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def post(self, message: object, *, signer: Signer | None = None, authorization: str | None = None, scope: str = "") -> httpx2.Response:
        body = json.dumps(message).encode()
        authorization = authorization or f"Bearer {(signer or self.signer).sign(body, scope)}"
        return self.send("POST", body, {"Authorization": authorization})

    def send(self, method: str, body: bytes, headers: dict[str, str] | Sequence[tuple[str, str | bytes]]) -> httpx2.Response:
        given = list(headers.items()) if isinstance(headers, dict) else list(headers)
        every = [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"), *given]
        plain = [(name.encode(), value if isinstance(value, bytes) else value.encode("latin-1")) for name, value in every]
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(self.socket)), trust_env=False) as client:
            return client.request(method, "http://upstream/mcp", content=body, headers=plain)

    @asynccontextmanager
    async def client(self, signer: Signer | None = None, *, scope: str | None = None, mode: Any = "auto") -> AsyncIterator[Client]:
        transport = httpx2.AsyncHTTPTransport(uds=str(self.socket))
        auth = GatewayAuth(signer or self.signer, scope)
        async with (
            httpx2.AsyncClient(transport=transport, auth=auth) as http,
            Client(streamable_http_client("http://upstream/mcp", http_client=http), mode=mode) as client,
        ):
            yield client

    def call(
        self, tool: str, arguments: dict[str, Any] | None = None, *, signer: Signer | None = None, scope: str | None = None, mode: Any = "auto"
    ) -> Answer:
        """Call a tool with the SDK's client."""

        async def run() -> Answer:
            async with self.client(signer, scope=scope, mode=mode) as client:
                result = await client.call_tool(tool, arguments or {})
                text = "".join(getattr(part, "text", "") for part in result.content)
                return Answer(bool(result.is_error), text, result.structured_content or {})

        return asynchronous.run(run)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class Answer:
    is_error: bool
    text: str
    data: dict[str, Any]


def command(folder: Path, *extra: str, listen: Sequence[str] | None = None) -> list[str]:
    where = list(listen) if listen is not None else ["--socket", str(folder / "mcp.sock")]
    projects = [part for id_, name in PROJECTS.items() for part in ("--project", f"{id_}={name}")]
    fixed = ["--state-dir", str(folder / "state"), "--issuer-keys", str(folder / "jwks.json"), "--issuer", ISSUER, "--audience", AUDIENCE]
    return [sys.executable, "-m", "web.demo.upstream", *where, *fixed, *projects, *extra]


def start(folder: Path, signer: Signer) -> Upstream:
    """Start on the folder's socket and wait until it takes connections."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command(folder), cwd=ROOT, stderr=log)
    upstream = Upstream(folder, process, signer)
    wait_for(lambda: connects(upstream.socket) or process.poll() is not None)
    assert process.poll() is None, upstream.log
    return upstream


def connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="grantbook-upstream-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running() -> Iterator[Upstream]:
    with short_folder() as folder:
        key = new_key("key-1")
        write_keys(folder / "jwks.json", key)
        upstream = start(folder, Signer(key))
        try:
            yield upstream
        finally:
            with suppress(ProcessLookupError):
                upstream.end()
