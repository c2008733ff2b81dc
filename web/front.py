"""The short way to the hot endpoints and to discovery: what is ordinary is answered before Flask, everything else goes on to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from http import HTTPStatus
from typing import Any

from application.services import Origin
from infrastructure.bootstrap import App
from web.oauth.answers import Answer, Headers
from web.oauth.forms import FORM_TYPE, LARGEST
from web.oauth.introspect import introspection_answer
from web.oauth.register import registration_answer
from web.oauth.token import token_answer
from web.wellknown import Documents

_ORDINARY = frozenset(
    {FORM_TYPE, f"{FORM_TYPE};charset=utf-8", f"{FORM_TYPE}; charset=utf-8", f"{FORM_TYPE};charset=UTF-8", f"{FORM_TYPE}; charset=UTF-8"}
)
_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_DISCOVERY = "/.well-known/"
_FORMS = frozenset({"/oauth/token", "/oauth/introspect"})
_REGISTRATION = "/oauth/register"


class Front:
    """WSGI middleware before the Flask application. A POST of one form, or of metadata, without a query string is ordinary."""

    def __init__(self, app: App, flask: Callable[..., Iterable[bytes]]) -> None:
        self._app, self._flask, self._documents = app, flask, Documents(app)
        secure = app.settings.base_url.startswith("https://")
        self._extra: Headers = [("Strict-Transport-Security", "max-age=31536000")] if secure else []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = None if environ.get("QUERY_STRING") else self._ordinary(environ)
        if answer is None:
            return self._flask(environ, start_response)
        start_response(_REASONS[answer.status], [*answer.headers, ("Content-Length", str(len(answer.body))), *self._extra])
        return [answer.body]

    def _ordinary(self, environ: dict[str, Any]) -> Answer | None:
        """The answer, or None where Flask has to look at it."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if method == "GET" and path.startswith(_DISCOVERY):
            return self._documents.answer(environ.get("HTTP_HOST", ""), path[len(_DISCOVERY) :], environ.get("HTTP_IF_NONE_MATCH"))
        if method != "POST" or not (environ.get("CONTENT_TYPE") in _ORDINARY if path in _FORMS else path == _REGISTRATION):
            return None
        account_id = self._app.directory.account_for(environ.get("HTTP_HOST", ""))
        body = None if account_id is None else _body(environ)
        return None if body is None or account_id is None else self._answer(path, account_id, body, environ)

    def _answer(self, path: str, account_id: str, body: bytes, environ: dict[str, Any]) -> Answer:
        headers = _EnvironHeaders(environ)
        services = self._app.directory.services_of(account_id)
        if path == "/oauth/introspect":
            return introspection_answer(services, account_id, body, headers)
        origin = Origin("oauth", environ.get("REMOTE_ADDR"), environ.get("HTTP_USER_AGENT"))
        if path == _REGISTRATION:
            return registration_answer(services, account_id, body, environ.get("CONTENT_TYPE", ""), origin)
        return token_answer(services, account_id, body, headers, origin)


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
    return f"HTTP_{name.upper().replace('-', '_')}"
