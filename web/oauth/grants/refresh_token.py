"""The refresh token grant (OAuth 2.1 4.3): Authlib finds it; its triple of look-up, save and revoke is one use case here."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from application.issuing import Asked, TokenAnswer
from application.refresh_tokens import refresh_tokens
from web.oauth.client_auth import public_client_id
from web.oauth.server import Grant


class RefreshTokenGrant(Grant):
    """Parameters: `refresh_token`, `client_id`, and optionally `scope` and `resource` to narrow."""

    GRANT_TYPE = "refresh_token"

    def validate_token_request(self) -> None:
        request = self.request
        self.client_id = public_client_id(request.form, request.headers)
        if "refresh_token" not in request.form:
            raise InvalidRequestError("refresh_token must be sent.")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        request = self.request
        answer = refresh_tokens(
            request.services,
            request.account_id,
            client_id=self.client_id,
            refresh_token=request.form["refresh_token"],
            asked=Asked(request.form.get("scope"), request.resources),
            origin=request.origin,
        )
        return 200, token_body(answer), []


def token_body(answer: TokenAnswer) -> dict[str, Any]:
    """The members of a successful answer (RFC 6749 5.1); without a refresh token there is no such member."""
    body: dict[str, Any] = {"access_token": answer.access_token, "token_type": "Bearer", "expires_in": answer.expires_in, "scope": answer.scope}
    if answer.refresh_token is not None:
        body["refresh_token"] = answer.refresh_token
    return body
