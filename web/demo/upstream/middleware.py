"""The door of the demo's resource: an ASGI middleware that lets only verified assertions in, each bound to its body and used once."""

from __future__ import annotations

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infrastructure.logs import get_logger
from web.demo.upstream.assertion import AssertionRefused, Verifier
from web.demo.upstream.caller import SCOPE_KEY
from web.demo.upstream.keys import KeysUnavailable

MAX_BODY = 1024 * 1024

log = get_logger(__name__)


class Refusal(Exception):
    """An answer that ends the request here."""

    def __init__(self, status: int, error: str, description: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(description)
        self.status = status
        self.body = msgspec.json.encode({"error": error, "error_description": description})
        self.headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *headers]


class AssertionMiddleware:
    """Verifies the assertion of every HTTP request and puts its caller into the ASGI scope."""

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer 401, 405, 413 or 503."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            body = await self._admit(scope, receive)
        except Refusal as refusal:
            log.info("request refused", status=refusal.status, reason=str(refusal))
            await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers})
            await send({"type": "http.response.body", "body": refusal.body})
            return
        await self._app(scope, _replay(body, receive), send)

    async def _admit(self, scope: Scope, receive: Receive) -> bytes:
        try:
            claims = await self._verifier.claims(_bearer(scope))
            body = await _read(receive)
            scope[SCOPE_KEY] = self._verifier.admit(claims, body)
        except AssertionRefused as refused:
            raise _unauthorized(f"The assertion was refused: {refused}.") from refused
        except KeysUnavailable as unavailable:
            raise Refusal(503, "temporarily_unavailable", f"No assertion can be checked: {unavailable}.", (b"retry-after", b"1")) from unavailable
        if scope["method"] != "POST":
            raise Refusal(
                405, "method_not_allowed", "Only POST is offered: there is no stream to listen to and no session to end.", (b"allow", b"POST")
            )
        return body


def _bearer(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1:
        raise _unauthorized("One Authorization header with an assertion is needed.")
    scheme, _, token = values[0].partition(b" ")
    if scheme.lower() != b"bearer" or not token or not token.isascii():
        raise _unauthorized("The Authorization header holds no bearer assertion.")
    return str(token.decode("ascii"))


def _unauthorized(description: str) -> Refusal:
    return Refusal(401, "invalid_token", description, (b"www-authenticate", b'Bearer error="invalid_token"'))


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "invalid_request", "The client left before its request had arrived.")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise Refusal(413, "invalid_request", f"A request may have {MAX_BODY} bytes.", (b"connection", b"close"))
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the body once and then passes on what still comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
