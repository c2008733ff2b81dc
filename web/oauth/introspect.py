"""POST /oauth/introspect (RFC 7662), for protected resources with their own secret."""

from __future__ import annotations

from application.introspect_token import introspect
from application.services import Services
from web.oauth.answers import Answer, as_json
from web.oauth.client_auth import ResourceCredentials
from web.oauth.errors import error_answer, error_json
from web.oauth.forms import Headers, once, pairs

_CREDENTIALS = ResourceCredentials()


def introspection_answer(services: Services, account_id: str, body: bytes, headers: Headers) -> Answer:
    """The answer to a form body; it never raises. A hint changes nothing."""
    try:
        form, _ = once(pairs(body))
        check = _CREDENTIALS.check(services, account_id, form, headers)
        if "token" not in form:
            check(None)
            return error_json(400, "invalid_request", "token must be sent.", [], cors=False)
        return as_json(200, introspect(services, account_id, form["token"], check), cors=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller gets an answer in the RFC's form
        return error_answer(error, cors=False)
