"""The authorization code grant at the token endpoint (OAuth 2.1 4.1.3), always with PKCE."""

from __future__ import annotations

import re
from typing import Any

from authlib.oauth2.rfc6749.errors import InvalidRequestError

from application.exchange_code import exchange_code
from application.issuing import Asked
from web.oauth.client_auth import public_client_id
from web.oauth.grants.refresh_token import token_body
from web.oauth.server import Grant

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}\Z")


class AuthorizationCodeGrant(Grant):
    """Parameters: `code`, `code_verifier`, `client_id`, and `redirect_uri` where it is sent (PROTOCOL 16)."""

    GRANT_TYPE = "authorization_code"

    def validate_token_request(self) -> None:
        form = self.request.form
        self.client_id = public_client_id(form, self.request.headers)
        for name in ("code", "code_verifier"):
            if name not in form:
                raise InvalidRequestError(f"{name} must be sent.")
        if not _VERIFIER.match(form["code_verifier"]):
            raise InvalidRequestError("code_verifier has 43 to 128 unreserved characters (RFC 7636 4.1).")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        request, form = self.request, self.request.form
        answer = exchange_code(
            request.services,
            request.account_id,
            client_id=self.client_id,
            code=form["code"],
            code_verifier=form["code_verifier"],
            redirect_uri=form.get("redirect_uri"),
            asked=Asked(form.get("scope"), request.resources),
            origin=request.origin,
        )
        return 200, token_body(answer), []
