"""The short way to the hot endpoints and to discovery: what is ordinary is answered before Flask, everything else goes on to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from typing import Any, NamedTuple

from application.services import Origin
from infrastructure.bootstrap import App
from infrastructure.tasks import running
from web.oauth.answers import Answer
from web.oauth.answers import Headers as HeaderList
from web.oauth.forms import FORM_TYPE, LARGEST, Headers
from web.oauth.introspect import introspection_answer
from web.oauth.register import registration_answer
from web.oauth.token import token_answer
from web.wellknown import Documents

DISCOVERY = "/.well-known/"
POSTS = frozenset({"/oauth/token", "/oauth/introspect", "/oauth/register"})

_ORDINARY = frozenset(
    {FORM_TYPE, f"{FORM_TYPE};charset=utf-8", f"{FORM_TYPE}; charset=utf-8", f"{FORM_TYPE};charset=UTF-8", f"{FORM_TYPE}; charset=UTF-8"}
)
_REGISTRATION = "/oauth/register"
REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class NotOrdinary(BaseException):
    """A task on the event loop can't answer this request: the application has to, which may block. Nothing of it was done or logged yet."""


class Incoming(NamedTuple):
    """A request without a query string. `body` reads it; None if that is not for us to do."""

    method: str
    path: str
    headers: Headers
    peer: str | None
    body: Callable[[], bytes | None]


class Front:
    """WSGI middleware before the Flask application. A POST of one form, or of metadata, without a query string is ordinary."""

    def __init__(self, app: App, flask: Callable[..., Iterable[bytes]]) -> None:
        self._app, self._flask, self._documents = app, flask, Documents(app)
        secure = app.settings.base_url.startswith("https://")
        self.extra: HeaderList = [("Strict-Transport-Security", "max-age=31536000")] if secure else []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = None if environ.get("QUERY_STRING") else self.answer(_incoming(environ))
        if answer is None:
            if running() is not None:
                raise NotOrdinary
            return self._flask(environ, start_response)
        start_response(REASONS[answer.status], [*answer.headers, ("Content-Length", str(len(answer.body))), *self.extra])
        return [answer.body]

    def answer(self, request: Incoming) -> Answer | None:
        """The answer, or None where Flask has to look at it."""
        path, headers = request.path, request.headers
        if request.method == "GET" and path.startswith(DISCOVERY):
            return self._documents.answer(headers.get("Host") or "", path[len(DISCOVERY) :], headers.get("If-None-Match"))
        if request.method != "POST" or path not in POSTS or not (path == _REGISTRATION or headers.get("Content-Type") in _ORDINARY):
            return None
        account_id = self._app.directory.account_for(headers.get("Host") or "")
        body = None if account_id is None else request.body()
        return None if body is None or account_id is None else self._posted(request, account_id, body)

    def _posted(self, request: Incoming, account_id: str, body: bytes) -> Answer:
        headers, services = request.headers, self._app.directory.services_of(account_id)
        if request.path == "/oauth/introspect":
            return introspection_answer(services, account_id, body, headers)
        origin = Origin("oauth", request.peer, headers.get("User-Agent"))
        if request.path == _REGISTRATION:
            return registration_answer(services, account_id, body, headers.get("Content-Type") or "", origin)
        return token_answer(services, account_id, body, headers, origin)


def _incoming(environ: dict[str, Any]) -> Incoming:
    return Incoming(environ["REQUEST_METHOD"], environ["PATH_INFO"], _EnvironHeaders(environ), environ.get("REMOTE_ADDR"), lambda: _body(environ))


def _body(environ: dict[str, Any]) -> bytes | None:
    """The body, if its length is told and small; else it is left unread for Flask."""
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
