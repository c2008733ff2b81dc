"""POST /oauth/revoke (RFC 7009), for public clients."""

from __future__ import annotations

from application.revoke_token import revoke_token
from application.services import Origin, Services
from web.oauth.answers import Answer, empty
from web.oauth.client_auth import public_client_id
from web.oauth.errors import error_answer, error_json
from web.oauth.forms import Headers, once, pairs


def revocation_answer(services: Services, account_id: str, body: bytes, headers: Headers, origin: Origin) -> Answer:
    """200 for every token of a known client, whether it was revoked now, before, or is nothing of ours; it never raises."""
    try:
        form, _ = once(pairs(body))
        client_id = public_client_id(form, headers)
        if "token" not in form:
            return error_json(400, "invalid_request", "token must be sent.", [])
        revoke_token(services, account_id, client_id=client_id, token=form["token"], origin=origin)
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer in the RFC's form
        return error_answer(error)
    return empty(200, [])
