"""The one table from what domain and use cases raise to what an OAuth client is told (RFC 6749 5.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from application.approve_consent import AppRefused, RequestEnded
from application.client_metadata import RegistrationError
from application.counting import count
from application.issuing import TokenRefused
from application.ports import Busy, Conflict
from application.resources import InvalidTarget
from domain.errors import AlreadyExists, DomainError, InvalidInput, NotAllowed, NotFound, Refused
from infrastructure.database import DatabaseUnavailable
from web.oauth.answers import Answer, Headers, as_json
from web.oauth.client_auth import ClientNotAuthenticated
from web.oauth.forms import Malformed

log = logging.getLogger(__name__)
BASIC_CHALLENGE = ("WWW-Authenticate", 'Basic realm="grantbook", charset="UTF-8"')
Told = tuple[int, str, str, Headers]


def _refused(error: TokenRefused) -> Told:
    return error.status, error.error, error.description, []


def _registration(error: RegistrationError) -> Told:
    return error.status, error.code, error.message, [("Retry-After", str(error.retry_after))] if error.retry_after else []


def _malformed(error: Malformed) -> Told:
    return error.status, "invalid_request", error.message, []


def _not_authenticated(error: ClientNotAuthenticated) -> Told:
    return 401, "invalid_client", error.message, [BASIC_CHALLENGE] if error.by_header else []


def _busy(error: Busy) -> Told:
    return 503, "temporarily_unavailable", "The server is busy. Try again with the same token.", [("Retry-After", str(error.retry_after))]


def _unavailable(_: Exception) -> Told:
    return _busy(Busy())


def _says(status: int, code: str) -> Callable[[DomainError], Told]:
    return lambda error: (status, code, error.message, [])


TABLE: dict[type[Exception], Callable[[Any], Told]] = {
    TokenRefused: _refused,
    RegistrationError: _registration,
    Malformed: _malformed,
    ClientNotAuthenticated: _not_authenticated,
    InvalidTarget: _says(400, "invalid_target"),
    InvalidInput: _says(400, "invalid_request"),
    AlreadyExists: _says(400, "invalid_request"),
    NotFound: _says(404, "invalid_request"),
    NotAllowed: _says(403, "access_denied"),
    Refused: _says(403, "access_denied"),
    AppRefused: _says(403, "access_denied"),
    RequestEnded: _says(400, "invalid_request"),
    DomainError: _says(400, "invalid_request"),
    Busy: _busy,
    Conflict: _unavailable,
    DatabaseUnavailable: _unavailable,
}


def error_answer(error: Exception, *, cors: bool = True) -> Answer:
    """The answer for whatever was raised; what stands in no table is logged and told as nothing but `server_error`."""
    for kind in type(error).__mro__:
        tell = TABLE.get(kind)
        if tell is not None:
            status, code, description, headers = tell(error)
            return error_json(status, code, description, headers, cors=cors)
    log.error("an OAuth endpoint failed", exc_info=error)
    return error_json(500, "server_error", "Something failed on our side.", [], cors=cors)


def error_json(status: int, code: str, description: str, headers: Headers, *, cors: bool = True) -> Answer:
    count("oauth_errors", code)
    return as_json(status, {"error": code, "error_description": as_description(description)}, headers, cors=cors)


def as_description(text: str) -> str:
    """The text in the characters that error_description may have (RFC 6749 5.2): printable ASCII without quotes and backslash."""
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "'" if c == '"' else "?" for c in text)
