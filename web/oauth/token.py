"""POST /oauth/token: code exchange and refresh."""

from __future__ import annotations

from application.services import Origin, Services
from web.oauth.answers import Answer
from web.oauth.errors import error_answer, error_json
from web.oauth.forms import Headers, once, pairs
from web.oauth.grants.authorization_code import AuthorizationCodeGrant
from web.oauth.grants.refresh_token import RefreshTokenGrant
from web.oauth.server import Server, TokenRequest

_SERVER = Server()
_SERVER.register_grant(RefreshTokenGrant)
_SERVER.register_grant(AuthorizationCodeGrant)


def token_answer(services: Services, account_id: str, body: bytes, headers: Headers, origin: Origin) -> Answer:
    """The answer to a form body; it never raises."""
    try:
        form, resources = once(pairs(body))
        if "grant_type" not in form:
            return error_json(400, "invalid_request", "grant_type must be sent.", [])
        request = TokenRequest(services, account_id, form, resources, headers, origin)
        answer: Answer = _SERVER.create_token_response(request)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer in the RFC's form
        return error_answer(error)
    return answer
