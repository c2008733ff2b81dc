"""The short way to what clients ask most, and to what may wait for no thread: the ordinary is answered before Flask, all else goes on to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from http import HTTPStatus
from io import BytesIO
from typing import Any

from application.services import Origin, Services
from infrastructure.bootstrap import App
from infrastructure.tasks import running
from web.health import ALIVE
from web.oauth.answers import Answer
from web.oauth.answers import Headers as HeaderList
from web.oauth.forms import FORM_TYPE, LARGEST, Headers
from web.oauth.introspect import introspection_answer
from web.oauth.register import registration_answer
from web.oauth.revoke import revocation_answer
from web.oauth.token import token_answer
from web.wellknown import Documents

DISCOVERY = "/.well-known/"
LIVENESS = "/healthz"
POSTS = frozenset({"/oauth/token", "/oauth/introspect", "/oauth/register", "/oauth/revoke"})

_ORDINARY = frozenset(
    {FORM_TYPE, f"{FORM_TYPE};charset=utf-8", f"{FORM_TYPE}; charset=utf-8", f"{FORM_TYPE};charset=UTF-8", f"{FORM_TYPE}; charset=UTF-8"}
)
_REGISTRATION, _REVOCATION = "/oauth/register", "/oauth/revoke"
REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class NotOrdinary(BaseException):
    """A task on the event loop can't answer this request: the application has to, which may block. Nothing of it was done or logged yet."""


Way = Callable[[bytes], Answer | None]
"""From a request's body to its answer; None where Flask has to look at it."""


class Front:
    """WSGI middleware before the Flask application. A POST of one form, or of metadata, without a query string is ordinary."""

    def __init__(self, app: App, flask: Callable[..., Iterable[bytes]]) -> None:
        self._app, self._flask, self._documents = app, flask, Documents(app)
        secure = app.settings.base_url.startswith("https://")
        self.extra: HeaderList = [("Strict-Transport-Security", "max-age=31536000")] if secure else []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        way = None if environ.get("QUERY_STRING") else self._way_of(environ)
        body = None if way is None else _body(environ)
        answer = None if way is None or body is None else way(body)
        if answer is None:
            if running() is not None:
                raise NotOrdinary
            if body:
                environ["wsgi.input"] = BytesIO(body)
            return self._flask(environ, start_response)
        start_response(REASONS[answer.status], [*answer.headers, ("Content-Length", str(len(answer.body))), *self.extra])
        return [answer.body]

    def way(self, method: str, path: str, headers: Headers, peer: str | None) -> Way | None:
        """The way of all requests with this head, which has no query string; None where Flask has to look at them."""
        host = headers.get("Host") or ""
        if method == "GET" and path.startswith(DISCOVERY):
            name, known = path[len(DISCOVERY) :], headers.get("If-None-Match")
            return lambda _: self._documents.answer(host, name, known)
        if method == "GET" and path == LIVENESS:
            return lambda _: ALIVE
        endpoint = _endpoint(path, headers, peer) if method == "POST" else None
        if endpoint is None:
            return None
        directory = self._app.directory

        def posted(body: bytes) -> Answer | None:
            account_id = directory.account_for(host)
            return None if account_id is None else endpoint(directory.services_of(account_id), account_id, body)

        return posted

    def _way_of(self, environ: dict[str, Any]) -> Way | None:
        return self.way(environ["REQUEST_METHOD"], environ["PATH_INFO"], _EnvironHeaders(environ), environ.get("REMOTE_ADDR"))


def _endpoint(path: str, headers: Headers, peer: str | None) -> Callable[[Services, str, bytes], Answer] | None:
    """What a POST of this head is answered by, if it is ordinary."""
    content_type = headers.get("Content-Type")
    if path not in POSTS or not (path == _REGISTRATION or content_type in _ORDINARY):
        return None
    if path == "/oauth/introspect":
        return partial(introspection_answer, headers=headers)
    origin = Origin("oauth", peer, headers.get("User-Agent"))
    if path == _REGISTRATION:
        return partial(registration_answer, content_type=content_type or "", origin=origin)
    return partial(revocation_answer if path == _REVOCATION else token_answer, headers=headers, origin=origin)


def _body(environ: dict[str, Any]) -> bytes | None:
    """The body, if its length is told and small; else it is left unread for Flask."""
    if environ["REQUEST_METHOD"] == "GET":
        return b""
    told = environ.get("CONTENT_LENGTH", "")
    length = int(told) if told.isascii() and told.isdigit() else LARGEST + 1
    if length > LARGEST:
        return None
    body: bytes = environ["wsgi.input"].read(length)
    return body


class _EnvironHeaders:
    """The request's headers by their usual names."""

    __slots__ = ("_environ",)

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str, /) -> str | None:
        return self._environ.get(_in_environ(name))


@cache
def _in_environ(name: str) -> str:
    """The WSGI name of a header that our own code asks for."""
    key = name.upper().replace("-", "_")
    return key if key == "CONTENT_TYPE" else f"HTTP_{key}"
