"""Errors as problem details (RFC 9457): one table of codes, and which code each exception becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from flask import current_app, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from application.ports import Busy
from domain import errors as domain
from infrastructure.database import ConnectionLost, DatabaseUnavailable, ViewsMissing
from web import hosts

CONTENT_TYPE: Final = "application/problem+json"
CODES: Final[Mapping[str, tuple[int, str]]] = {
    "malformed": (400, "The request can't be read."),
    "unauthorized": (401, "An access token for this API is needed."),
    "invalid-token": (401, "The access token is not valid (any more)."),
    "insufficient-scope": (403, "The access token lacks a scope."),
    "not-permitted": (403, "You lack a permission."),
    "not-found": (404, "There is no such thing."),
    "unknown-host": (404, hosts.NOBODY),
    "method-not-allowed": (405, "This method is not served here."),
    "not-acceptable": (406, "This can't be answered in that form."),
    "already-exists": (409, "Such a thing exists already."),
    "refused": (409, "The state of things forbids it."),
    "idempotency-in-progress": (409, "The first call with this key is still under way."),
    "idempotency-answer-lost": (409, "The first call with this key was carried out, but its answer is lost."),
    "changed-meanwhile": (412, "It has changed since you read it."),
    "too-large": (413, "The body is too large."),
    "unsupported-media-type": (415, "The body must be application/json."),
    "invalid-input": (422, "Something in the request is not valid."),
    "idempotency-key-reused": (422, "This key stands for another request."),
    "precondition-required": (428, "Say with If-Match which version you change."),
    "too-many-requests": (429, "Too many calls."),
    "internal-error": (500, "Something failed on our side."),
    "busy": (503, "The server is busy."),
    "not-yet-visible": (503, "The views don't show that position yet."),
    "not-set-up": (503, "Nothing is set up here yet."),
}
_BY_STATUS: Final = {
    400: "malformed", 401: "unauthorized", 403: "not-permitted", 404: "not-found", 405: "method-not-allowed", 406: "not-acceptable",
    412: "changed-meanwhile", 413: "too-large", 415: "unsupported-media-type", 422: "invalid-input", 429: "too-many-requests", 503: "busy",
}  # fmt: skip
_KINDS: Final[Mapping[type[domain.DomainError], str]] = {
    domain.InvalidInput: "invalid-input",
    domain.NotFound: "not-found",
    domain.AlreadyExists: "already-exists",
    domain.NotAllowed: "not-permitted",
    domain.Refused: "refused",
}
_DATABASE: Final = (ConnectionLost, DatabaseUnavailable, ViewsMissing)
Errors = Sequence[Mapping[str, str]]


class Problem(Exception):
    """A refusal in the API's own words; `detail` is public and holds no secret."""

    def __init__(self, code: str, detail: str | None = None, *, errors: Errors = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code, self.detail, self.errors, self.headers = code, detail, errors, dict(headers or {})

    @property
    def status(self) -> int:
        return CODES[self.code][0]


def of(error: Exception) -> Problem:
    """The problem that an exception is to the caller."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, domain.DomainError):
        return _domain(error)
    if isinstance(error, Busy):
        return Problem("busy", str(error), headers={"Retry-After": str(error.retry_after)})
    if isinstance(error, _DATABASE):
        return Problem("busy", "The database does not answer right now.", headers={"Retry-After": "2"})
    if isinstance(error, HTTPException):
        return _http(error)
    return Problem("internal-error", "It is not certain whether anything was changed. Read it again before you repeat the call.")


def answer(error: Exception) -> Response:
    """The problem as a response; what nobody foresaw is logged."""
    problem = of(error)
    if problem.code == "internal-error":
        original = getattr(error, "original_exception", None) or error
        current_app.logger.error("request failed", extra={"request_id": g.get("request_id", "")}, exc_info=original)
    status, title = CODES[problem.code]
    members: dict[str, Any] = {"type": f"{_issuer()}/api/docs#{problem.code}", "title": title, "status": status, "code": problem.code}
    members |= {"detail": problem.detail} if problem.detail else {}
    members |= {"errors": list(problem.errors)} if problem.errors else {}
    members |= {"request_id": g.request_id} if g.get("request_id") else {}
    response = current_app.response_class(current_app.json.dumps(members), status, mimetype=CONTENT_TYPE)
    response.headers.update(problem.headers)
    response.headers["Cache-Control"] = "no-store"
    if problem.code == "unauthorized" and "WWW-Authenticate" not in response.headers:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _issuer() -> str:
    """Nothing where the host is no account's: then the type is a reference to this host itself."""
    issuer = hosts.services().issuer
    return "" if "{" in issuer else issuer


def _domain(error: domain.DomainError) -> Problem:
    code = next((code for kind, code in _KINDS.items() if isinstance(error, kind)), "invalid-input")
    if code == "not-found" and error.field == "project" and "project" not in (request.view_args or {}):
        code = "invalid-input"  # it was named in the body
    where, name = ("parameter", error.field) if request.method == "GET" else ("pointer", f"/{error.field}")
    errors = [{where: name or "", "detail": error.message}] if error.field and code in ("invalid-input", "already-exists") else []
    return Problem(code, error.message, errors=errors)


def _http(error: HTTPException) -> Problem:
    status = error.code or 500
    code = _BY_STATUS.get(status, "internal-error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "malformed")
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    data: Any = getattr(error, "data", None)
    messages = data.get("messages") if isinstance(data, dict) else None
    return Problem(code, None, errors=_fields(messages) if isinstance(messages, dict) else (), headers=headers)


def _fields(messages: Mapping[str, Any]) -> Errors:
    """Webargs' messages, `{location: {field: [sentence, …]}}`, as one entry for each sentence."""
    found: list[dict[str, str]] = []
    for location, fields in messages.items():
        where = "parameter" if location == "query" else "pointer"
        for path, sentence in _flat(fields):
            found.append({where: path.lstrip("/") if where == "parameter" else path, "detail": sentence})
    return found


def _flat(messages: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(messages, Mapping):
        return [entry for name, inner in messages.items() for entry in _flat(inner, path if name == "_schema" else f"{path}/{name}")]
    return [(path, str(sentence)) for sentence in (messages if isinstance(messages, list) else [messages])]
