"""Authlib's core authorization server, without any web framework: it picks the grant and turns its errors into answers."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749.errors import UnsupportedGrantTypeError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from application.services import Origin, Services
from web.oauth.answers import Answer, as_json
from web.oauth.errors import error_json
from web.oauth.forms import Form, Headers


class _Payload(BasicOAuth2Payload):
    """A form's fields; Authlib would make a list of each at once, which is never asked for here."""

    def __init__(self, form: Form) -> None:
        self._data = form

    @property
    def datalist(self) -> dict[str, list[str]]:
        return {name: [value] for name, value in self._data.items()}


class TokenRequest(OAuth2Request):
    """A request at the token endpoint. Parameters come from the body alone, never from the query string (PROTOCOL 24)."""

    form: Any = None  # Authlib's is a property, behind which no attribute would be seen

    def __init__(self, services: Services, account_id: str, form: Form, resources: tuple[str, ...], headers: Headers, origin: Origin) -> None:
        # Authlib's own __init__ judges the URL's scheme, which a proxy may have changed; the settings forbid plain http.
        self.method, self.headers, self.form = "POST", headers, form
        self.services, self.account_id, self.resources, self.origin = services, account_id, resources, origin
        self.client = self.user = None

    payload = property(lambda self: _Payload(self.form))


class Grant(BaseGrant, TokenEndpointMixin):
    """A grant of the token endpoint for public clients, without Authlib's hooks, which nobody has."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def __init__(self, request: TokenRequest, server: Server) -> None:
        self.request, self.server = request, server


class Server(AuthorizationServer):
    """Grants are registered by `web.oauth.token`."""

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        return request

    def get_token_grant(self, request: TokenRequest) -> Grant:
        """By the grant type alone: every request is a POST."""
        grant_type = request.form.get("grant_type")
        for grant_class, _ in self._token_grants:
            if grant_type == grant_class.GRANT_TYPE:
                found: Grant = grant_class(request, self)
                return found
        raise UnsupportedGrantTypeError(grant_type)

    def handle_response(self, status: int, body: dict[str, Any], headers: list[tuple[str, str]]) -> Answer:
        return as_json(status, body, headers)

    def handle_error_response(self, _request: TokenRequest, error: OAuth2Error) -> Answer:
        return error_json(error.status_code, error.error, error.get_error_description(), [])
